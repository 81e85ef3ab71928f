#!/bin/bash
# SPDX-License-Identifier: MIT
# A foreign client and peer (coturn's turnutils) through the real daemon, on
# every path: channel and Send, IPv4 and IPv6 on either leg, dataplane user, xdp
# and tc; and the counters must say that the packets took the path they should.
. "$(dirname "$0")/tap.sh"

N=200		# messages of one client

# uclient SERVER PEER OPTIONS...: two clients; prints what was sent and received
uclient()
{
	local options=()
	case $2 in *:*) options+=(-x) ;; esac
	lab_exec client timeout 60 turnutils_uclient -u alice -w secret -c -n $N -m 2 -l 170 -z 2 \
		-e "$2" -r 3480 "${options[@]}" "${@:3}" "$1" 2>&1 |
		sed -n 's/.*tot_send_msgs=\([0-9]*\), tot_recv_msgs=\([0-9]*\).*/\1 \2/p' | tail -1
}

# The four family combinations side by side: files named client-SERVER-PEER
uclients()
{
	local server peer jobs=()
	for server in $LAB_RELAY4 $LAB_RELAY6; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			uclient "$server" "$peer" "$@" >"$TAP_TMP/client-$server-$peer" &
			jobs+=($!)
		done
	done
	wait "${jobs[@]}"
}

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
	uclients "${options[@]}"
	for server in $LAB_RELAY4 $LAB_RELAY6; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			tap_is "$(cat "$TAP_TMP/client-$server-$peer")" "$((2 * N)) $((2 * N))" \
				"$name, client at $server, peer $peer: nothing is lost"
		done
	done
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
