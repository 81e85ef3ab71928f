#!/bin/bash
# SPDX-License-Identifier: MIT
# Relaying from TCP and TLS clients to a UDP peer, by one core of the relay. Sourced by
# bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

TLS_CLIENTS=64
TLS_RATE=20000		# messages/s of all, which any relay takes
TLS_ROUNDS=3
TLS_SECONDS=1.2

# Datagrams that reached the peer's host for a socket, read or not.
peer_datagrams()
{
	lab_exec peer awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 + $4 }' /proc/net/snmp
}

# relay transport rate: a line "RELAY TRANSPORT RATE OFFERED ARRIVED SECONDS PROCESSOR-SECONDS"
tls_once()
{
	local arrived spent line
	exec {held}< <(stream_at "$2" --clients $TLS_CLIENTS --payload 160 --rate "$3" \
		--seconds $TLS_SECONDS 2>&1)
	read -r -u "$held" line
	if [ "$line" != ready ]; then
		echo "bench: $1 on $2: $line" >&2
		exec {held}<&-
		return 1
	fi
	arrived=$(peer_datagrams) spent=$(relay_seconds)
	read -r -u "$held" line
	exec {held}<&-
	arrived=$(($(peer_datagrams) - arrived))
	echo "$1 $2 $3 $(awk '{ print $2 }' <<<"$line") $arrived $(awk '{ print $6 }' <<<"$line")" \
		"$(awk -v a="$spent" -v b="$(relay_seconds)" 'BEGIN { print b - a }')" >>"$dir/tls"
}

tls_relay()
{
	local transport
	start_with_streams "$1" || return
	for transport in tcp tls1.2; do
		tls_once "$1" $transport $TLS_RATE
		tls_once "$1" $transport 0
	done
	stop_relay
}

# Sums of the rounds; rate per core: what a core would do if it did nothing else.
tls_table()
{
	awk -v rounds=$TLS_ROUNDS -v out="$dir/tls-asked" '
	{
		key = $1 " " $2 " " $3
		if (!(key in seconds))
			order[++n] = key
		offered[key] += $4; arrived[key] += $5; seconds[key] += $6; spent[key] += $7
	}
	END {
		printf "  %-14s %-9s %12s %12s %12s %12s\n", "", "offered", "offered/s", "arrived/s",
			"us/packet", "per core/s"
		for (i = 1; i <= n; i++) {
			k = order[i]
			if (!arrived[k] || !spent[k])
				continue
			split(k, part, " ")
			us = spent[k] / arrived[k] * 1e6
			printf "  %-14s %-9s %12d %12d %12.2f %12d\n", part[1],
				part[2] (part[3] ? "" : ", all"), offered[k] / seconds[k],
				arrived[k] / seconds[k], us, 1e6 / us
			core[k] = 1 / us
		}
		for (i = 1; i <= n; i++) {
			split(order[i], part, " ")
			other = "coturn " part[2] " " part[3]
			if (part[1] == "turnpike-xdp" && core[other])
				printf "%s to UDP%s, packets/s of a core, of coturn\t1\t%.2f\n",
					toupper(part[2]), part[3] ? " at " part[3] "/s" : "",
					core[order[i]] / core[other] >out
		}
	}' "$dir/tls"
	[ ! -s "$dir/tls-asked" ] || cat "$dir/tls-asked" >>"$dir/asked"
}

part_tls()
{
	local round sink
	: >"$dir/tls"
	lab_start peer build/bench/stream sink $LAB_PEER4:20000
	sink=$LAB_PID
	for ((round = 0; round < TLS_ROUNDS; round++)); do
		tls_relay turnpike-xdp
		! have_coturn || tls_relay coturn
	done
	kill "$sink"
	wait "$sink" 2>/dev/null
	echo "ChannelData of 160 bytes to a UDP peer, $TLS_CLIENTS connections, $TLS_ROUNDS rounds of each" \
		"in turn"
	tls_table
	cat <<-END
	TLS 1.2 with AES-128-GCM for both (this coturn has no 1.3), each message a write and a record of
	its own. all: as fast as the connections take it. us/packet: processor time of the relay's processes; a core of
	the relay's takes per core/s. Counted where they arrive in the peer's host.
	END
}
