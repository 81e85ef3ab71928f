#!/bin/bash
# SPDX-License-Identifier: MIT
# In the virtual machine: the part "clients" of the bench with TEST_CLIENTS of them. Run by
# clients_vm.sh.
set -u
sysctl -qw fs.nr_open=1048576 fs.file-max=1048576 &&
	BENCH=clients BENCH_CLIENTS=$TEST_CLIENTS BENCH_CLIENTS_RELAY=turnpike-user \
	BENCH_CLIENTS_PATIENCE=$TEST_PATIENCE TURNSERVER=none tests/bench/bench.sh &&
	echo "ok 1 - $TEST_CLIENTS clients held"
