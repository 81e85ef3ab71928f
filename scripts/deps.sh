#!/bin/bash
# SPDX-License-Identifier: MIT
# Install the Debian packages that building, testing and measuring need.
#   scripts/deps.sh           install what is missing (root, or through sudo)
#   scripts/deps.sh --clients the same, and the clients that tests/interop starts
#   scripts/deps.sh --check   print what is missing, install nothing; exit 1 if anything is
set -eu

PACKAGES=(
	build-essential gcc make pkg-config git python3 openssl
	clang llvm libclang-rt-14-dev		# the BPF object, the analyser, the fuzzers
	libbpf-dev bpftool libelf-dev zlib1g-dev
	libevent-dev libmnl-dev libssl-dev libjansson-dev uthash-dev
	libsqlite3-dev libhiredis-dev sqlite3	# user databases
	libcmocka-dev sparse shellcheck		# tests and checks
	coturn					# its clients test us, its server is what we measure against
	redis-server				# started by the tests, on a socket of their own
	linux-headers-amd64			# the kernel module; that of Linux 6.1, which the tests boot
	qemu-system-x86 busybox-static cpio kmod xz-utils
	iproute2 ethtool tcpdump procps util-linux libcap2-bin
)
# Clients that we did not write; 300 MB that only the tests need, and can do without.
CLIENTS=(libnice-dev chromium)
POLICY=/usr/sbin/policy-rc.d

# missing PACKAGE...: those that are not installed
missing()
{
	local have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p')
	comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$have")
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -- "$@"
	fi
}

# The packages of coturn and Redis start their servers, one of which would take our port:
# a policy that forbids it, for the time of the installation and only where there is none.
install_quietly()
{
	if [ ! -e "$POLICY" ]; then
		trap 'as_root rm -f "$POLICY"' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
		as_root chmod 755 "$POLICY"
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends "$@"
}

# Of a package that was not there before: nobody asked for its service.
stop_service()
{
	[ -d /run/systemd/system ] || return 0
	as_root systemctl disable --now "$1.service" >/dev/null 2>&1 || true
}

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not Debian; needed: ${PACKAGES[*]}" >&2
	[ "${1-}" = --check ] && exit 1
	exit 0
fi
case "${1-}" in
--check)
	mapfile -t need < <(missing "${PACKAGES[@]}")
	[ "${#need[@]}" -gt 0 ] || exit 0
	printf '%s\n' "${need[@]}"
	exit 1 ;;
--clients)
	"$0"
	mapfile -t need < <(missing "${CLIENTS[@]}")
	[ "${#need[@]}" -gt 0 ] || exit 0
	echo "deps: installing ${need[*]}"
	(install_quietly "${need[@]}") || echo "deps: their tests will be skipped"
	exit 0 ;;
'')
	;;
*)
	echo "usage: scripts/deps.sh [--check | --clients]" >&2
	exit 2 ;;
esac
mapfile -t need < <(missing "${PACKAGES[@]}")
[ "${#need[@]}" -gt 0 ] || exit 0

echo "deps: installing ${need[*]}"
as_root apt-get update -q
install_quietly "${need[@]}"
for package in coturn redis-server; do
	case " ${need[*]} " in
	*" $package "*) stop_service "$package" ;;
	esac
done
