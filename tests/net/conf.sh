# SPDX-License-Identifier: MIT
# Sourced after tap.sh by tests of a daemon that has its directives in a file, which changes.

CONF=$TAP_TMP/turnpike.conf
CONF_USERS=(user=alice:secret)

# conf_write LINE...: behind those of the users
conf_write()
{
	printf '%s\n' "${CONF_USERS[@]}" "$@" >"$CONF"
	chmod 640 "$CONF"
}

# conf_start DATAPLANE
conf_start()
{
	relay_launch -c "$CONF" --realm=lab --listening-ip=$LAB_RELAY4 --relay-ip=$LAB_OUTER4 \
		--relay-threads=2 --dataplane="$1" --unauthorized-ratelimit=off
}
