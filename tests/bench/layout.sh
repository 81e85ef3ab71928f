#!/bin/bash
# SPDX-License-Identifier: MIT
# The row table beside a kernel hash map with the rows in its elements: the same relay core
# with another tp_find4(), swapped under a running daemon from round to round. Sourced by
# bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

LAYOUT_ROUNDS=5
LAYOUT_SECONDS=0.3

# name flows: a line "name flows arrived"
layout_once()
{
	local arrived
	echo "$1" >&"${LAYOUT[1]}"
	read -r _ <&"${LAYOUT[0]}" || return
	read -r _ arrived _ <<<"$(SECONDS_EACH=$LAYOUT_SECONDS once "$2" 160)"
	echo "$1 $2 $arrived" >>"$dir/layout"
}

layout_rounds()
{
	local round flows name to
	coproc LAYOUT { build/bench/layout "$PINS" toclient; }
	read -r _ <&"${LAYOUT[0]}" || return
	for ((round = 0; round < LAYOUT_ROUNDS; round++)); do
		for flows in 1 "$FLOWS"; do
			for name in table prealloc malloc; do
				layout_once "$name" "$flows" || return
			done
		done
	done
	to=${LAYOUT[1]}
	exec {to}>&-
	wait "$LAYOUT_PID"
}

layout_table()
{
	awk '
	{ key = $1 " " $2; v[key, ++n[key]] = $3 }
	!($2 in flows) { flows[$2]; order[++m] = $2 }
	function median(k,   i, j, t, a) {
		for (i = 1; i <= n[k]; i++) a[i] = v[k, i] + 0
		for (i = 2; i <= n[k]; i++)
			for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
		return a[int((n[k] + 1) / 2)]
	}
	END {
		printf "  %-14s %14s %14s %14s\n", "channels", "table", "hash, prealloc", "hash, malloc"
		for (i = 1; i <= m; i++)
			printf "  %-14d %14d %14d %14d\n", order[i], median("table " order[i]),
				median("prealloc " order[i]), median("malloc " order[i])
	}' "$dir/layout"
}

part_layout()
{
	start_turnpike xdp || return
	: >"$dir/layout"
	if bind_channels "$FLOWS" >"$dir/load" 2>&1; then
		layout_rounds
	else
		echo "bench: layout: $(tail -n 1 "$dir/load")" >&2
	fi
	stop_relay
	echo "Rows in an open-addressed table, or in the elements of a kernel hash map: packets/s,"
	echo "$LAYOUT_ROUNDS rounds, in random order where there are many"
	layout_table
}
