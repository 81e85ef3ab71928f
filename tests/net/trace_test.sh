#!/bin/bash
# SPDX-License-Identifier: MIT
# turnpike trace: it shows the packets that it was asked for and no others, relaying does
# not notice it come and go, and the programs are what they were however it ends.
. "$(dirname "$0")/tap.sh"

OUT=$TAP_TMP/trace.out ERR=$TAP_TMP/trace.err
TRACER=''

# trace_start OPTION...: one in the background that has its programs in place
trace_start()
{
	lab_start relay build/turnpike --socket "$RELAY_SOCKET" \
		--pin-path "$TAP_TMP/bpf/turnpike" trace "$@" >"$OUT" 2>"$ERR"
	TRACER=$LAB_PID
	tap_until grep -q 'tracing the programs' "$ERR"
}

# trace_stop [SIGNAL]: the status that it ends with; no SIGNAL: by itself
trace_stop()
{
	[ $# -eq 0 ] || kill -s "$1" "$TRACER"
	wait "$TRACER"
}

# traced EXPRESSION: Python over the list "t" of what was shown
traced()
{
	python3 -c '
import json, sys
t = [json.loads(line) for line in open(sys.argv[1])]
def client(e, a):
	return a == (e["sent"]["destination"] if e["reason"] == "to_client" else e["packet"]["source"])
def peer(e, a):
	return a == (e["sent"]["destination"] if e["reason"] == "to_peer" else e["packet"]["source"])
print(eval(sys.argv[2]))' "$OUT" "$1"
}

# programs: id and name of what runs on both interfaces
programs()
{
	local dev
	for dev in toclient topeer; do
		if [ "$kernel" = xdp ]; then
			lab_ip relay -d link show "$dev" | grep -o 'prog/xdp id [0-9]* name [a-z_]*'
		else
			lab_exec relay tc filter show dev "$dev" ingress | grep -o 'id [0-9]* name [a-z_]*'
		fi
	done | sed 's/.*id //'
}

are_ours()
{
	[ "$(programs | grep -c " name turnpike_$kernel$")" = 2 ]
}

are_tracing()
{
	[ "$(programs | grep -c " name tp_trace_$kernel$")" = 2 ]
}

are_again()
{
	[ "$(programs)" = "$ours" ]
}

# relays NAME
relays()
{
	tap_is "$(client_say channel 0x4001 50 200 1000)" "sent 50 received 50 damaged 0" "$1"
}

start_client()
{
	client_start "$LAB_RELAY4:3478"
	client=$(client_say binding | cut -d' ' -f2)
	relayed=$(client_say allocate | cut -d' ' -f2)
	client_say bind 0x4001 $LAB_PEER4:3480 >/dev/null
	client_say permit $LAB_PEER4 >/dev/null
	# the daemon needs a moment to learn of the neighbours
	tap_until answers
}

answers()
{
	[ "$(client_say channel 0x4001 1 100 1000)" = "sent 1 received 1 damaged 0" ]
}

# other_client COMMAND...: another one that goes after it
other_client()
{
	printf '%s\n' "$@" | lab_exec client timeout 60 build/tests/net/turn_client \
		"$LAB_RELAY4:3478" alice secret >/dev/null
}

# ------------------------------------------------------------------ what is shown

test_reasons()
{
	local before
	trace_start --json --reason to_client
	tap_ok $? "$kernel: starts" "$(cat "$ERR")"
	before=$(relay_count to_client)
	relays "$kernel: relays while it is traced"
	trace_stop INT
	tap_is $? 0 "$kernel: Ctrl-C ends it with 0"
	tap_is "$(traced 'len(t)')" "$(($(relay_count to_client) - before))" \
		"$kernel: a packet to the client, a line"
	tap_is "$(traced '{(e["interface"], e["path"], e["verdict"], e["reason"]) for e in t}')" \
		"{('topeer', '$kernel', 'sent', 'to_client')}" "$kernel: and no other line"
	tap_is "$(traced '{(e["packet"]["source"], e["packet"]["destination"], e["packet"]["length"]) for e in t}')" \
		"{('$LAB_PEER4:3480', '$relayed', 242)}" "$kernel: as it came"
	tap_is "$(traced '{(e["sent"]["source"], e["sent"]["destination"], e["sent"]["length"], e["sent"]["channel"]) for e in t}')" \
		"{('$LAB_RELAY4:3478', '$client', 246, '0x4001')}" "$kernel: and as it left"
	tap_is "$(tail -1 "$ERR")" "turnpike: $(traced 'len(t)') shown, 0 lost" \
		"$kernel: and it says how many"
	tap_is "$(programs)" "$ours" "$kernel: the programs are what they were"
}

test_addresses()
{
	trace_start --json --client "$client"
	relays "$kernel: one client"
	other_client allocate "bind 0x4002 $LAB_PEER4:3480" "channel 0x4002 50 100 1000"
	trace_stop TERM
	tap_is "$? $(traced 'sum(e["packet"]["source"] == "'"$client"'" for e in t)')" "0 50" \
		"$kernel: all that one client sent"
	tap_at_least "$(traced 'sum(e["reason"] == "to_client" for e in t)')" 49 \
		"$kernel: and all that it got"
	tap_is "$(traced '[e for e in t if not client(e, "'"$client"'")]')" "[]" \
		"$kernel: nothing of another one's"

	trace_start --json --peer $LAB_PEER4:3481
	relays "$kernel: another peer"
	tap_is "$(client_say send $LAB_PEER4:3481 50 100 1000)" "sent 50 received 50 damaged 0" \
		"$kernel: one peer"
	trace_stop INT
	tap_is "$(traced 'sum(e["packet"]["source"] == "'$LAB_PEER4':3481" for e in t)')" 50 \
		"$kernel: all that one peer sent"
	tap_at_least "$(traced 'sum(e["reason"] == "to_peer" for e in t)')" 49 \
		"$kernel: and all that it got"
	tap_is "$(traced '[e for e in t if not peer(e, "'$LAB_PEER4':3481")]')" "[]" \
		"$kernel: nothing of another one's"
}

# A relayed address, and no permission for anybody.
test_refused()
{
	local relayed i
	client_stop
	client_start "$LAB_RELAY4:3478"
	relayed=$(client_say allocate | cut -d' ' -f2)
	trace_start --reason ttl,refused --count 3 --hex
	for i in {1..5}; do
		lab_exec peer bash -c "printf stranger >/dev/udp/${relayed/:/\/}"
	done
	trace_stop
	tap_is $? 0 "$kernel: --count ends it"
	tap_is "$(grep -c " topeer $kernel dropped refused $LAB_PEER4:[0-9]* -> $relayed len 50$" "$OUT")" \
		3 "$kernel: dropped packets are shown, and that many" "$(cat "$OUT")"
	tap_is "$(grep -c '0020 .* 73 74 72 61 6e 67$' "$OUT") $(grep -c '0030  65 72$' "$OUT")" "3 3" \
		"$kernel: with their bytes"
	client_stop
	start_client
}

test_sample()
{
	local n
	trace_start --sample 10 --json
	client_say channel 0x4001 1000 100 500 >/dev/null
	trace_stop INT
	n=$(traced 'len(t)')
	# 200 of 2000: 8 standard deviations away
	[ "$n" -ge 93 ] && [ "$n" -le 307 ]
	tap_ok $? "$kernel: one in ten is a tenth" "$n of 2000"
	trace_start --seconds 1 --reason rewrite
	trace_stop
	tap_is "$? $(cat "$OUT")" "0 " "$kernel: --seconds ends it"
}

# ---------------------------------------------------------------- coming and going

test_no_loss()
{
	local answer rounds=0 lost=''
	(
		for i in 1 2; do
			trace_start --sample 100
			trace_stop INT
		done
	) &
	while kill -0 $! 2>/dev/null; do
		answer=$(client_say channel 0x4001 500 200 2000)
		[ "$answer" = "sent 500 received 500 damaged 0" ] || lost="$lost$answer; "
		rounds=$((rounds + 1))
	done
	wait $!
	tap_is "$lost" "" "$kernel: twice on and off, and no packet is lost"
	tap_at_least $rounds 1 "$kernel: with traffic all the time"
	tap_is "$(programs)" "$ours" "$kernel: the programs are what they were"
}

test_one_only()
{
	trace_start
	are_tracing
	tap_ok $? "$kernel: tracing programs are in place" "$(programs)"
	turnpike trace --count 1 >/dev/null 2>"$TAP_TMP/second.err"
	tap_is "$? $(cat "$TAP_TMP/second.err")" \
		"1 turnpike: another turnpike trace is running: one at a time" \
		"$kernel: a second one is refused"
	are_tracing && kill -0 "$TRACER"
	tap_ok $? "$kernel: and changes nothing"
	trace_stop KILL 2>/dev/null
	tap_until are_again
	tap_is "$(programs)" "$ours" "$kernel: killed, and the programs are what they were"
	relays "$kernel: killed, relays"
}

# The tracer, and what would put the programs back.
kill_both()
{
	trace_start
	kill -s KILL "$(pgrep -P "$TRACER")"
	trace_stop KILL 2>/dev/null
	are_tracing
	tap_ok $? "$kernel: both processes killed: the tracing programs are left" "$(programs)"
	relays "$kernel: both processes killed: relays"
}

test_both_killed()
{
	kill_both
	turnpike trace --count 1 --reason rewrite --seconds 1 2>/dev/null
	tap_is "$? $(programs)" "0 $ours" "$kernel: the next trace mends it"
	kill_both
	relay_stop TERM
	relay_start --dataplane="$kernel"
	are_ours
	tap_ok $? "$kernel: so does a start of the daemon" "$(programs)"
	ours=$(programs)
}

test_restart()
{
	trace_start --json --reason to_peer
	relay_stop TERM
	relays "$kernel: no daemon, relays"
	tap_until test -s "$OUT"
	tap_ok $? "$kernel: no daemon, is traced" "$(cat "$ERR")"
	relay_start --dataplane="$kernel"
	tap_until grep -q 'loaded its programs anew' "$ERR"
	tap_ok $? "$kernel: follows a new daemon" "$(cat "$ERR")"
	: >"$OUT"
	relays "$kernel: a new daemon, relays"
	trace_stop INT
	tap_is $? 0 "$kernel: a new daemon, ends with 0"
	tap_at_least "$(grep -c to_peer "$OUT")" 49 "$kernel: a new daemon, is traced"
	are_ours
	tap_ok $? "$kernel: a new daemon's programs are there" "$(programs)"
	ours=$(programs)
}

test_detached()
{
	trace_start
	relay_stop
	trace_stop
	tap_is "$? $(grep -c "no programs in" "$ERR")" "3 1" "$kernel: Ctrl-C of the daemon ends it"
	tap_is "$(programs)" "" "$kernel: and nothing is left"
}

# ----------------------------------------------------------------------- what is wrong

# usage OPTION...
usage()
{
	turnpike trace "$@" 2>"$ERR"
	tap_is $? 2 "$*: ends with 2"
}

test_usage()
{
	usage --reason to_nobody
	usage --reason user_to_peer
	usage --count 0
	usage --sample x
	usage --client 1.2.3
	usage --peer 1.2.3.4:0
	turnpike trace 2>"$ERR"
	tap_is "$? $(grep -c 'no programs in .*dataplane=user' "$ERR")" "3 1" "no daemon: said, with 3"
	relay_start --dataplane=user
	turnpike trace 2>"$ERR"
	tap_is "$? $(grep -c 'no programs in .*dataplane=user' "$ERR")" "3 1" "user: said, with 3"
	relay_stop
}

tap_lab
relay_settle_neighbours
for kernel in xdp tc; do
	relay_start --dataplane="$kernel"
	start_client
	ours=$(programs)
	are_ours
	tap_ok $? "$kernel: programs in place" "$ours"
	test_reasons
	test_addresses
	# what does not depend on the path once
	[ "$kernel" = tc ] || test_refused
	[ "$kernel" = tc ] || test_sample
	test_no_loss
	test_one_only
	test_both_killed
	test_restart
	client_stop
	test_detached
done
test_usage
tap_done
