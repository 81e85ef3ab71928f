# SPDX-License-Identifier: MIT
# Sourced after tap.sh by tests of a daemon that has its directives in a file, which changes
# under the traffic of one client (client_start), or of two.

CONF=$TAP_TMP/turnpike.conf

# conf_write LINE...: what conf_start, and then a reload, reads
conf_write()
{
	printf '%s\n' "$@" >"$CONF"
	chmod 640 "$CONF"
}

# conf_start DIRECTIVE...
conf_start()
{
	relay_launch -c "$CONF" --realm=lab --listening-ip=$LAB_RELAY4 --relay-threads=2 \
		--unauthorized-ratelimit=off "$@"
}

# conf_during NAME WANTED: a reload, with that exit status, under the first client's traffic
conf_during()
{
	local lost
	# While workers stand still, sockets hold 256 of them, and so does the wire to the peer when
	# they go on: at this pace that is more than a second, which only a busy machine needs.
	echo "channel 0x4000 300 100 5000" >&"$CLIENT_IN"
	sleep 0.3
	turnpike reload >"$TAP_TMP/said" 2>&1
	tap_is $? "$2" "$1" "$(cat "$TAP_TMP/said")"
	read -r -t 60 lost <&"$CLIENT_OUT"
	tap_is "$lost" "sent 300 received 300 damaged 0" "$1: nobody else loses anything"
}

# guest_start SERVER: a second client, carol; a test that has one ends it in its trap.
GUEST_PID=''

guest_start()
{
	rm -f "$TAP_TMP/in" "$TAP_TMP/out"
	mkfifo "$TAP_TMP/in" "$TAP_TMP/out"
	# not by lab_start, which would open both before there is anybody at the other end
	nsenter --net="/run/netns/$LAB_NAME-client" -- build/tests/net/turn_client "$1" carol \
		secret <"$TAP_TMP/in" >"$TAP_TMP/out" &
	GUEST_PID=$!
	exec {GUEST_IN}>"$TAP_TMP/in" {GUEST_OUT}<"$TAP_TMP/out"
}

guest_say()
{
	local answer
	echo "$*" >&"$GUEST_IN"
	read -r -t 60 answer <&"$GUEST_OUT" || answer="no answer"
	echo "$answer"
}

guest_stop()
{
	[ -n "$GUEST_PID" ] || return 0
	exec {GUEST_IN}>&- {GUEST_OUT}<&-
	kill "$GUEST_PID" 2>/dev/null
	wait "$GUEST_PID" 2>/dev/null
	GUEST_PID=''
}
