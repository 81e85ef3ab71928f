#!/bin/bash
# SPDX-License-Identifier: MIT
# Three hosts on this machine, in network namespaces of their own: a client and
# a peer that cannot reach each other, and a relay between them.
#
#   scripts/lab.sh [--name NAME]                    up, until Ctrl-C
#   scripts/lab.sh up|down|drawing [--name NAME]    up and stay, take down, show
#   scripts/lab.sh exec [--name NAME] HOST CMD...   run CMD on client, relay or peer
#
# Tests source this file and call lab_up, lab_exec, lab_start and lab_down;
# LAB_NAME names the lab. Nothing outside the lab's namespaces is touched.
#
# The addresses look public, since turnpike refuses private and documentation
# ranges as peers; they exist nowhere but in the lab.

LAB_NAME=${LAB_NAME:-tplab}
LAB_CLIENT4=11.0.1.2	LAB_CLIENT6=2a00:1:1::2
LAB_RELAY4=11.0.1.1	LAB_RELAY6=2a00:1:1::1		# towards the client: toclient
LAB_OUTER4=11.0.2.1	LAB_OUTER6=2a00:1:2::1		# towards the peer: topeer
LAB_PEER4=11.0.2.2	LAB_PEER6=2a00:1:2::2
LAB_HOSTS=(client relay peer)
LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# nsenter, not `ip netns exec`: that one mounts a new /sys, without /sys/fs/bpf.
lab_exec()
{
	local host=$1
	shift
	nsenter --net="/run/netns/$LAB_NAME-$host" -- "$@"
}

# In the background; LAB_PID is then the command's own process, not a subshell's.
lab_start()
{
	local host=$1
	shift
	nsenter --net="/run/netns/$LAB_NAME-$host" -- "$@" &
	# shellcheck disable=SC2034	# for the caller
	LAB_PID=$!
}

lab_ip()
{
	ip -n "$LAB_NAME-$1" "${@:2}"
}

lab_exists()
{
	[ -e "/run/netns/$LAB_NAME-relay" ]
}

lab_has_ipv6()
{
	[ -e /proc/sys/net/ipv6 ]
}

# host device ipv4 ipv6
lab_address()
{
	lab_ip "$1" address add "$3/24" dev "$2"
	if lab_has_ipv6; then
		lab_ip "$1" address add "$4/64" dev "$2" nodad
	fi
	lab_ip "$1" link set "$2" up
	# A checksum left to the hardware that a veth does not have would be a wrong
	# one to an XDP program; and a veth takes redirected frames only with NAPI on.
	lab_exec "$1" ethtool -K "$2" tx off gro on >/dev/null
}

# XDP_TX towards a veth whose other end has no program lies there until something
# else wakes it up: the ends far from the relay get one that passes everything.
lab_pass_object()
{
	local obj=$LAB_DIR/build/lab/pass.bpf.o
	if [ ! -e "$obj" ]; then
		mkdir -p "${obj%/*}"
		printf '%s\n' '__attribute__((section("xdp"), used)) int pass(void *ctx)' \
			'{ (void)ctx; return 2; /* XDP_PASS */ }' |
			clang -target bpf -g -O2 -x c -c - -o "$obj.$$" || return
		mv "$obj.$$" "$obj"
	fi
	echo "$obj"
}

lab_pass_program()
{
	local obj
	obj=$(lab_pass_object) || return
	lab_ip client link set eth0 xdpdrv obj "$obj" sec xdp
	lab_ip peer link set eth0 xdpdrv obj "$obj" sec xdp
}

lab_build()
{
	local host
	for host in "${LAB_HOSTS[@]}"; do
		ip netns add "$LAB_NAME-$host"
		# Link-local addresses usable at once, as the others are.
		! lab_has_ipv6 || lab_exec "$host" sysctl -qw net.ipv6.conf.default.accept_dad=0
		lab_ip "$host" link set lo up
	done
	ip link add eth0 netns "$LAB_NAME-client" type veth \
		peer name toclient netns "$LAB_NAME-relay"
	ip link add eth0 netns "$LAB_NAME-peer" type veth peer name topeer netns "$LAB_NAME-relay"
	lab_address client eth0 $LAB_CLIENT4 $LAB_CLIENT6
	lab_address relay toclient $LAB_RELAY4 $LAB_RELAY6
	lab_address relay topeer $LAB_OUTER4 $LAB_OUTER6
	lab_address peer eth0 $LAB_PEER4 $LAB_PEER6
	lab_ip client route add default via $LAB_RELAY4
	lab_ip peer route add default via $LAB_OUTER4
	if lab_has_ipv6; then
		lab_ip client -6 route add default via $LAB_RELAY6
		lab_ip peer -6 route add default via $LAB_OUTER6
	fi
	lab_pass_program
}

# Returns 1 and leaves nothing behind where it cannot be built.
lab_up()
{
	if [ "$(id -u)" -ne 0 ]; then
		echo "lab: network namespaces need root" >&2
		return 1
	fi
	if lab_exists; then
		echo "lab: $LAB_NAME is up already; take it down with: $0 down --name $LAB_NAME" >&2
		return 1
	fi
	if ! (set -e; lab_build); then
		lab_down
		return 1
	fi
}

lab_pids()
{
	local host
	for host in "${LAB_HOSTS[@]}"; do
		ip netns pids "$LAB_NAME-$host" 2>/dev/null
	done
}

# What still runs in the lab ends with it: only the lab's own users do.
lab_down()
{
	local host pids i
	for i in TERM TERM KILL; do
		mapfile -t pids < <(lab_pids)
		[ "${#pids[@]}" -gt 0 ] || break
		kill -s "$i" "${pids[@]}" 2>/dev/null
		sleep 0.2
	done
	for host in "${LAB_HOSTS[@]}"; do
		[ ! -e "/run/netns/$LAB_NAME-$host" ] || ip netns del "$LAB_NAME-$host"
	done
}

lab_drawing()
{
	cat <<-END

	   client                        relay                         peer
	  +--------------+   veth   +----------------+   veth   +--------------+
	  | eth0         |----------| toclient       |          |              |
	  | $LAB_CLIENT4     |          | $LAB_RELAY4       |          |              |
	  | $LAB_CLIENT6  |          | $LAB_RELAY6    |          |              |
	  |              |          |         topeer |----------| eth0         |
	  |              |          |       $LAB_OUTER4 |          | $LAB_PEER4     |
	  |              |          |    $LAB_OUTER6 |          | $LAB_PEER6  |
	  +--------------+          +----------------+          +--------------+

	END
}

lab_hints()
{
	local self=scripts/lab.sh
	[ "$LAB_NAME" = tplab ] || self="LAB_NAME=$LAB_NAME $self"
	cat <<-END
	In other terminals:
	  $self exec relay build/turnpiked -n --user=lab:lab --realm=lab --lt-cred-mech
	  $self exec peer turnutils_peer
	  $self exec client turnutils_uclient -u lab -w lab -e $LAB_PEER4 -m 10 -n 1000 $LAB_RELAY4
	  $self exec relay build/turnpike allocations
	  $self exec peer tcpdump -ni eth0 udp
	Ctrl-C takes it all down.
	END
}

lab_foreground()
{
	trap 'exit 0' INT TERM HUP
	trap lab_down EXIT
	lab_up || { trap - EXIT; exit 1; }
	lab_drawing
	lab_hints
	while :; do
		sleep 3600 &
		wait $!
	done
}

lab_usage()
{
	sed -n '3,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

lab_main()
{
	local verb=''
	while [ $# -gt 0 ]; do
		case $1 in
		--name)
			LAB_NAME=${2:?--name needs a name}
			shift 2 ;;
		up | down | drawing | exec)
			verb=$1
			shift ;;
		-h | --help)
			lab_usage
			exit 0 ;;
		*)
			break ;;
		esac
		[ "$verb" != exec ] || [ "${1-}" = --name ] || break
	done
	if [ "$verb" != exec ] && [ $# -gt 0 ]; then
		lab_usage >&2
		exit 2
	fi
	case $verb in
	'')	lab_foreground ;;
	up)	lab_up && lab_drawing ;;
	down)	lab_down ;;
	drawing) lab_drawing ;;
	exec)
		[ $# -ge 2 ] || { lab_usage >&2; exit 2; }
		lab_exec "$@" ;;
	esac
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	lab_main "$@"
fi
