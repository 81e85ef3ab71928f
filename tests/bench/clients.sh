#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients held on TLS, with an allocation and a channel each: memory of one, of the relay's
# processes and in the kernel. Sourced by bench.sh.
# shellcheck disable=SC2034,SC2154	# bench.sh sets them

HELD_MOST=50000		# what is said of so many is multiplied
HELD_RAMP_S=90		# for all of them to come

# Both ends of a connection are in this kernel. What is left when the relay is gone and the
# clients are not is the clients' part of it.
clients_of()
{
	local label=$1 from=$SECONDS client line i
	start_with_streams "$label" || return
	sleep 0.5
	memory_now >"$dir/before"
	rm -f "$dir/held"
	exec {held}> >(stream_at tls --clients "$HELD" >"$dir/held" 2>&1)
	client=$!
	for ((i = 0; i < HELD_RAMP_S * 10; i++)); do
		[ ! -s "$dir/held" ] || break
		sleep 0.1
	done
	read -r line <"$dir/held"
	if [ "$line" != ready ]; then
		echo "bench: $label: ${line:-not all clients within $HELD_RAMP_S s}" >&2
		kill "$client" 2>/dev/null
	else
		from=$((SECONDS - from))
		sleep 1
		memory_now >"$dir/after"
		stop_relay_only
		sleep 1
		memory_now >"$dir/left"
		clients_lines "$label" "$from" >>"$dir/clients"
	fi
	exec {held}>&-
	wait "$client" 2>/dev/null
	stop_relay
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
			"kernel", "sum", "came in", "extrapolated: " most " clients"
		for (i = 1; i <= m; i++) {
			l = order[i]
			sum = process[l] + kernel[l]
			printf "  %-14s %9d %9.0f %9.0f %9.0f %7d s   %.0f MiB\n", l, held, process[l],
				kernel[l], sum, took[l], sum * most / 1048576
			if (l == "turnpike-xdp")
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
	: >"$dir/clients"
	clients_of turnpike-xdp
	! have_coturn || clients_of coturn
	clients_table
	cat <<-END

	On TLS (1.3, coturn 1.2), each with an allocation and a channel, idle. A client takes two descriptors of the
	relay, so that $HELD_MOST need a limit of $((2 * HELD_MOST + 1000)); here it is $(ulimit -Hn). process: anonymous memory of
	the relay's processes; kernel: slab caches with an object or more for each client, without the
	clients' own ends. Tables that are made at the start are not in it (see memory).
	END
}
