#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/bad-input.txt is what it says: each case is there once, in a row without a gap, and
# named by the tests that it points to, or has a sentence on why there is none.
set -u
cd "$(dirname "$0")/.." || exit 1
list=tests/bad-input.txt
rc=0

# wrong LINE TEXT
wrong()
{
	echo "$list:$1: $2" >&2
	rc=1
}

tested=0 explained=0 open=0 line=0 last_group='' last_number=0
while IFS=$'\t' read -r id what how remark; do
	line=$((line + 1))
	[ -n "$id" ] && [ "${id:0:1}" != '#' ] || continue
	[[ $id =~ ^([A-Z])([1-9][0-9]*)$ ]] || { wrong $line "'$id' is no case"; continue; }
	[ "${BASH_REMATCH[1]}" = "$last_group" ] || last_number=0
	[ "${BASH_REMATCH[2]}" -eq $((last_number + 1)) ] ||
		wrong $line "$id does not follow $last_group$last_number"
	last_group=${BASH_REMATCH[1]} last_number=${BASH_REMATCH[2]}
	[ -n "$what" ] || wrong $line "$id: what is it?"
	case $how in
	'- '????????????????*) explained=$((explained + 1)) ;;
	'? '????????????????*) open=$((open + 1)) ;;
	tests/*)
		tested=$((tested + 1))
		for file in $how; do
			grep -qE "(^|[^A-Za-z0-9])$id([^A-Za-z0-9]|\$)" "$file" ||
				wrong $line "$file does not name $id"
		done ;;
	*) wrong $line "$id: neither tests nor a reason" ;;
	esac
	[ "${remark-}" = "${remark//$'\t'/ }" ] || wrong $line "$id: too many fields"
done <$list
grep -qx "# $((tested + explained + open)) cases in all" $list ||
	wrong 1 "these are $((tested + explained + open)), not as many as it says"
echo "bad input: $tested cases tested, $explained explained, $open open"
exit $rc
