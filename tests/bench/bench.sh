#!/bin/bash
# SPDX-License-Identifier: MIT
# turnpike, coturn and the least that an XDP program can do to forward, in one lab,
# one after the other. docs/performance.md says how to read it.
#   BENCH=PART,...       cases, ways, relay, layout, million, limit, latency, memory, allocate,
#                        binding, module, tls, clients, reload (all of them)
#   TURNSERVER=FILE      coturn's server (/usr/bin/turnserver)
#   BENCH_SECONDS=1.5    of each measurement of packets/s
#   BENCH_FLOWS=100000   the greater number of channels (up to 100000), 10 to an allocation
#   BENCH_ALLOCATIONS=15000   for memory; a relay address has 16384 ports
#   BENCH_CLIENTS=6000   on TLS, held; a descriptor for the connection and one for the relay address
#                        (`make bench-clients` holds 50,000, in user-mode Linux)
#   BENCH_CLIENTS_RELAY=turnpike-xdp   or turnpike-user
#   BENCH_CLIENTS_PATIENCE=90   seconds for all of them to come
# shellcheck disable=SC2034,SC2154	# the parts use, and set, variables of each other
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

LAB_NAME=tpbench$$
PARTS=(cases ways relay layout million limit latency memory allocate binding module tls
	clients reload)
TURNSERVER=${TURNSERVER:-/usr/bin/turnserver}
SECONDS_EACH=${BENCH_SECONDS:-1.5}
SECONDS_STEP=0.6	# of each step of the search for what a relay can take
FLOWS=${BENCH_FLOWS:-100000}
ALLOCATIONS=${BENCH_ALLOCATIONS:-15000}
HELD=${BENCH_CLIENTS:-6000}
CHANNELS=10		# of each allocation, where there are many
PINS=/sys/fs/bpf/$LAB_NAME
DEADLINE=240		# seconds that the part relay may take

dir=$(mktemp -d)
relay_pid=''
started=$SECONDS
for lib in lib ways relay layout million limit latency memory control module tls clients \
	reload; do
	# shellcheck source=/dev/null
	. tests/bench/$lib.sh
done

clean_up()
{
	stop_relay
	lab_down
	! (LAB_NAME=${LAB_NAME}f && lab_exists) || forwarder_lab lab_down
	rm -rf "$dir"
}

have_coturn()
{
	[ -x "$TURNSERVER" ]
}

part_cases()
{
	echo 'The XDP program by case, nanoseconds per packet: one flow, all of it in the cache'
	build/bench/cases
}

about()
{
	local version
	version=$(git describe --always --dirty 2>/dev/null) ||
		version=$(build/turnpiked --version | cut -d' ' -f2)
	echo "turnpike $version, $(uname -sr), $cores cores," \
		"$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
	have_coturn && echo "coturn $("$TURNSERVER" --version 2>/dev/null | tail -n 1)" ||
		echo "no $TURNSERVER: no comparison with coturn"
	[ "$(cat /proc/sys/kernel/bpf_stats_enabled)" = 0 ] ||
		echo 'kernel.bpf_stats_enabled is on: every XDP program pays for it'
}

# Lines of asked(): what docs/performance.md has as its table.
summary()
{
	[ -s "$dir/asked" ] || return 0
	printf '\n== asked and measured\n'
	awk -F '\t' '
	{ printf "  %-62s %9s %12.6g  %s\n", $1, $2, $3,
		($3 + 0 >= $2 + 0 ? "met" : "missed") }
	' "$dir/asked"
}

run_part()
{
	printf '\n== %s (load average before: %s)\n' "$1" "$(load_average)"
	"part_$1" || failed=1
	echo "== $1: $((SECONDS - started)) s since the start; load average after: $(load_average)"
}

# A function, so that the file may change while this runs.
main()
{
	local part wanted
	IFS=', ' read -ra wanted <<<"${BENCH:-${PARTS[*]}}"
	for part in "${wanted[@]}"; do
		[[ " ${PARTS[*]} " = *" $part "* ]] ||
			{ echo "bench: $part: not one of ${PARTS[*]}" >&2; exit 2; }
	done
	trap 'exit 130' INT TERM HUP
	trap clean_up EXIT
	lab_up || exit
	ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
	failed=0
	: >"$dir/asked"
	about
	for part in "${wanted[@]}"; do
		run_part "$part"
	done
	summary
	exit $failed
}

main
