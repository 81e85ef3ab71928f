#!/bin/bash
# SPDX-License-Identifier: MIT
# A foreign client (coturn's) through the real daemon, on
# every path: channel and Send, IPv4 and IPv6 on either leg, dataplane user, xdp
# and tc; and the counters must say that the packets took the path they should.
. "$(dirname "$0")/tap.sh"
. tests/net/uclient.sh

N=200		# messages of one client

# expect_path DATAPLANE MODE NAME: the counters after 4 x 2 clients x N messages both ways
expect_path()
{
	local up down all=$((4 * 2 * N))
	if [ "$1" != user ]; then
		# the first packets find the neighbour for the rest
		up=$(relay_count to_peer) down=$(relay_count to_client)
		tap_at_least "$up" $((all * 9 / 10)) "$3: the kernel relayed to the peer"
		tap_at_least "$down" $((all * 9 / 10)) "$3: the kernel relayed to the client"
		tap_is $((up + $(relay_count user_to_peer))) $all "$3: each message once, to the peer"
		tap_is $((down + $(relay_count user_to_client))) $all "$3: each message once, back"
	else
		tap_is "$(relay_count user_to_peer)" $all "$3: the daemon relayed to the peer"
		tap_is "$(relay_count user_to_client)" $all "$3: the daemon relayed to the client"
		tap_is "$(relay_count to_peer)" 0 "$3: the kernel relayed nothing"
	fi
}

# expect_interfaces DATAPLANE NAME: what status says of each of the two
expect_interfaces()
{
	local word=$1
	[ "$1" != user ] || word=none
	[ "$1" != xdp ] || word=native
	tap_is "$(relay_interfaces)" "toclient=$word topeer=$word" "$2: status says $word"
}

# run DATAPLANE MODE
run()
{
	local name="$1 $2" options=() server peer
	[ "$2" = channel ] || options+=(-s)
	relay_start --dataplane="$1"
	tap_ok $? "$name: starts" "$(cat "$TAP_TMP/relay.log")"
	expect_interfaces "$1" "$name"
	for server in $LAB_RELAY4 $LAB_RELAY6; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			uclient_start "$name, client at $server, peer $peer: nothing is lost" \
				uclient_to "$peer" "$server" "${options[@]}"
		done
	done
	uclient_end
	expect_path "$1" "$2" "$name"
	relay_stop
}

tap_lab
for dataplane in user xdp tc; do
	for mode in channel send; do
		run $dataplane $mode
	done
done
tap_done
