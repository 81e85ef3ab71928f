#!/bin/bash
# SPDX-License-Identifier: MIT
# What the parts of the bench share: relays in the lab, and the generator. Sourced
# by bench.sh, which sets the variables in capitals, dir and relay_pid.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

stop_relay()
{
	[ -n "$relay_pid" ] || return 0
	kill -INT "$relay_pid" 2>/dev/null
	local i
	for i in {1..50}; do
		kill -0 "$relay_pid" 2>/dev/null || break
		sleep 0.1
		[ "$i" -lt 50 ] || kill -KILL "$relay_pid"
	done
	wait "$relay_pid" 2>/dev/null
	relay_pid=''
	[ ! -d "$PINS" ] || build/turnpike --pin-path "$PINS" detach >/dev/null
}

# The generator has a core of its own where there is more than one: other
# processes of the relay are kept off it, since it is never idle.
RATE_LEAST=50000		# packets/s that any relay takes
cores=$(nproc)
others=0
[ "$cores" -eq 1 ] || others=1-$((cores - 1))

start_relay()
{
	lab_start relay taskset -c "$others" "$@" >"$dir/relay.log" 2>&1
	relay_pid=$LAB_PID
	local i
	for i in {1..600}; do
		if ! kill -0 "$relay_pid" 2>/dev/null; then
			relay_pid=''
			break
		fi
		[ -z "$(lab_exec relay ss -Hlun "sport = :3478")" ] || return 0
		sleep 0.1
	done
	echo "bench: the relay did not start:" >&2
	tail -n 5 "$dir/relay.log" >&2
	stop_relay
	return 1
}

# xdp|user flows option...
start_turnpike()
{
	start_relay build/turnpiked -n --dataplane="$1" --listening-ip=$LAB_RELAY4 \
		--relay-ip=$LAB_OUTER4 --realm=bench --lt-cred-mech --user=bench:bench \
		--unauthorized-ratelimit-rps=0 --fast-path-flows="${2:-$FLOWS}" --max-allocations=$MOST \
		--pin-path="$PINS" --control-socket="$dir/control.sock" "${@:3}"
}

# option...
start_coturn_with()
{
	start_relay "$TURNSERVER" -n --lt-cred-mech --user=bench:bench --realm=bench \
		--listening-ip=$LAB_RELAY4 --relay-ip=$LAB_OUTER4 --no-dtls --no-tcp-relay \
		--no-cli --pidfile="$dir/coturn.pid" --log-file=/dev/null "$@"
}

start_coturn()
{
	start_coturn_with --no-tls --no-tcp
}

# For TLS; both relays have the same. The options that name it.
certificate()
{
	[ -e "$dir/cert.pem" ] ||
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
			-subj /CN=bench -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	printf '%s\n' "--cert=$dir/cert.pem" "--pkey=$dir/key.pem"
}

# turnpike-xdp|turnpike-user|coturn option...: with TCP and TLS as well
start_with_streams()
{
	local options
	mapfile -t options < <(certificate)
	options+=("${@:2}")
	case $1 in
	coturn)		start_coturn_with "${options[@]}" ;;
	turnpike-*)	start_turnpike "${1#*-}" "$FLOWS" "${options[@]}" ;;
	esac
}

# transport option...: clients that stay
stream_at()
{
	lab_exec client taskset -c 0 build/bench/stream --transport "$1" \
		--server $LAB_RELAY4:3478 --local $LAB_CLIENT4:20000 --peer $LAB_PEER4:20000 \
		--user bench --password bench "${@:2}"
}

# flows: as many channels, and their list
bind_channels()
{
	local clients=1 channels=1
	[ "$1" -eq 1 ] || clients=$(((FLOWS + CHANNELS - 1) / CHANNELS)) channels=$CHANNELS
	load_at 4 "$dir/flows" --clients $clients --channels $channels
}

# family flows-file option...
load_at()
{
	local server=$LAB_RELAY4:3478 from=$LAB_CLIENT4:20000 peer=$LAB_PEER4:20000
	[ "$1" = 4 ] ||
		server=[$LAB_RELAY6]:3478 from=[$LAB_CLIENT6]:20000 peer=[$LAB_PEER6]:20000
	lab_exec client build/bench/load --server "$server" --local "$from" --peer "$peer" \
		--user bench --password bench --flows-file "$2" "${@:3}"
}

# The same list for what has no channels.
list_flows()
{
	local i
	for ((i = 0; i < FLOWS; i++)); do
		printf '%d %x\n' $((20000 + i / CHANNELS)) $((0x4000 + i % CHANNELS))
	done >"$dir/flows"
}

# Everything that works for the relay besides the generator's own core.
relay_pids()
{
	[ -z "$relay_pid" ] || ip netns pids "$LAB_NAME-relay"
	local i
	for ((i = 1; i < cores; i++)); do
		pgrep -x "ksoftirqd/$i"
	done
}

# flows payload option...: OFFERED ARRIVED NS OTHERS
once()
{
	build/bench/bench --lab "$LAB_NAME" --client $LAB_CLIENT4 --server $LAB_RELAY4:3478 \
		--peer $LAB_PEER4:20000 --flows-file "$dir/flows" --flows "$1" --payload "$2" \
		--seconds "$SECONDS_EACH" "${@:3}"
}

# A relay in user space drowns in what it cannot take, so that what it relays of the
# generator's utmost says little. It is asked again with more and more, until it loses
# packets twice running; the most that ever arrived counts.
best()
{
	local found line offered arrived most rate losing=0
	found=$(once "$@") || return
	read -r offered arrived _ <<<"$found"
	if [ $((arrived * 10)) -ge $((offered * 9)) ]; then
		echo "$found"
		return
	fi
	most=$arrived
	rate=$((arrived * 5 / 4))
	[ "$rate" -ge "$RATE_LEAST" ] || rate=$RATE_LEAST
	while [ "$losing" -lt 2 ] && [ "$rate" -lt "$offered" ]; do
		line=$(SECONDS_EACH=$SECONDS_STEP once "$1" "$2" --rate "$rate" "${@:3}") || return
		read -r _ arrived _ <<<"$line"
		losing=$((arrived * 100 < rate * 90 ? losing + 1 : 0))
		[ "$arrived" -le "$most" ] || { most=$arrived found=$line; }
		rate=$((rate * 4 / 3))
	done
	echo "$found"
}

# what at-least measured: a line of the summary
asked()
{
	printf '%s\t%s\t%s\n' "$@" >>"$dir/asked"
}

# The machine's other work moves everything: how much there was of it.
load_average()
{
	cut -d' ' -f1-3 /proc/loadavg
}
