#!/bin/bash
# SPDX-License-Identifier: MIT
# Relay addresses, their ports, and the interfaces that the kernel relays on, as they come and
# go with a reload, while what was allocated goes on.
. "$(dirname "$0")/tap.sh"
. tests/net/conf.sh

ALONE='sent 200 received 200 damaged 0'

write_conf()
{
	conf_write user=alice:secret user=carol:secret max-port=59999 "$@"
}

# at ADDRESS LOW HIGH ANSWER: is that "ok ADDRESS:PORT" with such a port?
at()
{
	local port=${4#"ok $1:"}
	[ "$port" != "$4" ] && [ "$port" -ge "$2" ] && [ "$port" -le "$3" ]
}

test_moved()
{
	local old=$2 said
	write_conf relay-ip=$LAB_OUTER4 min-port=51000 max-port=51099
	conf_during "$1: another relay address and other ports" 0
	tap_is "$(grep -c 'next start' "$TAP_TMP/said")" 0 "$1: which waits for no start"
	tap_is "$(relay_interfaces)" "toclient=$3 topeer=$3" "$1: its interface is attached to"
	said=$(client_say refresh 600)
	tap_is "${said%% *}" ok "$1: who has the old one refreshes it"
	guest_start "$LAB_RELAY4:3478"
	said=$(guest_say allocate)
	at $LAB_OUTER4 51000 51099 "$said"
	tap_ok $? "$1: who comes gets the new one" "$said"
	tap_is "$(guest_say bind 0x4000 $LAB_PEER4:3481)" ok "$1: binds a channel"
	tap_is "$(guest_say channel 0x4000 200 100 200)" "$ALONE" "$1: and is served"
	[ "$3" = none ] || tap_at_least "$(relay_count to_peer)" 199 "$1: in the kernel"
	tap_is "$(guest_say bind 0x4001 "$old")" ok "$1: and may speak to the old one"
	kill -s KILL "$(relay_child)"
	relay_wait 'adopted worker='
	tap_ok $? "$1: a successor of the relay process"
	tap_is "$(client_say channel 0x4000 200 100 200)" "$ALONE" "$1: carries on at the old one"
	tap_is "$(guest_say channel 0x4000 200 100 200)" "$ALONE" "$1: and at the new one"
	turnpike reload >/dev/null
	tap_is "$(client_say channel 0x4000 200 100 200)" "$ALONE" \
		"$1: another reload takes nothing away"
	tap_is "$(client_say refresh 0)" ok "$1: the last one ends"
	turnpike reload >/dev/null
	tap_is "$(guest_say bind 0x4002 "${old%:*}:50055")" "error 403" \
		"$1: then it is an address like any other of this host"
}

test_external()
{
	local said
	write_conf relay-ip=$LAB_OUTER4 min-port=51000 max-port=51099 external-ip=9.9.9.9
	turnpike reload >/dev/null
	said=$(client_say allocate)
	at 9.9.9.9 51000 51099 "$said"
	tap_ok $? "$1: another external address is told" "$said"
	tap_is "$(guest_say channel 0x4000 200 100 200)" "$ALONE" \
		"$1: who was told none is served on"
	tap_is "$(client_say refresh 0)" ok "$1: that was all"
}

test_taken_off()
{
	write_conf relay-ip=$LAB_RELAY4 min-port=50000 max-port=50099
	turnpike reload >/dev/null
	tap_is "$(relay_interfaces)" "toclient=$2 topeer=$2" \
		"$1: while somebody is left there it stays attached"
	tap_is "$(guest_say channel 0x4000 200 100 200)" "$ALONE" "$1: and serves"
	tap_is "$(guest_say refresh 0)" ok "$1: the last one ends"
	turnpike reload >/dev/null
	tap_is "$(relay_interfaces)" "toclient=$2" "$1: it is off"
	tap_is "$(attached topeer)" "" "$1: and nothing is on the interface"
}

# the programs on an interface of the relay's
attached()
{
	lab_ip relay link show dev "$1" | grep -o 'prog/xdp'
	lab_exec relay tc filter show dev "$1" ingress | grep -o turnpike_tc
}

# Somebody else's program is there, and this data path was insisted on.
test_refused()
{
	lab_ip relay link set topeer xdpdrv obj "$(lab_pass_object)" sec xdp
	write_conf relay-ip=$LAB_OUTER4 aux-server=$LAB_RELAY4:3500
	turnpike reload >"$TAP_TMP/said" 2>&1
	tap_is $? 1 "$1: an interface that cannot be attached to is refused"
	grep -q "error: dataplane=xdp: topeer: another XDP program" "$TAP_TMP/said"
	tap_ok $? "$1: by its name" "$(cat "$TAP_TMP/said")"
	tap_is "$(lab_exec relay ss -Hlun "sport = :3500")" "" "$1: and nothing has changed"
	tap_is "$(relay_interfaces)" "toclient=native" "$1: nor on the interfaces"
	tap_is "$(attached topeer)" prog/xdp "$1: nor with theirs"
	lab_ip relay link set topeer xdpdrv off
}

tap_lab
trap 'guest_stop; tap_clean' EXIT
for dataplane in xdp tc user; do
	case $dataplane in xdp) mode=native ;; tc) mode=tc ;; *) mode=none ;; esac
	write_conf relay-ip=$LAB_RELAY4 min-port=50000 max-port=50099
	# While the kernel makes a clsact, it drops what leaves by the interface (turnpiked(8)).
	[ $dataplane != tc ] || lab_exec relay tc qdisc add dev topeer clsact
	conf_start --dataplane=$dataplane
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(relay_interfaces)" "toclient=$mode" "$dataplane: on one interface"
	client_start "$LAB_RELAY4:3478"
	relayed=$(client_say allocate)
	at $LAB_RELAY4 50000 50099 "$relayed"
	tap_ok $? "$dataplane: a client allocates" "$relayed"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480)" ok "$dataplane: binds a channel"
	test_moved $dataplane "${relayed#ok }" $mode
	test_external $dataplane
	test_taken_off $dataplane $mode
	[ $dataplane != xdp ] || test_refused $dataplane
	guest_stop
	client_stop
	relay_stop
	turnpike detach >/dev/null 2>&1
done
tap_done
