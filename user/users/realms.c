// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include "users/realms.h"

struct realms {
	struct turn_realms *made;
	char **origin_realm;		/* of each origin: pointers only when nothing moves */
	struct turn_ranges everywhere[2];	/* denied, allowed */
	char *why;			/* DATABASE_WHY bytes */
	bool failed;
};

static void fail(struct realms *r, const char *why)
{
	if (!r->failed)
		snprintf(r->why, DATABASE_WHY, "%s", why);
	r->failed = true;
}

static bool grow(struct realms *r, void *v, unsigned int n, size_t size)
{
	void **to = v, *bigger = reallocarray(*to, n + 1, size);

	if (bigger)
		*to = bigger;
	else
		fail(r, "no memory");
	return bigger;
}

static char *copy(struct realms *r, const char *text)
{
	char *made = strdup(text);

	if (!made)
		fail(r, "no memory");
	return made;
}

static struct turn_realm *get(struct realms *r, const char *name)
{
	struct turn_realms *m = r->made;
	struct turn_realm realm = { 0 };

	for (unsigned int i = 0; i < m->n; i++)
		if (!strcmp(m->v[i].name, name))
			return &m->v[i];
	if (!grow(r, &m->v, m->n, sizeof(*m->v)))
		return NULL;
	realm.name = copy(r, name);
	if (!realm.name)
		return NULL;
	m->v[m->n] = realm;
	return &m->v[m->n++];
}

struct realms *realms_new(const struct conf *conf, char *why)
{
	struct realms *r = calloc(1, sizeof(*r));

	strcpy(why, "no memory");
	if (!r)
		return NULL;
	r->why = why;
	r->made = calloc(1, sizeof(*r->made));
	if (!r->made) {
		free(r);
		return NULL;
	}
	get(r, conf->turn.realm);
	for (unsigned int i = 0; i < conf->turn.n_listener_realms; i++)
		get(r, conf->turn.listener_realms[i].realm);
	return r;
}

const char *realms_name(const struct realms *r, unsigned int n)
{
	return n < r->made->n ? r->made->v[n].name : NULL;
}

void realms_secret(struct realms *r, const char *realm, const char *secret)
{
	struct turn_realm *t = get(r, realm);

	if (!t || !*secret || !grow(r, &t->secrets, t->n_secrets, sizeof(*t->secrets)))
		return;
	t->secrets[t->n_secrets] = copy(r, secret);
	t->n_secrets += t->secrets[t->n_secrets] != NULL;
}

static void add_range(struct realms *r, struct turn_ranges *ranges,
		      const struct turn_ip_range *range)
{
	if (grow(r, &ranges->v, ranges->n, sizeof(*range)))
		ranges->v[ranges->n++] = *range;
}

void realms_range(struct realms *r, const char *realm, bool allowed, const char *text)
{
	struct turn_realm *t = *realm ? get(r, realm) : NULL;
	struct turn_ip_range range;
	char line[DATABASE_WHY];
	const char *fault = conf_parse_range(&range, text);

	if (fault) {
		/* as in the file: what was to be denied must not be let through for that */
		snprintf(line, sizeof(line), "%s-peer-ip of realm '%.40s': '%.80s' %s",
			 allowed ? "allowed" : "denied", realm, text, fault);
		fail(r, line);
		return;
	}
	if (t)
		add_range(r, allowed ? &t->allowed : &t->denied, &range);
	else if (!*realm)
		add_range(r, &r->everywhere[allowed], &range);
}

void realms_option(struct realms *r, const char *realm, const char *option, const char *value)
{
	struct turn_realm *t = get(r, realm);
	unsigned long long n = strtoull(value, NULL, 10);
	uint32_t n32 = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;

	if (!t)
		return;
	if (!strcmp(option, "max-bps"))
		t->max_bps = n;
	else if (!strcmp(option, "total-quota"))
		t->total_quota = n32;
	else if (!strcmp(option, "user-quota"))
		t->user_quota = n32;
}

void realms_origin(struct realms *r, const char *origin, const char *realm)
{
	struct turn_realms *m = r->made;

	if (!get(r, realm) || !grow(r, &m->origins, m->n_origins, sizeof(*m->origins)) ||
	    !grow(r, &r->origin_realm, m->n_origins, sizeof(*r->origin_realm)))
		return;
	r->origin_realm[m->n_origins] = copy(r, realm);
	m->origins[m->n_origins] = (struct turn_web_origin){ .origin = copy(r, origin) };
	m->n_origins++;
}

static void release(struct realms *r)
{
	for (unsigned int i = 0; i < r->made->n_origins; i++)
		free(r->origin_realm[i]);
	free(r->origin_realm);
	free(r->everywhere[0].v);
	free(r->everywhere[1].v);
	free(r);
}

void realms_abandon(struct realms *r)
{
	struct turn_realms *made = r->made;

	release(r);
	turn_realms_free(made);
}

struct turn_realms *realms_finish(struct realms *r)
{
	struct turn_realms *m = r->made;

	for (unsigned int i = 0; i < m->n; i++) {
		for (unsigned int k = 0; k < r->everywhere[0].n; k++)
			add_range(r, &m->v[i].denied, &r->everywhere[0].v[k]);
		for (unsigned int k = 0; k < r->everywhere[1].n; k++)
			add_range(r, &m->v[i].allowed, &r->everywhere[1].v[k]);
	}
	for (unsigned int i = 0; i < m->n_origins && !r->failed; i++)
		m->origins[i].realm = get(r, r->origin_realm[i]);
	if (r->failed) {
		realms_abandon(r);
		return NULL;
	}
	release(r);
	return m;
}

static bool same_ranges(const struct turn_ranges *a, const struct turn_ranges *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

static bool same_realm(const struct turn_realm *a, const struct turn_realm *b)
{
	if (strcmp(a->name, b->name) || a->n_secrets != b->n_secrets ||
	    a->user_quota != b->user_quota || a->total_quota != b->total_quota ||
	    a->max_bps != b->max_bps || !same_ranges(&a->allowed, &b->allowed) ||
	    !same_ranges(&a->denied, &b->denied))
		return false;
	for (unsigned int i = 0; i < a->n_secrets; i++)
		if (strcmp(a->secrets[i], b->secrets[i]))
			return false;
	return true;
}

bool realms_equal(const struct turn_realms *a, const struct turn_realms *b)
{
	if (a->n != b->n || a->n_origins != b->n_origins)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (!same_realm(&a->v[i], &b->v[i]))
			return false;
	for (unsigned int i = 0; i < a->n_origins; i++)
		if (strcmp(a->origins[i].origin, b->origins[i].origin) ||
		    strcmp(a->origins[i].realm->name, b->origins[i].realm->name))
			return false;
	return true;
}

void turn_realms_free(struct turn_realms *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < m->n; i++) {
		struct turn_realm *t = &m->v[i];

		for (unsigned int k = 0; k < t->n_secrets; k++) {
			explicit_bzero(t->secrets[k], strlen(t->secrets[k]));
			free(t->secrets[k]);
		}
		free(t->secrets);
		free(t->allowed.v);
		free(t->denied.v);
		free(t->name);
	}
	for (unsigned int i = 0; i < m->n_origins; i++)
		free(m->origins[i].origin);
	free(m->origins);
	free(m->v);
	free(m);
}
