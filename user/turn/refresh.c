// SPDX-License-Identifier: MIT
/* The Refresh request (RFC 8656 section 8.2). */
#include "turn/core.h"
#include "pure.h"

uint32_t refresh_lifetime(const struct request *rq)
{
	const struct turn_conf *conf = rq->server->conf;
	uint32_t s = 0;

	if (rq->msg->has & STUN_BIT(LIFETIME))
		s = rq->msg->lifetime;
	if (s > conf->max_lifetime_s)
		s = conf->max_lifetime_s;
	if (s < conf->default_lifetime_s)
		s = conf->default_lifetime_s;
	/* RFC 7635 section 9: not longer than the token */
	if (rq->auth.lifetime_s && s > rq->auth.lifetime_s)
		s = rq->auth.lifetime_s;
	return s;
}

int refresh_request(struct request *rq)
{
	const struct stun_msg *m = rq->msg;
	bool one = m->has & STUN_BIT(REQUESTED_ADDRESS_FAMILY);
	bool end = (m->has & STUN_BIT(LIFETIME)) && !m->lifetime;
	uint32_t lifetime_s = end ? 0 : refresh_lifetime(rq);
	uint64_t expires_ns = rq->now.mono_ns + lifetime_s * TURN_NS_PER_S;
	struct alloc *a = rq->alloc;
	unsigned int i, family;
	int code;

	family = m->family == 1 ? 4 : m->family == 2 ? 6 : 0;
	if (one && (!family || !alloc_serves(a, (uint8_t)family, rq->now.mono_ns)))
		return 443;
	stun_put_u32(&rq->w, STUN_T_LIFETIME, lifetime_s);
	if (!end && m->has & STUN_BIT(MOBILITY_TICKET)) {
		code = mobility_move(rq);
		if (code)
			return code;
	}
	if (end && one) {
		alloc_drop(rq->server, a, alloc_index((uint8_t)family), rq->now.mono_ns);
	} else if (end) {
		alloc_free(rq->server, a, rq->now.mono_ns);
	} else {
		for (i = 0; i < 2; i++) {
			if (a->pub.relay[i].local.family &&
			    (!one || i == alloc_index((uint8_t)family)))
				alloc_lifetime(rq->server, a, i, expires_ns);
		}
		rq->server->host->alloc_kept(rq->server->ctx, &a->pub);
	}
	return 0;
}
