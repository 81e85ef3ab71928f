#!/bin/bash
# SPDX-License-Identifier: MIT
# Production code stays within what a reader can hold: files of 600 lines,
# functions of 80, lines of 100 columns, blocks 5 deep.
#   scripts/budget.sh [FILE...]      all of user/ bpf/ kmod/ include/ by default
set -eu
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
	dirs=()
	for d in user bpf kmod include; do
		[ ! -d "$d" ] || dirs+=("$d")
	done
	mapfile -t files < <(find "${dirs[@]}" -name '*.[ch]' ! -name '*.mod.c' | sort)
	set -- "${files[@]}"
fi

# Kernel style has a function's braces alone in the first column, so that no
# parser is needed. Strings and comments are blanked before braces are counted.
exec awk '
function over(what, has, limit) {
	printf "%s: %s: %d, budget %d\n", FILENAME ":" at, what, has, limit
	bad = 1
}
function columns(s,   i, n, c) {
	n = 0
	for (i = 1; i <= length(s); i++)
		n = substr(s, i, 1) == "\t" ? n + 8 - n % 8 : n + 1
	return n
}
FNR == 1 { if (last && lines > FILES) {
		printf "%s: lines in file: %d, budget %d\n", last, lines, FILES; bad = 1 }
	last = FILENAME; depth = 0; start = 0; deep = 0 }
{ lines = FNR; at = FNR
	if (columns($0) > COLUMNS) over("columns", columns($0), COLUMNS) }
/^[a-zA-Z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ \t*]/, "", name) }
/^\{/ { start = FNR }
{
	code = $0
	gsub(/\\./, "", code); gsub(/"[^"]*"/, "", code); gsub(/\047.\047/, "", code)
	gsub(/\/\*.*\*\//, "", code); sub(/\/\/.*/, "", code); sub(/\/\*.*/, "", code)
	if (code ~ /^[ \t]*\*/) code = ""
	if (start) {
		opened = gsub(/\{/, "{", code); closed = gsub(/\}/, "}", code)
		depth += opened - closed
		if (depth - 1 > DEPTH && !deep) { deep = 1; over(name "(): depth", depth - 1, DEPTH) }
	}
}
/^\}/ && start {
	if (FNR - start - 1 > FUNCTION) {
		at = start; over(name "(): lines", FNR - start - 1, FUNCTION)
	}
	start = 0; depth = 0; deep = 0
}
END {
	if (lines > FILES) { printf "%s: lines in file: %d, budget %d\n", last, lines, FILES; bad = 1 }
	exit bad
}' FILES=600 FUNCTION=80 COLUMNS=100 DEPTH=5 "$@"
