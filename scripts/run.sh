#!/bin/bash
# SPDX-License-Identifier: MIT
# A server to try, in the foreground: builds, writes a configuration with a
# secret of its own into build/run/, and prints what to connect with. Ctrl-C
# ends it and leaves nothing in the kernel. Runs on a host and in a network
# namespace alike. Arguments go to turnpiked: scripts/run.sh --dataplane=user
set -eu
cd "$(dirname "$0")/.."

run=$PWD/build/run
conf=$run/turnpike.conf
pins=/sys/fs/bpf/turnpike-run-$$
port=${PORT:-3478}
daemon=''
mounted=''

# shellcheck disable=SC2317	# it is called by the trap
clean_up()
{
	trap '' INT TERM
	if [ -n "$daemon" ] && kill -INT "$daemon" 2>/dev/null; then
		wait "$daemon" || true
	fi
	[ ! -d "$pins" ] || build/turnpike --pin-path "$pins" detach
	[ -z "$mounted" ] || umount /sys/fs/bpf
	rm -f "$run/control.sock"
}

addresses()
{
	ip -o address show up scope global | awk '{ sub(/\/.*/, "", $4); print $4 }'
}

mount_bpffs()
{
	[ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ] || return 0
	if mount -t bpf bpf /sys/fs/bpf 2>/dev/null; then
		mounted=yes
		echo "run: mounted /sys/fs/bpf"
	else
		echo "run: /sys/fs/bpf cannot be mounted: the daemon relays by itself"
	fi
}

write_conf()
{
	local secret ip
	secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	mkdir -p "$run"
	(
		umask 077
		cat >"$conf" <<-END
		# Made by scripts/run.sh, anew at every start.
		listening-port=$port
		realm=turnpike.example
		use-auth-secret
		static-auth-secret=$secret
		# turnutils_uclient takes channel numbers up to 0x7FFF, as older clients do.
		rfc5766-channel-numbers
		pin-path=$pins
		control-socket=$run/control.sock
		# Peers on this host itself, whatever its addresses are, so that it can be tried alone.
		END
		for ip in "$@"; do
			echo "allowed-peer-ip=$ip"
		done >>"$conf"
	)
}

hints()
{
	local pair user password
	pair=$(build/turnpike credentials --config "$conf" --ttl 24h)
	user=$(awk '$1 == "username" { print $2 }' <<<"$pair")
	password=$(awk '$1 == "password" { print $2 }' <<<"$pair")
	cat <<-END

	$pair

	Try it, from another terminal (a client that relays to another client, and back):
	  turnutils_uclient -y -u '$user' -w '$password' -p $port -m 2 -n 1000 $1
	See what it does:
	  build/turnpike --socket build/run/control.sock --pin-path $pins allocations
	Configuration: build/run/turnpike.conf. Ctrl-C ends it.

	END
}

if [ "$(id -u)" -ne 0 ]; then
	echo "run: not root: the daemon relays by itself, without XDP"
fi
scripts/deps.sh
make -s all
mapfile -t ips < <(addresses)
if [ "${#ips[@]}" -eq 0 ]; then
	echo "run: this host has no address but its loopback's" >&2
	exit 1
fi
write_conf "${ips[@]}"
trap 'exit 0' INT TERM HUP
trap clean_up EXIT
[ "$(id -u)" -ne 0 ] || mount_bpffs
hints "${ips[0]}"
build/turnpiked -c "$conf" "$@" &
daemon=$!
status=0
wait "$daemon" || status=$?
daemon=''
exit $status
