#!/bin/bash
# SPDX-License-Identifier: MIT
# Two clients of one server talk to each other through their relayed addresses:
# by channel and by Send, over IPv4 and IPv6, and with external-ip, where each
# knows the other by an address that no socket here has; dataplane user and xdp.
. "$(dirname "$0")/tap.sh"
. tests/net/uclient.sh

N=200		# messages of each client
EXTERNAL4=11.0.9.9 EXTERNAL6=2a00:1:9::9

# run DATAPLANE NAME DIRECTIVE...
run()
{
	local dataplane=$1 name="$1, $2" mode options all fast slow before=0 slow_before=0
	relay_start --dataplane="$dataplane" "${@:3}"
	tap_ok $? "$name: starts" "$(cat "$TAP_TMP/relay.log")"
	for mode in channel send channel6 send6; do
		options=() all=$((2 * N))
		[ "${mode%6}" = channel ] || options+=(-s)
		[ "${mode#*d}" != 6 ] && [ "${mode#channel}" != 6 ] || options+=(-x)
		tap_is "$(uclient $LAB_RELAY4 -u alice -w secret -y -c "${options[@]}")" "$(uclient_all)" \
			"$name, $mode: nothing is lost"
		fast=$(relay_count hairpin) slow=$(relay_count user_to_client)
		if [ "$dataplane" = xdp ]; then
			tap_at_least $((fast - before)) $((all * 9 / 10)) "$name, $mode: in one pass"
		else
			tap_is $((slow - slow_before)) $all "$name, $mode: by the daemon"
		fi
		before=$fast slow_before=$slow
	done
	relay_stop
}

tap_lab
for dataplane in user xdp; do
	run $dataplane plain
	run $dataplane external-ip --external-ip=$EXTERNAL4/$LAB_OUTER4 \
		--external-ip=$EXTERNAL6/$LAB_OUTER6
done
tap_done
