#!/bin/bash
# SPDX-License-Identifier: MIT
# What is answered in the kernel, and what is too much: Binding requests, strangers, and
# a client that sends ten times what it may.
. "$(dirname "$0")/tap.sh"

OTHER_NET4=11.0.9.2		# a client of another network

flood()
{
	lab_exec client tests/net/flood.py "$@"
}

answered()
{
	sed 's/.*answered //' <<<"$1"
}

# tap_between NUMBER LEAST MOST NAME
tap_between()
{
	[ "${1:-0}" -ge "$2" ] 2>/dev/null && [ "$1" -le "$3" ]
	tap_ok $? "$4" "got:  $1" "want: $2 to $3"
}

# E3
test_binding()
{
	relay_start --dataplane=xdp
	tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
	tap_at_least "$(answered "$(flood $LAB_CLIENT4 $LAB_RELAY4 3478 1 20000)")" 19000 \
		"a flood of Binding requests is answered"
	tap_at_least "$(answered "$(flood $LAB_CLIENT6 $LAB_RELAY6 3478 1 2000)")" 1900 \
		"over IPv6 too"
	# some may get lost on their way to a busy machine, none takes another way
	tap_at_least "$(relay_count binding)" 21780 "all of it in XDP"
	tap_is "$(relay_count stun_success)" 0 "the daemon saw nothing"
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say binding | cut -d: -f1)" "ok $LAB_CLIENT4" "the answer is right"
	client_stop
	client_start "[$LAB_RELAY6]:3478"
	tap_is "$(client_say binding | grep -o "$LAB_CLIENT6")" $LAB_CLIENT6 "over IPv6 too"
	client_stop
	tap_is "$(relay_count stun_success)" 0 "and it was not the daemon's"
	relay_stop
}

# Byte for byte the daemon's own answer, or not at all.
test_software()
{
	relay_start --dataplane=xdp --software-attribute
	flood $LAB_CLIENT4 $LAB_RELAY4 3478 1 10 >/dev/null
	tap_is "$(relay_count binding) $(relay_count stun_success)" "0 10" \
		"with SOFTWARE to tell, the daemon answers"
	relay_stop
}

# E1 and E2, as far as packets of a lab can be a flood.
test_strangers()
{
	relay_start --dataplane=xdp --unauthorized-ratelimit=on
	flood $LAB_CLIENT4 $LAB_RELAY4 3478 3 4000 1000 >"$TAP_TMP/flood" &
	local flood=$!
	sleep 1
	tap_is "$(flood $OTHER_NET4 $LAB_RELAY4 3478 3 10 5)" "sent 10 answered 10" \
		"another network is served meanwhile"
	wait $flood
	# 40 at once and 10 a second
	tap_between "$(answered "$(cat "$TAP_TMP/flood")")" 40 250 "Allocate: answers are limited"
	tap_at_least "$(relay_count stranger)" 3700 "the rest is dropped in XDP"
	tap_between "$(relay_count stun_error)" 50 260 "the daemon saw no more than it answered"
	# its own limit is the same, but for one request
	tap_between "$(relay_count stun_limited)" 0 20 "and hardly discarded one itself"
	relay_stop
}

BPS=20000 SIZE=200

# E16: 10 times as much as it may, and beside it somebody who keeps to the limit
test_bandwidth()
{
	local received start most
	relay_start --dataplane="$1" --max-bps=$BPS
	tap_ok $? "$1: starts" "$(cat "$TAP_TMP/relay.log")"
	printf '%s\n' allocate "bind 0x4001 $LAB_PEER4:3480" "channel 0x4001 4 100 100000" \
		"channel 0x4001 300 100 10000" |
		lab_exec client build/tests/net/turn_client "$LAB_RELAY4:3478" alice secret \
			>"$TAP_TMP/gentle" &
	local gentle=$!
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: allocate"
	tap_is "$(client_say bind 0x4001 $LAB_PEER4:3481)" ok "$1: bind"
	start=$EPOCHREALTIME
	received=$(client_say channel 0x4001 4000 $SIZE 1000 | sed 's/.*received \([0-9]*\).*/\1/')
	# the last second is for stragglers; the burst is worth one
	most=$(awk -v a="$start" -v b="$EPOCHREALTIME" "BEGIN { print int((b - a) * $BPS / $SIZE) }")
	tap_between "$received" $((most / 2)) $((most * 2)) "$1: it gets about its limit"
	tap_at_least "$(relay_count limit)" $((4000 - most * 2)) "$1: the rest is counted"
	tap_is "$(client_say refresh 600)" ok "$1: STUN is not limited"
	client_stop
	wait $gentle
	tap_is "$(tail -n 1 "$TAP_TMP/gentle")" "sent 300 received 300 damaged 0" \
		"$1: who keeps to the limit loses nothing"
	if [ "$1" = xdp ]; then
		tap_at_least "$(relay_count to_peer)" $((most / 2)) "$1: XDP relayed"
		tap_between "$(relay_count user_to_peer)" 0 100 "$1: the daemon hardly"
	fi
	relay_stop
}

# Allocations share bps-capacity; each gets max-bps of it.
test_capacity()
{
	relay_start --max-bps=1000 --bps-capacity=1500
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "capacity: the first"
	tap_is "$(echo allocate | lab_exec client build/tests/net/turn_client "$LAB_RELAY4:3478" \
		alice secret | cut -d' ' -f1)" ok "capacity: the second gets what is left"
	tap_is "$(echo allocate | lab_exec client build/tests/net/turn_client "$LAB_RELAY4:3478" \
		alice secret)" "error 486" "capacity: no third"
	client_stop
	relay_stop
}

tap_lab
lab_ip client address add $OTHER_NET4/24 dev eth0
lab_ip relay route add 11.0.9.0/24 via $LAB_CLIENT4
test_binding
test_software
test_strangers
test_bandwidth user
test_bandwidth xdp
test_capacity
tap_done
