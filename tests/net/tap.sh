# SPDX-License-Identifier: MIT
# Sourced by the shell tests: TAP, and a turnpiked in the lab's relay host.
# A test calls tap_lab first; everything is taken down when it ends, however it ends.

TAP_N=0 TAP_FAILED=0
TAP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TAP_TMP=$(mktemp -d)
# The daemon to test; sanitized_test.sh names another.
TURNPIKED=${TURNPIKED:-build/turnpiked}
LAB_NAME=tpt$$
. "$TAP_ROOT/scripts/lab.sh"
cd "$TAP_ROOT" || exit 1

tap_skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# tap_ok STATUS NAME [DIAGNOSTIC...]
tap_ok()
{
	TAP_N=$((TAP_N + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $TAP_N - $2"
	else
		TAP_FAILED=1
		echo "not ok $TAP_N - $2"
		printf '# %s\n' "${@:3}"
	fi
}

tap_is()
{
	[ "$1" = "$2" ]
	tap_ok $? "$3" "got:  $1" "want: $2"
}

# tap_at_least NUMBER LEAST NAME
tap_at_least()
{
	[ "${1:-0}" -ge "$2" ] 2>/dev/null
	tap_ok $? "$3" "got:  $1" "want: $2 or more"
}

tap_skip()
{
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1 # SKIP $2"
}

# relay_reports LOG...: keeps what sanitizers wrote there rather than to a file of their own, as
# the relay process does, which can open none.
relay_reports()
{
	[ -d "$TAP_TMP/reports" ] || return 0
	grep -hsA 30 'runtime error:\|ERROR: [A-Za-z]*Sanitizer' "$@" >>"$TAP_TMP/reports/of-logs"
	return 0
}

# What a sanitizer of the daemon had to say, leaks at its end included.
tap_reports()
{
	local reports log
	relay_stop
	for log in "$TAP_TMP"/*.log; do
		[ "$log" = "$TAP_TMP/relay.log" ] || relay_reports "$log"
	done
	reports=$(cat "$TAP_TMP"/reports/* 2>/dev/null)
	tap_is "$reports" "" "$TURNPIKED: no report of a sanitizer"
}

tap_done()
{
	[ ! -d "$TAP_TMP/reports" ] || tap_reports
	echo "1..$TAP_N"
	exit $TAP_FAILED
}

# --------------------------------------------------------------- the relay

tap_clean()
{
	relay_stop
	lab_down
	umount "$TAP_TMP/bpf" 2>/dev/null
	rm -rf "$TAP_TMP"
}

tap_lab()
{
	[ "$(id -u)" -eq 0 ] || tap_skip_all "network namespaces need root"
	trap tap_clean EXIT
	trap 'exit 1' INT TERM HUP
	mkdir "$TAP_TMP/bpf"
	# the relay process is somebody else, and writes there
	mkdir -m 1777 "$TAP_TMP/reports"
	chmod 711 "$TAP_TMP"
	export ASAN_OPTIONS="log_path=$TAP_TMP/reports/asan"
	export UBSAN_OPTIONS="print_stacktrace=1:log_path=$TAP_TMP/reports/ubsan"
	mount -t bpf bpf "$TAP_TMP/bpf" || tap_skip_all "no BPF filesystem"
	lab_up || { echo "Bail out! the lab cannot be built"; exit 1; }
	local port
	for port in 3480 3481; do
		lab_exec peer turnutils_peer -p $port -L $LAB_PEER4 -L $LAB_PEER6 >/dev/null 2>&1 &
	done
}

RELAY_PID='' RELAY_SOCKET=$TAP_TMP/control.sock

# relay_launch ARGUMENT...: a daemon in the relay host, ready when this returns 0.
relay_launch()
{
	[ -z "$RELAY_PID" ] || relay_reports "$TAP_TMP/relay.log"
	: >"$TAP_TMP/relay.log"
	# a function in the background would be a shell between the daemon and its signals
	# as in the unit: not everything that root may
	nsenter --net="/run/netns/$LAB_NAME-relay" -- setpriv --bounding-set=-sys_admin \
		"$TURNPIKED" --realm=lab --control-socket="$RELAY_SOCKET" \
		--pin-path="$TAP_TMP/bpf/turnpike" --relay-threads=2 --unauthorized-ratelimit=off \
		"$@" >>"$TAP_TMP/relay.log" 2>&1 &
	RELAY_PID=$!
	relay_wait 'relaying workers='
}

# relay_start [DIRECTIVE...]: one without a file
relay_start()
{
	relay_launch -n --lt-cred-mech --user=alice:secret \
		--listening-ip=$LAB_RELAY4 --listening-ip=$LAB_RELAY6 \
		--relay-ip=$LAB_OUTER4 --relay-ip=$LAB_OUTER6 --rfc5766-channel-numbers "$@"
}

CONF=$TAP_TMP/turnpike.conf

# conf_write LINE...: what conf_start, and then a reload, reads
conf_write()
{
	printf '%s\n' "$@" >"$CONF"
	chmod 640 "$CONF"
}

# conf_start [DIRECTIVE...]
conf_start()
{
	relay_launch -c "$CONF" --listening-ip=$LAB_RELAY4 "$@"
}

# relay_wait TEXT: until the log says it (20 s at most, or TAP_PATIENCE twentieths: a busy
# machine verifies a program for long).
relay_wait()
{
	local i
	for ((i = 0; i < ${TAP_PATIENCE:-400}; i++)); do
		grep -q "$1" "$TAP_TMP/relay.log" && return 0
		kill -0 "$RELAY_PID" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

# relay_stop [SIGNAL]: Ctrl-C by default, which takes the programs off.
relay_stop()
{
	[ -n "$RELAY_PID" ] || return 0
	kill -s "${1:-INT}" "$RELAY_PID" 2>/dev/null
	wait "$RELAY_PID" 2>/dev/null
	RELAY_PID=''
	relay_reports "$TAP_TMP/relay.log"
}

relay_child()
{
	pgrep -P "$RELAY_PID"
}

turnpike()
{
	lab_exec relay build/turnpike --socket "$RELAY_SOCKET" --pin-path "$TAP_TMP/bpf/turnpike" "$@"
}

# relay_count REASON: packets counted under it until now.
relay_count()
{
	turnpike stats --json | python3 -c '
import json, sys
print(next((r["packets"] for r in json.load(sys.stdin)["reasons"] if r["reason"] == sys.argv[1]), "none"))' "$1"
}

# relay_interfaces: what relays on each of them, as name=native|tc|none.
relay_interfaces()
{
	turnpike status --json | python3 -c '
import json, sys
i = json.load(sys.stdin)["dataplane"]["interfaces"]
print(*sorted(x["name"] + "=" + x["xdp"] for x in i))'
}

# relay_allocations EXPRESSION: Python over the list "a" of allocations.
relay_allocations()
{
	turnpike allocations --json | python3 -c '
import json, sys
a = json.load(sys.stdin)["allocations"]
print(eval(sys.argv[1]))' "$1"
}

# client_start SERVER [USER PASSWORD]: a turn_client to speak to with client_say.
client_start()
{
	coproc CLIENT { lab_exec client build/tests/net/turn_client "$1" "${2:-alice}" \
		"${3:-secret}"; }
	# a subshell inherits copies, not the pipes of a coprocess
	exec {CLIENT_IN}>&"${CLIENT[1]}" {CLIENT_OUT}<&"${CLIENT[0]}"
}

client_say()
{
	local answer
	echo "$*" >&"$CLIENT_IN"
	read -r -t 60 answer <&"$CLIENT_OUT" || answer="no answer"
	echo "$answer"
}

client_stop()
{
	local pid=$CLIENT_PID
	exec {CLIENT_IN}>&- {CLIENT_OUT}<&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

# guest_start SERVER, guest_say, guest_stop: a second client, carol; a test that has one ends it
# in its trap.
GUEST_PID=''

guest_start()
{
	rm -f "$TAP_TMP/in" "$TAP_TMP/out"
	mkfifo "$TAP_TMP/in" "$TAP_TMP/out"
	# not by lab_start, which would open both before there is anybody at the other end
	nsenter --net="/run/netns/$LAB_NAME-client" -- build/tests/net/turn_client "$1" carol \
		secret <"$TAP_TMP/in" >"$TAP_TMP/out" &
	GUEST_PID=$!
	exec {GUEST_IN}>"$TAP_TMP/in" {GUEST_OUT}<"$TAP_TMP/out"
}

guest_say()
{
	local answer
	echo "$*" >&"$GUEST_IN"
	read -r -t 60 answer <&"$GUEST_OUT" || answer="no answer"
	echo "$answer"
}

guest_stop()
{
	[ -n "$GUEST_PID" ] || return 0
	exec {GUEST_IN}>&- {GUEST_OUT}<&-
	kill "$GUEST_PID" 2>/dev/null
	wait "$GUEST_PID" 2>/dev/null
	GUEST_PID=''
}

# conf_during NAME WANTED: a reload, with that exit status, under the first client's traffic
conf_during()
{
	local name=$1 wanted=$2 lost
	echo "channel 0x4000 2000 100 500" >&"$CLIENT_IN"
	sleep 0.3
	turnpike reload >"$TAP_TMP/said" 2>&1
	tap_is $? "$wanted" "$name" "$(cat "$TAP_TMP/said")"
	read -r -t 60 lost <&"$CLIENT_OUT"
	tap_is "$lost" "sent 2000 received 2000 damaged 0" "$name: nobody else loses anything"
}
