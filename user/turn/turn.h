/* SPDX-License-Identifier: MIT */
/*
 * The TURN server core (RFC 8656), as one worker runs it. Datagrams and a clock
 * go in; effects come out through struct turn_host. Pure: see pure.h. One
 * turn_server belongs to one thread; what threads share is struct turn_shared.
 */
#ifndef TP_TURN_H
#define TP_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <turnpike/tables.h>
#include "stun/stun.h"
#include "turn/source.h"

#define TURN_NS_PER_S	1000000000ULL

/* ------------------------------------------------------------------ settings */

struct turn_user {
	char *name;			/* bytes as configured */
	char *password;			/* NULL where only the key is known */
	uint8_t md5_key[16];		/* valid if has_md5_key (user=name:0xKEY) */
	bool has_md5_key;
};

/* Clients of this listener belong to another realm than the rest. */
struct turn_listener_realm {
	struct tp_addr listener;	/* port 0: every port */
	char *realm;
};

/* A relay address: where sockets are bound, and what clients are told. */
struct turn_relay_ip {
	struct tp_addr local;		/* port 0 */
	struct tp_addr external;	/* port 0; equal to local without external-ip */
};

/* One that relayed before a reload, from these ports: what is left there goes on. */
struct turn_former {
	struct turn_relay_ip ip;
	uint16_t min_port, max_port;	/* host order */
};

/*
 * RFC 5780: one of the server's UDP addresses, and those that answers may come from in its
 * place, by CHANGE-REQUEST: [0] itself, [1] port, [2] IP, [3] both changed. The last
 * three are there or NULL together.
 */
struct turn_origin {
	struct tp_addr local, external;		/* external: as clients know it */
	const struct turn_origin *other[4];
};

/* A server that clients are sent to (RFC 8489 section 10). */
struct turn_alternate {
	struct tp_addr addr;
	char *domain;			/* of its certificate; NULL: as ours */
};

struct turn_alternates {
	struct turn_alternate *v;
	unsigned int n;
};

/* For whom: the lists of UDP and TCP come before that of all; TLS and DTLS have their own. */
enum turn_alternates_for { ALTERNATES_ANY, ALTERNATES_UDP, ALTERNATES_TCP, ALTERNATES_TLS,
			   ALTERNATES_LISTS };

/* Written once from the configuration, then only read; shared by all workers. */
struct turn_conf {
	char *realm;
	struct turn_user *users;
	unsigned int n_users;
	char **secrets;			/* static-auth-secret, tried in order */
	unsigned int n_secrets;
	char rest_separator;		/* ':' */
	bool db_users, db_secrets;	/* the database (struct turn_source) has more of them */
	bool oauth;			/* third-party tokens (RFC 7635) */
	char *server_name;		/* told to clients for those, NULL: the realm */
	struct turn_token_key *token_keys;	/* besides the database's */
	unsigned int n_token_keys;
	struct turn_listener_realm *listener_realms;
	unsigned int n_listener_realms;
	bool check_origin;		/* a realm of an origin needs the origin every time */
	bool secure_stun;		/* Binding needs credentials, too */
	bool no_auth;			/* relay for everybody: asked for by name only */
	bool stun_only;
	bool no_stun;
	bool fingerprint;		/* always add FINGERPRINT; else as the request did */
	char *software;			/* SOFTWARE in answers, NULL for none */
	bool reason_phrases;		/* in ERROR-CODE, but for strangers' */
	bool channels_5766;		/* accept channels 0x5000 to 0x7FFF */
	bool mapped_address;		/* MAPPED-ADDRESS in every Binding answer */
	bool classic;			/* answer Binding requests of RFC 3489 */
	bool rfc5780;
	struct turn_origin *origins;	/* with rfc5780: every address that is listened at */
	unsigned int n_origins;
	struct turn_alternates alternates[ALTERNATES_LISTS];
	bool mobility;			/* RFC 8016; only for those who authenticate */
	bool tcp_relay;			/* TCP allocations (RFC 6062) */
	bool no_udp_relay;		/* and no others */

	uint32_t stale_nonce_s;		/* 0: never stale */
	uint8_t nonce_key[32];		/* random; tables' hash keys come from it too */
	uint32_t max_lifetime_s;	/* 3600 */
	uint32_t default_lifetime_s;	/* 600 */
	uint32_t channel_lifetime_s;	/* 600 */
	uint32_t permission_lifetime_s;	/* 300 */
	uint32_t user_quota, total_quota;	/* allocations, 0: no limit */
	uint64_t max_bps;		/* bytes/s of an allocation and direction, 0: no limit */
	uint64_t bps_capacity;		/* of which all allocations get max_bps, 0: no limit */
	uint64_t user_max_bps;		/* bytes/s of a user and direction, 0: no limit */
	uint32_t max_pps;		/* packets/s of an allocation and direction */
	uint32_t new_peers_rate;	/* peers' addresses new to an allocation, each second */
	uint32_t new_peers_max;		/* and in its whole life; 0: no limit, either */
	uint32_t unauthorized_rps;	/* answers to strangers per address, 0: no limit */

	struct turn_relay_ip *relays;
	unsigned int n_relays;
	uint16_t min_port, max_port;
	struct turn_former *former;
	unsigned int n_former;
	uint8_t default_family;		/* 4, 6, or 0: the client's own */

	struct turn_ranges allowed, denied;
	bool allow_loopback_peers;
	bool multicast_peers;		/* false unless asked for */
	struct tp_addr *own;		/* listeners with ports, this host's addresses with port 0:
					 * never peers, but for relayed addresses */
	unsigned int n_own;
	struct tp_addr *broadcasts;	/* of the networks that this host is in; port 0 */
	unsigned int n_broadcasts;
};

/* True if the server can authenticate anybody (or was told not to). */
bool turn_conf_relays(const struct turn_conf *conf);
/* True if some credentials are a database's. */
bool turn_conf_asks(const struct turn_conf *conf);

/* ------------------------------------------------------------------ host */

struct turn_now {
	uint64_t mono_ns;		/* CLOCK_MONOTONIC: all lifetimes */
	uint64_t wall_s;		/* Unix time: time-limited credentials only */
};

/* turn_path.transport: inside TLS or DTLS; the connection is closed, and nobody's (RFC 8016) */
#define TURN_SECURE	0x80
#define TURN_GONE	0x40

/* IPPROTO_UDP or IPPROTO_TCP. */
static inline uint8_t turn_protocol(uint8_t transport)
{
	return transport & (0xFF ^ TURN_SECURE ^ TURN_GONE);
}

/* The client's leg: RFC 8656's 5-tuple, and the way by which it is that. */
struct turn_path {
	struct tp_addr client, server;
	struct tp_addr proxy;		/* whom its datagrams come from and go to; family 0: the
					 * client itself. By another proxy it is another client. */
	uint8_t transport;		/* IPPROTO_UDP or IPPROTO_TCP, TURN_SECURE, TURN_GONE */
	void *socket;			/* the host's; where answers leave */
};

static inline const struct tp_addr *turn_path_to(const struct turn_path *path)
{
	return path->proxy.family ? &path->proxy : &path->client;
}

struct turn_server;
struct turn_alloc;

#define TURN_TICKET_LEN	20

/* One relayed transport address of an allocation. */
struct turn_relay {
	struct tp_addr local;		/* as bound; family 0 if there is none */
	struct tp_addr external;	/* as told to the client */
	uint64_t expires_ns;
	struct turn_alloc *alloc;	/* its owner */
	void *host;			/* the host's: its socket */
};

/* A channel, as the host sees it. */
struct turn_channel {
	struct tp_addr peer;
	uint16_t number;		/* host order */
	uint64_t expires_ns;
	uint64_t lease_ns;		/* the least of channel, permission and relay expiry */
	void *host;			/* the host's: journal entry and rows; NULL at first */
};

struct turn_permission {
	struct tp_addr peer;		/* port 0 */
	uint64_t expires_ns;
	uint64_t lease_ns;		/* the lesser of that and relay expiry */
	void *host;			/* the host's: journal entry and row; NULL at first */
};

/* A TCP connection between a relayed address and a peer (RFC 6062), as the host sees it. */
struct turn_connection {
	struct tp_addr peer;		/* as the client knows it */
	struct turn_relay *relay;
	uint32_t id;			/* CONNECTION-ID */
	void *host;			/* the host's */
};

/* What an allocation shows its host. The core owns it and embeds it. */
struct turn_alloc {
	struct turn_path path;
	struct turn_relay relay[2];	/* [0] IPv4, [1] IPv6 */
	uint8_t txid[TP_STUN_TXID_LEN];
	uint8_t user_id[32];		/* tables.h; of "1700000000:alice" without the digits,
					 * since renewed credentials are the same user */
	const char *user;		/* shorter than TP_USER_SHOWN */
	const char *realm;		/* that user's, NULL: not known */
	uint64_t created_ns;
	uint64_t max_bps;		/* bytes/s in each direction; 0: no limit */
	uint32_t ticket;		/* RFC 8016: which one it has now; 0: none */
	bool parked;			/* moving: no rows of its own now */
	bool tcp;			/* relays TCP connections (RFC 6062), not datagrams */
	bool limited;			/* the host's: it knows of that */
	void *host;			/* the host's: journal entry; NULL at first */
};

/* Bytes to the client: head (copied by the host before it returns), then data
 * (which stays valid until the call into the core that produced it returns to
 * its batch), then pad zero bytes. */
struct turn_out {
	const uint8_t *head;
	size_t head_len;
	const uint8_t *data;
	size_t data_len;
	size_t pad;
};

#define TURN_SEND_DF	1		/* to_peer: set DF (RFC 8656 section 14) */

/*
 * What the core asks of the world. ctx is turn_server_new()'s. Calls are
 * synchronous; the host never calls back into the core from them.
 */
struct turn_host {
	/* Bind relay->local and fill relay->host; for TCP (relay->alloc->tcp) listen there, too.
	 * 0 or -errno: -EADDRINUSE has the core try another port, anything else ends in 508. */
	int (*relay_open)(void *ctx, struct turn_relay *relay);
	void (*relay_close)(void *ctx, struct turn_relay *relay);

	void (*to_client)(void *ctx, const struct turn_path *path, const struct turn_out *out);
	/* The same from another of the server's UDP addresses (turn_origin.local). */
	void (*to_client_from)(void *ctx, const struct tp_addr *server,
			       const struct tp_addr *client, const struct turn_out *out);
	/* RFC 8016: beside its present path, an allocation's client comes by this one, or not any
	 * more; or there (false) it was, and its connection is closed. */
	void (*client_comes)(void *ctx, const struct turn_path *path, bool comes);
	/* This client is another worker's: its datagram, or frame, goes to that worker's
	 * turn_from_client(). False: it cannot (a stream stays where it is). */
	bool (*hand_over)(void *ctx, unsigned int worker, const struct turn_path *path,
			  const uint8_t *data, size_t len);
	/* flags: TURN_SEND_* */
	void (*to_peer)(void *ctx, struct turn_relay *relay, const struct tp_addr *peer,
			const uint8_t *data, size_t len, unsigned int flags);

	/* State to keep for a successor and to put into the kernel's tables.
	 * Called when made, at every refresh, and for channels and permissions whenever
	 * their leases change (also by CreatePermission and Refresh), before the client is
	 * answered; what does not fit is the host's to count, the daemon relays it. */
	void (*alloc_kept)(void *ctx, struct turn_alloc *alloc);
	/* Its max_bps is another one, by turn_server_renew(). */
	void (*alloc_limited)(void *ctx, struct turn_alloc *alloc);
	void (*channel_kept)(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel);
	void (*permission_kept)(void *ctx, struct turn_alloc *alloc, struct turn_permission *perm);
	/*
	 * The client is about to have another path: what the kernel relays by the present
	 * one is taken off, what a successor needs stays. alloc_parked comes first, with
	 * alloc->parked set; then the path changes, alloc_kept says so, the others are kept
	 * again, and alloc_kept comes once more with alloc->parked cleared.
	 */
	void (*alloc_parked)(void *ctx, struct turn_alloc *alloc);
	void (*channel_parked)(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel);
	void (*permission_parked)(void *ctx, struct turn_alloc *alloc,
				  struct turn_permission *perm);
	/* Called before the socket is closed. */
	void (*channel_gone)(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel);
	void (*permission_gone)(void *ctx, struct turn_alloc *alloc, struct turn_permission *perm);
	void (*alloc_gone)(void *ctx, struct turn_alloc *alloc);

	/* RFC 6062, only with turn_conf.tcp_relay. Begin to connect from connection->relay to
	 * this address, and call turn_connected() later; or -errno. */
	int (*tcp_connect)(void *ctx, struct turn_connection *connection,
			   const struct tp_addr *to);
	/* Behind the answer that is sent next, the client's leg carries the connection's bytes,
	 * and no messages any more. 0, or -errno if the leg cannot. */
	int (*tcp_bind)(void *ctx, struct turn_connection *connection,
			const struct turn_path *path);
	/* Once for each that was begun or accepted, whatever became of it; before relay_close. */
	void (*tcp_close)(void *ctx, struct turn_connection *connection);

	void (*random)(void *ctx, void *buf, size_t len);
	/* A line for operators: authentication failures, refusals. Escaped text. */
	void (*note)(void *ctx, const char *line);
};

/* ------------------------------------------------------------------ sharing */

/* Port pools and quota counts of all workers. Thread safe. */
struct turn_shared;
struct turn_shared *turn_shared_new(const struct turn_conf *conf);
void turn_shared_free(struct turn_shared *shared);
/* Before any allocation: what tickets (RFC 8016) are made with. Those that a predecessor gave
 * out are good if it had the same; otherwise it comes from nonce_key. */
void turn_shared_ticket_key(struct turn_shared *shared, const void *secret, size_t len);
/*
 * Another configuration, while no worker runs: first for what they share, then for each
 * of them. Realm and nonce_key's use in tables stay; what has a relayed address keeps it.
 * False, and nothing has changed, without memory.
 */
bool turn_shared_renew(struct turn_shared *shared, const struct turn_conf *conf);
/* Allocations alive now, and relay ports in use, resting or reserved, of all workers. */
unsigned int turn_shared_allocations(const struct turn_shared *shared);
unsigned int turn_shared_ports(const struct turn_shared *shared);
/* Before the first request: where to ask for what the configuration does not have. */
void turn_shared_source(struct turn_shared *shared, const struct turn_source *source, void *ctx);

/* ------------------------------------------------------------------ server */

struct turn_server *turn_server_new(const struct turn_conf *conf, struct turn_shared *shared,
				    const struct turn_host *host, void *ctx);
/* Which of several that share a struct turn_shared this is; 0 of 1 if never called. */
void turn_server_number(struct turn_server *server, unsigned int worker, unsigned int workers);
/* Closes every allocation through the host, as if each had been refreshed to 0. */
void turn_server_free(struct turn_server *server);
/* Frees memory only: kernel state and journal stay for the successor. */
void turn_server_abandon(struct turn_server *server);

/* What is known of realms from now on; the caller's, NULL at first. Channels and permissions
 * to peers that are denied now end, as by turn_server_renew(). */
unsigned int turn_server_realms(struct turn_server *server, const struct turn_realms *realms);
/* While on, new allocations are refused (508), or sent to an alternate server (300); what is
 * alive goes on (G18). */
void turn_server_drain(struct turn_server *server, bool on);

/* After turn_shared_renew(). Channels and permissions to peers that are denied now end
 * through the host; returns how many. Allocations have other limits at once. */
unsigned int turn_server_renew(struct turn_server *server, const struct turn_conf *conf);
/* Nobody listens at this UDP address any more: its clients' allocations end, as if refreshed
 * to 0 (returns how many), but those with tickets of clients on DTLS, who may come back. */
unsigned int turn_server_deafen(struct turn_server *server, const struct tp_addr *listener,
				struct turn_now now);
/* Ends, as if refreshed to 0, the allocations that match; returns how many. */
unsigned int turn_server_kick(struct turn_server *server,
			      bool (*match)(const struct turn_alloc *alloc, const void *arg),
			      const void *arg, struct turn_now now);

/* What is no reason: what is needed is being looked up, nothing has happened, and the
 * datagram is to be handed over again. */
#define TURN_LATER	((enum tp_reason)(TP_R_MAX + 1))

/* A datagram (or frame) from a client. Says under which reason it counts; TP_R_MAX: under
 * none, it was handed over; or TURN_LATER. */
enum tp_reason turn_from_client(struct turn_server *server, const struct turn_path *path,
				const uint8_t *data, size_t len, struct turn_now now);
/*
 * The client's connection is closed, path.socket goes. Its allocation ends (true), unless it
 * has a ticket: then it goes on where the client has come to, or waits for it as long as it
 * lives (RFC 8016 section 3.2.2), and what peers send meanwhile is discarded.
 */
bool turn_client_gone(struct turn_server *server, const struct turn_path *path,
		      struct turn_now now);
/* Has this client an allocation, with this worker or another one? */
bool turn_client_known(struct turn_server *server, const struct turn_path *path,
		       struct turn_now now);
/* A datagram from a peer to a relayed transport address. */
enum tp_reason turn_from_peer(struct turn_server *server, struct turn_relay *relay,
			      const struct tp_addr *peer, const uint8_t *data, size_t len,
			      struct turn_now now);
/* An ICMP error about a datagram from relay to peer (RFC 8656 section 11.5). */
enum tp_reason turn_icmp(struct turn_server *server, struct turn_relay *relay,
			 const struct tp_addr *peer, uint8_t type, uint8_t code,
			 uint32_t data, struct turn_now now);

/*
 * TCP allocations (RFC 6062). What tcp_connect began has come to its end. A peer has connected
 * to relay: NULL if it may not, else host is the connection's. A connection is over (never
 * before turn_connected()). tcp_close is called for what does not go on.
 */
void turn_connected(struct turn_server *server, struct turn_connection *connection, bool ok,
		    struct turn_now now);
struct turn_connection *turn_accepted(struct turn_server *server, struct turn_relay *relay,
				      const struct tp_addr *peer, void *host,
				      struct turn_now now);
void turn_disconnected(struct turn_server *server, struct turn_connection *connection);

/* Whether this is a ConnectionBind request, and to which server's connection: the remainder
 * of a connection's id is its server's number. */
bool turn_binds(const uint8_t *data, size_t len, unsigned int workers, unsigned int *worker);
/* Whether this is a Refresh request with a ticket (RFC 8016), and of which server's allocation. */
bool turn_resumes(struct turn_server *server, const uint8_t *data, size_t len,
		  unsigned int *worker);

/* Carry out what is due; returns when to call again (CLOCK_MONOTONIC ns, UINT64_MAX never). */
uint64_t turn_tick(struct turn_server *server, struct turn_now now);

/*
 * Carry on what a predecessor left. turn_adopt() opens the relay sockets through
 * the host and returns the allocation, or NULL if it is over, its address is no
 * longer ours, or its port is taken: then the caller removes it from the journal.
 * What is adopted has the record as its host pointer. Permissions come before
 * channels, whose leases depend on them. A client whose connection went with the
 * predecessor is gone (TURN_GONE in the record), and needs a ticket.
 */
struct turn_alloc *turn_adopt(struct turn_server *server, struct tp_alloc *saved,
			      void *socket, struct turn_now now);
/* It is not to be carried on: its ports rest, so that nobody gets what is sent to it still. */
void turn_forgo(struct turn_server *server, const struct tp_alloc *saved, struct turn_now now);
/*
 * 0, or -errno if the binding is over or not allowed any more. Before it returns
 * 0 it calls channel_kept or permission_kept with host still NULL: there the
 * host ties the object to what it saved. The order of bindings does not matter.
 */
int turn_adopt_binding(struct turn_server *server, struct turn_alloc *alloc,
		       struct tp_binding *saved, struct turn_now now);

/* ------------------------------------------------------------------ peer gate */

/* The relay address that this is, by its own or its external name, one of now before one of
 * before; with its port, unless that is 0. NULL: none. */
const struct turn_relay_ip *turn_relay_here(const struct turn_conf *conf,
					    const struct tp_addr *addr);
/* Is its address (whatever its port) in one of the ranges? */
bool acl_listed(const struct turn_ranges *ranges, const struct tp_addr *addr);
/* Not an address of the public Internet (IANA's registries, and clouds' services). */
bool acl_special(const struct tp_addr *addr);
/* The one gate for peers (design, principle 7). 0, or the error code to answer: 403. */
int acl_check(const struct turn_conf *conf, const struct tp_addr *peer);

#endif
