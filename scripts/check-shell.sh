#!/bin/bash
# SPDX-License-Identifier: MIT
# Every shell script parses and passes shellcheck where that is installed.
set -u
cd "$(dirname "$0")/.." || exit 1
mapfile -t scripts < <(grep -lE '^#!.*\b(ba)?sh\b' -r .ci scripts tests contrib 2>/dev/null | sort)
rc=0
for s in "${scripts[@]}"; do
	bash -n "$s" || rc=1
done
if command -v shellcheck >/dev/null; then
	shellcheck -S warning -x -P SCRIPTDIR "${scripts[@]}" || rc=1
else
	echo "check-shell: shellcheck is not installed: parsed only"
fi
exit $rc
