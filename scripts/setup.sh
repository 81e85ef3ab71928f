#!/bin/bash
# SPDX-License-Identifier: MIT
# Put turnpike into service on this host: checks what the kernel and the network
# interfaces can do, prepares what is missing, says each change, and starts it.
#   scripts/setup.sh              do it
#   scripts/setup.sh --module     the kernel module, too
#   scripts/setup.sh --dry-run    say what would be done
#   scripts/setup.sh --undo       take back what was done, in reverse order
# What was done is noted in /var/lib/turnpike/setup.state; a second run changes
# only what is not so already.
set -u
cd "$(dirname "$0")/.." || exit 1

STATE=/var/lib/turnpike/setup.state
CONF=/etc/turnpike/turnpike.conf
SYSCTL=/etc/sysctl.d/60-turnpike.conf
RESERVED=net.ipv4.ip_local_reserved_ports
PIDFILE=/var/lib/turnpike/turnpiked.pid
LOG=/var/log/turnpiked.log
UNIT=turnpike.service
MTU_SAFE=3498		# the least of what common drivers take with XDP
dry=''
warnings=0
failed=''

say()	{ printf '  %-9s %s\n' "$1" "$2"; }
ok()	{ say ok "$1"; }
warn()	{ say warning "$1"; warnings=$((warnings + 1)); }
fatal()	{ say error "$1"; exit 1; }

# verb, fields...: noted for --undo, tab separated.
note()
{
	mkdir -p "${STATE%/*}"
	local IFS=$'\t'
	printf '%s\n' "$*" >>"$STATE"
}

# A file we made; what is changed since is the operator's and --undo keeps it.
note_file()
{
	note file "$1" "$(sha256sum <"$1")"
}

# description, command...: done, or only said with --dry-run.
change()
{
	local what=$1
	shift
	if [ -n "$dry" ]; then
		say would "$what"
		return 1
	fi
	if ! "$@"; then
		say failed "$what"
		failed=yes
		return 1
	fi
	say changed "$what"
}

has_systemd()
{
	[ -d /run/systemd/system ]
}

# ------------------------------------------------------------------- checks

check_kernel()
{
	local major minor
	IFS=. read -r major minor _ < <(uname -r)
	minor=${minor%%[!0-9]*}
	if [ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 1 ]; }; then
		ok "kernel $(uname -r)"
	else
		fatal "kernel $(uname -r): turnpike needs Linux 6.1 or newer"
	fi
	if [ -e /sys/kernel/btf/vmlinux ]; then
		ok "the kernel describes its types (BTF)"
	else
		warn "no /sys/kernel/btf/vmlinux: the tables show no field names in bpftool"
	fi
	if [ "$(cat /proc/sys/net/core/bpf_jit_enable 2>/dev/null || echo 1)" = 0 ]; then
		warn "net.core.bpf_jit_enable is 0: the program is interpreted, which is slow"
	fi
}

# Drivers with native XDP that transmits, as of Linux 6.1 and later.
is_native()
{
	case $1 in
	veth | virtio_net | mlx4_en | mlx5_core | i40e | ice | ixgbe | ixgbevf | igb | igc | ena | \
	bnxt_en | mvneta | mvpp2 | nfp | qede | sfc | stmmac | st_gmac | tsnep | hv_netvsc | mana | \
	tun | bonding | xen_netfront | thunder-nic | cpsw | fec | dpaa2_eth | gve | netsec)
		return 0 ;;
	esac
	return 1
}

offload()
{
	ethtool -k "$1" 2>/dev/null | awk -v name="$2:" '$1 == name { print $2 $3 }'
}

# LRO makes one packet out of several, which XDP cannot take apart.
fix_lro()
{
	local feature
	for feature in large-receive-offload rx-gro-hw; do
		[ "$(offload "$1" $feature)" = on ] || continue
		change "$1: $feature off" ethtool -K "$1" $feature off &&
			note offload "$1" $feature on
	done
	[ "$(offload "$1" large-receive-offload)" != 'on[fixed]' ] ||
		warn "$1: large-receive-offload cannot be switched off: no XDP there"
}

check_queues()
{
	local max now
	read -r max now < <(ethtool -l "$1" 2>/dev/null |
		awk '/^Combined:/ { v[n++] = $2 } END { if (n == 2) print v[0], v[1] }')
	[ -n "${now-}" ] && [ "$max" != n/a ] || return 0
	if [ "$now" -gt 1 ] && [ $((now * 2)) -gt "$max" ]; then
		warn "$1: $now of $max queues in use; ena, gve and virtio need half of them for XDP: ethtool -L $1 combined $((max / 2))"
	else
		ok "$1: $now queues of $max"
	fi
}

check_interface()
{
	local name=$1 driver mtu
	driver=$(ethtool -i "$name" 2>/dev/null | sed -n 's/^driver: //p')
	if is_native "${driver:-none}"; then
		ok "$name: driver $driver has native XDP"
	else
		warn "$name: driver ${driver:-unknown} is not known to have native XDP: tc relays there, if the kernel has it"
	fi
	mtu=$(ip -o link show "$name" | sed -n 's/.* mtu \([0-9]*\).*/\1/p')
	[ "${mtu:-0}" -le $MTU_SAFE ] ||
		warn "$name: MTU $mtu; many drivers take XDP up to $MTU_SAFE only: ip link set $name mtu 1500"
	if [ "$(offload "$name" rx-vlan-offload)" = on ] &&
	   ip -o -d link show type vlan 2>/dev/null | grep -q "@$name:"; then
		warn "$name: carries VLANs and hides their tags from XDP: ethtool -K $name rxvlan off"
	fi
	fix_lro "$name"
	check_queues "$name"
}

check_interfaces()
{
	local name found=''
	while read -r name; do
		found=yes
		check_interface "$name"
	done < <(ip -o address show up scope global | awk '{ print $2 }' | sort -u)
	[ -n "$found" ] || fatal "no interface has an address"
}

# ------------------------------------------------------------------ changes

mount_bpffs()
{
	if [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" = bpf_fs ]; then
		ok "/sys/fs/bpf is mounted"
		return
	fi
	change "mounted /sys/fs/bpf" mount -t bpf bpf /sys/fs/bpf && note mount /sys/fs/bpf
}

# The files of `make install`, so that --undo removes these and no others.
install_files()
{
	local stage file
	if command -v turnpiked >/dev/null; then
		ok "$(command -v turnpiked) is installed"
		return
	fi
	stage=$(mktemp -d)
	if make -s install DESTDIR="$stage" >/dev/null; then
		while read -r file; do
			[ ! -e "/$file" ] || continue
			change "installed /$file" install -D -m "$(stat -c %a "$stage/$file")" \
				"$stage/$file" "/$file" && note_file "/$file"
		done < <(cd "$stage" && find . -type f -printf '%P\n' | sort)
	else
		say failed "make install"
		failed=yes
	fi
	rm -rf "$stage"
}

load_module()
{
	depmod && modprobe turnpike
}

remove_module()
{
	rmmod turnpike
	depmod
}

# Built for the running kernel, loaded now and at each start.
add_module()
{
	local release file list=/etc/modules-load.d/turnpike.conf
	release=$(uname -r)
	file=/lib/modules/$release/updates/turnpike.ko
	if [ ! -d "/lib/modules/$release/build" ]; then
		warn "no headers of $release: the module is not built (package linux-headers-$release)"
		return
	fi
	if [ -e "$file" ]; then
		ok "$file is installed"
	elif ! make -s kmod KDIR="/lib/modules/$release/build" >/dev/null; then
		say failed "make kmod"
		failed=yes
		return
	else
		change "installed $file" install -D -m 644 "build/kmod/$release/turnpike.ko" "$file" &&
			note_file "$file"
	fi
	if [ -e /dev/turnpike ]; then
		ok "the module is loaded"
	else
		change "loaded the module" load_module && note module
	fi
	if [ ! -e $list ]; then
		change "wrote $list" install -D -m 644 contrib/turnpike.modules $list && note_file $list
	fi
}

add_user()
{
	if getent passwd turnpike >/dev/null; then
		ok "user turnpike"
		return
	fi
	change "user turnpike added" useradd --system --user-group --no-create-home \
		--home-dir /nonexistent --shell /usr/sbin/nologin turnpike && note user turnpike
}

write_conf()
{
	local secret
	secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
	mkdir -p "${CONF%/*}" || return
	(
		umask 027
		{
			printf '%s\n' "realm=$(hostname -f 2>/dev/null || hostname)" use-auth-secret \
				"static-auth-secret=$secret" ''
			turnpiked --sample-config 2>/dev/null || build/turnpiked --sample-config
		} >"$CONF"
	)
	chgrp turnpike "$CONF" "${CONF%/*}"
	chmod 750 "${CONF%/*}"
}

add_conf()
{
	if [ -e "$CONF" ]; then
		ok "$CONF is there"
		return
	fi
	change "wrote $CONF with a secret of its own" write_conf && note_file "$CONF"
}

conf_value()
{
	local value
	value=$(sed -nE "s/^[[:space:]]*$1[[:space:]=]+([0-9]+).*/\1/p" "$CONF" 2>/dev/null | tail -n 1)
	echo "${value:-$2}"
}

write_sysctl()
{
	mkdir -p "${SYSCTL%/*}" && printf '%s = %s\n' "$RESERVED" "$1" >"$SYSCTL" &&
		sysctl -qw "$RESERVED=$1"
}

# Other programs' outgoing sockets must not sit on relay ports. Ports that are
# reserved already stay so.
reserve_ports()
{
	local old want
	want=$(conf_value min-port 49152)-$(conf_value max-port 65535)
	old=$(sysctl -n $RESERVED)
	case ",$old," in
	*",$want,"*)
		ok "ports $want are reserved"
		return ;;
	esac
	change "$RESERVED: ${old:-none} and $want, kept in $SYSCTL" \
		write_sysctl "${old:+$old,}$want" || return
	note sysctl $RESERVED "$old"
	note_file "$SYSCTL"
}

start_alone()
{
	setsid turnpiked -c "$CONF" >>"$LOG" 2>&1 </dev/null &
	echo $! >"$PIDFILE"
	sleep 1
	kill -0 "$(cat "$PIDFILE")" 2>/dev/null || { tail -n 5 "$LOG" >&2; return 1; }
}

start_unit()
{
	systemctl daemon-reload && systemctl enable --now $UNIT
}

is_running()
{
	if has_systemd; then
		systemctl -q is-active $UNIT
	else
		[ -e "$PIDFILE" ] && kill -0 "$(cat "$PIDFILE")" 2>/dev/null
	fi
}

check_conf()
{
	[ -z "$dry" ] || return 0
	turnpiked -c "$CONF" --check-config >/dev/null ||
		fatal "$CONF: turnpiked does not accept it (above): corrected, run this again"
}

start()
{
	if is_running; then
		ok "turnpiked runs"
	elif has_systemd; then
		change "enabled and started $UNIT" start_unit && note unit $UNIT
	else
		change "started turnpiked, log in $LOG" start_alone && note process "$PIDFILE"
	fi
}

# --------------------------------------------------------------------- undo

# Stopped with SIGINT, which has it take its program and tables off.
stop_alone()
{
	local pid i
	pid=$(cat "$PIDFILE" 2>/dev/null) || return 0
	kill -INT "$pid" 2>/dev/null
	for i in {1..50}; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	rm -f "$PIDFILE" "$LOG"
	[ "$i" -lt 50 ]
}

stop_unit()
{
	systemctl disable --now "$1" && turnpike detach
}

# ip_local_reserved_ports takes an empty value only from a file.
restore_sysctl()
{
	printf '%s\n' "$2" >"/proc/sys/${1//.//}"
}

remove_file()
{
	rm -f "$1"
	rmdir --ignore-fail-on-non-empty -p "${1%/*}" 2>/dev/null
	return 0
}

undo_one()
{
	case $1 in
	unit)	change "stopped and disabled $2" stop_unit "$2" ;;
	process) change "stopped turnpiked" stop_alone ;;
	sysctl)	change "$2 is ${3:-empty} again" restore_sysctl "$2" "${3-}" ;;
	file)
		if [ -e "$2" ] && [ "$(sha256sum <"$2")" != "$3" ]; then
			say kept "$2: changed since"
		else
			change "removed $2" remove_file "$2"
		fi ;;
	module)	change "unloaded the module" remove_module ;;
	user)	change "removed user $2" userdel "$2" ;;
	mount)	change "unmounted $2" umount "$2" ;;
	offload) ! ip link show "$2" >/dev/null 2>&1 || change "$2: $3 $4" ethtool -K "$2" "$3" "$4" ;;
	*)	warn "$STATE: unknown entry $1" ;;
	esac
}

undo()
{
	local fields line
	if [ ! -e "$STATE" ]; then
		ok "nothing to take back: no $STATE"
		return
	fi
	mapfile -t lines <"$STATE"
	for ((line = ${#lines[@]} - 1; line >= 0; line--)); do
		IFS=$'\t' read -r -a fields <<<"${lines[line]}"
		undo_one "${fields[@]}"
	done
	[ -n "$dry" ] || [ -n "$failed" ] || {
		rm -f "$STATE"
		rmdir --ignore-fail-on-non-empty "${STATE%/*}"
	}
	! has_systemd || systemctl daemon-reload
}

# --------------------------------------------------------------------- main

undoing='' module=''
for arg; do
	case $arg in
	--dry-run) dry=yes ;;
	--undo) undoing=yes ;;
	--module) module=yes ;;
	*)
		sed -n '3,10s/^# \{0,1\}//p' "$0" >&2
		[ "$arg" = --help ]
		exit $(($? * 2)) ;;
	esac
done
[ "$(id -u)" -eq 0 ] || [ -n "$dry" ] || fatal "this needs root"
if [ -n "$undoing" ]; then
	undo
	[ -z "$failed" ]
	exit
fi
check_kernel
check_interfaces
mount_bpffs
[ -x build/turnpiked ] || command -v turnpiked >/dev/null || make -s all || exit
install_files
[ -z "$module" ] || add_module
add_user
add_conf
check_conf
reserve_ports
[ -n "$failed" ] || start
[ -n "$dry" ] || echo "$warnings warnings. turnpike status shows what it does; $0 --undo takes this back."
[ -z "$failed" ]
