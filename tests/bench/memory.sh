#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory of an allocation with two channels: what the relay's processes and the kernel
# have more of with many than with none. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

# Bytes of the tables in the kernel, which are made at the start for all there may be.
map_bytes()
{
	local total=0 bytes pin
	[ -d "$PINS" ] || { echo 0; return; }
	for pin in rows4 rows6 nexthops allocs bindings; do
		bytes=$(bpftool map show pinned "$PINS/tp_$pin" 2>/dev/null |
			sed -n 's/.*memlock \([0-9]*\)B.*/\1/p')
		total=$((total + ${bytes:-0}))
	done
	echo $total
}

# ANON SLAB SOCKETS AVAILABLE: bytes of the processes' own, of the kernel's slabs on the whole
# machine, UDP sockets in the relay's namespace, bytes available on the whole machine.
memory_now()
{
	local pid anon=0 kb
	for pid in $(ip netns pids "$LAB_NAME-relay"); do
		kb=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
		anon=$((anon + ${kb:-0} * 1024))
	done
	echo "$anon $(awk '
		/^Slab:/ { slab = $2 * 1024 } /^MemAvailable:/ { available = $2 * 1024 }
		END { printf "%.0f", slab; printf " SOCKETS %.0f", available }' /proc/meminfo)" |
		sed "s/SOCKETS/$(lab_exec relay awk '/^UDP:/ { print $3 }' /proc/net/sockstat)/"
}

memory_of()
{
	local label=$1 before after
	shift
	"$@" || return
	sleep 0.5
	before=$(memory_now)
	if ! lab_exec client build/bench/load --server $LAB_RELAY4:3478 \
		--local $LAB_CLIENT4:20000 --peer $LAB_PEER4:20000 --user bench --password bench \
		--clients "$ALLOCATIONS" --channels 2 --jobs 4 >"$dir/load" 2>&1; then
		echo "bench: $label: $(tail -n 1 "$dir/load")" >&2
		stop_relay
		return 1
	fi
	sleep 0.5
	after=$(memory_now)
	echo "$label $ALLOCATIONS $(map_bytes) $before $after" >>"$dir/memory"
	stop_relay
}

memory_table()
{
	awk '
	BEGIN { printf "  %-14s %11s %8s %8s %8s %8s %9s %8s\n", "bytes each", "allocations",
			"process", "slabs", "tables", "sum", "available", "sockets" }
	{ n = $2; process = ($8 - $4) / n; slab = ($9 - $5) / n; tables = $3 / 16384
	  sum = process + slab + tables
	  printf "  %-14s %11d %8.0f %8.0f %8.0f %8.0f %9.0f %8.2f\n", $1, n, process, slab, tables,
		sum, ($7 - $11) / n, ($10 - $6) / n
	  more[$1] = sum * 100000 / 1048576; order[++m] = $1 }
	END { print ""
	  for (i = 1; i <= m; i++)
		printf "  extrapolated, not measured: %s with 100,000 allocations %.0f MiB\n",
			order[i], more[order[i]] }' "$dir/memory"
	cat <<-END

	Two channels each. process: anonymous memory of the relay's processes; slabs: the kernel's on
	the whole machine (sockets are in them); both are what came with the allocations. tables:
	the BPF maps, made at the start for 16384 allocations and as many flows as they can have,
	all of IPv4 or all of IPv6, in powers of two with half of the slots free; divided by 16384.
	available: what the whole machine had less of then, other work's, too; not the tables.
	END
}

part_memory()
{
	: >"$dir/memory"
	memory_of turnpike-xdp start_turnpike xdp $((16384 * 2))
	memory_of turnpike-user start_turnpike user $((16384 * 2))
	! have_coturn || memory_of coturn start_coturn
	memory_table
}
