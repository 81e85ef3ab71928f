#!/bin/bash
# SPDX-License-Identifier: MIT
# Run test programs that print (K)TAP, one more at a time than there are processors, since
# most of them wait most of their time (TEST_JOBS), show what they say in their order, and add
# it up. What failed is said again at the end.
# The last line is "N passed, N failed, N skipped". Exit 4 of a program means
# that it was skipped whole; any other failure counts even without a "not ok".
set -u
jobs=${TEST_JOBS:-$(($(nproc) + 1))}
pass=0 fail=0 skip=0
dir=$(mktemp -d)
# the programs clean up after themselves when they are told to end
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP

# run NUMBER PROGRAM: its output and status into files of that number. timeout has a
# process group of its own, which a signal that it gets goes to.
run()
{
	local child begun=$SECONDS
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-1000}" "$2" >"$dir/$1.log" 2>&1 &
	child=$!
	trap 'kill "$child" 2>/dev/null; wait "$child"; exit 1' TERM
	wait "$child"
	echo "$? $((SECONDS - begun))" >"$dir/$1.new"
	mv "$dir/$1.new" "$dir/$1.rc"
}

# report NUMBER PROGRAM
report()
{
	local log=$dir/$1.log rc took ok sk no
	read -r rc took <"$dir/$1.rc"
	printf '# %s: %s s\n' "$2" "$took"
	cat "$log"
	ok=$(grep -E '^[[:space:]]*ok ' "$log" | grep -vciE '# *skip')
	# cmocka prints a skipped test as "not ok N # SKIP name"
	sk=$(grep -ciE '^[[:space:]]*(not )?ok .*# *skip' "$log")
	no=$(grep -E '^[[:space:]]*not ok ' "$log" | grep -vciE '# *skip')
	if [ "$rc" -eq 4 ] && [ "$no" -eq 0 ]; then
		[ "$sk" -gt 0 ] || sk=1
	elif [ "$rc" -ne 0 ] && [ "$no" -eq 0 ]; then
		echo "not ok - $2 ended with status $rc" | tee -a "$log"
		no=1
	elif [ $((ok + no + sk)) -eq 0 ]; then
		echo "not ok - $2 reported no test" | tee -a "$log"
		no=1
	fi
	[ "$no" -eq 0 ] || failed+=("$(grep -E '^[[:space:]]*not ok ' "$log" | grep -viE '# *skip' |
		sed "s|^|# failed: $2: |")")
	pass=$((pass + ok)) fail=$((fail + no)) skip=$((skip + sk))
}

programs=("$@") failed=() started=0 reported=0
while [ $reported -lt $# ]; do
	while [ $started -lt $# ] && [ "$(jobs -rp | wc -l)" -lt "$jobs" ]; do
		run $started "${programs[started]}" &
		started=$((started + 1))
	done
	wait -n 2>/dev/null
	while [ $reported -lt $# ] && [ -e "$dir/$reported.rc" ]; do
		report $reported "${programs[reported]}"
		reported=$((reported + 1))
	done
done
[ "$fail" -eq 0 ] || printf '%s\n' "${failed[@]}"
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
