#!/bin/bash
# SPDX-License-Identifier: MIT
# The first and only process of the guest that scripts/vm.sh boots: run the
# programs of /job, tell how it went, switch off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
ln -s /proc/self/fd /dev/fd
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
mount -t tmpfs run /run
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1

while read -r module; do
	insmod "$module" || echo "# insmod $module failed"
done </modules/order
ip link set lo up
ulimit -l unlimited
ulimit -n 65536
echo "# Linux $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s"

# First failure wins; skipped only when every program was.
status=4
programs=()
# shellcheck source=/dev/null
. /job
for program in "${programs[@]}"; do
	echo "# $program"
	case $program in
	*/*) ;;
	*) program=./$program ;;
	esac
	"$program" 2>&1 | tee /tmp/log
	rc=${PIPESTATUS[0]}
	# cmocka calls a skipped test "not ok 1 # SKIP name"; vm.sh puts that right
	bad=$(grep -E '^[[:space:]]*not ok ' /tmp/log | grep -civE '^ *not ok [0-9]* *# *skip')
	if [ "$bad" -gt 0 ]; then
		rc=1	# whatever it says: cmocka returns the number of failures
	elif [ "$rc" -eq 4 ]; then
		grep -qiE '^[[:space:]]*ok .*# *skip' /tmp/log ||
			echo "ok - $program # SKIP $(sed -n 's/^1\.\.0 *# *SKIP *//ip' /tmp/log)"
	elif [ "$rc" -ne 0 ]; then
		echo "not ok - $program ended with status $rc"
	elif ! grep -qE '^[[:space:]]*(not )?ok |^1\.\.0' /tmp/log; then
		echo "not ok - $program reported no test"
		rc=1
	fi
	case $status,$rc in
	[04],4) ;;
	[04],*) status=$rc ;;
	esac
done
echo "# up $(cut -d' ' -f1 /proc/uptime) s"
echo "#vm-end $status $(cat /proc/sys/kernel/tainted)"
stty -F /dev/ttyS1 raw		# waits until everything is sent
poweroff -f
