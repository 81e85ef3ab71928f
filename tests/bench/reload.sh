#!/bin/bash
# SPDX-License-Identifier: MIT
# Another configuration under 10,000 allocations and traffic. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

RELOAD_ALLOCATIONS=10000
RELOAD_ENDED=1000		# of these, whose peer the new configuration denies
RELOAD_RATE=5000		# packets/s of each flow, there and back
RELOAD_SECONDS=4
RELOAD_TIMES=3
DENIED_PEER=11.0.2.77		# nobody is there

reload_conf()
{
	(umask 077; : >"$dir/reload.conf")
	printf '%s\n' lt-cred-mech user=bench:bench realm=bench listening-ip=$LAB_RELAY4 \
		relay-ip=$LAB_OUTER4 unauthorized-ratelimit=off "dataplane=$1" \
		"fast-path-flows=$((RELOAD_ALLOCATIONS * 4))" "max-allocations=$MOST" \
		"pin-path=$PINS" "control-socket=$dir/control.sock" "${@:2}" >"$dir/reload.conf"
}

# peer first-port clients: with a channel each
reload_fill()
{
	lab_exec client build/bench/load --server $LAB_RELAY4:3478 --local "$LAB_CLIENT4:$2" \
		--peer "$1:20000" --user bench --password bench --clients "$3" --channels 1 --jobs 4 \
		>"$dir/load" 2>&1 || { echo "bench: reload: $(tail -n 1 "$dir/load")" >&2; return 1; }
}

# The lines "reloaded ms=... ended=..." of the log so far.
reloads()
{
	grep -o 'reloaded ms=.*' "$dir/relay.log"
}

# Who relayed the flows: the counters say.
relayed_by()
{
	build/turnpike --socket "$dir/control.sock" stats --json | python3 -c '
import json, sys
n = {r["reason"]: r["packets"] for r in json.load(sys.stdin)["reasons"]}
print("    relayed: %d and back %d in XDP, %d and back %d by the daemon" %
      tuple(n[r] for r in ("to_peer", "to_client", "user_to_peer", "user_to_client")))'
}

reload_under()
{
	local way=$1 flows=() transport i from took=''
	reload_conf "$way"
	start_relay build/turnpiked -c "$dir/reload.conf" || return
	if ! reload_fill $LAB_PEER4 20000 $((RELOAD_ALLOCATIONS - RELOAD_ENDED)) ||
	   ! reload_fill $DENIED_PEER 40000 $RELOAD_ENDED; then
		stop_relay
		return 1
	fi
	for transport in udp tcp; do
		stream_at $transport --local $LAB_CLIENT4:50000 --rate $RELOAD_RATE \
			--seconds $RELOAD_SECONDS >"$dir/reload-$transport" 2>&1 &
		flows+=($!)
	done
	sleep 1
	reload_conf "$way" denied-peer-ip=$DENIED_PEER
	for ((i = 0; i < RELOAD_TIMES; i++)); do
		from=$(date +%s%N)
		build/turnpike --socket "$dir/control.sock" reload >"$dir/reload" 2>&1 ||
			{ echo "bench: $(tail -n 1 "$dir/reload")" >&2; break; }
		took+=" $((($(date +%s%N) - from) / 1000000))"
		sleep 0.3
	done
	wait "${flows[@]}"
	echo "  dataplane=$way, $RELOAD_ALLOCATIONS allocations with a channel each:"
	reloads | sed 's/^/    /'
	echo "    the command, with reading the file, took ms:$took"
	relayed_by
	for transport in udp tcp; do
		echo "    flow on $transport: $(tail -n 1 "$dir/reload-$transport")"
	done
	reloads | sed 's/.*ms=\([0-9.]*\).*/\1/' >>"$dir/reload-ms"
	tail -qn 1 "$dir"/reload-udp "$dir"/reload-tcp | awk '{ print $2 - $4 }' >>"$dir/reload-lost"
	stop_relay
}

part_reload()
{
	local echo_pid way
	: >"$dir/reload-ms"
	: >"$dir/reload-lost"
	lab_start peer build/bench/latency echo $LAB_PEER4:20000
	echo_pid=$LAB_PID
	echo "Reload under $((2 * RELOAD_RATE)) packets/s there and back; the first of" \
		"$RELOAD_TIMES has a rule that ends $RELOAD_ENDED channels and their permissions"
	for way in xdp user; do
		reload_under $way
	done
	kill "$echo_pid"
	wait "$echo_pid" 2>/dev/null
	echo '  The flow on udp is relayed by XDP where there is XDP, the one on tcp by the daemon.'
	asked 'reload with 10,000 allocations: of 100 ms, the longest took' -100 \
		"$(sort -n "$dir/reload-ms" | awk 'END { if (NR) print -$1; else print -1e9 }')"
	asked 'reload: packets that were lost' 0 \
		"$(awk '{ n += $1 } END { print NR ? -n : -1e9 }' "$dir/reload-lost")"
}
