#!/bin/bash
# SPDX-License-Identifier: MIT
# What does not relay: authenticated Allocate requests, and STUN Binding requests.
# Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

ALLOCATE_CLIENTS=8000
ALLOCATE_JOBS=8

# Processor seconds of all in the relay's namespace; /proc/PID/stat would count in hundredths.
relay_seconds()
{
	local pid
	for pid in $(ip netns pids "$LAB_NAME-relay"); do
		cat "/proc/$pid"/task/*/schedstat 2>/dev/null
	done | awk '{ s += $1 } END { printf "%.6f", s / 1e9 }'
}

# A relay that has opened its sockets may still be starting (loading programs, say): what that
# costs is not an allocation's.
relay_settles()
{
	local i spent last=0
	for i in {1..30}; do
		spent=$(relay_seconds)
		awk -v a="$last" -v b="$spent" 'BEGIN { exit b - a > 0.005 }' && break
		last=$spent
		sleep 0.3
	done
}

# Clients on the generator's core, the relay on the others.
allocate_at()
{
	local label=$1 before line
	shift
	"$@" || return
	relay_settles
	before=$(relay_seconds)
	if line=$(lab_exec client taskset -c 0 build/bench/load --server $LAB_RELAY4:3478 \
		--local $LAB_CLIENT4:20000 --peer $LAB_PEER4:20000 --user bench --password bench \
		--clients $ALLOCATE_CLIENTS --channels 0 --jobs $ALLOCATE_JOBS 2>"$dir/load"); then
		echo "$label $before $(relay_seconds) $line" >>"$dir/allocate"
	else
		echo "bench: $label: $(tail -n 1 "$dir/load")" >&2
	fi
	stop_relay
}

part_allocate()
{
	: >"$dir/allocate"
	allocate_at turnpike-xdp start_turnpike xdp
	allocate_at turnpike-user start_turnpike user
	! have_coturn || allocate_at coturn start_coturn
	echo "Allocate with long-term credentials, $ALLOCATE_CLIENTS clients, $ALLOCATE_JOBS at a time"
	awk -v n=$ALLOCATE_CLIENTS '
	BEGIN { printf "  %-16s %14s %15s %26s\n", "", "allocations/s", "transactions/s",
			"relay us/allocation" }
	{ printf "  %-16s %14s %15s %26.1f\n", $1, $6, $8, ($3 - $2) * 1e6 / n }' "$dir/allocate"
	! have_coturn || asked 'Allocate with credentials, allocations/s, of coturn' 2 "$(awk '
		{ v[$1] = $6 } END { if (v["coturn"]) printf "%.2f", v["turnpike-xdp"] / v["coturn"] }
		' "$dir/allocate")"
	echo '  Two transactions each: the 401 and the success. The clients have a core of their own;'
	echo '  where the relay is faster than they are, its processor time is what compares.'
}

# label pid-or-option...
binding_line()
{
	local label=$1 offered arrived ns
	shift
	read -r offered arrived ns _ <<<"$(best 1 32 --way binding "$@")"
	printf '  %-16s %12d %12d %12d\n' "$label" "$offered" "$arrived" "$ns"
}

binding_of_relay()
{
	local label=$1 pids
	shift
	"$@" || return
	mapfile -t pids < <(relay_pids)
	binding_line "$label" "${pids[@]}"
	[ "$label" != turnpike-xdp ] || answered_by
	stop_relay
}

# Who it was: the counters say.
answered_by()
{
	build/turnpike --socket "$dir/control.sock" stats 2>/dev/null |
		awk '/stun|binding/ { printf "                   counted: %s\n", $0 }'
}

part_binding()
{
	list_flows
	echo 'STUN Binding requests from one client'
	printf '  %-16s %12s %12s %12s\n' '' offered/s answered/s ns/packet
	binding_line forwarder --forward
	binding_line reflector --reflect
	binding_of_relay turnpike-xdp start_turnpike xdp
	binding_of_relay turnpike-user start_turnpike user
	! have_coturn || binding_of_relay coturn start_coturn
	echo '  The forwarder sends them on to the peer, the reflector back as they are, in XDP.'
}
