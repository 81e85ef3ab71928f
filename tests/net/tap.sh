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
	rmdir "$TAP_TMP" 2>/dev/null
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

# tap_until COMMAND...: until it succeeds, a minute at most: a busy machine verifies a program
# for long
tap_until()
{
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# tap_ended PID: a process that nobody has waited for is not running either
tap_ended()
{
	! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ]
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
	lab_exec peer build/tests/net/echo 3480 3482 $LAB_PEER4 $LAB_PEER6 ||
		{ echo "Bail out! no echo"; exit 1; }
}

RELAY_PID='' RELAY_SOCKET=$TAP_TMP/control.sock

# Capabilities that the daemon does not have: as in the unit, not everything that root may.
RELAY_BOUNDS=-sys_admin

# relay_launch ARGUMENT...: a daemon in the relay host, ready when this returns 0
relay_launch()
{
	[ -z "$RELAY_PID" ] || relay_reports "$TAP_TMP/relay.log"
	: >"$TAP_TMP/relay.log"
	# not lab_start: the daemon appends to a log that tests make empty
	nsenter --net="/run/netns/$LAB_NAME-relay" -- setpriv --bounding-set="$RELAY_BOUNDS" \
		"$TURNPIKED" --control-socket="$RELAY_SOCKET" --pin-path="$TAP_TMP/bpf/turnpike" \
		"$@" >>"$TAP_TMP/relay.log" 2>&1 &
	RELAY_PID=$!
	relay_wait 'relaying workers='
}

# relay_start [DIRECTIVE...]: one with the directives that most tests need, and room in its
# sockets for what comes while somebody else has the processor
relay_start()
{
	relay_launch -n --realm=lab --lt-cred-mech --user=alice:secret \
		--listening-ip=$LAB_RELAY4 --listening-ip=$LAB_RELAY6 \
		--relay-ip=$LAB_OUTER4 --relay-ip=$LAB_OUTER6 --relay-threads=2 \
		--unauthorized-ratelimit=off --rfc5766-channel-numbers --sock-buf-size=4194304 "$@"
}

# relay_check ARGUMENT...: what is said of a configuration; the effective one to a file
relay_check()
{
	"$TURNPIKED" "$@" --check-config --listening-ip=127.0.0.1 2>&1 >"$TAP_TMP/effective" |
		grep -v 'other programs may take'
}

# relay_wait TEXT [TIMES]: until the log says it, and so many times
relay_wait()
{
	tap_until relay_said_or_ended "$@" && relay_said "$@"
}

relay_said()
{
	[ "$(grep -c "$1" "$TAP_TMP/relay.log")" -ge "${2:-1}" ]
}

relay_said_or_ended()
{
	relay_said "$@" || ! kill -0 "$RELAY_PID" 2>/dev/null
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

# relay_kill: the relay process; it has a successor that serves when this returns 0
relay_kill()
{
	local before
	before=$(grep -c 'relaying workers=' "$TAP_TMP/relay.log")
	kill -KILL "$(relay_child)"
	relay_wait 'relaying workers=' $((before + 1))
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

# relay_settle_neighbours: known for good, no packet passes up for their sake, not even while there is no daemon.
relay_settle_neighbours()
{
	local client peer
	client=$(lab_ip client -o link show eth0 | grep -o 'ether [0-9a-f:]*')
	peer=$(lab_ip peer -o link show eth0 | grep -o 'ether [0-9a-f:]*')
	lab_ip relay neigh replace $LAB_CLIENT4 dev toclient nud permanent lladdr "${client#* }"
	lab_ip relay neigh replace $LAB_PEER4 dev topeer nud permanent lladdr "${peer#* }"
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

# relay_has N: so many allocations
relay_has()
{
	[ "$(relay_allocations 'len(a)')" = "$1" ]
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

# allocate_as USER PASSWORD: what becomes of an Allocate, "ok" or "error CODE"
allocate_as()
{
	echo allocate | lab_exec client timeout 20 build/tests/net/turn_client \
		"$LAB_RELAY4:3478" "$1" "$2" | cut -d' ' -f1,2 | sed 's/^ok .*/ok/'
}

client_stop()
{
	local pid=$CLIENT_PID
	exec {CLIENT_IN}>&- {CLIENT_OUT}<&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}
