#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients held on TLS, with an allocation and a channel each: memory of one, of the relay's
# processes and in the kernel. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

HELD_MOST=50000		# what is said of so many is multiplied
HELD_RELAY=${BENCH_CLIENTS_RELAY:-turnpike-xdp}
HELD_PATIENCE_S=${BENCH_CLIENTS_PATIENCE:-90}	# for all of them to come
HELD_ADDRESSES=4	# of the relay, with 16,384 ports each; and of clients, by a program each

# Their programs' processes, and the descriptors of their inputs.
clients_start()
{
	local i
	held_pids=() held_inputs=()
	for ((i = 0; i < HELD_ADDRESSES; i++)); do
		: >"$dir/held.$i"
		exec {held}> >(stream_at tls --local "$(clients_address $LAB_CLIENT4 $i):20000" \
			--clients $((HELD / HELD_ADDRESSES)) >>"$dir/held.$i" 2>&1)
		held_pids+=($!) held_inputs+=("$held")
	done
}

clients_stop()
{
	for held in "${held_inputs[@]}"; do
		exec {held}>&-
	done
	kill "${held_pids[@]}" 2>/dev/null
	wait "${held_pids[@]}" 2>/dev/null
}

# address number: another of its network, that nobody has
clients_address()
{
	echo "${1%.*}.$((${1##*.} + 10 * $2))"
}

# add|del
clients_addresses()
{
	local i
	for ((i = 1; i < HELD_ADDRESSES; i++)); do
		lab_ip client address "$1" "$(clients_address $LAB_CLIENT4 $i)/24" dev eth0
		lab_ip relay address "$1" "$(clients_address $LAB_OUTER4 $i)/24" dev topeer
	done
}

# label line: until all programs have said so
clients_say()
{
	local i
	for ((i = 1; i <= HELD_PATIENCE_S; i++)); do
		[ "$(cat "$dir"/held.* | grep -cx "$2")" -lt $HELD_ADDRESSES ] || return 0
		! grep -h '^stream:' "$dir"/held.* >&2 || return 1
		sleep 1
		[ $((i % 60)) -ne 0 ] || echo "  $i s: $(clients_sockets) sockets of the relay"
	done
	echo "bench: $1: no \"$2\" within $HELD_PATIENCE_S s" >&2
	return 1
}

clients_sockets()
{
	lab_exec relay awk '/^(TCP|UDP):/ { n += $3 } END { print n }' /proc/net/sockstat
}

# With many sockets it takes the kernel a while to let them go.
clients_gone()
{
	local i
	for ((i = 0; i < HELD_PATIENCE_S; i++)); do
		[ "$(clients_sockets)" -gt 0 ] || return 0
		sleep 1
	done
}

# label seconds: of all clients, who came in so many. Both ends of a connection are in this
# kernel. What is left when the relay is gone and the clients are not is the clients' part.
clients_measure()
{
	local from=$SECONDS
	echo | tee "${held_inputs[@]/#//dev/fd/}" >/dev/null
	clients_say "$1" "alive $((HELD / HELD_ADDRESSES))" || return
	echo "$1: all $HELD bind their channel anew, and a message of each comes back from the peer;" \
		"in $((SECONDS - from)) s"
	echo "$1: $(clients_sockets) sockets, descriptors at most" \
		"$(awk '/^Max open files/ { print $4 }' "/proc/$relay_pid/limits")"
	case $1 in
	turnpike*) build/turnpike --socket "$dir/control.sock" status | grep '^allocations' ;;
	esac
	sleep 1
	memory_now >"$dir/after"
	stop_relay_only
	clients_gone
	sleep 1
	memory_now >"$dir/left"
	clients_lines "$1" "$2" >>"$dir/clients"
}

clients_of()
{
	local label=$1 from MOST=$HELD options=() status i
	for ((i = 1; i < HELD_ADDRESSES; i++)); do
		options+=("--relay-ip=$(clients_address $LAB_OUTER4 $i)")
	done
	start_with_streams "$label" "${options[@]}" || return
	relay_settles
	memory_now >"$dir/before"
	from=$SECONDS
	clients_start
	clients_say "$label" ready && clients_measure "$label" $((SECONDS - from))
	status=$?
	[ $status -eq 0 ] || tail -n 5 "$dir/relay.log" >&2
	clients_stop
	stop_relay
	return $status
}

# All of the relay's processes, so that nothing of theirs is left.
stop_relay_only()
{
	local pids
	mapfile -t pids < <(ip netns pids "$LAB_NAME-relay")
	kill -KILL "${pids[@]}"
	wait "$relay_pid" 2>/dev/null
	stop_relay
}

# label seconds: "LABEL SECONDS NAME BYTES-EACH" of the process, of each slab cache that has
# about one object or more for each client, and of all others together
clients_lines()
{
	awk -v label="$1" -v seconds="$2" -v n="$HELD" '
	FNR == 1 { file++ }
	{ count[file, $1] = $2; bytes[file, $1] = $3; each[file, $1] = $4; names[$1] }
	END {
		print label, seconds, "+process", (bytes[2, "+process"] - bytes[1, "+process"]) / n
		for (name in names) {
			if (name ~ /^\+/ || name == "proc_inode_cache")
				continue
			gone = (count[2, name] - count[3, name]) / n
			if (gone >= 0.9)
				print label, seconds, name, gone * each[2, name]
		}
	}' "$dir/before" "$dir/after" "$dir/left"
}

clients_table()
{
	awk -v held="$HELD" -v most=$HELD_MOST -v out="$dir/clients-asked" '
	!($1 in took) { order[++m] = $1; took[$1] = $2 }
	$3 == "+process" { process[$1] = $4; next }
	{ kernel[$1] += $4; list[$1] = list[$1] sprintf(" %s %.0f", $3, $4) }
	END {
		printf "  %-14s %9s %9s %9s %9s %9s   %s\n", "bytes each", "clients", "process",
			"kernel", "sum", "came in", most " clients"
		for (i = 1; i <= m; i++) {
			l = order[i]
			sum = process[l] + kernel[l]
			printf "  %-14s %9d %9.0f %9.0f %9.0f %7d s   %.0f MiB%s\n", l, held, process[l],
				kernel[l], sum, took[l], sum * most / 1048576,
				held < most ? ", extrapolated" : ""
			if (l !~ /^turnpike/)
				continue
			if (held >= most)
				printf "TLS clients held\t%d\t%d\n", most, held >out
			printf "memory of a TLS client, KiB (the most asked for is 60)\t-60\t%.1f\n",
				-sum / 1024 >out
		}
		print ""
		for (i = 1; i <= m; i++)
			printf "  %s, kernel:%s\n", order[i], list[order[i]]
	}' "$dir/clients" | fold -s -w 100
	[ ! -s "$dir/clients-asked" ] || cat "$dir/clients-asked" >>"$dir/asked"
}

part_clients()
{
	local echo_pid
	HELD=$((HELD / HELD_ADDRESSES * HELD_ADDRESSES))
	: >"$dir/clients"
	clients_addresses add
	lab_start peer build/bench/latency echo $LAB_PEER4:20000
	echo_pid=$LAB_PID
	clients_of "$HELD_RELAY" || failed=1
	! have_coturn || clients_of coturn || failed=1
	kill "$echo_pid"
	wait "$echo_pid" 2>/dev/null
	clients_addresses del
	clients_table
	cat <<-END

	On TLS (1.3, coturn 1.2), each with an allocation and a channel, idle. A client takes two
	descriptors of the relay. process: anonymous memory of the relay's processes; kernel: slab
	caches with an object or more for each client, without the clients' own ends. Tables that are
	made at the start are not in it (see memory).
	END
}
