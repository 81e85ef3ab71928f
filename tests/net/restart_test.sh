#!/bin/bash
# SPDX-License-Identifier: MIT
# The relay process is killed under traffic, and the whole daemon is ended and
# started again: an established flow loses no packet, an allocation is carried
# on, and the client notices nothing but a retransmission.
. "$(dirname "$0")/tap.sh"

allocate_and_bind()
{
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: allocate"
	tap_is "$(client_say bind 0x4001 $LAB_PEER4:3482)" ok "$1: bind a channel"
	tap_is "$(client_say permit $LAB_PEER4)" ok "$1: permit"
	# the neighbours are known after this
	tap_is "$(client_say channel 0x4001 20 100 1000)" "sent 20 received 20 damaged 0" "$1: relays"
}

# traffic_while "KIND WHERE" COMMAND...: 3 s of traffic, with COMMAND after one of them
traffic_while()
{
	tests/net/losses.py $LAB_NAME "$TAP_TMP/bpf/turnpike" >"$TAP_TMP/losses"
	echo "$1 3000 200 1000" >&"$CLIENT_IN"
	sleep 1
	"${@:2}"
	read -r -t 60 answer <&"$CLIENT_OUT"
}

# expect_no_loss NAME: after traffic_while. The client and the peer have room for seconds, so what is
# lost is the relay's; counters of every queue on the way go to the log, to tell.
expect_no_loss()
{
	local where
	if [ "$answer" = "sent 3000 received 3000 damaged 0" ]; then
		tap_ok 0 "$1: no packet is lost"
		return
	fi
	where=$(tests/net/losses.py $LAB_NAME "$TAP_TMP/bpf/turnpike" "$TAP_TMP/losses")
	tap_ok 1 "$1: no packet is lost" "got: $answer" "${where//$'\n'/$'\n# '}"
}

restart_daemon()
{
	relay_stop TERM
	relay_start --dataplane="$kernel"
}

kill_keeper()
{
	local child
	child=$(relay_child)
	relay_stop KILL
	# it must not outlive its keeper
	tap_until tap_ended "$child"
	relay_start --dataplane="$kernel"
}

# What the daemon relayed: nothing but the packets that it asked for (see poke).
by_daemon()
{
	echo $(($(relay_count user_to_peer) + $(relay_count user_to_client)))
}

expect_carried_on()
{
	tap_is "$(relay_allocations 'len(a)')" 1 "$1: the allocation is still listed"
	tap_is "$(client_say channel 0x4001 20 100 1000)" "sent 20 received 20 damaged 0" \
		"$1: the channel still relays"
	tap_is "$(client_say refresh 600)" ok "$1: refresh succeeds"
	tap_at_least 2 "$(client_say requests)" "$1: with one retransmission at most"
	tap_is "$(client_say bind 0x4001 $LAB_PEER4:3482)" ok "$1: the channel is bound again"
	tap_is "$(client_say send $LAB_PEER4:3481 20 100 1000)" "sent 20 received 20 damaged 0" \
		"$1: Send still relays"
	tap_is "$(client_say refresh 0)" ok "$1: refresh to 0"
	tap_is "$(client_say refresh 600)" "error 437" "$1: it is gone"
	tap_is "$(relay_allocations 'len(a)')" 0 "$1: and not listed"
}

tap_lab
channel="channel 0x4001"

# G19, G20: the kernel relays on while programs change and processes are killed.
for kernel in xdp tc; do
	relay_start --dataplane="$kernel"
	tap_ok $? "$kernel: starts" "$(cat "$TAP_TMP/relay.log")"
	allocate_and_bind "$kernel, relay process killed"
	traffic_while "$channel" relay_kill
	expect_no_loss "$kernel, relay process killed"
	tap_is "$(grep -c 'signal=9' "$TAP_TMP/relay.log")" 1 "$kernel, relay process killed: the log says so"
	expect_carried_on "$kernel, relay process killed"
	client_stop

	# Send and Data indications: rows of the allocation and of the permission
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$kernel, no channel: allocate"
	tap_is "$(client_say permit $LAB_PEER4)" ok "$kernel, no channel: permit"
	tap_is "$(client_say send $LAB_PEER4:3482 20 100 1000)" "sent 20 received 20 damaged 0" \
		"$kernel, no channel: relays"
	traffic_while "send $LAB_PEER4:3482" relay_kill
	expect_no_loss "$kernel, no channel"
	tap_at_least "$(relay_count poke)" "$(by_daemon)" \
		"$kernel, no channel: the successor kept the rows"
	tap_is "$(client_say refresh 600)" ok "$kernel, no channel: refresh succeeds"
	tap_is "$(client_say send $LAB_PEER4:3482 20 100 1000)" "sent 20 received 20 damaged 0" \
		"$kernel, no channel: relays after it"
	tap_at_least "$(relay_count poke)" "$(by_daemon)" \
		"$kernel, no channel: and refresh renewed them"
	tap_is "$(client_say refresh 0)" ok "$kernel, no channel: refresh to 0"
	client_stop

	allocate_and_bind "$kernel, daemon restarted"
	traffic_while "$channel" restart_daemon
	expect_no_loss "$kernel, daemon restarted"
	expect_carried_on "$kernel, daemon restarted"
	client_stop

	allocate_and_bind "$kernel, keeper killed"
	traffic_while "$channel" kill_keeper
	expect_no_loss "$kernel, keeper killed"
	expect_carried_on "$kernel, keeper killed"
	client_stop
	relay_stop
done

# What the server's address says to a Binding request: yes, or nobody is there, or nothing.
ask()
{
	lab_exec client python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], 3478))
try:
    s.send(bytes.fromhex("000100002112a442") + os.urandom(12))
    print("yes" if s.recv(1500)[:2] == b"\1\1" else "what?")
except ConnectionRefusedError:
    print("nobody")
except TimeoutError:
    print("nothing")' $LAB_RELAY4
}

relay_start --dataplane=xdp
tap_is "$(ask)" yes "xdp: answers Binding"
tap_is "$(relay_count binding)" 1 "xdp: in the kernel"
relay_kill
tap_is "$(ask)" yes "xdp, relay process killed: still does"
relay_stop TERM
tap_is "$(ask)" nobody "xdp, stopped: answers nobody, though the programs stay"
relay_start --dataplane=xdp
tap_is "$(ask)" yes "xdp, started again: answers"
relay_stop

relay_start --dataplane=user
tap_ok $? "user: starts" "$(cat "$TAP_TMP/relay.log")"
allocate_and_bind "user, relay process killed"
relay_kill
expect_carried_on "user, relay process killed"
client_stop
relay_stop

tap_done
