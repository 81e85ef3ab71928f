#!/bin/bash
# SPDX-License-Identifier: MIT
# One flow by every way through the XDP program, beside the minimal forwarder, which has a
# lab of its own: all are measured one after the other, round by round, so that what else
# the machine does meets them alike. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

WAYS_ROUNDS=${BENCH_ROUNDS:-9}
WAYS_SECONDS=0.25

# label, family and way, flows' file
WAYS_LIST=(
	'forwarder 4 channel forward'
	'channel-4 4 channel up4'
	'channel-6 6 channel up6'
	'wrap-4 4 wrap up4'
	'wrap-6 6 wrap up6'
	'send-4 4 send up4'
	'data-4 4 data up4'
	'send-6 6 send up6'
	'data-6 6 data up6'
	'hairpin 4 hairpin pair'
	'binding 4 binding up4'
	'binding-6 6 binding up6'
)

# In a subshell: the rest of the bench keeps its lab.
forwarder_lab()
(
	LAB_NAME=${LAB_NAME}f
	"$@"
)

# family way flows-file: OFFERED ARRIVED ...
way_once()
{
	local at=(--client "$LAB_CLIENT4" --server "$LAB_RELAY4:3478" --peer "$LAB_PEER4:20000")
	[ "$1" = 4 ] || at=(--client "$LAB_CLIENT6" --server "[$LAB_RELAY6]:3478"
		--peer "[$LAB_PEER6]:20000")
	local lab=$LAB_NAME forward=()
	[ "$3" != forward ] || lab=${LAB_NAME}f forward=(--forward)
	build/bench/bench --lab "$lab" "${at[@]}" --flows-file "$dir/$3" --flows 1 --payload 160 \
		--seconds $WAYS_SECONDS --way "$2" "${forward[@]}"
}

ways_rounds()
{
	local round line
	: >"$dir/ways"
	for ((round = 0; round < WAYS_ROUNDS; round++)); do
		for line in "${WAYS_LIST[@]}"; do
			# shellcheck disable=SC2086	# its words
			set -- $line
			echo "$1 $(way_once "$2" "$3" "$4")" >>"$dir/ways"
		done
	done
}

# Median of the rounds' ratios, not the ratio of medians: a round's figures belong together.
ways_table()
{
	awk '
	function median(v, n,   i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function against(l, of,   k, n, v) {
		for (k = 1; k <= rounds[l]; k++) if (pps[of, k] > 0) v[++n] = pps[l, k] / pps[of, k]
		return n ? median(v, n) : 0
	}
	function rate(l,   k, v) { for (k = 1; k <= rounds[l]; k++) v[k] = pps[l, k]; return median(v, k - 1) }
	!($1 in rounds) { label[++m] = $1 }
	{ pps[$1, ++rounds[$1]] = $3 + 0; if ($5) others[$1] += $5 }
	END {
		printf "  %-12s %12s %14s %14s\n", "", "packets/s", "of forwarder", "of channel-4"
		for (i = 1; i <= m; i++) {
			l = label[i]
			printf "  %-12s %12d %14.2f %14.2f%s\n", l, rate(l), against(l, "forwarder"),
				against(l, "channel-4"), others[l] ? "  (" others[l] " of wrong length)" : ""
			print l, against(l, "forwarder"), against(l, "channel-4"),
				against(l, l ~ /-6$/ ? "channel-6" : "channel-4"),
				against(l, l ~ /^data-/ ? "wrap" substr(l, 5) : "channel-4") >RATIOS
		}
	}' RATIOS="$dir/ways.ratios" "$dir/ways"
}

# label column: a ratio of the table
ways_ratio()
{
	awk -v l="$1" -v c="$2" '$1 == l { print $c }' "$dir/ways.ratios"
}

part_ways()
{
	forwarder_lab lab_up || return
	start_turnpike xdp 1000 --listening-ip=$LAB_RELAY6 --relay-ip=$LAB_OUTER6 || return
	echo '20000 4000' >"$dir/forward"
	if load_at 4 "$dir/up4" >"$dir/load" 2>&1 && load_at 6 "$dir/up6" >"$dir/load" 2>&1 &&
		load_at 4 "$dir/pair" --hairpin --local $LAB_CLIENT4:21000 >"$dir/load" 2>&1; then
		ways_rounds
	else
		echo "bench: ways: $(tail -n 1 "$dir/load")" >&2
	fi
	stop_relay
	forwarder_lab lab_down
	echo "One flow of 160 bytes by each way, $WAYS_ROUNDS rounds; wrap: from the peer as ChannelData"
	ways_table
	asked 'one flow, ChannelData to the peer, of the forwarder' 0.9 "$(ways_ratio channel-4 2)"
	asked 'one flow, ChannelData to the client, of the forwarder' 0.9 "$(ways_ratio wrap-4 2)"
	asked 'IPv6, of IPv4, to the peer' 0.9 "$(ways_ratio channel-6 3)"
	asked 'Send, of ChannelData' 0.85 "$(ways_ratio send-4 3)"
	asked 'Data, of ChannelData to the client' 0.85 "$(ways_ratio data-4 5)"
	asked 'hairpin, of ChannelData' 0.8 "$(ways_ratio hairpin 3)"
	asked 'Binding, of the forwarder' 0.8 "$(ways_ratio binding 2)"
}
