#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests of the data path, in a virtual machine on the kernel that this
# script's name ends with; `make vm-tests` builds them.
set -u
cd "$(dirname "$0")/../.." || exit 1
kernel=${0##*/dataplane_} kernel=${kernel%.sh}
programs=()
for source in tests/dataplane/*_test.c tests/kernel/*_test.c; do
	program=${source#tests/}
	program=build/vm-tests/${program%.c}
	[ -e "$source" ] || continue
	case $source in */kmod_*) continue ;; esac	# of kmod_*.sh
	if [ ! -x "$program" ]; then
		echo "not ok - $program is not built (make vm-tests)"
		exit 1
	fi
	programs+=("$program")
done
# An emulated processor is some twenty times slower; the host's run has 100,000 random frames.
export TEST_COUNT=${TEST_COUNT:-10000}
exec scripts/vm.sh --kernel "${kernel//_/.}" --timeout 900 -- "${programs[@]}"
