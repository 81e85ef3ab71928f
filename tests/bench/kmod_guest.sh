#!/bin/bash
# SPDX-License-Identifier: MIT
# In the virtual machine: the daemon's path, then the module's, and what each costs. TEST_KMOD
# names the module. Run by the part "module" of bench.sh.
set -u
tmp=$(mktemp -d)
other=(nsenter --net=/run/netns/other --)
relay=(nsenter --net=/run/netns/relay --)

place()
{
	ip netns add other
	ip netns add relay
	ip link add eth0 netns other type veth peer name eth0 netns relay
	ip -n other address add 11.0.1.2/24 dev eth0
	ip -n other address add 11.0.1.3/24 dev eth0
	ip -n relay address add 11.0.1.1/24 dev eth0
	ip -n relay address add 11.0.1.4/24 dev eth0
	local host
	for host in other relay; do
		ip -n $host link set lo up
		ip -n $host link set eth0 up
	done
	"${relay[@]}" build/bench/kmod drop 11.0.1.1:9999 &
}

# measure DATAPLANE
measure()
{
	local pid log=$tmp/log.$1
	: >"$log"
	"${relay[@]}" build/turnpiked -n --dataplane="$1" --listening-ip=11.0.1.1 \
		--relay-ip=11.0.1.4 --realm=bench --lt-cred-mech --user=bench:bench --relay-threads=1 \
		--unauthorized-ratelimit=off --fast-path-flows=64 --max-allocations=64 \
		--pin-path=/sys/fs/bpf/bench --control-socket="$tmp/control" >"$log" 2>&1 &
	pid=$!
	for _ in {1..600}; do
		! grep -q 'relaying workers=' "$log" || break
		sleep 0.1
	done
	"${other[@]}" build/bench/kmod run 11.0.1.2:50000 11.0.1.3:40000 11.0.1.1:3478 \
		11.0.1.1:9999 bench bench | sed "s/^/# $1 /"
	[ "${PIPESTATUS[0]}" -eq 0 ] || { cat "$log"; echo "not ok - $1"; }
	echo "# stats $1:" "$(build/turnpike --socket "$tmp/control" stats |
		awk '/relayed/ { printf " %s %s%s", $1, $4 == "module:" ? "module " : "", $3 }')"
	kill -INT $pid
	wait $pid
}

place
sleep 3		# what is left to do after the boot is done
measure user
insmod "$TEST_KMOD"
measure kmod
echo "ok 1 - measured"
kill %1
