/* SPDX-License-Identifier: MIT */
/* What the files of user/turn/ share with each other and with nobody else. */
#ifndef TP_TURN_CORE_H
#define TP_TURN_CORE_H

#include <pthread.h>
#include "turn/table.h"
#include "turn/turn.h"

#define TURN_UDP		17	/* REQUESTED-TRANSPORT, path->transport */
#define TURN_RECORD_MAX		16384	/* bytes of a DTLS record (RFC 6347 section 4.1) */
#define TURN_TCP		6
#define TURN_REST_NS		(60 * TURN_NS_PER_S)	/* of a freed relay port */
#define TURN_RESERVE_NS		(30 * TURN_NS_PER_S)	/* RFC 8656 section 7.2 */
#define TURN_PERMS_MAX		1024
#define TURN_CHANS_MAX		4096
#define TURN_CONNS_MAX		64	/* of one allocation */
#define TURN_TICK_BUDGET	256	/* expiries carried out by one turn_tick() */

/* ------------------------------------------------------------ hash.c */

uint64_t hash_ip(const uint64_t key[2], const struct tp_addr *addr);
uint64_t hash_addr(const uint64_t key[2], const struct tp_addr *addr);
uint64_t hash_path(const uint64_t key[2], const struct turn_path *path);

/* ------------------------------------------------------------ timer.c */

enum timer_kind { TIMER_ALLOC, TIMER_PERM, TIMER_CHAN, TIMER_CONN };

struct timer {
	uint64_t due_ns;
	uint32_t place;			/* in the heap, from 1; 0: not in it */
	enum timer_kind kind;
};

struct timers {
	struct timer **heap;		/* heap[0] is unused */
	unsigned int n;			/* running */
	unsigned int claimed, room;
};

/* Every timer that may ever run has a claim on room in the heap, from before it
 * is first set until its owner is freed: so timer_set() cannot fail. */
bool timer_claim(struct timers *ts);
void timer_unclaim(struct timers *ts);
/* Start or move. */
void timer_set(struct timers *ts, struct timer *t, uint64_t due_ns);
void timer_stop(struct timers *ts, struct timer *t);
struct timer *timer_earliest(const struct timers *ts);

/* ------------------------------------------------------------ shared.c, port.c, ... */

/* One relay address and the state of its ports, by number: when each becomes free
 * (CLOCK_MONOTONIC ns; 0 long ago), or PORT_IN_USE. Atomic. */
struct pool {
	struct tp_addr local, external;
	uint64_t *free_at;
};

/* Every relay address there has been, since allocations and reservations point to them. */
struct pools {
	struct pool **v;
	unsigned int n;
	unsigned int live;		/* the first so many are conf->relays, in that order */
};

#define PORT_IN_USE	UINT64_MAX

struct reservation {
	uint8_t token[8];
	uint8_t user_id[32];
	struct pool *pool;
	uint16_t port;			/* host order */
	uint64_t expires_ns;		/* also the port's free_at; 0: slot unused */
};

/*
 * With which worker an allocation lives that does not live where its client's address
 * says, or may have to be found from elsewhere: by a ticket, or by a 5-tuple.
 */
#define HOME_NAME	59

struct home {
	struct table_node node;		/* of turn_shared.homes */
	uint8_t name[HOME_NAME];
	unsigned int worker;
	struct alloc *alloc;		/* for that worker's eyes only */
	bool listed;
};

#define RESERVE_SLOTS		256
#define RESERVE_PER_USER	8

struct quota {
	struct table_node node;
	uint8_t user_id[32];
	unsigned int allocations;
};

struct user {
	struct table_node by_name, by_hash;
	const struct turn_user *conf;
	uint8_t userhash[32];		/* RFC 8489 section 14.4 */
};

/* The static users of a configuration; only read. */
struct users {
	struct user *v;			/* conf->n_users of them */
	struct table by_name, by_hash;
};

#define RATE_WAYS		4
#define RATE_HOSTS		16384	/* buckets; a power of two */
#define RATE_NETS		4096

struct turn_shared {
	const struct turn_conf *conf;
	uint64_t key[2];
	uint64_t now_ns;		/* the latest that any worker saw; atomic */

	struct pools pools;

	struct users users;
	const struct turn_source *source;	/* NULL: everything is in conf */
	void *source_ctx;
	const uint8_t *algorithms;	/* PASSWORD-ALGORITHMS as we offer them */
	size_t algorithms_len;

	pthread_mutex_t homes_lock;
	struct table homes;
	unsigned int places;		/* of them 5-tuples; atomic */

	uint8_t ticket_key[32];
	unsigned int alternate_turn;	/* whose it is; atomic */

	pthread_mutex_t lock;		/* of what follows */
	struct table quotas;
	unsigned int allocations;
	uint64_t bps;			/* sum of what all allocations may; see bps_capacity */
	struct reservation reservations[RESERVE_SLOTS];

	/* token buckets for strangers, atomic words; see ratelimit.c */
	uint64_t rate_hosts[RATE_HOSTS];
	uint64_t rate_nets[RATE_NETS];
};

const struct turn_user *user_by_name(const struct turn_shared *shared, struct stun_bytes name);
const struct turn_user *user_by_hash(const struct turn_shared *shared, const uint8_t hash[32]);
/* Of shared->conf, into shared->users; false without memory. */
bool user_index(struct turn_shared *shared);
void user_unindex(struct users *users);
/* What a challenge offers follows from what is known of the users. */
void shared_algorithms(struct turn_shared *shared);

/* Whom an allocation counts for: its user, and the realm where a database tells realms
 * apart. What is charged is to be released exactly once. */
struct charge {
	struct quota *user, *realm;
};

struct request;
struct alloc;

/* 0, 486 or 508, for the request's user and realm. */
int quota_charge(const struct request *rq, struct charge *charge);
/* Without limits, for an allocation that is carried on: 0 or 508. */
int quota_carry_on(struct turn_shared *shared, const uint8_t user_id[32], struct charge *charge);
/* An allocation's part of bps-capacity, into pub.max_bps: 0, or 486 where nothing is left. One
 * that is carried on brings along what it had, and keeps it. */
int quota_bandwidth(struct turn_shared *shared, const struct turn_realm *realm,
		    const struct tp_alloc *saved, struct alloc *a);
/* True if another configuration gives it another one. */
bool quota_bandwidth_renew(struct turn_shared *shared, const struct turn_realm *realm,
			   struct alloc *a);
void quota_bandwidth_release(struct turn_shared *shared, const struct alloc *a);
void quota_release(struct turn_shared *shared, struct charge *charge);

bool ratelimit_allows(struct turn_shared *shared, const struct tp_addr *client, uint64_t now_ns);

enum port_wish { PORT_ANY, PORT_EVEN, PORT_PAIR };

struct turn_server;
/* A port in host order, or 0 if there is none. PORT_PAIR takes the next one too. */
uint16_t port_take(struct turn_server *s, struct pool *pool, enum port_wish wish,
		   uint64_t now_ns);
/* Takes this port, of whatever range, if it is free now (or, for a reservation, at exactly
 * free_at). */
bool port_take_this(struct pool *pool, uint16_t port, uint64_t now_ns);
bool port_take_reserved(struct pool *pool, uint16_t port, uint64_t free_at);
void port_give(struct pool *pool, uint16_t port, uint64_t free_at);
bool port_used(const struct pool *pool, __be16 port);
/* As conf wants them, with all that are in old. False, and *pools is empty, without memory. */
bool pool_list(struct pools *pools, const struct pools *old, const struct turn_conf *conf);
/* Frees those that other does not have; NULL: all. */
void pool_unlist(struct pools *pools, const struct pools *other);
struct pool *pool_of(const struct pools *pools, const struct turn_relay_ip *ip);
/* The n-th pool to try for a client of this server address, or NULL. */
struct pool *port_choice(struct turn_shared *shared, const struct tp_addr *server,
			 uint8_t family, unsigned int n);

/* Turns a taken port into a reservation with a token; false gives nothing. */
bool reserve_make(struct turn_server *s, const uint8_t user_id[32], struct pool *pool,
		  uint16_t port, uint64_t now_ns, uint8_t token[8]);
/* The reserved port, taken; 0 if there is no such reservation of this user. */
uint16_t reserve_claim(struct turn_shared *shared, const uint8_t user_id[32],
		       const uint8_t token[8], uint64_t now_ns, struct pool **pool);

/* ------------------------------------------------------------ server */

struct turn_server {
	const struct turn_conf *conf;
	struct turn_shared *shared;
	const struct turn_host *host;
	void *ctx;
	uint64_t key[2];		/* of hashes and transaction ids */
	uint64_t indications;		/* Data indications so far */
	unsigned int worker, workers;	/* this one's number, of so many */
	struct table allocs;		/* struct alloc by 5-tuple */
	struct table coming;		/* struct mobility by the 5-tuple that it goes to */
	struct table conns;		/* struct conn by id */
	struct timers timers;
	const struct turn_realms *realms;	/* NULL: nothing is known of them */
	bool draining;
	uint64_t note_s;		/* the second that note_lines are of */
	unsigned int note_lines, note_dropped;
};

struct perm {
	struct turn_permission pub;	/* expires_ns 0: over, kept for its channels */
	struct table_node node;		/* alloc->perms, by address */
	struct timer timer;
	struct alloc *alloc;
	struct chan *channels;		/* that need it: their leases end with it */
	bool own;			/* an address of ours: ports are checked too */
};

struct chan {
	struct turn_channel pub;
	struct table_node by_number, by_peer;
	struct timer timer;
	struct alloc *alloc;
	struct perm *perm;		/* of its peer's address; never NULL */
	struct chan *next;		/* of the same permission */
};

struct alloc {
	struct turn_alloc pub;
	struct table_node node;
	struct timer timer;		/* the earlier end of its relayed addresses */
	struct table perms, by_number, by_peer;
	struct charge charge;
	char *realm;			/* pub.realm */
	struct stun_key *session;	/* of the token it was made with, or NULL */
	struct pool *pool[2];		/* of each relay */
	uint8_t token[8];		/* what retransmissions are told again */
	bool has_token;
	bool rest;			/* pub.max_bps is what was left of a capacity */
	uint8_t missing_family;		/* ADDRESS-ERROR-CODE: 1 or 2, 0 for none */
	uint16_t missing_code;
	struct mobility *mobility;	/* NULL: no ticket */
	uint64_t peers_full_ns;		/* when it may have a whole burst of new peers again */
	uint32_t peers;			/* new ones so far */
	uint32_t n_conns;
	struct conn *conns;		/* RFC 6062 */
	uint32_t icmp_count;		/* reported in second icmp_s */
	uint64_t icmp_s;
	char user[];			/* pub.user */
};

/* Which of relay[2] serves this family. */
static inline unsigned int alloc_index(uint8_t family)
{
	return family == 6;
}

/* Plain or DTLS. */
static inline bool path_by_udp(const struct turn_path *path)
{
	return turn_protocol(path->transport) == TURN_UDP;
}

static inline bool path_gone(const struct turn_path *path)
{
	return path->transport & TURN_GONE;
}

/* Here, since the files of the core may not even say the name of the field. */
static inline struct turn_path path_on(const struct turn_path *path, void *socket)
{
	struct turn_path other = *path;

	other.socket = socket;
	return other;
}

/* A client of this UDP listener, plain or secure. */
bool path_by(const struct turn_path *path, const struct tp_addr *listener);
bool path_same(const struct turn_path *a, const struct turn_path *b);

/* The live allocation of a 5-tuple, also of one that its client comes to; one that is over is
 * removed on the way. */
struct alloc *alloc_find(struct turn_server *s, const struct turn_path *path, uint64_t now_ns);
/* Lets go what is over of one that was found; false: that was all of it. */
bool alloc_alive(struct turn_server *s, struct alloc *a, uint64_t now_ns);
struct alloc *alloc_new(const struct turn_path *path, const char *user);
/* Binds a relayed address and takes over its port. 0 or -errno; then the port is the caller's. */
int alloc_relay(struct turn_server *s, struct alloc *a, struct pool *pool, uint16_t port,
		uint64_t expires_ns);
/* Whose user it is; a copy is taken. NULL: not known. False: no memory. */
bool alloc_realm(struct alloc *a, const char *realm);
bool alloc_add(struct turn_server *s, struct alloc *a);
/* It is to be found by this 5-tuple from now on. */
void alloc_rename(struct turn_server *s, struct alloc *a, const struct turn_path *path);
void alloc_lifetime(struct turn_server *s, struct alloc *a, unsigned int i, uint64_t expires_ns);
/* Removes one relayed address, and the whole if it was the last one. */
void alloc_drop(struct turn_server *s, struct alloc *a, unsigned int i, uint64_t now_ns);
/* Lets go what is over; false: that was all of it, and a is gone. */
bool alloc_expire(struct turn_server *s, struct alloc *a, uint64_t now_ns);
void alloc_free(struct turn_server *s, struct alloc *a, uint64_t now_ns);
/* Frees memory without telling anybody. */
void alloc_forget(struct turn_server *s, struct alloc *a);
bool alloc_serves(const struct alloc *a, uint8_t family, uint64_t now_ns);

/* What home_find() goes by. */
void home_name_path(uint8_t name[HOME_NAME], const struct turn_path *path);
void home_name_ticket(uint8_t name[HOME_NAME], const uint8_t ticket[TURN_TICKET_LEN]);
/* The ticket that it is named after. */
const uint8_t *home_ticket(const struct home *home);
/* False: no memory, or the name is taken. */
bool home_add(struct turn_shared *shared, struct home *home);
void home_remove(struct turn_shared *shared, struct home *home);
/* True and where it is; *alloc is NULL if it is another worker's. */
bool home_find(struct turn_server *s, const uint8_t name[HOME_NAME], unsigned int *worker,
	       struct alloc **alloc);

bool mobility_allowed(const struct turn_conf *conf);
/* Gives an allocation its first ticket, or the one that its journal says it has. False: no
 * memory. */
bool mobility_give(struct turn_server *s, struct alloc *a, uint32_t serial);
void mobility_free(struct turn_server *s, struct alloc *a, bool tell);
/* The allocation that comes to this 5-tuple. */
struct alloc *mobility_coming(const struct turn_server *s, const struct turn_path *path);
/* Nobody comes by way of this UDP address any more, nor is there on DTLS. */
void mobility_leave(struct turn_server *s, struct alloc *a, const struct tp_addr *listener,
		    uint64_t now_ns);
/* Application data came by this path: if it is where the client comes to, it is there now. */
void mobility_arrived(struct turn_server *s, struct alloc *a, const struct turn_path *path,
		      uint64_t now_ns);
/* False: nobody is where the client was, and it has not come, or not yet may be, elsewhere. */
bool mobility_follow(struct turn_server *s, struct alloc *a, uint64_t now_ns);
/* True if the client's datagram, or its request with a ticket (otherwise NULL), was another
 * worker's, and *reason what became of it. */
bool mobility_elsewhere(struct turn_server *s, const struct turn_path *path,
			const struct stun_msg *ticket, struct stun_bytes data,
			enum tp_reason *reason, uint64_t now_ns);

struct perm *perm_find(const struct turn_server *s, const struct alloc *a,
		       const struct tp_addr *peer);
/* Found or made; not alive before perm_refresh(). NULL: no room. */
struct perm *perm_get(struct turn_server *s, struct alloc *a, const struct tp_addr *peer);
/* May it have n more peers that it has not now? If so they count. */
bool perm_admit(struct turn_server *s, struct alloc *a, unsigned int n, uint64_t now_ns);
void perm_refresh(struct turn_server *s, struct perm *p, uint64_t expires_ns);
/* Tells the host about its lease, after something that it depends on has changed. */
void perm_keep(struct turn_server *s, struct perm *p);
/* Ends it; freed as soon as no channel needs it. */
void perm_end(struct turn_server *s, struct perm *p, bool tell);
/* Frees one that is over and that nothing needs. */
void perm_tidy(struct turn_server *s, struct perm *p);

struct chan *chan_by_number(const struct turn_server *s, const struct alloc *a, uint16_t number);
struct chan *chan_by_peer(const struct turn_server *s, const struct alloc *a,
			  const struct tp_addr *peer);
bool chan_number_valid(const struct turn_conf *conf, uint16_t number);
/* A new one with its (perhaps lifeless) permission; NULL: no room. */
struct chan *chan_new(struct turn_server *s, struct alloc *a, uint16_t number,
		      const struct tp_addr *peer);
void chan_refresh(struct turn_server *s, struct chan *c, uint64_t expires_ns);
/* Tells the host about its lease, after something that it depends on has changed. */
void chan_keep(struct turn_server *s, struct chan *c);
void chan_free(struct turn_server *s, struct chan *c, bool tell);

/* Where to send what is for this peer, and whose it is what comes from there: the same but
 * for relayed addresses of this host, whose external address is what clients know. */
struct tp_addr alias_inside(const struct turn_shared *shared, const struct tp_addr *peer);
struct tp_addr alias_outside(const struct turn_shared *shared, const struct tp_addr *peer);

bool acl_own_ip(const struct turn_conf *conf, const struct tp_addr *ip);
/* The user of all who come with tokens, as user_id has it: nobody's name. */
#define REALM_TOKEN_USER	0, 't', 'o', 'k', 'e', 'n'
/* The realm that gave an adopted allocation's user its id; NULL: none that is known. */
const char *realm_by_user(const struct turn_server *s, const struct turn_alloc *alloc);
/* acl_check() with a realm's own ranges, if any. */
int acl_check_realm(const struct turn_conf *conf, const struct turn_realm *realm,
		    const struct tp_addr *peer);

/* Closes and frees one, or all of an allocation to peers of a family (0: to all). An open
 * request of the client's is answered with code, unless that is 0. */
void conn_end(struct turn_server *s, struct conn *c, int code);
void conn_end_all(struct turn_server *s, struct alloc *a, uint8_t family);
/* Frees memory without telling anybody. */
void conn_forget_all(struct turn_server *s, struct alloc *a);
/* Its time is over. */
void conn_expire(struct turn_server *s, struct timer *t);

/* ------------------------------------------------------------ requests */

enum auth_integrity { AUTH_NONE, AUTH_MI, AUTH_MI_SHA256 };

struct auth {
	enum auth_integrity integrity;	/* of the answer */
	bool proved;			/* the integrity was right, whatever came after */
	struct stun_key key;
	uint8_t user_id[32];
	char user[TP_USER_SHOWN];
	bool token;			/* proved with one: the allocation keeps its key */
	uint32_t lifetime_s;		/* no more than this for the allocation; 0: no limit */
};

/* Keeps a token's key for the requests that come without it. */
bool alloc_session(struct alloc *a, const struct auth *auth);

struct request {
	struct turn_server *server;
	const struct turn_path *path;
	const struct stun_msg *msg;
	struct turn_now now;
	struct alloc *alloc;		/* of the 5-tuple, NULL if there is none */
	const char *realm;		/* that it is, or has to be, authenticated in */
	const struct turn_realm *limits;	/* what the database says of that, or NULL */
	struct auth auth;
	struct stun_writer w;		/* the success answer, while it is being made */
	const struct turn_origin *origin;	/* where it leaves from; NULL: the path's server */
	struct tp_addr to;		/* and goes to, of the path's client another port perhaps */
};

enum conn_state {
	CONN_CONNECTING,		/* its Connect request is not answered yet */
	CONN_WAITING,			/* for ConnectionBind */
	CONN_BOUND,
};

struct conn {
	struct turn_connection pub;
	struct table_node node;		/* server->conns */
	struct timer timer;		/* unless bound */
	struct alloc *alloc;
	struct conn *next;		/* of the allocation */
	enum conn_state state;
	bool fingerprint;		/* of the Connect request, as are those: */
	enum auth_integrity integrity;
	struct stun_key key;
	uint8_t txid[TP_STUN_TXID_LEN];
};

/* What only authentication looks at. */
#define AUTH_ATTRS (STUN_BIT(USERNAME) | STUN_BIT(USERHASH) | STUN_BIT(REALM) | \
		    STUN_BIT(NONCE) | STUN_BIT(PASSWORD_ALGORITHM) | \
		    STUN_BIT(PASSWORD_ALGORITHMS) | STUN_BIT(MESSAGE_INTEGRITY) | \
		    STUN_BIT(MESSAGE_INTEGRITY_SHA256) | STUN_BIT(ACCESS_TOKEN) | \
		    STUN_BIT(ORIGIN))

/* What is not an error code: no answer yet, or none at all. */
#define AUTH_LATER	(-1)
#define AUTH_DROP	(-2)

/* 0 with rq->auth filled in, or the error code (RFC 8489 section 9.2.4), or AUTH_*. */
int auth_check(struct request *rq);
/* Ask the database on the request's behalf: 0 with *answer FOUND or NOBODY, or as auth_check(). */
int source_ask(const struct request *rq, struct turn_question *q, enum turn_answer *answer,
	       struct turn_credential *out);
/* What the database says of realms may no longer be true. */
bool source_away(const struct request *rq);

/* Sets rq->realm and rq->limits. */
void realm_choose(struct request *rq);
/* What the database says of a realm, or NULL. */
const struct turn_realm *realm_find(const struct turn_server *s, struct stun_bytes name);

/* What a token (RFC 7635 section 6.2) holds. */
struct token {
	uint8_t mac_key[32];
	uint8_t mac_key_len;		/* 16 to 32 */
	uint64_t timestamp_s;
	uint32_t lifetime_s;
};

/* Decrypts and proves it; false: whatever is wrong. */
bool token_open(struct token *token, const struct turn_token_key *key,
		struct stun_bytes server_name, struct stun_bytes sealed);
/* Seconds for which it is still good, 0: it is over, or not yet valid (section 7). */
uint32_t token_left(const struct token *token, uint64_t wall_s);
/* base64 of len bytes; out has room for 4 * ceil(len / 3) + 1. */
size_t auth_base64(char *out, const uint8_t *in, size_t len);

#define NONCE_COOKIE	13
#define NONCE_LEN	(NONCE_COOKIE + 12 + 16)
void nonce_make(const struct turn_conf *conf, const struct turn_path *path, uint64_t mono_s,
		char out[NONCE_LEN + 1]);
bool nonce_valid(const struct turn_conf *conf, const struct turn_path *path, uint64_t mono_s,
		 struct stun_bytes nonce);
/* The nonce cookie says "Password algorithms" (RFC 8489 section 18.1). */
bool nonce_has_algorithms(struct stun_bytes nonce);

/* A Refresh request with a ticket: whose it is, NULL if nobody's. */
struct alloc *mobility_claimed(struct turn_server *s, const struct stun_msg *msg,
			       uint64_t now_ns);
/* 0 or the error code (RFC 8016 section 3.2.2), before it is asked whose it is. */
int mobility_check(const struct request *rq);
/* 0 with the new ticket in the answer, or an error code. */
int mobility_move(struct request *rq);
/* Puts the ticket of an allocation that has one into the answer. */
void mobility_put(struct request *rq, const struct alloc *a);

/* The attributes that are not for this path: see stun_disown(). */
uint64_t binding_disowned(const struct turn_conf *conf, const struct turn_path *path,
			  const struct stun_msg *msg);
/* A datagram that may be a Binding request of RFC 3489. */
enum tp_reason binding_classic(struct turn_server *s, const struct turn_path *path,
			       const uint8_t *data, size_t len, struct turn_now now);
/* The same inside DTLS, where such requests are errors (RFC 8489 section 11, H8). */
enum tp_reason binding_classic_refused(struct turn_server *s, const struct turn_path *path,
				       const uint8_t *data, size_t len);

/* Is there a server to send this client to? If so, it can be written into the answer (300). */
bool alternate_exists(const struct request *rq);
void alternate_write(struct request *rq);

/* One of our listeners: nobody talks to us from there. */
bool server_is_own(const struct turn_conf *conf, const struct tp_addr *addr);
/* What an answer says beside an error code, if anything. */
const char *server_phrase(const struct request *rq, uint16_t code);
/* Sends what rq->w holds. */
void server_send(struct request *rq);

/* Handlers: 0 with the success answer's attributes written, or an error code. */
int binding_request(struct request *rq);
int allocate_request(struct request *rq);
int refresh_request(struct request *rq);
int perm_request(struct request *rq);
int chan_request(struct request *rq);
int conn_request(struct request *rq);
int conn_bind_request(struct request *rq);
#define CONN_LATER	(-3)	/* conn_request(): it is answered when the peer has answered */
/* What an Allocate or Refresh request's LIFETIME comes to, seconds; never 0. */
uint32_t refresh_lifetime(const struct request *rq);
/* 0 if the allocation serves the peer's family and the gate lets it through. */
int perm_peer_allowed(const struct request *rq, const struct tp_addr *peer);

enum tp_reason data_send(struct turn_server *s, const struct turn_path *path,
			 const struct stun_msg *msg, uint64_t now_ns);
enum tp_reason data_channel(struct turn_server *s, const struct turn_path *path,
			    const uint8_t *data, size_t len, uint64_t now_ns);

/* The one place where requests are answered: code 0 is the success in rq->w. */
enum tp_reason server_reply(struct request *rq, int code);
#define REPLY_MAX	4096	/* REALM and SOFTWARE may have 763 bytes each, PADDING 1500 */

/* A rate-limited line about a failed authentication. */
void note_auth(struct request *rq, const char *reason);
/* What tokens and clients know the server as (RFC 7635 section 6.1). */
const char *server_name(const struct turn_conf *conf);
/* A fresh transaction id for an indication. */
void server_txid(struct turn_server *s, uint8_t txid[TP_STUN_TXID_LEN]);

#endif
