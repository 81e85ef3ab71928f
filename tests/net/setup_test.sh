#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/setup.sh in a host of its own: a network namespace of the lab, with
# /etc, /usr and /var under overlays, so that nothing of this machine changes.
. "$(dirname "$0")/tap.sh"

RESERVED=net.ipv4.ip_local_reserved_ports

# Files that were made or changed; those of the user database always are.
changed_files()
{
	(cd "$TAP_TMP/overlay" && find etc usr var -type f ! -path 'etc/*shadow*' \
		! -path 'etc/passwd*' ! -path 'etc/group*' ! -path 'etc/sub?id*' \
		! -path 'etc/.pwd.lock' ! -path 'var/log/*log' ! -path 'var/cache/*' | sort)
}

inside()
{
	local d
	mkdir "$TAP_TMP/overlay"
	mount -t tmpfs tmpfs "$TAP_TMP/overlay" || tap_skip_all "no tmpfs"
	for d in etc usr var; do
		mkdir "$TAP_TMP/overlay/$d" "$TAP_TMP/overlay/work-$d"
		mount -t overlay overlay -o "lowerdir=/$d,upperdir=$TAP_TMP/overlay/$d,workdir=$TAP_TMP/overlay/work-$d" \
			"/$d" || tap_skip_all "no overlay on /$d"
	done
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /sys/fs/bpf
	sysctl -qw $RESERVED=1000

	scripts/setup.sh --dry-run >"$TAP_TMP/log" 2>&1
	tap_is "$(changed_files)" "" "--dry-run changes nothing"
	scripts/setup.sh >"$TAP_TMP/log" 2>&1
	tap_is $? 0 "it sets up" "$(cat "$TAP_TMP/log")"
	tap_is "$(sysctl -n $RESERVED)" 1000,49152-65535 "relay ports are reserved, others stay so"
	tap_is "$(stat -c '%a %G' /etc/turnpike/turnpike.conf)" "640 turnpike" \
		"the secret is not for everybody"
	/usr/bin/turnpike status >"$TAP_TMP/log" 2>&1
	tap_is $? 0 "the daemon answers"
	/usr/bin/turnpike credentials >"$TAP_TMP/log" 2>&1
	tap_is $? 0 "the configuration has a secret for credentials"
	scripts/setup.sh >"$TAP_TMP/log" 2>&1
	tap_is "$(grep -c '^  changed' "$TAP_TMP/log")" 0 "a second time there is nothing to do"

	scripts/setup.sh --undo >"$TAP_TMP/log" 2>&1
	tap_is $? 0 "--undo works"
	tap_is "$(changed_files)" "" "and leaves no file"
	tap_is "$(sysctl -n $RESERVED)" 1000 "nor a reserved port"
	tap_is "$(stat -f -c %T /sys/fs/bpf)" tmpfs "nor what it mounted"
	getent passwd turnpike >/dev/null
	tap_is $? 2 "nor its user"
	tap_is "$(lab_pids_here)" "" "nor a process"
	tap_done
}

lab_pids_here()
{
	local pid
	for pid in $(pgrep -x turnpiked); do
		[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || echo "$pid"
	done
}

if [ "${1-}" = inside ]; then
	rmdir "$TAP_TMP"
	TAP_TMP=$2
	inside
fi
[ -d /run/systemd/system ] && tap_skip_all "would talk to this machine's systemd"
getent passwd turnpike >/dev/null && tap_skip_all "there is a user turnpike already"
tap_lab
lab_exec relay unshare -m --propagation private "$0" inside "$TAP_TMP"
exit $?
