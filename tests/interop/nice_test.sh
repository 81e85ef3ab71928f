#!/bin/bash
# SPDX-License-Identifier: MIT
# libnice: two agents that are forced to relayed candidates of the same server, so that each
# one's peer is the other's relayed address. Its TURN over TLS is Google's and Microsoft's of
# old, not RFC 8656's: UDP and TCP only.
. "$(dirname "$0")/lib.sh"

N=500		# messages each way

[ -x build/tests/interop/nice_agent ] ||
	tap_skip_all "no libnice when this was built: apt-get install libnice-dev"

# agents PROTO FAMILY
agents()
{
	local server=$LAB_RELAY4 local=$LAB_CLIENT4
	[ "$2" = IPv4 ] || server=$LAB_RELAY6 local=$LAB_CLIENT6
	tap_is "$(lab_exec client build/tests/interop/nice_agent $server 3478 "$1" $local $N \
		2>"$TAP_TMP/nice")" "relay relay $N $N" \
		"libnice, $1, $2: relayed candidates, all messages both ways"
	tap_is "$(cat "$TAP_TMP/nice")" "" "libnice, $1, $2: no complaint"
}

tap_lab
relay_start --allocation-default-address-family=keep
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
before=0
for family in IPv4 IPv6; do
	agents udp $family
	# half of them: the first ones are sent while channels are being bound
	tap_at_least $(($(relay_count hairpin) - before)) $N \
		"libnice, udp, $family: from client to client in the kernel"
	before=$(relay_count hairpin)
	agents tcp $family
done
tap_is "$(relay_allocations 'len(a)')" 0 "libnice: allocations are given back"
tap_done
