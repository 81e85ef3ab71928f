# SPDX-License-Identifier: MIT
# Sourced after tap.sh by tests that have coturn's client for a foreign one. A process of it is
# two clients (without -c: one of them for RTCP) of N messages; the test says how many N are.

# uclient SERVER OPTION...: prints what was sent and received, uclient_all() where nothing is lost
uclient()
{
	lab_exec client timeout "${UCLIENT_PATIENCE:-60}" turnutils_uclient -n "$N" -m 2 -l 170 \
		-z 5 "${@:2}" "$1" 2>&1 |
		sed -n 's/.*tot_send_msgs=\([0-9]*\), tot_recv_msgs=\([0-9]*\).*/\1 \2/p' | tail -1
}

uclient_all()
{
	echo "$((2 * N)) $((2 * N))"
}

# uclient_to PEER SERVER OPTION...: as alice, with messages to that peer
uclient_to()
{
	local options=()
	case $1 in *:*) options+=(-x) ;; esac
	uclient "$2" -u alice -w secret -c -e "$1" -r 3480 "${options[@]}" "${@:3}"
}

# uclient_nobody PEER SERVER OPTION...: the same, where nobody is there to serve it
uclient_nobody()
{
	UCLIENT_PATIENCE=5 uclient_to "$@"
}

# uclient_says TEXT SERVER OPTION...: whether it does; all of it is in $TAP_TMP/said
uclient_says()
{
	lab_start client turnutils_uclient "${@:3}" "$2" >"$TAP_TMP/said" 2>&1
	tap_until uclient_said_or_ended "$1"
	kill "$LAB_PID" 2>/dev/null
	wait "$LAB_PID" 2>/dev/null
	grep -q "$1" "$TAP_TMP/said"
}

uclient_said_or_ended()
{
	grep -q "$1" "$TAP_TMP/said" || tap_ended "$LAB_PID"
}

# uclient_start TEST uclient|uclient_to ARGUMENT...: beside others; the test is uclient_end's
UCLIENTS=()
uclient_start()
{
	local file="$TAP_TMP/uclient-${#UCLIENTS[@]}"
	"${@:2}" >"$file" &
	UCLIENTS+=("$!"$'\t'"$file"$'\t'"$1")
}

# uclient_end: of all of them, and their tests
uclient_end()
{
	local pid file name
	while IFS=$'\t' read -r pid file name; do
		wait "$pid"
		tap_is "$(cat "$file")" "$(uclient_all)" "$name"
	done < <(printf '%s\n' "${UCLIENTS[@]}")
	UCLIENTS=()
}
