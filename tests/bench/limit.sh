#!/bin/bash
# SPDX-License-Identifier: MIT
# One client at ten times its limit beside nine that keep to nine tenths of theirs.
# Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

LIMIT_SECONDS=8
LIMIT_PPS=5000			# of 160 bytes, which max-bps allows each allocation
LIMIT_GOOD=9			# clients
LIMIT_TIMES=100 LIMIT_SHARE=9	# tenths of what it may: how often each is in the list

# The generator goes round the list: a client sends as often as it is in there.
limit_list()
{
	awk -v times=$LIMIT_TIMES -v share=$LIMIT_SHARE \
		'{ n = NR == 1 ? times : share; while (n--) print }' "$dir/limit" >"$dir/flows"
}

# At the peer the source port is the relayed one: who sent it.
limit_table()
{
	awk -v pps=$LIMIT_PPS -v times=$LIMIT_TIMES -v share=$LIMIT_SHARE -v good=$LIMIT_GOOD '
	NR == FNR { split($3, a, ":"); client[a[2]] = NR; next }
	$1 == "sent" { sent = $2 / (times + good * share) }
	$1 in client { n[client[$1]] = $2 }
	END {
		least = 1
		for (i = 2; i <= good + 1; i++)
			if (n[i] < least * sent * share) least = n[i] / (sent * share)
		printf "  at ten times its limit: %.1f %% of %d packets came through\n",
			100 * n[1] / (sent * times), sent * times
		printf "  %d at nine tenths of it: at least %.3f %% of %d packets each\n", good,
			100 * least, sent * share
		printf "%.4f\n", least >LEAST
	}' LEAST="$dir/limit.least" "$dir/limit" "$1"
}

part_limit()
{
	local entries rate
	start_turnpike xdp 1000 --max-bps=$((LIMIT_PPS * 160)) || return
	if ! load_at 4 "$dir/limit" --clients $((LIMIT_GOOD + 1)) >"$dir/load" 2>&1; then
		echo "bench: limit: $(tail -n 1 "$dir/load")" >&2
		stop_relay
		return 1
	fi
	limit_list
	entries=$((LIMIT_TIMES + LIMIT_GOOD * LIMIT_SHARE))
	rate=$((entries * LIMIT_PPS / 10))
	SECONDS_EACH=$LIMIT_SECONDS once $entries 160 --rate $rate --ports >"$dir/ports"
	stop_relay
	echo "Of $((LIMIT_GOOD + 1)) clients with max-bps=$((LIMIT_PPS * 160)) ($LIMIT_PPS packets/s), for $LIMIT_SECONDS s:"
	limit_table "$dir/ports"
	asked 'others beside one at ten times its limit: packets that arrive' 0.999 \
		"$(cat "$dir/limit.least")"
}
