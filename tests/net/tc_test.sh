#!/bin/bash
# SPDX-License-Identifier: MIT
# tc where an interface has no native XDP: chosen by itself, beside XDP on another
# interface, with what an sk_buff brings that a frame of XDP does not (tags apart,
# checksums not computed yet or computed already), and without a trace when it ends.
. "$(dirname "$0")/tap.sh"

N=50

filters()
{
	lab_exec relay tc filter show dev "$1" ingress 2>/dev/null | grep -c "turnpike_tc"
}

qdiscs()
{
	lab_exec relay tc qdisc show dev "$1" | grep -c clsact
}

# start_client SERVER NAME: allocated, a channel to the peer, and neighbours known, which
# takes the daemon a second
start_client()
{
	local answer
	client_start "$1:3478"
	client_say allocate >/dev/null
	client_say bind 0x4001 $LAB_PEER4:3480 >/dev/null
	client_say permit $LAB_PEER4 >/dev/null
	tap_until kernel_answers
	tap_is "$answer" "sent 1 received 1 damaged 0" "$2: relays"
}

kernel_answers()
{
	local before
	before=$(relay_count to_client)
	answer=$(client_say channel 0x4001 1 100 1000)
	[ "$(relay_count to_client)" != "$before" ]
}

# What the kernel relayed, and what it has asked for a neighbour with (poke)
by_kernel()
{
	echo $(($(relay_count to_peer) + $(relay_count to_client) + $(relay_count poke)))
}

# expect_by kernel|daemon NAME: who relays N messages both ways, and nothing is damaged. The lab's
# veths have no other traffic, so that all that is counted is ours.
expect_by()
{
	local before kernel=0
	before=$(by_kernel)
	tap_is "$(client_say channel 0x4001 $N 200 1000)" "sent $N received $N damaged 0" "$2"
	[ "$1" = daemon ] || kernel=$((2 * N))
	tap_is $(($(by_kernel) - before)) $kernel "$2: by the $1"
}

# A bridge between the relay and its client: no native XDP.
bridge_up()
{
	lab_ip relay address flush dev toclient
	lab_ip relay link add br0 type bridge
	lab_ip relay link set toclient master br0
	lab_ip relay address add $LAB_RELAY4/24 dev br0
	lab_ip relay address add $LAB_RELAY6/64 dev br0 nodad
	lab_ip relay link set br0 up
}

test_checksums()
{
	relay_start --dataplane=tc
	tap_ok $? "tc: starts" "$(cat "$TAP_TMP/relay.log")"
	start_client $LAB_RELAY4 tc
	expect_by kernel "checksum in the packet"
	# left to a device that is none: the daemon's, and right
	lab_exec client ethtool -K eth0 tx on >/dev/null
	lab_exec peer ethtool -K eth0 tx on >/dev/null
	expect_by daemon "checksum not computed yet"
	tap_at_least "$(relay_count no_checksum)" $((2 * N)) "and counted as that"
	lab_exec client ethtool -K eth0 tx off >/dev/null
	lab_exec peer ethtool -K eth0 tx off >/dev/null
	expect_by kernel "computed again"
	client_stop
	relay_stop
}

# Others' filters and qdiscs, before and behind ours.
test_others()
{
	tap_is "$(qdiscs toclient) $(qdiscs topeer)" "0 0" "Ctrl-C leaves no qdisc"
	lab_exec relay tc qdisc add dev toclient clsact
	lab_exec relay tc filter add dev toclient ingress prio 7 protocol ip \
		bpf da obj build/lab/pass.bpf.o sec xdp
	relay_start --dataplane=tc
	lab_exec relay tc filter add dev topeer egress prio 9 protocol ip \
		bpf da obj build/lab/pass.bpf.o sec xdp
	tap_is "$(filters toclient) $(filters topeer)" "1 1" "filters are there"
	relay_stop TERM
	tap_is "$(filters toclient) $(filters topeer)" "1 1" "SIGTERM leaves them"
	turnpike detach >/dev/null
	tap_is $? 0 "detach works without the daemon"
	tap_is "$(filters toclient) $(filters topeer)" "0 0" "and takes them off"
	tap_is "$(qdiscs toclient) $(lab_exec relay tc filter show dev toclient ingress | grep -c 'pref 7 .*handle')" \
		"1 1" "a qdisc and a filter of somebody else's stay"
	tap_is "$(qdiscs topeer)" 1 "so does a qdisc of ours that somebody uses"
	lab_exec relay tc qdisc del dev toclient clsact
	lab_exec relay tc qdisc del dev topeer clsact

	lab_exec relay tc qdisc add dev topeer clsact
	lab_exec relay tc filter add dev topeer ingress prio 29808 protocol all handle 0x7470 \
		bpf da obj build/lab/pass.bpf.o sec xdp
	relay_start --dataplane=tc
	tap_ok $((! $?)) "another filter in our place is not replaced"
	grep -q 'another filter has our place' "$TAP_TMP/relay.log"
	tap_ok $? "and the log says so" "$(cat "$TAP_TMP/relay.log")"
	relay_stop
	lab_exec relay tc filter show dev topeer ingress | grep -q 'handle 0x7470 pass.bpf.o'
	tap_ok $? "and it is still there"
	lab_exec relay tc qdisc del dev topeer clsact
	tap_is "$(find "$TAP_TMP/bpf" -path '*/turnpike*' | wc -l)" 0 "no pin is left"
}

test_foreign_xdp()
{
	lab_ip relay link set topeer xdpdrv obj build/lab/pass.bpf.o sec xdp
	relay_start --dataplane=xdp
	tap_ok $((! $?)) "dataplane=xdp does not take an interface from another XDP program"
	grep -q 'topeer: another XDP program is attached (id' "$TAP_TMP/relay.log"
	tap_ok $? "and says whose" "$(cat "$TAP_TMP/relay.log")"
	relay_stop
	relay_start
	tap_is "$(relay_interfaces)" "toclient=native topeer=tc" "dataplane=auto takes tc there"
	turnpike status | grep -q 'topeer *tc.*another XDP program is attached (id'
	tap_ok $? "and status says why" "$(turnpike status)"
	start_client $LAB_RELAY4 "behind another XDP program"
	expect_by kernel "behind another XDP program"
	client_stop
	relay_stop
	lab_ip relay -d link show topeer | grep -q 'prog/xdp'
	tap_ok $? "the other XDP program is still there"
	lab_ip relay link set topeer xdpdrv off
}

# One side a bridge, the other native XDP: both ways in the kernel.
test_mixed()
{
	bridge_up
	relay_start
	tap_is "$(relay_interfaces)" "br0=tc topeer=native" "mixed: each interface has its best"
	turnpike status | grep -q 'br0 *tc *tc; no native XDP: driver bridge'
	tap_ok $? "mixed: and status says why" "$(turnpike status)"
	start_client $LAB_RELAY4 mixed
	expect_by kernel "mixed, in by one and out by the other"
	client_stop
	start_client "[$LAB_RELAY6]" "mixed, IPv6 to IPv4"
	expect_by kernel "mixed, IPv6 to IPv4"
	client_stop
	relay_stop TERM
	relay_start --dataplane=tc
	tap_is "$(relay_interfaces)" "br0=tc topeer=tc" "a restart with dataplane=tc takes all"
	! lab_ip relay -d link show topeer | grep -q 'prog/xdp'
	tap_ok $? "and takes XDP off"
	start_client $LAB_RELAY4 "tc"
	expect_by kernel "tc"
	client_stop
	relay_stop TERM
	relay_start
	tap_is "$(relay_interfaces)" "br0=tc topeer=native" "and back again"
	relay_stop TERM
	turnpike detach >/dev/null
	tap_is "$(qdiscs br0) $(qdiscs topeer)" "0 0" "detach leaves nothing"
}

tap_lab
test_checksums
test_others
test_foreign_xdp
test_mixed
tap_done
