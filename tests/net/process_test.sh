#!/bin/bash
# SPDX-License-Identifier: MIT
# How it is started and what it reads: into the background, files that bring others, names that
# are not known, and what the log looks like.
. "$(dirname "$0")/tap.sh"

CONF=$TAP_TMP/conf

# run ARGUMENT...: with a control socket and pins of its own
run()
{
	nsenter --net="/run/netns/$LAB_NAME-relay" -- "$TURNPIKED" "$@" \
		--control-socket="$RELAY_SOCKET" --pin-path="$TAP_TMP/bpf/turnpike" --dataplane=user
}

background()
{
	local pid
	timeout 60 bash -c "$(declare -f run); $(declare -p LAB_NAME TURNPIKED RELAY_SOCKET TAP_TMP)
		run -n -o --realm=x --user=a:b --listening-ip=$LAB_RELAY4 \
			--pidfile='$TAP_TMP/pid' --log-file='$TAP_TMP/relay.log'" \
		>"$TAP_TMP/out" 2>&1 </dev/null
	tap_is $? 0 "-o: the command returns" "$(cat "$TAP_TMP/out")"
	pid=$(cat "$TAP_TMP/pid")
	! tap_ended "$pid"
	tap_ok $? "-o: the daemon goes on"
	tap_is "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid" "-o: in a session of its own"
	tap_is "$(readlink "/proc/$pid/fd/2")" /dev/null "-o: without its caller's standard error"
	RELAY_PID=$pid
	relay_wait 'relaying workers='
	tap_ok $? "-o: and serves"
	run -n -o --realm=x --user=a:b --listening-ip=$LAB_RELAY4 >"$TAP_TMP/out" 2>&1
	tap_is $? 1 "-o: what cannot start is an error of the command"
	kill "$pid"
	tap_until tap_ended "$pid"
	tap_ok $? "-o: SIGTERM ends it"
	[ ! -e "$TAP_TMP/pid" ]
	tap_ok $? "-o: and its pidfile is gone"
	RELAY_PID=''
}

files()
{
	mkdir -p "$CONF/more"
	printf 'include=more/*.conf\ninclude=last.conf\ninclude=none/*.conf\n' >"$CONF/main.conf"
	printf 'realm=first.example\nuser=a:b\n' >"$CONF/more/10.conf"
	printf 'realm=second.example\nmin-port=50000\n' >"$CONF/more/20.conf"
	printf 'max-port=50100\n' >"$CONF/last.conf"
	chmod 600 "$CONF"/*.conf "$CONF"/more/*.conf
	tap_is "$(relay_check -c "$CONF/main.conf")" "" "include: nothing to complain about"
	tap_is "$(grep -c '^realm = second.example$\|^relay ports = 50000 to 50100$' \
		"$TAP_TMP/effective")" 2 "include: in order, the last one wins"
	chmod 644 "$CONF/more/10.conf"
	tap_is "$(relay_check -c "$CONF/main.conf" | head -1)" "$CONF/more/10.conf:2: error: a secret in a file \
that everybody may read: chmod 640 $CONF/more/10.conf" "include: secrets are looked after there, too"
	chmod 600 "$CONF/more/10.conf"
	printf 'include=main.conf\n' >"$CONF/last.conf"
	relay_check -c "$CONF/main.conf" | grep -q 'files in files, 8 deep'
	tap_ok $? "include: a circle is an error"
	printf 'include=missing.conf\n' >"$CONF/main.conf"
	relay_check -c "$CONF/main.conf" |
		grep -q "main.conf:1: error: include $CONF/missing.conf: No such file or directory"
	tap_ok $? "include: so is a file that is missing"
	printf 'realm=x\nuser=a:b\ncolour=red\n' >"$CONF/main.conf"
	relay_check -c "$CONF/main.conf" | grep -q "main.conf:3: warning: unknown directive 'colour'"
	tap_ok $? "an unknown name is a warning"
	relay_check -c "$CONF/main.conf" --strict-config |
		grep -q "strict-config: error: strict-config: 1 unknown"
	tap_ok $? "strict-config: an error"
}

# Into a reload: what an included file says is in force then.
reloaded()
{
	printf 'include=users.conf\nrealm=x\nlistening-ip=%s\n' $LAB_RELAY4 >"$CONF/main.conf"
	printf 'user=alice:secret\n' >"$CONF/users.conf"
	chmod 600 "$CONF"/*.conf
	relay_launch -c "$CONF/main.conf" --dataplane=user \
		'--new-log-timestamp-format=%d.%m.%Y %H:%M:%S,%f|'
	tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(grep -cvE '^[0-9]{2}\.[0-9]{2}\.[0-9]{4} ([0-9]{2}:){2}[0-9]{2},[0-9]{3}\| (info|warning): ' \
		<(grep 'relaying\|listening' "$TAP_TMP/relay.log"))" 0 "new-log-timestamp-format: in the log"
	printf 'user=bob:other\n' >"$CONF/users.conf"
	turnpike reload >"$TAP_TMP/out" 2>&1
	tap_ok $? "reload: an included file is read again" "$(cat "$TAP_TMP/out")"
	lab_exec client turnutils_uclient -u bob -w other -c -s -n 1 -e $LAB_PEER4 -r 3480 \
		$LAB_RELAY4 2>&1 | grep -q 'tot_send_msgs=1, tot_recv_msgs=1$'
	tap_ok $? "reload: and its new user is served"
	relay_stop
}

facility()
{
	printf 'syslog-facility=LOG_LOCAL3\nsyslog\n' >"$CONF/main.conf"
	tap_is "$(relay_check -c "$CONF/main.conf" | grep -v 'no credentials')" "" \
		"syslog-facility: as coturn writes it"
	printf 'syslog-facility=kitchen\n' >"$CONF/main.conf"
	relay_check -c "$CONF/main.conf" | grep -q "error: syslog-facility: 'kitchen' is not a facility"
	tap_ok $? "syslog-facility: another name is an error"
}

tap_lab
background
files
reloaded
facility
tap_done
