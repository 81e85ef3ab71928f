#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory of an allocation with two channels: what the relay's processes and the kernel
# have more of with many than with none. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

MOST=16384		# allocations that turnpike's tables are made for

# Bytes of the tables, which are made at the start for all that there may be: BPF maps, or
# for dataplane=user what the journal in shared memory has filled.
table_bytes()
{
	local pid kb most=0 bytes total=0 pin
	if [ ! -d "$PINS" ]; then
		for pid in $(ip netns pids "$LAB_NAME-relay"); do
			kb=$(sed -n 's/^RssShmem:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
			[ "${kb:-0}" -le "$most" ] || most=$kb
		done
		echo $((most * 1024))
		return
	fi
	for pin in rows4 rows6 nexthops allocs bindings limits; do
		bytes=$(bpftool map show pinned "$PINS/tp_$pin" 2>/dev/null |
			sed -n 's/.*memlock \([0-9]*\)B.*/\1/p')
		total=$((total + ${bytes:-0}))
	done
	echo $total
}

# What there is now, a line "NAME COUNT BYTES" each: the processes' own memory, UDP sockets in
# the relay's namespace, and on the whole machine what is available and each slab cache; of
# that also the bytes that an object takes.
memory_now()
{
	local pid anon=0 kb
	for pid in $(ip netns pids "$LAB_NAME-relay"); do
		kb=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
		anon=$((anon + ${kb:-0} * 1024))
	done
	echo "+process 0 $anon"
	echo "+sockets $(lab_exec relay awk '/^UDP:/ { print $3 }' /proc/net/sockstat) 0"
	awk '/^MemAvailable:/ { print "+available 0", $2 * 1024 }' /proc/meminfo
	awk '/^[^#]/ && !/^slabinfo/ && $3 {
		bytes = $15 * $6 * 4096; print $1, $2, bytes, bytes / $3 }' /proc/slabinfo
}

memory_of()
{
	local label=$1
	shift
	"$@" || return
	sleep 0.5
	memory_now >"$dir/before"
	if ! lab_exec client build/bench/load --server $LAB_RELAY4:3478 \
		--local $LAB_CLIENT4:20000 --peer $LAB_PEER4:20000 --user bench --password bench \
		--clients "$ALLOCATIONS" --channels 2 --jobs 4 >"$dir/load" 2>&1; then
		echo "bench: $label: $(tail -n 1 "$dir/load")" >&2
		stop_relay
		return 1
	fi
	sleep 0.5
	memory_now >"$dir/after"
	case $label in
	turnpike*) echo "+tables $MOST $(table_bytes)" >>"$dir/after" ;;
	esac
	awk -v label="$label" -v n="$ALLOCATIONS" '
	NR == FNR { count[$1] = $2; bytes[$1] = $3; next }
	{ print label, n, $1, $2 - count[$1], $3 - bytes[$1], $4 }' "$dir/before" "$dir/after" \
		>>"$dir/memory"
	stop_relay
}

# A cache is the sockets' if objects came for most of them; one each, the rest is others' work,
# as files of /proc are altogether, which somebody looked at meanwhile.
memory_table()
{
	awk '
	!($1 in n) { order[++m] = $1; n[$1] = $2 }
	$3 == "+process" { process[$1] = $5 / $2; next }
	$3 == "+sockets" { sockets[$1] = $4 / $2; next }
	$3 == "+available" { available[$1] = -$5 / $2; next }
	$3 == "+tables" { tables[$1] = $5 / $4; next }
	{ other[$1] += $5 / $2 }
	$4 / $2 >= 0.9 && $3 != "proc_inode_cache" {
		slab[$1] += $6; other[$1] -= $6; list[$1] = list[$1] sprintf(" %s %.0f", $3, $6) }
	END {
		printf "  %-14s %11s %8s %8s %8s %8s   %8s %10s %8s\n", "bytes each", "allocations",
			"process", "socket", "tables", "sum", "others", "available", "sockets"
		for (i = 1; i <= m; i++) {
			l = order[i]
			sum[l] = process[l] + slab[l] + tables[l]
			printf "  %-14s %11d %8.0f %8.0f %8.0f %8.0f   %8.0f %10.0f %8.2f\n", l, n[l],
				process[l], slab[l], tables[l], sum[l], other[l], available[l],
				sockets[l]
		}
		print ""
		for (i = 1; i <= m; i++)
			printf "  %s, socket:%s\n", order[i], list[order[i]]
		print ""
		for (i = 1; i <= m; i++)
			printf "  extrapolated, not measured: %s with 100,000 allocations %.0f MiB\n",
				order[i], sum[order[i]] * 100000 / 1048576
	}' "$dir/memory"
	cat <<-END

	Two channels each, all of IPv4. process: anonymous memory of the relay's processes. socket: the
	slab caches of the kernel that grew by an object for each socket, below by name (several kinds
	of one size share a cache). Both are what came with the allocations. tables: made at
	the start for $MOST allocations with two channels each, half of the row slots free; divided by
	that. others: all other slabs, and available: what less of it there was, are the whole
	machine's, and other work's.
	END
}

part_memory()
{
	: >"$dir/memory"
	memory_of turnpike-xdp start_turnpike xdp $((MOST * 2))
	memory_of turnpike-user start_turnpike user $((MOST * 2))
	! have_coturn || memory_of coturn start_coturn
	memory_table
}
