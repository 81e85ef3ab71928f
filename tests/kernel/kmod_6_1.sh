#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel module in a virtual machine, on the kernel that this script's name ends with:
# built for it, loaded, tested alone and with the daemon.
set -u
cd "$(dirname "$0")/../.." || exit 1
kernel=${0##*/kmod_} kernel=${kernel%.sh} kernel=${kernel//_/.}
LAB_NAME=unused
. scripts/lab.sh

skip()
{
	echo "1..0 # SKIP module on $kernel: $*"
	exit 4
}

# Headers of exactly the kernel that is booted.
headers=$(find /lib/modules -maxdepth 2 -name build -path "/lib/modules/$kernel.*" 2>/dev/null |
	sort -V | tail -1)
[ -n "$headers" ] || skip "no headers (package linux-headers-$kernel-amd64 or linux-headers-amd64)"
release=${headers#/lib/modules/} release=${release%/build}
module=build/kmod/$release/turnpike.ko
# the same, for a test of what fails without memory
faults=build/kmod-fault/$release/turnpike.ko
make -s "$module" "$faults" >/dev/null || { echo "not ok - $module cannot be built"; exit 1; }
programs=()
for source in tests/kernel/kmod_${TEST_ONLY:-*}_test.c; do
	programs+=("build/vm-tests/kernel/$(basename "${source%.c}")")
done
with=(tests/net/tap.sh tests/net/uclient.sh scripts/lab.sh build/turnpiked build/turnpike
	build/tests/net/turn_client build/tests/net/echo /usr/bin/turnutils_uclient "$(lab_pass_object)"
	"$module" "$faults" build/vm-tests/kernel/kmod_bulk_test)
for program in "${programs[@]}" "${with[@]}"; do
	[ -r "$program" ] || { echo "not ok - $program is not built"; exit 1; }
done
export TEST_KMOD=$PWD/$module TEST_KMOD_FAULT=$PWD/$faults
options=(--kernel "$kernel" --timeout 400)
for file in "${with[@]}"; do
	options+=(--with "$file")
done
exec scripts/vm.sh "${options[@]}" -- \
	"${programs[@]}" tests/kernel/kmod_fault.sh tests/kernel/kmod_daemon.sh
