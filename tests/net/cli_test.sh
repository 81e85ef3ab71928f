#!/bin/bash
# SPDX-License-Identifier: MIT
# The turnpike command: credentials that the daemon takes, and answers from the
# pinned tables where the daemon is down.
. "$(dirname "$0")/tap.sh"

field()
{
	awk -v name="$1" '$1 == name { print $2 }' "$TAP_TMP/pair"
}

test_credentials()
{
	local user password
	echo 'a secret' >"$TAP_TMP/secret"
	turnpike credentials --secret-file "$TAP_TMP/secret" --user bob --ttl 1h \
		--host turn.example.org >"$TAP_TMP/pair"
	tap_is $? 0 "credentials from a secret file"
	user=$(field username) password=$(field password)
	tap_is "${user#*:}" bob "the name is after the colon"
	tap_at_least "${user%%:*}" $(($(date +%s) + 3590)) "the time is in an hour"
	tap_is "$password" "$(printf %s "$user" |
		openssl dgst -sha1 -hmac 'a secret' -binary | base64)" "openssl makes the same password"
	tap_is "$(field uri)" 'turn:turn.example.org:3478?transport=udp' "the URI names the host"
	tap_is "$(allocate_as "$user" "$password")" ok "the daemon takes them"
	tap_is "$(allocate_as "$user" "${password}x")" "error 401" "but not with another password"

	turnpike credentials --secret-file "$TAP_TMP/secret" --ttl 1s >"$TAP_TMP/pair"
	sleep 2.1
	tap_is "$(allocate_as "$(field username)" "$(field password)")" "error 401" \
		"nor after their time"
}

test_usage()
{
	turnpike nothing 2>/dev/null
	tap_is $? 2 "an unknown command ends with 2"
	turnpike credentials --ttl 5x 2>/dev/null
	tap_is $? 2 "so does a time that is none"
	turnpike credentials --secret-file "$TAP_TMP/missing" 2>/dev/null
	tap_is $? 1 "a secret that cannot be read ends with 1"
	turnpike --help | grep -q '^  allocations '
	tap_ok $? "--help lists the commands"
}

# What the daemon says and what the tables say must be the same.
test_without_daemon()
{
	local from_daemon
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "a client allocates"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "and binds a channel"
	local what='[(x["client"], x["relayed"], x["user"], [c["number"] + c["peer"] for c in x["channels"]]) for x in a if x["channels"]]'
	from_daemon=$(relay_allocations "$what")
	relay_stop TERM
	tap_is "$(relay_allocations "$what" 2>/dev/null)" "$from_daemon" \
		"allocations are the same from the tables"
	case $from_daemon in
	*"0x4000$LAB_PEER4:3480"*) tap_ok 0 "and the channel is among them" ;;
	*) tap_ok 1 "and the channel is among them" "$from_daemon" ;;
	esac
	turnpike stats 2>/dev/null | grep -q 'daemon is down'
	tap_ok $? "stats says that only the kernel's counts are left"
	turnpike detach >/dev/null
	turnpike stats >/dev/null 2>&1
	tap_is $? 3 "without daemon and tables it ends with 3"
	client_stop
}

tap_lab
relay_start --use-auth-secret --static-auth-secret='a secret'
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
test_credentials
test_usage
test_without_daemon
tap_done
