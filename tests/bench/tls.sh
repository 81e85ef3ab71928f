#!/bin/bash
# SPDX-License-Identifier: MIT
# Relaying from TCP and TLS clients to a UDP peer, by one core of the relay. Sourced by
# bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

TLS_CLIENTS=64
TLS_RATE=20000		# messages/s of all, which any relay takes
TLS_ECHOED=10000	# messages/s that the peer sends back
TLS_ECHO_PORT=20001
TLS_ROUNDS=2
TLS_SECONDS=1

# Datagrams that reached the peer's host for a socket, read or not.
peer_datagrams()
{
	lab_exec peer awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 + $4 }' /proc/net/snmp
}

# relay transport way rate option...: a line
# "RELAY TRANSPORT WAY OFFERED ARRIVED SECONDS PROCESSOR-SECONDS"
tls_once()
{
	local arrived spent line
	exec {held}< <(stream_at "$2" --clients $TLS_CLIENTS --payload 160 --rate "$4" \
		--seconds $TLS_SECONDS "${@:5}" 2>&1)
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
	spent=$(awk -v a="$spent" -v b="$(relay_seconds)" 'BEGIN { print b - a }')
	# what is echoed is relayed twice
	awk -v begin="$1 $2 $3" -v up="$arrived" -v spent="$spent" '{
		back = begin ~ /echoed/
		print begin, $2 * (1 + back), back ? $4 * 2 : up, $6, spent }' <<<"$line" >>"$dir/tls"
	# what still lies in its sockets is not the next measurement's
	[ "$4" -gt 0 ] || relay_settles
}

tls_relay()
{
	local transport
	start_with_streams "$1" || return
	for transport in tcp tls1.2; do
		tls_once "$1" $transport all 0
		tls_once "$1" $transport "$TLS_RATE/s" $TLS_RATE
		tls_once "$1" $transport "echoed" $TLS_ECHOED --peer $LAB_PEER4:$TLS_ECHO_PORT
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
		printf "  %-14s %-15s %12s %12s %12s %12s\n", "", "offered", "offered/s", "arrived/s",
			"us/packet", "per core/s"
		for (i = 1; i <= n; i++) {
			k = order[i]
			if (!arrived[k] || !spent[k])
				continue
			split(k, part, " ")
			us = spent[k] / arrived[k] * 1e6
			printf "  %-14s %-15s %12d %12d %12.2f %12d\n", part[1],
				part[2] ", " part[3], offered[k] / seconds[k],
				arrived[k] / seconds[k], us, 1e6 / us
			core[k] = 1 / us
		}
		for (i = 1; i <= n; i++) {
			split(order[i], part, " ")
			other = "coturn " part[2] " " part[3]
			if (part[1] == "turnpike-xdp" && core[other])
				printf "%s to UDP (%s), packets/s of a core, of coturn\t1\t%.2f\n",
					toupper(part[2]), part[3], core[order[i]] / core[other] >out
		}
	}' "$dir/tls"
	[ ! -s "$dir/tls-asked" ] || cat "$dir/tls-asked" >>"$dir/asked"
}

part_tls()
{
	local round sink echo_pid
	: >"$dir/tls"
	lab_start peer build/bench/stream sink $LAB_PEER4:20000
	sink=$LAB_PID
	lab_start peer taskset -c 0 build/bench/latency echo $LAB_PEER4:$TLS_ECHO_PORT
	echo_pid=$LAB_PID
	for ((round = 0; round < TLS_ROUNDS; round++)); do
		tls_relay turnpike-xdp
		! have_coturn || tls_relay coturn
	done
	kill "$sink" "$echo_pid"
	wait "$sink" "$echo_pid" 2>/dev/null
	echo "ChannelData of 160 bytes to a UDP peer, $TLS_CLIENTS connections, $TLS_ROUNDS rounds of each" \
		"in turn"
	tls_table
	cat <<-END
	TLS 1.2 with AES-128-GCM for both (this coturn has no 1.3), each message a write and a record of
	its own. all: as fast as the connections take it. us/packet: processor time of the
	relay's processes; per core/s is how many fit into a second of it. Counted where they arrive in
	the peer's host; echoed: $TLS_ECHOED messages/s that come back as well, both ways counted at the client.
	END
}
