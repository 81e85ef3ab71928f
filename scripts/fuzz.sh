#!/bin/bash
# SPDX-License-Identifier: MIT
# Run fuzzers that are built, FUZZ_SECONDS each: scripts/fuzz.sh NAME...
# New inputs stay in build/fuzz/corpus/NAME, what crashed in build/fuzz/crash/NAME-*.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${FUZZ_SECONDS:-60}
rc=0
[ $# -gt 0 ] || { echo "fuzz: no fuzzer in tests/fuzz" >&2; exit 1; }
mkdir -p build/fuzz/crash
for name in "$@"; do
	corpus=build/fuzz/corpus/$name
	mkdir -p "$corpus"
	seeds=()
	[ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
	log=build/fuzz/$name.log verdict='no fault'
	# setarch: AddressSanitizer of this age does not start under 32-bit mmap randomisation.
	if ! setarch -R "build/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crash/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
		tail -n 60 "$log"
		rc=1 verdict="FAULT: see $log"
	fi
	printf '%-12s %s runs, %s inputs kept, %s\n' "$name" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
		"$(find "$corpus" -type f | wc -l)" \
		"$verdict"
done
exit $rc
