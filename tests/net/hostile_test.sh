#!/bin/bash
# SPDX-License-Identifier: MIT
# What a hostile client may send, to the daemon by itself and behind XDP, over
# IPv4 and IPv6: the cases are in hostile_cases.py.
. "$(dirname "$0")/tap.sh"
. tests/net/cases.sh

# hostile_cases MODE CLIENT SERVER PEER OTHER
hostile_cases()
{
	cases_run "$1: " hostile "$(relay_child)" "${@:2}" $LAB_RELAY4 $LAB_OUTER4 $LAB_RELAY6 \
		$LAB_OUTER6 $NO_RSS
}

tap_lab
for dataplane in user xdp; do
	relay_start --dataplane=$dataplane --user=bob:builder
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	hostile_cases $dataplane-ipv4 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 11.0.2.77
	hostile_cases $dataplane-ipv6 $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6 2a00:1:2::77
	tap_is "$(relay_allocations 'len(a)')" 0 "$dataplane: no allocation is left"
	tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "$dataplane: it never died"
	relay_stop
done
tap_done
