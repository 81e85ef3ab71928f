#!/bin/bash
# SPDX-License-Identifier: MIT
# Relayed packets per second and processor time per packet: ChannelData from the
# client, counted at the peer. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

PAYLOADS=(160 1200)

# label flows option...: a line "label flows payload offered arrived ns others" for each payload
measure()
{
	local label=$1 n=$2 payload pids
	shift 2
	mapfile -t pids < <(relay_pids)
	for payload in "${PAYLOADS[@]}"; do
		if [ $((SECONDS - relay_began)) -gt "$DEADLINE" ]; then
			echo "bench: out of time: $label is not measured" >&2
			return 1
		fi
		printf '%s %s %s %s\n' "$label" "$n" "$payload" \
			"$(best "$n" "$payload" "$@" "${pids[@]}")" >>"$dir/results"
	done
}

# label start-function argument...: started anew for one channel and for many
measure_relay()
{
	local label=$1 n
	shift
	for n in 1 "$FLOWS"; do
		"$@" || return
		if bind_channels "$n" >"$dir/load" 2>&1; then
			echo "# $label: $n channel(s)" >&2
			measure "$label" "$n"
		else
			echo "bench: $label: $(cat "$dir/load")" >&2
		fi
		stop_relay
	done
}

relay_table()
{
	awk '
	{ key = $2 " " $3; if (!(key in seen)) { seen[key] = 1; keys[++n] = key }
	  if (!($1 in known)) { known[$1] = 1; labels[++m] = $1 }
	  pps[$1, key] = $5; ns[$1, key] = $6; others[$1, key] = $7; there[$1, key] = NF >= 7 }
	function ratio(a, b) { return b > 0 ? sprintf("%.2f", a / b) : "-" }
	END {
		for (k = 1; k <= n; k++) {
			split(keys[k], part, " ")
			printf "\n%d channel%s, %d bytes of payload\n", part[1],
				part[1] == 1 ? "" : "s in random order", part[2]
			printf "  %-16s %12s %14s %12s %12s\n", "", "packets/s", "of forwarder",
				"of coturn", "ns/packet"
			for (l = 1; l <= m; l++) {
				i = labels[l]; j = keys[k]
				if (!there[i, j]) { printf "  %-16s not measured\n", i; continue }
				printf "  %-16s %12d %14s %12s %12s%s\n", i, pps[i, j],
					ratio(pps[i, j], pps["forwarder", j]),
					ratio(pps[i, j], pps["coturn", j]), ns[i, j],
					others[i, j] ? "  (" others[i, j] " of wrong length)" : ""
			}
		}
	}' "$dir/results"
	cat <<-END

	packets/s are those that arrived at the peer, offered as fast as the generator can; or, if that
	is more, at the rate at which most arrived. ns/packet is processor time: softirq time of
	the generator's core per packet offered, and all time of the relay's processes per packet
	relayed. The machine's other work moves both: compare within a run.
	END
}

# label other flows: packets/s of one by those of the other, of the smaller payload
relay_ratio()
{
	awk -v a="$1" -v b="$2" -v n="$3" -v bytes="${PAYLOADS[0]}" -v c="${4:-5}" '
	$2 == n && $3 == bytes { v[$1] = $c }
	END { if (v[b] > 0) printf "%.2f", v[a] / v[b] }' "$dir/results"
}

relay_asked()
{
	asked '1 channel, of the forwarder' 0.9 "$(relay_ratio turnpike-xdp forwarder 1)"
	asked "$FLOWS channels in random order, of the forwarder" 0.55 \
		"$(relay_ratio turnpike-xdp forwarder "$FLOWS")"
	asked "$FLOWS channels in random order, aimed at" 0.75 \
		"$(relay_ratio turnpike-xdp forwarder "$FLOWS")"
	have_coturn || return 0
	asked '1 channel, packets/s, of coturn' 8 "$(relay_ratio turnpike-xdp coturn 1)"
	asked "1 channel, coturn's processor time per packet, of ours" 20 \
		"$(relay_ratio coturn turnpike-xdp 1 6)"
	asked '1 channel, packets/s by the daemon alone, of coturn' 1 \
		"$(relay_ratio turnpike-user coturn 1)"
}

part_relay()
{
	relay_began=$SECONDS
	list_flows
	echo '# generator alone, minimal forwarder' >&2
	local n
	for n in 1 "$FLOWS"; do
		measure generator "$n" --none
		measure forwarder "$n" --forward
	done
	measure_relay turnpike-xdp start_turnpike xdp
	measure_relay turnpike-user start_turnpike user
	! have_coturn || measure_relay coturn start_coturn
	relay_table
	relay_asked
}
