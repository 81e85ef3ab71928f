// SPDX-License-Identifier: MIT
/* The interfaces as text: the keeper attaches while the relay process runs, and that shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/dataplane.h"

void dataplane_write(const struct dataplane *dp, FILE *out)
{
	fprintf(out, "%d %d\n", (int)dp->mode, dp->tc != NULL);
	for (unsigned int i = 0; i < dp->n; i++) {
		const struct xdp_interface *iface = &dp->interfaces[i];

		fprintf(out, "%s %u %d %s\n", iface->name, iface->ifindex, (int)iface->mode,
			iface->why);
	}
}

static bool read_one(struct xdp_interface *iface, const char *line, int len)
{
	int mode, at = 0;

	memset(iface, 0, sizeof(*iface));
	if (sscanf(line, "%15s %u %d%n", iface->name, &iface->ifindex, &mode, &at) != 3 ||
	    mode < XDP_NONE || mode > XDP_NATIVE || at >= len)
		return false;
	iface->mode = (enum xdp_mode)mode;
	snprintf(iface->why, sizeof(iface->why), "%.*s", len - at - 1, line + at + 1);
	return true;
}

/* Nothing has changed where it is not whole. */
bool dataplane_read(struct dataplane *dp, const char *text, bool *filters)
{
	struct xdp_interface *list = NULL, *grown, one;
	unsigned int n = 0;
	int mode, tc, len;

	if (sscanf(text, "%d %d", &mode, &tc) != 2 || mode < 0 || mode > DATAPLANE_USER)
		return false;
	for (text += strcspn(text, "\n"); *text && text[1]; text += 1 + len) {
		len = (int)strcspn(text + 1, "\n");
		grown = read_one(&one, text + 1, len) ?
			reallocarray(list, n + 1, sizeof(*list)) : NULL;
		if (!grown) {
			free(list);
			return false;
		}
		list = grown;
		list[n++] = one;
	}
	free(dp->interfaces);
	dp->interfaces = list;
	dp->n = n;
	dp->mode = (enum conf_dataplane)mode;
	*filters = tc;
	return true;
}
