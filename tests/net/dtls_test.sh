#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients on DTLS: coturn's client and openssl's through the real daemon, and what hostile
# ones may do (dtls_cases.py).
. "$(dirname "$0")/tap.sh"
. tests/net/cases.sh
. tests/net/cert.sh
. tests/net/uclient.sh

N=100		# messages of one client
PATIENCE=3	# as in dtls_cases.py

dtls_start()
{
	relay_start --dtls --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" \
		--max-allocate-timeout=$PATIENCE "$@"
}

# foreign_client DATAPLANE
foreign_client()
{
	local options peer
	for options in "-S" "-S -s" "-S -p 5349"; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			# shellcheck disable=SC2086
			uclient_start "$1: turnutils_uclient, $options-$peer: nothing is lost" \
				uclient_to "$peer" $LAB_RELAY4 $options
		done
	done
	uclient_start "$1: turnutils_uclient, v6: nothing is lost" \
		uclient_to $LAB_PEER4 $LAB_RELAY6 -S
	uclient_end
}

# said_of OPTIONS...: what is said of them
said_of()
{
	relay_check -n --realm=x "$@" | grep DTLS
}

# What is switched off, and what is said of it.
switches()
{
	dtls_start --dataplane=xdp --no-udp --no-tcp --no-tls
	tap_is "$(uclient_to $LAB_PEER4 $LAB_RELAY4 -S)" "$(uclient_all)" \
		"no-udp, no-tcp, no-tls: DTLS is served"
	tap_is "$(uclient_nobody $LAB_PEER4 $LAB_RELAY4)" "" "no-udp: plain UDP is not"
	tap_is "$(lab_exec client timeout 5 turnutils_stunclient $LAB_RELAY4 2>&1 | grep -c reflexive)" \
		0 "no-udp: nor is Binding, by XDP either"
	relay_stop
	relay_start --dataplane=user --cert="$CERTS/a.pem" --pkey="$CERTS/a.key"
	lab_exec client timeout 2 openssl s_client -dtls1_2 -connect $LAB_RELAY4:3478 </dev/null 2>&1 |
		grep -q 'BEGIN CERTIFICATE'
	tap_ok $((! $?)) "without dtls there is none"
	relay_stop
	case $(said_of --dtls) in "--dtls: warning: no cert is given: DTLS is off") true ;; *) false ;; esac
	tap_ok $? "dtls without cert: a warning" "$(said_of --dtls)"
	case $(said_of --dtls --no-tlsv1_2 --cert="$CERTS/a.pem" --pkey="$CERTS/a.key") in
	"--dtls: warning: no-tlsv1_2: DTLS is off"*) true ;; *) false ;; esac
	tap_ok $? "dtls with no-tlsv1_2: a warning"
}

# The daemon ends: sessions are told, and not carried on.
restarted()
{
	local said client input
	# its input stays open until it is told
	mkfifo "$TAP_TMP/input"
	exec {input}<>"$TAP_TMP/input"
	nsenter --net="/run/netns/$LAB_NAME-client" -- openssl s_client -dtls1_2 -msg \
		-connect $LAB_RELAY4:3478 <&$input >"$TAP_TMP/told" 2>&1 &
	client=$!
	tap_until grep -q 'BEGIN CERTIFICATE' "$TAP_TMP/told"
	relay_stop
	tap_until grep -q '<<<.*content_type=21' "$TAP_TMP/told"
	kill $client 2>/dev/null
	wait $client 2>/dev/null
	exec {input}>&-
	rm "$TAP_TMP/input"
	said=$(grep -c '<<<.*content_type=21' "$TAP_TMP/told")
	tap_is "$said" 1 "the daemon's end: sessions are told"
}

tap_lab
cert_make a a.test
for dataplane in user xdp; do
	dtls_start --dataplane=$dataplane --unauthorized-ratelimit=on
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	# coturn's client leaves allocations behind
	if [ $dataplane = user ]; then
		cases_run "$dataplane-ipv4: " dtls $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4
		foreign_client $dataplane
	else
		cases_run "$dataplane-ipv6: " dtls $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6 half_open \
			garbage session
		foreign_client $dataplane
		tap_at_least "$(relay_count stream)" $N "xdp: datagrams for DTLS clients are passed up"
		tap_at_least "$(relay_count refused)" 1 "xdp: and dropped without a permission"
	fi
	restarted
	tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "$dataplane: it did not die"
done
switches
tap_done
