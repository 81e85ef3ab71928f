#!/bin/bash
# SPDX-License-Identifier: MIT
# Round trips from the client by the relay to an echo at the peer and back, one under way
# at a time, with nothing else going on and beside half of what the relay can take.
# Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

LATENCY_SECONDS=3
DIRECT_CLIENT=11.0.3.1	DIRECT_PEER=11.0.3.2
ECHO_PORT=7		# bench.h: what the counter leaves alone

# A wire from the client to the peer: what the two ends cost by themselves.
direct_up()
{
	ip link add direct netns "$LAB_NAME-client" type veth peer name direct \
		netns "$LAB_NAME-peer" || return
	lab_address client direct $DIRECT_CLIENT 2a00:1:3::1
	lab_address peer direct $DIRECT_PEER 2a00:1:3::2
}

direct_down()
{
	lab_ip client link del direct
}

# direct|turn port: P50 P99 P99.9 MAX COUNT LOST. On the relay's cores, off the generator's.
ping_relay()
{
	local last=$((cores - 1)) to=("$LAB_PEER4:$ECHO_PORT" "$LAB_RELAY4:3478" bench bench)
	local from=$LAB_CLIENT4:$2
	[ "$1" = turn ] || { to=("$DIRECT_PEER:$ECHO_PORT"); from=$DIRECT_CLIENT:$2; }
	lab_exec client taskset -c "$last" build/bench/latency ping $LATENCY_SECONDS "$1" \
		"$from" "${to[@]}"
}

# label direct|turn generator's-option...
latency_of()
{
	local label=$1 way=$2 most rate line load_pid
	shift 2
	line=$(ping_relay "$way" 19000) || return
	echo "$label idle 0 $line" >>"$dir/latency"
	read -r _ most _ <<<"$(SECONDS_EACH=$SECONDS_STEP best 1 160 "$@")"
	rate=$((most / 2))
	if [ "$rate" -eq 0 ]; then
		echo "bench: $label takes no load" >&2
		return 1
	fi
	SECONDS_EACH=$((LATENCY_SECONDS + 2)) once 1 160 --rate $rate "$@" >"$dir/beside" &
	load_pid=$!
	sleep 1
	line=$(ping_relay "$way" 19001)		# the other port's allocation is there still
	wait "$load_pid"
	[ -n "$line" ] || return
	read -r _ rate _ <"$dir/beside"		# what did arrive
	echo "$label loaded $rate $line" >>"$dir/latency"
}

latency_of_relay()
{
	local label=$1
	shift
	"$@" || return
	if bind_channels 1 >"$dir/load" 2>&1; then
		latency_of "$label" turn
	else
		echo "bench: $label: $(cat "$dir/load")" >&2
	fi
	stop_relay
}

latency_table()
{
	awk '
	BEGIN { printf "  %-15s %-7s %9s %8s %8s %8s %8s   %s\n", "microseconds", "", "beside/s",
			"p50", "p99", "p99.9", "most", "round trips" }
	{ if ($1 == "direct") for (i = 4; i <= 6; i++) direct[$2, i] = $i
	  printf "  %-15s %-7s %9d %8s %8s %8s %8s   %d%s\n", $1, $2, $3, $4, $5, $6, $7, $8,
		$9 ? ", " $9 " lost" : ""
	  if ($1 == "direct" || !((($2), 4) in direct)) next
	  printf "  %-15s %-7s %9s %8.1f %8.1f %8.1f\n", "", "", "added", $4 - direct[$2, 4],
		$5 - direct[$2, 5], $6 - direct[$2, 6] }' "$dir/latency"
}

part_latency()
{
	local echo4 echo_direct last=$((cores - 1))
	direct_up || return
	list_flows
	lab_start peer taskset -c $last build/bench/latency echo "$LAB_PEER4:$ECHO_PORT"
	echo4=$LAB_PID
	lab_start peer taskset -c $last build/bench/latency echo "$DIRECT_PEER:$ECHO_PORT"
	echo_direct=$LAB_PID
	sleep 0.3
	: >"$dir/latency"
	latency_of direct direct --forward
	latency_of_relay turnpike-xdp start_turnpike xdp
	latency_of_relay turnpike-user start_turnpike user
	! have_coturn || latency_of_relay coturn start_coturn
	kill "$echo4" "$echo_direct"
	wait "$echo4" "$echo_direct" 2>/dev/null
	direct_down
	echo 'Round trips of 160 bytes, one at a time: by ChannelData through the relay, or direct, by'
	echo 'a wire from the client to the peer. Loaded: beside half of what that relay takes (direct:'
	echo 'the minimal forwarder), as packets/s that arrived. Added: compared with direct.'
	latency_table
}
