#!/bin/bash
# SPDX-License-Identifier: MIT
# Another configuration without a restart, a server that drains, and allocations
# that the operator ends.
. "$(dirname "$0")/tap.sh"
. tests/net/conf.sh

# write_conf LINE...
write_conf()
{
	conf_write user=alice:secret "$@"
}

test_reload()
{
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: a client allocates"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "$1: binds a channel"
	tap_is "$(client_say channel 0x4000 100 100 200)" "sent 100 received 100 damaged 0" \
		"$1: and is served"
	tap_is "$(allocate_as bob builder)" "error 401" "$1: bob is not known"

	write_conf 'user=bob:builder' sock-buf-size=65536
	turnpike reload >"$TAP_TMP/out"
	tap_is $? 0 "$1: a new user, by turnpike reload"
	grep -q "turnpike.conf:3: warning: sock-buf-size: takes effect at the next start only" "$TAP_TMP/out"
	tap_ok $? "$1: what has to wait is said, with its line" "$(cat "$TAP_TMP/out")"
	tap_is "$(allocate_as bob builder)" ok "$1: is let in"
	tap_is "$(client_say channel 0x4000 100 100 200)" "sent 100 received 100 damaged 0" \
		"$1: the channel goes on"

	write_conf 'denied-peer-ip=11.0.2.0/33'
	turnpike reload >"$TAP_TMP/out" 2>&1
	tap_is $? 1 "$1: a bad file is refused"
	grep -q "turnpike.conf:2: error:" "$TAP_TMP/out"
	tap_ok $? "$1: with its line" "$(cat "$TAP_TMP/out")"
	tap_is "$(allocate_as bob builder)" ok "$1: and has changed nothing"
	kill -0 "$RELAY_PID"
	tap_ok $? "$1: nor ended the daemon"

	write_conf "denied-peer-ip=$LAB_PEER4"
	kill -s HUP "$RELAY_PID"
	relay_wait 'reloaded ms=[0-9.]* ended=2'
	tap_ok $? "$1: a rule that got stricter ends channel and permission" \
		"$(cat "$TAP_TMP/relay.log")"
	tap_is "$(client_say channel 0x4000 20 100 200)" "sent 20 received 0 damaged 0" \
		"$1: nothing is relayed to that peer any more"
	tap_is "$(allocate_as bob builder)" "error 401" "$1: who was taken out cannot come in"
	client_stop
}

# limited CHANNEL LEAST MOST NAME: of 500 packets so many come back
limited()
{
	local said received
	said=$(client_say channel "$1" 500 200 200)
	received=$(sed -n 's/.*received \([0-9]*\).*/\1/p' <<<"$said")
	[ "${received:--1}" -ge "$2" ] && [ "$received" -le "$3" ]
	tap_ok $? "$4" "got:  $said" "want: $2 to $3"
}

# Rates so low that a busy machine's time does not count.
test_limits()
{
	turnpike kick $LAB_CLIENT4 >/dev/null
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: a client allocates"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "$1: binds a channel"
	limited 0x4000 500 500 "$1: without a limit all is relayed"
	for limit in max-bps=200 user-max-bps=200 max-pps=1; do
		write_conf $limit
		turnpike reload >"$TAP_TMP/out" 2>&1
		tap_is "$(grep -c 'next start' "$TAP_TMP/out")" 0 "$1: $limit comes at once"
		limited 0x4000 1 100 "$1: $limit holds for who is there"
	done
	write_conf max-bps=1000000
	turnpike reload >/dev/null
	limited 0x4000 500 500 "$1: a higher one does as well"
	write_conf max-bps=1000 bps-capacity=1500
	turnpike reload >/dev/null
	tap_is "$(allocate_as alice secret)" ok "$1: a capacity has room for a second"
	tap_is "$(allocate_as alice secret)" "error 486" "$1: and for no third"
	write_conf
	turnpike reload >/dev/null
	limited 0x4000 500 500 "$1: and without one all is again"
	client_stop
}

test_kick()
{
	write_conf
	turnpike reload >/dev/null
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: a client allocates"
	turnpike kick mallory 2>/dev/null
	tap_is $? 1 "$1: kicking who is not there fails"
	tap_is "$(turnpike kick alice)" "2 allocations ended" "$1: alice is, with both that she has"
	tap_is "$(relay_allocations '[x for x in a if x["user"] == "alice"]')" "[]" "$1: and gone"
	tap_at_least "$(relay_allocations 'len(a)')" 1 "$1: others are not"
	client_stop
}

test_drain()
{
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: a client allocates"
	turnpike drain >/dev/null
	tap_is "$(allocate_as alice secret)" "error 508" "$1: draining, another one is refused"
	relay_kill
	tap_ok $? "$1: a successor of the relay process"
	tap_is "$(allocate_as alice secret)" "error 508" "$1: drains as well"
	turnpike drain --cancel >/dev/null
	tap_is "$(allocate_as alice secret)" ok "$1: until that is cancelled"
	turnpike kick 11.0.1.2 >/dev/null
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: one allocation"
	turnpike drain --deadline 2s >/dev/null
	timeout 60 tail --pid="$RELAY_PID" -f /dev/null
	tap_ok $? "$1: the daemon ends after the deadline"
	wait "$RELAY_PID"
	tap_is $? 0 "$1: with status 0"
	RELAY_PID=''
	client_stop
}

tap_lab
for dataplane in xdp user; do
	write_conf
	conf_start --relay-ip=$LAB_OUTER4 --dataplane=$dataplane
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	test_reload $dataplane
	test_kick $dataplane
	test_limits $dataplane
	test_drain $dataplane
	# a deadline leaves the programs to established flows
	[ $dataplane = user ] || turnpike detach >/dev/null
done
tap_done
