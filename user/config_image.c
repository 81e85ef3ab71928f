// SPDX-License-Identifier: MIT
/*
 * A configuration as it was given: directives in order, and the files that they
 * name as they were read. The privileged process reads; this is how another one,
 * which may not, gets the same configuration, and how two are compared.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "address.h"
#include "config_table.h"

#define FILE_MAX	(1 << 20)
#define TEXT_MAX	(1 << 20)
#define GIVEN_MAX	(1 << 20)

/* ------------------------------------------------------------------ keeping */

void conf_given_add(struct conf *conf, const char *name, const char *value, const char *where)
{
	struct conf_given given = { strdup(name), strdup(value), strdup(where) };

	conf->given = reallocarray(conf->given, conf->n_given + 1, sizeof(given));
	if (!conf->given || !given.name || !given.value || !given.where)
		abort();
	conf->given[conf->n_given++] = given;
}

static struct conf_file *file_find(const struct conf *conf, const char *path)
{
	for (unsigned int i = 0; i < conf->n_files; i++)
		if (!strcmp(conf->files[i].path, path))
			return &conf->files[i];
	return NULL;
}

static void file_free(struct conf_file *file)
{
	explicit_bzero(file->bytes, file->len);
	free(file->path);
	free(file->bytes);
}

static void file_add(struct conf *conf, const struct conf_file *file)
{
	conf->files = reallocarray(conf->files, conf->n_files + 1, sizeof(*file));
	if (!conf->files)
		abort();
	conf->files[conf->n_files++] = *file;
}

void conf_given_free(struct conf *conf)
{
	for (unsigned int i = 0; i < conf->n_given; i++) {
		explicit_bzero(conf->given[i].value, strlen(conf->given[i].value));
		free(conf->given[i].name);
		free(conf->given[i].value);
		free(conf->given[i].where);
	}
	for (unsigned int i = 0; i < conf->n_files; i++)
		file_free(&conf->files[i]);
	free(conf->given);
	free(conf->files);
}

/* 0 or -errno. */
static int file_read(struct conf_file *file, const char *path)
{
	FILE *in = fopen(path, "re");
	int err = 0;

	if (!in)
		return -errno;
	*file = (struct conf_file){
		.path = strdup(path), .bytes = malloc(FILE_MAX + 1),
		.world_readable = conf_world_readable(in),
	};
	if (!file->path || !file->bytes)
		abort();
	file->len = fread(file->bytes, 1, FILE_MAX + 1, in);
	if (ferror(in))
		err = errno ? -errno : -EIO;
	else if (file->len > FILE_MAX)
		err = -EFBIG;
	fclose(in);
	if (!err)
		return 0;
	free(file->path);
	free(file->bytes);
	return err;
}

const struct conf_file *conf_file(const struct conf_line *line, const char *path)
{
	struct conf_file *known = file_find(line->conf, path), file;
	int err;

	if (line->conf->sealed && known)
		return known;
	err = line->conf->sealed ? -ENOENT : file_read(&file, path);
	if (err) {
		conf_report(line->errors, line->where, LEVEL_ERROR, "%s: %.200s: %s",
			    line->directive->name, path, strerror(-err));
		return NULL;
	}
	if (known) {
		file_free(known);
		*known = file;
	} else {
		file_add(line->conf, &file);
	}
	return file_find(line->conf, path);
}

/* ----------------------------------------------------------------- carrying */

/* What is not given but seen: the host's addresses. */
struct seen {
	struct tp_addr **v;
	unsigned int *n;
};

#define SEEN	2

static void list_seen(struct seen seen[SEEN], struct conf *conf)
{
	seen[0] = (struct seen){ &conf->host.v, &conf->host.n };
	seen[1] = (struct seen){ &conf->turn.broadcasts, &conf->turn.n_broadcasts };
}

static void put(FILE *out, const void *bytes, size_t len)
{
	uint32_t n = (uint32_t)len;

	fwrite(&n, sizeof(n), 1, out);
	fwrite(bytes, 1, len, out);
}

static void put_addrs(FILE *out, const struct tp_addr *v, unsigned int n)
{
	static const struct tp_addr none;

	put(out, n ? v : &none, n * sizeof(*v));
}

static void put_former(FILE *out, const struct turn_conf *turn)
{
	put(out, &turn->n_former, sizeof(turn->n_former));
	for (unsigned int i = 0; i < turn->n_former; i++)
		put(out, &turn->former[i], sizeof(turn->former[i]));
}

int conf_image_write(const struct conf *conf)
{
	int fd = memfd_create("turnpike-config", MFD_CLOEXEC), copy = fd < 0 ? -1 : dup(fd), err;
	FILE *out = copy < 0 ? NULL : fdopen(copy, "we");

	if (!out) {
		err = -errno;
		goto fail;
	}
	put(out, &conf->n_given, sizeof(conf->n_given));
	for (unsigned int i = 0; i < conf->n_given; i++) {
		put(out, conf->given[i].name, strlen(conf->given[i].name));
		put(out, conf->given[i].value, strlen(conf->given[i].value));
		put(out, conf->given[i].where, strlen(conf->given[i].where));
	}
	put_addrs(out, conf->host.v, conf->host.n);
	put_addrs(out, conf->turn.broadcasts, conf->turn.n_broadcasts);
	put_former(out, &conf->turn);
	for (unsigned int i = 0; i < conf->n_files; i++) {
		put(out, conf->files[i].path, strlen(conf->files[i].path));
		put(out, conf->files[i].bytes, conf->files[i].len);
	}
	err = ferror(out) ? -EIO : 0;
	if (fclose(out))
		err = -errno;
	if (!err && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	err = err ? err : -errno;
	goto close;

fail:
	if (copy >= 0)
		close(copy);
close:
	if (fd >= 0)
		close(fd);
	return err;
}

/* The next piece, with a NUL behind it; NULL at the end, or if it is none. */
static char *take(FILE *in, size_t *len)
{
	uint32_t n;
	char *bytes;

	if (fread(&n, sizeof(n), 1, in) != 1 || n > FILE_MAX)
		return NULL;
	bytes = malloc(n + 1);
	if (!bytes)
		abort();
	if (fread(bytes, 1, n, in) != n) {
		free(bytes);
		return NULL;
	}
	bytes[n] = 0;
	*len = n;
	return bytes;
}

static bool take_given(struct conf *image, FILE *in)
{
	struct conf_given given = { 0 };
	size_t len;

	given.name = take(in, &len);
	given.value = given.name ? take(in, &len) : NULL;
	given.where = given.value ? take(in, &len) : NULL;
	if (given.where)
		conf_given_add(image, given.name, given.value, given.where);
	free(given.name);
	if (given.value)
		explicit_bzero(given.value, strlen(given.value));
	free(given.value);
	free(given.where);
	return given.where;
}

static bool take_seen(struct conf *image, FILE *in)
{
	struct seen seen[SEEN];

	list_seen(seen, image);
	for (int i = 0; i < SEEN; i++) {
		size_t len;
		void *v = take(in, &len);

		if (!v)
			return false;
		*seen[i].v = v;
		*seen[i].n = (unsigned int)(len / sizeof(struct tp_addr));
		if (len % sizeof(struct tp_addr))
			return false;
	}
	return true;
}

/* A piece of this very size. */
static bool take_fixed(FILE *in, void *to, size_t size)
{
	size_t len;
	char *bytes = take(in, &len);
	bool fits = bytes && len == size;

	if (fits)
		memcpy(to, bytes, size);
	free(bytes);
	return fits;
}

static bool take_former(struct turn_conf *turn, FILE *in)
{
	struct turn_former former;
	unsigned int n;

	if (!take_fixed(in, &n, sizeof(n)))
		return false;
	while (n && take_fixed(in, &former, sizeof(former))) {
		conf_add_former(turn, &former);
		n--;
	}
	return !n;
}

/* Only given, files, what was seen and what was before of *image are filled in. */
static int image_read(struct conf *image, int fd)
{
	int copy = dup(fd), err = -EPROTO;
	FILE *in = copy < 0 ? NULL : fdopen(copy, "re");
	struct conf_file file = { 0 };
	unsigned int n;
	size_t len;

	if (!in) {
		err = -errno;
		if (copy >= 0)
			close(copy);
		return err;
	}
	if (!take_fixed(in, &n, sizeof(n)) || n > GIVEN_MAX)
		goto out;
	while (n && take_given(image, in))
		n--;
	if (n || !take_seen(image, in) || !take_former(&image->turn, in))
		goto out;
	while ((file.path = take(in, &len))) {
		file.bytes = take(in, &file.len);
		if (!file.bytes) {
			free(file.path);
			goto out;
		}
		file_add(image, &file);
	}
	err = 0;
out:
	fclose(in);
	return err;
}

/* ---------------------------------------------------------------- reloading */

/* What derives from what cannot change while the server runs, or is random. */
static void keep(struct conf *next, const struct conf *running)
{
	if (!conf_where(next, "stateless-nonce-secret"))
		memcpy(next->turn.nonce_key, running->turn.nonce_key,
		       sizeof(next->turn.nonce_key));
	next->workers = running->workers;
	next->max_allocations = running->max_allocations;
}

/* What was read and seen on the way to from, and was before. */
static void move_sources(struct conf *to, struct conf *from)
{
	struct seen taken[SEEN], left[SEEN];

	list_seen(taken, to);
	list_seen(left, from);
	for (int i = 0; i < SEEN; i++) {
		*taken[i].v = *left[i].v;
		*taken[i].n = *left[i].n;
		*left[i].v = NULL;
		*left[i].n = 0;
	}
	to->turn.former = from->turn.former;
	to->turn.n_former = from->turn.n_former;
	from->turn.former = NULL;
	from->turn.n_former = 0;
	for (unsigned int i = 0; i < from->n_files; i++)
		file_add(to, &from->files[i]);
	free(from->files);
	from->files = NULL;
	from->n_files = 0;
}

/* next has what was read and seen; what is given comes from image. */
static int assemble(struct conf *next, const struct conf *image, const struct conf *running,
		    struct conf_errors *errors)
{
	next->sealed = true;
	for (unsigned int i = 0; i < image->n_given; i++)
		conf_set(next, image->given[i].name, image->given[i].value,
			 image->given[i].where, errors);
	conf_finish(next, errors);
	conf_keep_external(next, running);
	conf_resolve(next, errors);
	keep(next, running);
	conf_read_tls(next, errors);
	return errors->errors ? -EINVAL : 0;
}

static void image_free(struct conf *image)
{
	conf_given_free(image);
	free(image->host.v);
	free(image->turn.broadcasts);
	free(image->turn.former);
}

/* What is left of image is freed. */
static int image_make(struct conf *next, struct conf *image, const struct conf *running,
		      struct conf_errors *errors)
{
	int err;

	conf_init(next);
	move_sources(next, image);
	err = assemble(next, image, running, errors);
	image_free(image);
	if (err)
		conf_free(next);
	return err;
}

int conf_image_read(struct conf *next, int fd, const struct conf *running)
{
	struct conf_errors quiet = { 0 };
	struct conf image = { 0 };
	int err = image_read(&image, fd);

	if (!err)
		return image_make(next, &image, running, &quiet);
	image_free(&image);
	return err;
}

/* 0, -EALREADY if they are as they were, or -EINVAL and why. */
static int read_anew(struct conf *image, const struct conf *running, struct conf_errors *errors)
{
	bool same = true;

	for (unsigned int i = 0; i < running->n_files; i++) {
		const struct conf_file *was = &running->files[i], *now;
		const char *name = conf_tls_directive(running, was->path);
		struct conf_line line = { .conf = image, .errors = errors };

		if (!name)
			continue;
		line.directive = conf_find(name);
		line.where = conf_where(running, name);
		now = conf_file(&line, was->path);
		if (!now)
			return -EINVAL;
		same &= now->len == was->len && !memcmp(now->bytes, was->bytes, was->len);
	}
	return same ? -EALREADY : 0;
}

int conf_renew(struct conf *next, const struct conf *running, struct conf_errors *errors)
{
	struct conf image = { 0 };
	int fd = conf_image_write(running), err = fd < 0 ? fd : image_read(&image, fd);

	if (fd >= 0)
		close(fd);
	if (!err)
		err = read_anew(&image, running, errors);
	if (!err)
		return image_make(next, &image, running, errors);
	image_free(&image);
	return err;
}

static bool reloads(const char *name)
{
	const struct conf_directive *d = conf_find(name);

	return !d || d->state != CONF_WORKS || d->flags & CONF_RELOAD;
}

/* The next value of the directive from *at on, NULL for none. */
static const char *next_value(const struct conf *conf, const char *name, unsigned int *at)
{
	while (*at < conf->n_given) {
		const struct conf_given *given = &conf->given[(*at)++];

		if (!strcmp(given->name, name))
			return given->value;
	}
	return NULL;
}

static bool same_values(const struct conf *a, const struct conf *b, const char *name)
{
	unsigned int i = 0, j = 0;
	const char *va, *vb;

	do {
		va = next_value(a, name, &i);
		vb = next_value(b, name, &j);
		if (!va || !vb)
			return va == vb;
	} while (!strcmp(va, vb));
	return false;
}

static void report_kept(const struct conf *running, const struct conf *fresh,
			struct conf_errors *errors)
{
	for (size_t i = 0; i < conf_table_rows; i++) {
		const char *name = conf_table[i].name;
		const char *where;

		if (!name || reloads(name) || same_values(running, fresh, name))
			continue;
		where = conf_where(fresh, name);
		conf_report(errors, where ? where : conf_where(running, name), LEVEL_WARNING,
			    "%s%s: takes effect at the next start only", name,
			    where ? "" : " is not given any more");
	}
}

int conf_reload(struct conf *next, const struct conf_source *source, const struct conf *running,
		struct conf_errors *errors)
{
	struct conf fresh, merged = { 0 };
	struct conf_errors quiet = { 0 };
	int err;

	conf_load(&fresh, source, errors);
	if (errors->errors) {
		conf_free(&fresh);
		return -EINVAL;
	}
	report_kept(running, &fresh, errors);
	for (unsigned int i = 0; i < running->n_given; i++)
		if (!reloads(running->given[i].name))
			conf_given_add(&merged, running->given[i].name, running->given[i].value,
				       running->given[i].where);
	for (unsigned int i = 0; i < fresh.n_given; i++)
		if (reloads(fresh.given[i].name))
			conf_given_add(&merged, fresh.given[i].name, fresh.given[i].value,
				       fresh.given[i].where);
	conf_init(next);
	move_sources(next, &fresh);
	err = assemble(next, &merged, running, &quiet);
	if (err)
		conf_report(errors, NULL, LEVEL_ERROR, "what has changed contradicts what cannot "
			    "change before the next start");
	else if (!conf_external_known(next, errors))
		err = -EINVAL;
	if (err)
		conf_free(next);
	else
		conf_keep_former(next, running);
	conf_free(&fresh);
	conf_given_free(&merged);
	return err;
}
