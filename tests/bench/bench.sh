#!/bin/bash
# SPDX-License-Identifier: MIT
# Packets per second and processor time per packet of turnpike, of coturn and of
# the least that an XDP program can do to forward, in one lab, one after the
# other: ChannelData from the client, counted at the peer.
#   TURNSERVER=FILE      coturn's server (/usr/bin/turnserver)
#   BENCH_SECONDS=1.5      of each measurement
#   BENCH_FLOWS=100000   the greater number of channels (up to 100000), 10 to an allocation
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

LAB_NAME=tpbench$$
TURNSERVER=${TURNSERVER:-/usr/bin/turnserver}
SECONDS_EACH=${BENCH_SECONDS:-1.5}
FLOWS=${BENCH_FLOWS:-100000}
CHANNELS=10		# of each allocation, where there are many
PAYLOADS=(160 1200)
PINS=/sys/fs/bpf/$LAB_NAME
DEADLINE=270		# seconds; no measurement is begun after it

dir=$(mktemp -d)
relay_pid=''
started=$SECONDS

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

clean_up()
{
	stop_relay
	lab_down
	rm -rf "$dir"
}

# The generator has a core of its own where there is more than one: other
# processes of the relay are kept off it, since it is never idle.
cores=$(nproc)
others=0
[ "$cores" -eq 1 ] || others=1-$((cores - 1))

start_relay()
{
	lab_start relay taskset -c "$others" "$@" >"$dir/relay.log" 2>&1
	relay_pid=$LAB_PID
	local i
	for i in {1..50}; do
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

start_turnpike()
{
	start_relay build/turnpiked -n --dataplane="$1" --listening-ip=$LAB_RELAY4 \
		--relay-ip=$LAB_OUTER4 --realm=bench --lt-cred-mech --user=bench:bench \
		--unauthorized-ratelimit-rps=0 --fast-path-flows="$FLOWS" --max-allocations=16384 \
		--pin-path="$PINS" --control-socket="$dir/control.sock"
}

start_coturn()
{
	start_relay "$TURNSERVER" -n --lt-cred-mech --user=bench:bench --realm=bench \
		--listening-ip=$LAB_RELAY4 --relay-ip=$LAB_OUTER4 --no-tls --no-dtls --no-tcp \
		--no-tcp-relay --no-cli --pidfile="$dir/coturn.pid" --log-file=/dev/null
}

# flows: as many channels, and their list
bind_channels()
{
	local clients=1 channels=1
	[ "$1" -eq 1 ] || clients=$(((FLOWS + CHANNELS - 1) / CHANNELS)) channels=$CHANNELS
	lab_exec client build/bench/load --server $LAB_RELAY4:3478 --local $LAB_CLIENT4:20000 \
		--peer $LAB_PEER4:20000 --user bench --password bench --flows-file "$dir/flows" \
		--clients $clients --channels $channels
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
	build/bench/bench --lab "$LAB_NAME" --client $LAB_CLIENT4 --server $LAB_RELAY4 \
		--flows-file "$dir/flows" --flows "$1" --payload "$2" --seconds "$SECONDS_EACH" \
		"${@:3}"
}

# A relay in user space drowns in what it cannot take: where it lost packets it
# is asked again with little more than it took, and the better answer counts.
best()
{
	local full paced offered arrived paced_arrived
	full=$(once "$@") || return
	read -r offered arrived _ <<<"$full"
	if [ "$arrived" -eq 0 ] || [ $((arrived * 10)) -ge $((offered * 9)) ]; then
		echo "$full"
		return
	fi
	paced=$(once "$1" "$2" --rate $((arrived * 5 / 4)) "${@:3}") || return
	read -r _ paced_arrived _ <<<"$paced"
	if [ "$paced_arrived" -gt "$arrived" ]; then
		echo "$paced"
	else
		echo "$full"
	fi
}

# label flows option...: a line "label flows payload offered arrived ns others" for each payload
measure()
{
	local label=$1 n=$2 payload pids
	shift 2
	mapfile -t pids < <(relay_pids)
	for payload in "${PAYLOADS[@]}"; do
		if [ $((SECONDS - started)) -gt $DEADLINE ]; then
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
			echo "# $label: $(cat "$dir/load")" >&2
			measure "$label" "$n"
		else
			echo "bench: $label: $(cat "$dir/load")" >&2
		fi
		stop_relay
	done
}

table()
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
	is more, offered a quarter more than arrived then. ns/packet is processor time:
	softirq time of the generator's core per packet offered, and all time of the relay's
	processes per packet relayed. The machine's other work moves both: compare within a run.
	END
}

trap 'exit 130' INT TERM HUP
trap clean_up EXIT
lab_up || exit
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
list_flows
echo '# generator alone, minimal forwarder' >&2
for n in 1 "$FLOWS"; do
	measure generator "$n" --none
	measure forwarder "$n" --forward
done
measure_relay turnpike-xdp start_turnpike xdp
measure_relay turnpike-user start_turnpike user
if [ -x "$TURNSERVER" ]; then
	measure_relay coturn start_coturn
else
	echo "bench: no $TURNSERVER: no comparison with coturn" >&2
fi
table
