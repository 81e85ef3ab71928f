#!/bin/bash
# SPDX-License-Identifier: MIT
# The real daemon with the module, and a foreign client (coturn's): run in the virtual machine
# by kmod_VERSION.sh. TEST_KMOD names the module.
. "$(dirname "$0")/../net/tap.sh"
. tests/net/uclient.sh

N=50		# messages of one of turnutils_uclient's two clients

# No Python here: what status and stats print for people.
relay_count()
{
	turnpike stats | awk -v r="$1" '$3 == r && $4 != "module:" { n = $1 } END { print n + 0 }'
}

module_count()
{
	turnpike stats | awk -v r="$1" '$3 == r && $4 == "module:" { n = $1 } END { print n + 0 }'
}

# by the module and the daemon
all_count()
{
	echo $(($(module_count "$1") + $(relay_count "user_$1")))
}

# by the module and XDP
kernel_count()
{
	echo $(($(module_count "$1") + $(relay_count "$1")))
}

relay_interfaces()
{
	turnpike status | awk '/^ / && $2 ~ /^(native|tc|kmod|none)$/ { print $1 "=" $2 }' | sort |
		tr '\n' ' ' | sed 's/ $//'
}

relay_child()
{
	awk -v parent="$RELAY_PID" '$4 == parent { print $1 }' /proc/[0-9]*/stat 2>/dev/null
}

# foreign_client NAME OPTIONS...: every family combination, and exact counters. What arrived
# merged and is not of one channel is the daemon's. In an emulator the client may give up before
# it has read all that has reached it: that is counted where it was relayed.
foreign_client()
{
	local server peer up down result
	for server in $LAB_RELAY4 $LAB_RELAY6; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			up=$(all_count to_peer) down=$(all_count to_client)
			result=$(uclient_to "$peer" "$server" "${@:2}")
			tap_is "${result% *}" $((2 * N)) "$1, client at $server, peer $peer: all is sent"
			tap_at_least "${result#* }" $((2 * N * 3 / 4)) "$1, $server to $peer: and comes back"
			tap_is "$(($(all_count to_peer) - up)) $(($(all_count to_client) - down))" \
				"$((2 * N)) $((2 * N))" "$1, $server to $peer: each message once"
		done
	done
}

# start_client NAME: allocated, with a channel to the peer, and the module relays
start_client()
{
	client_start "$LAB_RELAY4:3478"
	client_say allocate >/dev/null
	client_say bind 0x4001 $LAB_PEER4:3480 >/dev/null
	tap_is "$(client_say channel 0x4001 20 100 5000)" "sent 20 received 20 damaged 0" \
		"$1: the channel relays"
}

load()
{
	grep -q '^turnpike ' /proc/modules || insmod "$TEST_KMOD"
}

rmmod_refused()
{
	! rmmod turnpike 2>/dev/null
	tap_ok $? "$1: rmmod is refused"
}

test_foreign()
{
	load
	relay_start --dataplane=kmod
	tap_ok $? "kmod: starts" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(relay_interfaces)" "toclient=kmod topeer=kmod" "kmod: status says so"
	turnpike status | grep -q 'data plane *kmod (wanted: kmod), module'
	tap_ok $? "kmod: as the mode, too" "$(turnpike status)"
	rmmod_refused kmod
	foreign_client channel
	foreign_client send -s
	tap_at_least "$(module_count to_peer)" $((16 * N * 9 / 10)) "kmod: nearly all by the module"
	tap_at_least "$(module_count to_client)" $((16 * N * 9 / 10)) "kmod: back, too"
	relay_stop
	rmmod turnpike
	tap_ok $? "rmmod after the daemon's end"
}

# The module relays on while the relay process is killed, and a successor carries on.
test_killed()
{
	local answer
	load
	relay_start --dataplane=kmod
	start_client killed
	echo "channel 0x4001 500 200 4000" >&"$CLIENT_IN"
	sleep 0.5
	kill -9 "$(relay_child)"
	read -r -t 60 answer <&"$CLIENT_OUT"
	tap_is "$answer" "sent 500 received 500 damaged 0" "relay process killed: no packet is lost"
	tap_at_least "$(module_count to_peer)" 450 "relay process killed: by the module"
	tap_is "$(client_say refresh 600)" ok "relay process killed: refresh succeeds"
	tap_is "$(turnpike allocations | grep -oE ' (9[0-9]|100)%' | wc -l)" 2 \
		"allocations counts the module's packets"
	echo "channel 0x4001 100 200 4000" >&"$CLIENT_IN"
	relay_stop KILL
	read -r -t 60 answer <&"$CLIENT_OUT"
	client_stop
	tap_until rmmod turnpike 2>/dev/null
	! grep -q '^turnpike ' /proc/modules
	tap_ok $? "keeper killed: nothing holds the module" "$(grep turnpike /proc/modules)"
	turnpike detach >/dev/null
}

test_missing()
{
	relay_start --dataplane=kmod
	tap_ok $((! $?)) "without the module dataplane=kmod does not start"
	grep -q 'the module is not loaded (modprobe turnpike)' "$TAP_TMP/relay.log"
	tap_ok $? "and the log says why" "$(cat "$TAP_TMP/relay.log")"
}

# XDP and the module on the same tables: what comes in fragments XDP passes up.
test_beside_xdp()
{
	local whole fragments up down
	load
	relay_start
	tap_is "$(relay_interfaces)" "toclient=native topeer=native" "auto: XDP where it can"
	turnpike status | grep -q 'data plane *xdp (wanted: auto), module'
	tap_ok $? "auto: and the module behind it" "$(turnpike status)"
	start_client "beside XDP"
	whole="$(relay_count to_peer) $(relay_count to_client)"
	fragments="$(module_count to_peer) $(module_count to_client)"
	tap_is "$(client_say channel 0x4001 $N 2000 10000)" "sent $N received $N damaged 0" \
		"beside XDP: datagrams in fragments"
	tap_is "$(relay_count to_peer) $(relay_count to_client)" "$whole" \
		"beside XDP: none of those by XDP"
	tap_is "$(module_count to_peer) $(module_count to_client)" \
		"$((${fragments% *} + N)) $((${fragments#* } + N))" \
		"beside XDP: put together, all by the module"
	up=$(kernel_count to_peer) down=$(kernel_count to_client)
	tap_is "$(client_say channel 0x4001 $N 200 10000)" "sent $N received $N damaged 0" \
		"beside XDP: whole ones"
	tap_is "$(($(kernel_count to_peer) - up)) $(($(kernel_count to_client) - down))" "$N $N" \
		"beside XDP: each of them once, by the one or the other"
	tap_at_least "$(($(relay_count to_peer) - ${whole% *}))" $((N * 9 / 10)) \
		"beside XDP: nearly all by XDP, but for what it asks the kernel to do"
	client_stop
	relay_stop
	rmmod turnpike
	tap_ok $? "rmmod at last"
}

tap_lab
for part in ${TEST_PARTS:-foreign killed missing beside_xdp}; do
	test_$part
done
tap_done
