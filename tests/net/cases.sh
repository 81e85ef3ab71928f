# SPDX-License-Identifier: MIT
# Sourced after tap.sh by tests whose cases are those of a program, NAME_cases.py.

# A sanitizer keeps what is freed: programs that look at the daemon's memory are told.
NO_RSS=''
# shellcheck disable=SC2034	# for the caller
[ "$TURNPIKED" = build/turnpiked ] || NO_RSS=--no-rss

# cases_run PREFIX NAME ARGUMENT...: a line of TAP for each line of the program's (status, name
# and diagnostic, separated by tabs: case_report.py), behind that prefix.
cases_run()
{
	local prefix=$1 status name why
	while IFS=$'\t' read -r status name why; do
		tap_ok "$status" "$prefix$name" "$why"
	done < <(timeout 500 python3 -B "tests/net/$2_cases.py" "$LAB_NAME" "$RELAY_SOCKET" \
		"${@:3}" 2>"$TAP_TMP/cases.log")
	wait $!
	tap_ok $? "${prefix}ran to its end" "$(tail -n 5 "$TAP_TMP/cases.log")"
}
