#!/bin/bash
# SPDX-License-Identifier: MIT
# A million rows: half a million channels, bound by the daemon, used in random order.
# Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

MILLION_CLIENTS=16130		# of 16384 ports
MILLION_CHANNELS=31

part_million()
{
	local n=$((MILLION_CLIENTS * MILLION_CHANNELS)) from=$SECONDS offered arrived rows
	start_turnpike xdp $n || return
	if ! load_at 4 "$dir/flows" --clients $MILLION_CLIENTS --channels $MILLION_CHANNELS \
		>"$dir/load" 2>&1; then
		echo "bench: million: $(tail -n 1 "$dir/load")" >&2
		stop_relay
		return 1
	fi
	echo "$(cat "$dir/load"), in $((SECONDS - from)) s with the start"
	build/turnpike --socket "$dir/control.sock" status | grep rows
	rows=$(build/turnpike --socket "$dir/control.sock" status |
		sed -n 's/^flow rows *IPv4 \([0-9]*\).*/\1/p')
	read -r offered arrived _ <<<"$(once $n 160)"
	stop_relay
	echo "$n channels in random order: $offered packets/s offered, $arrived arrived"
	asked 'rows that load and run' 1000000 "${rows:-0}"
	asked '1,000,000 rows, packets that arrive of those offered' 0.999 \
		"$(awk -v a="$arrived" -v o="$offered" 'BEGIN { printf "%.4f", o ? a / o : 0 }')"
}
