// SPDX-License-Identifier: MIT
/*
 * A TURN client on a leash, for scripts: one command per line on stdin, one
 * line of result on stdout. turnutils_uclient shows that a foreign client works;
 * this one lets a test stop between two messages, and says exactly what came back.
 *
 *   turn_client SERVER_IP:PORT USER PASSWORD
 *
 *   allocate [4|6]           -> ok RELAYED_ADDRESS | error CODE
 *   refresh SECONDS          -> ok | error CODE
 *   permit IP                -> ok | error CODE
 *   bind CHANNEL PEER        -> ok | error CODE          (peer as ip:port)
 *   channel CHANNEL N SIZE INTERVAL_US   -> sent N received M damaged D
 *   send PEER N SIZE INTERVAL_US         -> sent N received M damaged D
 *   binding                  -> ok MAPPED_ADDRESS
 *   requests                 -> N    (transmissions of the last request)
 *
 * channel and send expect an echo from the peer and wait one second for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "address.h"
#include "stun/stun.h"

#define TRIES		7		/* RFC 8489 section 6.2.1: Rc */
#define RTO_MS		500
#define LINGER_MS	1000

struct client {
	int fd;
	struct stun_bytes user, password;
	uint8_t realm[768], nonce[768];
	size_t realm_len, nonce_len;
	struct stun_key key;
	unsigned int tries;
};

struct traffic {
	uint16_t channel;		/* 0: by Send indication */
	struct tp_addr peer;
	unsigned int n, size, interval_us;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* Whether something came before that time (now_us()). */
static bool readable_until(int fd, uint64_t end_us)
{
	uint64_t now = now_us();

	return now < end_us && readable(fd, (int)((end_us - now + 999) / 1000));
}

/* --------------------------------------------------------------- requests */

/* Sends what w holds until an answer with its transaction id comes. */
static bool transact(struct client *c, const struct stun_writer *w, uint8_t *buf, size_t cap,
		     struct stun_msg *answer)
{
	int rto = RTO_MS;

	for (c->tries = 1; c->tries <= TRIES; c->tries++, rto *= 2) {
		uint64_t end = now_us() + (uint64_t)rto * 1000;

		if (send(c->fd, w->buf, w->len, 0) < 0 && errno != ECONNREFUSED)
			return false;
		while (readable_until(c->fd, end)) {
			ssize_t n = recv(c->fd, buf, cap, 0);

			if (n > 0 && stun_parse(answer, buf, (size_t)n) == STUN_OK &&
			    answer->class >= STUN_SUCCESS &&
			    !memcmp(answer->txid, w->buf + 8, TP_STUN_TXID_LEN))
				return true;
		}
	}
	return false;
}

static void begin(struct stun_writer *w, uint8_t *buf, size_t cap, uint16_t method)
{
	uint8_t txid[TP_STUN_TXID_LEN];

	if (getrandom(txid, sizeof(txid), 0) != sizeof(txid))
		abort();
	stun_begin(w, buf, cap, method, STUN_REQUEST, txid);
}

/* The attributes of one request, put again for each try of authentication. */
struct request {
	uint16_t method;
	long lifetime;			/* -1: none */
	uint8_t family;			/* 4 or 6: REQUESTED-ADDRESS-FAMILY; 0: none */
	uint16_t channel;		/* 0: none */
	struct tp_addr peer;		/* family 0: none */
};

static void put_request(struct client *c, struct stun_writer *w, const struct request *r)
{
	if (r->method == TURN_ALLOCATE)
		stun_put_u32(w, 0x0019, (uint32_t)IPPROTO_UDP << 24);
	if (r->lifetime >= 0)
		stun_put_u32(w, 0x000D, (uint32_t)r->lifetime);
	if (r->family)
		stun_put_u32(w, 0x0017, (r->family == 4 ? 1U : 2U) << 24);
	if (r->channel)
		stun_put_u32(w, 0x000C, (uint32_t)r->channel << 16);
	if (r->peer.family)
		stun_put_xor_addr(w, 0x0012, &r->peer);
	if (!c->nonce_len)
		return;
	stun_put(w, 0x0006, c->user.p, c->user.len);
	stun_put(w, 0x0014, c->realm, c->realm_len);
	stun_put(w, 0x0015, c->nonce, c->nonce_len);
	stun_put_mi(w, &c->key);
}

static void learn(struct client *c, const struct stun_msg *m)
{
	if (!m->realm.len || !m->nonce.len)
		return;
	c->realm_len = m->realm.len;
	memcpy(c->realm, m->realm.p, m->realm.len);
	c->nonce_len = m->nonce.len;
	memcpy(c->nonce, m->nonce.p, m->nonce.len);
	stun_key_make(&c->key, STUN_ALG_MD5, c->user,
		      (struct stun_bytes){ c->realm, c->realm_len }, c->password);
}

/* 0, the error code, or -1 where no answer came. */
static int request(struct client *c, const struct request *r, struct tp_addr *relayed)
{
	uint8_t out[2048], in[2048];
	struct stun_writer w;
	struct stun_msg m;

	for (int i = 0; i < 3; i++) {
		begin(&w, out, sizeof(out), r->method);
		put_request(c, &w, r);
		if (!transact(c, &w, in, sizeof(in), &m))
			return -1;
		if (m.class == STUN_SUCCESS) {
			if (relayed)
				*relayed = r->method == STUN_BINDING ? m.mapped : m.relayed;
			return 0;
		}
		if (m.error != 401 && m.error != 438)
			return m.error;
		learn(c, &m);
	}
	return m.error;
}

/* ---------------------------------------------------------------- traffic */

static void send_data(struct client *c, const struct traffic *t, const uint8_t *data)
{
	uint8_t out[4096], txid[TP_STUN_TXID_LEN] = { 0 };
	struct stun_writer w;

	if (t->channel) {
		struct tp_channel_hdr h = { htons(t->channel), htons((uint16_t)t->size) };

		memcpy(out, &h, sizeof(h));
		memcpy(out + sizeof(h), data, t->size);
		send(c->fd, out, sizeof(h) + t->size, 0);
		return;
	}
	stun_begin(&w, out, sizeof(out), TURN_SEND, STUN_INDICATION, txid);
	stun_put_xor_addr(&w, 0x0012, &t->peer);
	stun_put(&w, 0x0013, data, t->size);
	send(c->fd, w.buf, w.len, 0);
}

static void fill(uint8_t *data, unsigned int size, uint32_t seq)
{
	memcpy(data, &seq, sizeof(seq));
	for (unsigned int i = sizeof(seq); i < size; i++)
		data[i] = (uint8_t)(seq * 31 + i);
}

/* The payload of one received datagram: ChannelData or a Data indication. */
static bool payload(const struct traffic *t, const uint8_t *in, size_t n, struct stun_bytes *data)
{
	struct stun_msg m;

	if (n >= 4 && (in[0] & 0xC0) == 0x40) {
		*data = (struct stun_bytes){ in + 4, (size_t)in[2] << 8 | in[3] };
		return t->channel == (in[0] << 8 | in[1]) && data->len + 4 <= n;
	}
	if (stun_parse(&m, in, n) != STUN_OK || m.method != TURN_DATA)
		return false;
	*data = m.data;
	return true;
}

struct tally {
	uint8_t *seen;			/* by sequence number */
	unsigned int received, damaged;
};

static void collect(struct client *c, const struct traffic *t, struct tally *y)
{
	uint8_t in[4096], want[4096];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);
	struct stun_bytes data;
	uint32_t seq;

	if (n <= 0)
		return;
	if (!payload(t, in, (size_t)n, &data) || data.len != t->size) {
		y->damaged++;
		return;
	}
	memcpy(&seq, data.p, sizeof(seq));
	fill(want, t->size, seq);
	if (seq >= t->n || memcmp(want, data.p, t->size)) {
		y->damaged++;
		return;
	}
	y->received += !y->seen[seq];
	y->seen[seq] = 1;
}

static void run_traffic(struct client *c, const struct traffic *t)
{
	struct tally y = { .seen = calloc(t->n + 1, 1) };
	uint8_t data[4096];
	uint64_t next;

	for (uint32_t seq = 0; seq < t->n; seq++) {
		fill(data, t->size, seq);
		send_data(c, t, data);
		/* what was late is not made up for: a burst would overflow queues on the way */
		next = now_us() + t->interval_us;
		while (readable_until(c->fd, next))
			collect(c, t, &y);
	}
	while (y.received < t->n && readable(c->fd, LINGER_MS))
		collect(c, t, &y);
	printf("sent %u received %u damaged %u\n", t->n, y.received, y.damaged);
	free(y.seen);
}

/* --------------------------------------------------------------- commands */

static void say(int code, const struct tp_addr *addr)
{
	char text[ADDRESS_TEXT];

	if (code < 0)
		puts("timeout");
	else if (code)
		printf("error %d\n", code);
	else
		printf("ok%s%s\n", addr ? " " : "", addr ? address_text(addr, text) : "");
}

static bool command_traffic(struct client *c, const char *line)
{
	struct traffic t = { 0 };
	char where[64];

	if (sscanf(line, "channel %63s %u %u %u", where, &t.n, &t.size, &t.interval_us) == 4)
		t.channel = (uint16_t)strtoul(where, NULL, 0);
	else if (sscanf(line, "send %63s %u %u %u", where, &t.n, &t.size, &t.interval_us) != 4 ||
		 !address_parse_port(&t.peer, where))
		return false;
	if (t.size < 4 || t.size > 2000)
		return false;
	run_traffic(c, &t);
	return true;
}

static bool command(struct client *c, const char *line)
{
	struct request r = { .lifetime = -1 };
	struct tp_addr addr = { 0 };
	char a[64] = "", b[64] = "";
	int n = sscanf(line, "%*s %63s %63s", a, b);

	if (!strncmp(line, "requests", 8)) {
		printf("%u\n", c->tries);
		return true;
	}
	if (!strncmp(line, "channel ", 8) || !strncmp(line, "send ", 5))
		return command_traffic(c, line);
	if (!strncmp(line, "binding", 7)) {
		r.method = STUN_BINDING;
	} else if (!strncmp(line, "allocate", 8)) {
		r.method = TURN_ALLOCATE;
		r.family = n == 1 ? (uint8_t)atoi(a) : 0;
	} else if (!strncmp(line, "refresh", 7) && n == 1) {
		r.method = TURN_REFRESH;
		r.lifetime = atol(a);
	} else if (!strncmp(line, "permit", 6) && n == 1 && address_parse_port(&r.peer, a)) {
		r.method = TURN_CREATE_PERMISSION;
	} else if (!strncmp(line, "bind", 4) && n == 2 && address_parse_port(&r.peer, b)) {
		r.method = TURN_CHANNEL_BIND;
		r.channel = (uint16_t)strtoul(a, NULL, 0);
	} else {
		return false;
	}
	n = request(c, &r, &addr);
	say(n, addr.family ? &addr : NULL);
	return true;
}

int main(int argc, char **argv)
{
	const int room = 32 << 20;	/* for what comes while somebody else has the processor */
	struct client c = { 0 };
	struct sockaddr_storage ss;
	struct tp_addr server;
	char line[256];

	if (argc != 4 || !address_parse_port(&server, argv[1])) {
		fprintf(stderr, "usage: turn_client SERVER USER PASSWORD\n");
		return 2;
	}
	c.user = (struct stun_bytes){ (uint8_t *)argv[2], strlen(argv[2]) };
	c.password = (struct stun_bytes){ (uint8_t *)argv[3], strlen(argv[3]) };
	c.fd = socket(server.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (c.fd < 0 || connect(c.fd, (struct sockaddr *)&ss, address_to_sockaddr(&server, &ss))) {
		perror("connect");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		if (!command(&c, line))
			puts("what?");
	return 0;
}
