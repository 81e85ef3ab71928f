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
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-300}" "$t" >"$log" 2>&1
	rc=$?
	cat "$log"
	ok=$(grep -cE '^[[:space:]]*ok ' "$log")
	sk=$(grep -ciE '^[[:space:]]*ok .*# *skip' "$log")
	no=$(grep -cE '^[[:space:]]*not ok ' "$log")
	if [ $rc -eq 4 ]; then
		[ "$sk" -gt 0 ] || sk=1
		ok=$sk
	elif [ $rc -ne 0 ] && [ "$no" -eq 0 ]; then
		echo "not ok - $t ended with status $rc"
		no=1
	elif [ "$ok" -eq 0 ] && [ "$no" -eq 0 ]; then
		echo "not ok - $t reported no test"
		no=1
	fi
	pass=$((pass + ok - sk)) fail=$((fail + no)) skip=$((skip + sk))
done
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
