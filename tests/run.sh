#!/bin/bash
# SPDX-License-Identifier: MIT
# Run test programs that print (K)TAP, show what they say, and add it up.
# The last line is "N passed, N failed, N skipped". Exit 4 of a program means
# that it was skipped whole; any other failure counts even without a "not ok".
set -u
pass=0 fail=0 skip=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for t in "$@"; do
	printf '# %s\n' "$t"
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-1000}" "$t" >"$log" 2>&1
	rc=$?
	cat "$log"
	ok=$(grep -E '^[[:space:]]*ok ' "$log" | grep -vciE '# *skip')
	# cmocka prints a skipped test as "not ok N # SKIP name"
	sk=$(grep -ciE '^[[:space:]]*(not )?ok .*# *skip' "$log")
	no=$(grep -E '^[[:space:]]*not ok ' "$log" | grep -vciE '# *skip')
	if [ $rc -eq 4 ] && [ "$no" -eq 0 ]; then
		[ "$sk" -gt 0 ] || sk=1
	elif [ $rc -ne 0 ] && [ "$no" -eq 0 ]; then
		echo "not ok - $t ended with status $rc"
		no=1
	elif [ $((ok + no + sk)) -eq 0 ]; then
		echo "not ok - $t reported no test"
		no=1
	fi
	pass=$((pass + ok)) fail=$((fail + no)) skip=$((skip + sk))
done
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
