#!/bin/bash
# SPDX-License-Identifier: MIT
# The part "clients" of the bench with 50,000 clients, who need more descriptors than many
# machines' limit allows: in user-mode Linux with 6 GB, where root can raise it. It has one
# processor, which goes about its system calls slowly: memory is what it tells, time is not.
#   BENCH_CLIENTS=50000
set -u
cd "$(dirname "$0")/../.." || exit 1
LAB_NAME=unused
. scripts/lab.sh

PATIENCE_S=3600		# for all to come, and for all to answer
# A page of a process in there is a mapping of one out here.
MAPS=1048576

with=(scripts/lab.sh "$(lab_pass_object)" build/turnpiked build/turnpike build/bench/stream
	build/bench/latency tests/bench/*.sh /usr/lib/ssl/openssl.cnf)
for tool in ss openssl taskset pgrep; do
	with+=("$(command -v $tool)")
done
options=()
for file in "${with[@]}"; do
	options+=(--with "$file")
done
export TEST_CLIENTS=${BENCH_CLIENTS:-50000} TEST_PATIENCE=$PATIENCE_S
maps=$(sysctl -n vm.max_map_count)
if [ "$maps" -lt $MAPS ]; then
	trap 'sysctl -qw vm.max_map_count=$maps' EXIT
	trap 'exit 130' INT TERM HUP
	sysctl -qw vm.max_map_count=$MAPS || exit
fi
scripts/vm.sh --kernel uml --memory 6000 --timeout $((PATIENCE_S * 2 + 600)) \
	"${options[@]}" -- tests/bench/clients_guest.sh
