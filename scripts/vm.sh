#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot one of Debian's kernels in QEMU, without KVM, and run test programs in it
# as root. Their TAP goes to standard output.
#
#   scripts/vm.sh [--kernel 6.1|6.12|uml] [--timeout S] [--memory MiB] [--module NAME]...
#                 [--with FILE]... [--icount yes] -- PROGRAM...
#
# A PROGRAM is a binary or a script, given without arguments, below the current
# directory or absolute; it keeps its path in the guest and runs from the same
# place. The kernel uml is user-mode Linux: a process of this machine, not emulated and
# so much faster, with one processor and without much of what concerns hardware.
# --with adds a file, --module a module of the kernel's package; with
# --icount there is one processor, and the clock counts its instructions. Variables
# CMOCKA_* and TEST_* are handed on. Nothing is installed on this machine: the
# kernel's package is unpacked below build/vm (or $VM_CACHE) and stays there.
#
# Exit: 0 all passed; 4 skipped, with a reason; 2 wrong usage; 124 timeout; 1 a
# "not ok" or a fault of the kernel; else the status of a program that said none.
set -eu

PATH=$PATH:/usr/sbin:/sbin
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${VM_CACHE:-$TOP/build/vm}
TOOLS=(bash ip tc bridge ethtool bpftool nsenter setpriv)
MODULES=(veth dummy 8021q sch_ingress cls_bpf act_gact tun vxlan
	udp_tunnel ip6_udp_tunnel)
FAULTS='BUG:|WARNING:|Oops|Call Trace|Kernel panic|KASAN:|UBSAN:'

icount='' kernel=6.1 limit=300 memory=1024 with=() programs=()
release='' work=''

usage()
{
	sed -n '3,22s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

skip()
{
	echo "1..0 # SKIP vm $kernel: $*"
	exit 4
}

arguments()
{
	while [ $# -gt 0 ]; do
		[ "$1" = -- ] && break
		[ $# -ge 2 ] || usage
		case $1 in
		--kernel) kernel=$2 ;;
		--timeout) limit=$2 ;;
		--memory) memory=$2 ;;
		--with) with+=("$2") ;;
		--icount) icount=$2 ;;
		--module) MODULES+=("$2") ;;
		*) usage ;;
		esac
		shift 2
	done
	[ $# -ge 2 ] || usage
	shift
	programs=("$@")
}

need_tools()
{
	local tool
	[ "$(uname -m)" = x86_64 ] || skip "only x86_64 is supported"
	# command, and the package that has it
	for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio \
			depmod:kmod xz:xz-utils; do
		command -v "${tool%:*}" >/dev/null ||
			skip "no ${tool%:*} (package ${tool#*:}, scripts/deps.sh installs it)"
	done
	if ldd "$(command -v busybox)" >/dev/null 2>&1; then
		skip "busybox is not static (package busybox-static)"
	fi
}

# ------------------------------------------------------------------ the kernel

# The package that a metapackage of Debian names now, else the newest by version.
kernel_package()
{
	local series=${kernel//./\\.} meta found
	if [ "$kernel" = uml ]; then
		echo user-mode-linux
		return
	fi
	for meta in "linux-image-$kernel-amd64" linux-image-amd64; do
		found=$(apt-cache depends --no-recommends --no-suggests "$meta" 2>/dev/null |
			sed -nE "s/^ +Depends: (linux-image-$series\.[^ ]*-amd64)\$/\1/p" | head -1)
		[ -z "$found" ] || break
	done
	if [ -z "$found" ]; then
		found=$(apt-cache pkgnames "linux-image-$kernel." 2>/dev/null |
			grep -E '^linux-image-[0-9.]+([-+][0-9a-z]+)*-amd64$' |
			grep -vE -- '-(cloud|rt)-amd64$' | sort -V | tail -1) || true
	fi
	echo "$found"
}

# A package of user-mode Linux, with everything where the other packages have it.
kernel_from_uml()
{
	release=$(basename "$1"/usr/lib/uml/modules/*)
	mkdir -p "$1/boot" "$1/lib"
	mv "$1/usr/bin/linux.uml" "$1/boot/vmlinuz-$release"
	mv "$1/usr/lib/uml/modules" "$1/lib"
}

# No hardware here: a quarter of the package does.
kernel_trim()
{
	find "$1/drivers" -mindepth 1 -maxdepth 1 ! -name net -exec rm -rf {} +
	rm -rf "$1/sound" "$1"/drivers/net/{ethernet,wireless}
}

kernel_unpack()
{
	local package into
	command -v apt-get >/dev/null || skip "no apt-get to fetch Debian's kernel with"
	package=$(kernel_package)
	[ -n "$package" ] ||
		skip "the configured apt sources offer no linux-image-$kernel.*-amd64 (apt-get update run?)"
	mkdir -p "$CACHE"
	into=$(mktemp -d "$CACHE/.unpack.XXXXXX")
	echo "# vm: fetching $package" >&2
	if ! (cd "$into" && apt-get download -q "$package") >"$into/log" 2>&1; then
		sed 's/^/# /' "$into/log" >&2
		rm -rf "$into"
		skip "cannot download $package"
	fi
	dpkg -x "$into"/*.deb "$into/root"
	release=${package#linux-image-}
	[ "$kernel" != uml ] || kernel_from_uml "$into/root"
	kernel_trim "$into/root/lib/modules/$release/kernel"
	depmod -b "$into/root" "$release"
	rm -rf "${CACHE:?}/$release"
	mv "$into/root" "$CACHE/$release"
	ln -sfn "$release" "$CACHE/$kernel"
	rm -rf "$into"
}

kernel_find()
{
	release=$(readlink "$CACHE/$kernel" || true)
	[ -r "$CACHE/$release/boot/vmlinuz-$release" ] || kernel_unpack
}

# --------------------------------------------------------------- the initramfs

put()
{
	install -D -m "$(stat -L -c %a "$1")" "$1" "$work/root/$2"
}

# A program with the libraries that the loader would give it here.
put_program()
{
	local library
	put "$1" "$2"
	while read -r library; do
		[ -e "$work/root/$library" ] || put "$library" "$library"
	done < <(ldd "$1" 2>/dev/null | grep -oE '/[^ ]+')
}

put_modules()
{
	local module line file
	for module in "${MODULES[@]}"; do
		while read -r line file; do
			[ "$line" = insmod ] || continue
			file=${file%% *}
			line=$work/root/modules/$(basename "${file%.xz}")
			case $file in
			*.xz) xz -dc "$file" >"$line" ;;
			*) cp "$file" "$line" ;;
			esac
			echo "/modules/${line##*/}" >>"$work/modules"
		done < <(modprobe -d "$CACHE/$release" -S "$release" --show-depends "$module" \
			2>/dev/null || echo "# vm: $release has no module $module" >&2)
	done
	awk '!seen[$0]++' "$work/modules" >"$work/root/modules/order"
}

# Files keep their path, so that a program finds what it names relative to $PWD.
put_files()
{
	local file
	for file in "${programs[@]}" "${with[@]}"; do
		if [ ! -r "$file" ]; then
			echo "vm: cannot read $file" >&2
			exit 2
		fi
		case $file in
		/*) put_program "$file" "$file" ;;
		*) put_program "$file" "$PWD/$file" ;;
		esac
	done
	{
		printf 'cd %q\nprograms=(' "$PWD"
		printf '%q ' "${programs[@]}"
		printf ')\nexport CMOCKA_MESSAGE_OUTPUT=TAP\n'
		for file in $(compgen -e | grep -E '^(CMOCKA|TEST)_'); do
			printf 'export %s=%q\n' "$file" "${!file}"
		done
	} >"$work/root/job"
}

initramfs()
{
	local root=$work/root tool name
	mkdir -p "$root"/{dev,etc,modules,proc,root,run,sys,tmp,var} \
		"$root"/usr/{bin,sbin,lib,lib64} "$root$PWD"
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$root/$name"
	done
	ln -s ../run "$root/var/run"		# ip netns looks there
	echo root:x:0:0:root:/root:/bin/bash >"$root/etc/passwd"
	echo nobody:x:65534:65534:nobody:/:/bin/false >>"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	for tool in "${TOOLS[@]}"; do
		name=$(command -v "$tool") || continue
		put_program "$(realpath "$name")" "/usr/bin/$tool"
	done
	put "$(command -v busybox)" /usr/bin/busybox
	# The applets are there for what is missing only. Its ip knows no veth, and its
	# shell takes its own ip whatever PATH says: what system() runs must not be it.
	ln -s bash "$root/usr/bin/sh"
	for name in $(busybox --list); do
		[ "$name" = ip ] || [ -e "$root/usr/bin/$name" ] ||
			ln -s busybox "$root/usr/bin/$name"
	done
	put "$TOP/scripts/vm-init.sh" /init
	put_modules
	put_files
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$work/initramfs"
}

# --------------------------------------------------------------------- the run

# The kernel speaks on ttyS0, the tests on ttyS1, so that neither cuts up the other's lines.
# The stall detectors get time, since an emulated processor may be left waiting.
boot()
{
	local line=(loglevel=6 panic=-1 oops=panic mitigations=off
		rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60)
	local machine=(-accel 'tcg,thread=multi' -smp 2) image=$CACHE/$release/boot/vmlinuz-$release
	local command

	[ -z "$icount" ] ||
		machine=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -smp 1)
	command=(qemu-system-x86_64 -M q35 -cpu max -m "$memory" "${machine[@]}" -nodefaults
		-display none -no-reboot -serial "file:$work/console" -serial stdio
		-kernel "$image" -initrd "$work/initramfs" -append "console=ttyS0 ${line[*]}")
	[ "$kernel" != uml ] ||
		command=("$image" "mem=${memory}M" "initrd=$work/initramfs" rdinit=/init quiet
			"uml_dir=$work" con=null 'con0=null,fd:3' ssl=null 'ssl1=null,fd:1'
			console=tty0 "${line[@]}")

	timeout --foreground -k 5 "$limit" "${command[@]}" </dev/null 3>>"$work/console" |
		sed -u -e 's/\r$//; s/^not \(ok [0-9]* *# *SKIP\)/\1/' \
			-e "/^#vm-end /{w $work/end" -e 'd}'
	return "${PIPESTATUS[0]}"
}

# The console from the first complaint on, else its end.
fault()
{
	echo "not ok - vm $release: $*"
	if grep -qE "$FAULTS" "$work/console"; then
		grep -m1 -A60 -E "$FAULTS" "$work/console"
	else
		tail -n 20 "$work/console"
	fi | tr -d '\r' | sed 's/^/# console: /'
}

# Taint bits: 5 bad page, 7 oops, 9 warning, 14 soft lockup. They also tell of
# what was not printed on the console.
judge()
{
	local rc=$1 status='' taint=0
	[ ! -s "$work/end" ] || read -r _ status taint <"$work/end"
	if grep -qE "$FAULTS" "$work/console"; then
		fault "the kernel complained:" \
			"$(grep -m1 -oE "($FAULTS).*" "$work/console" | tr -d '\r')"
		return 1
	fi
	if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		fault "not done after $limit s"
		return 124
	fi
	if [ -z "$status" ]; then
		fault "ended without its end marker (qemu: status $rc)"
		return 1
	fi
	if [ $((taint & (1 << 5 | 1 << 7 | 1 << 9 | 1 << 14))) -ne 0 ]; then
		fault "the kernel is tainted: $taint"
		return 1
	fi
	return "$status"
}

arguments "$@"
need_tools
kernel_find
work=$(mktemp -d "${TMPDIR:-/tmp}/turnpike-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
touch "$work/modules" "$work/console"
initramfs
rc=0
boot || rc=$?
judge "$rc" || exit $?
