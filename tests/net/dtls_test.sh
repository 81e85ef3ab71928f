#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients on DTLS: coturn's client and openssl's through the real daemon, and what hostile
# ones may do (dtls_cases.py).
. "$(dirname "$0")/tap.sh"

N=100		# messages of one client
PATIENCE=3	# as in dtls_cases.py
CERTS=$TAP_TMP/certs

dtls_start()
{
	relay_start --dtls --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" \
		--max-allocate-timeout=$PATIENCE "$@"
}

# uclient SERVER PEER OPTIONS...: prints what was sent and received
uclient()
{
	local options=()
	case $2 in *:*) options+=(-x) ;; esac
	lab_exec client timeout 60 turnutils_uclient -u alice -w secret -c -n $N -m 2 -l 170 -z 5 \
		-e "$2" -r 3480 "${options[@]}" "${@:3}" "$1" 2>&1 |
		sed -n 's/.*tot_send_msgs=\([0-9]*\), tot_recv_msgs=\([0-9]*\).*/\1 \2/p' | tail -1
}

# foreign_client DATAPLANE
foreign_client()
{
	local n=0 name jobs=() options peer
	for options in "-S" "-S -s" "-S -p 5349"; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			# shellcheck disable=SC2086
			uclient $LAB_RELAY4 "$peer" $options >"$TAP_TMP/client-$options-$peer" &
			jobs+=($!)
			n=$((n + 1))
		done
	done
	uclient $LAB_RELAY6 $LAB_PEER4 -S >"$TAP_TMP/client-v6" &
	wait "${jobs[@]}" $!
	for name in "$TAP_TMP"/client-*; do
		tap_is "$(cat "$name")" "$((2 * N)) $((2 * N))" \
			"$1: turnutils_uclient, ${name##*/client-}: nothing is lost"
	done
	rm "$TAP_TMP"/client-*
}

# cases MODE CLIENT SERVER PEER [CASE...]
cases()
{
	local mode=$1 status name why last=''
	shift
	while IFS=$'\t' read -r status name why; do
		last=$name
		tap_ok "$status" "$mode: $name" "$why"
	done < <(python3 -B tests/net/dtls_cases.py "$LAB_NAME" "$RELAY_SOCKET" "$@" \
		2>"$TAP_TMP/cases.log")
	[ "$last" = "nothing is left" ]
	tap_ok $? "$mode: ran to its end" "$(tail -n 5 "$TAP_TMP/cases.log")"
}

# said_of OPTIONS...: what is said of them
said_of()
{
	"$TURNPIKED" -n --check-config --realm=x --listening-ip=127.0.0.1 "$@" 2>&1 >/dev/null |
		grep DTLS
}

# What is switched off, and what is said of it.
switches()
{
	dtls_start --dataplane=xdp --no-udp --no-tcp --no-tls
	tap_is "$(uclient $LAB_RELAY4 $LAB_PEER4 -S)" "$((2 * N)) $((2 * N))" \
		"no-udp, no-tcp, no-tls: DTLS is served"
	tap_is "$(uclient $LAB_RELAY4 $LAB_PEER4)" "" "no-udp: plain UDP is not"
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
	local said
	(sleep 3) | lab_exec client timeout 5 openssl s_client -dtls1_2 -msg \
		-connect $LAB_RELAY4:3478 >"$TAP_TMP/told" 2>&1 &
	local client=$!
	sleep 1
	relay_stop
	wait $client
	said=$(grep -c '<<<.*content_type=21' "$TAP_TMP/told")
	tap_is "$said" 1 "the daemon's end: sessions are told"
}

command -v openssl >/dev/null || tap_skip_all "no openssl to make certificates with"
tap_lab
mkdir -m 700 "$CERTS"		# for root alone: the keeper reads them
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=a.test \
	-keyout "$CERTS/a.key" -out "$CERTS/a.pem" 2>/dev/null
for dataplane in user xdp; do
	dtls_start --dataplane=$dataplane --unauthorized-ratelimit=on
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	# coturn's client leaves allocations behind
	if [ $dataplane = user ]; then
		cases $dataplane-ipv4 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4
		foreign_client $dataplane
	else
		cases $dataplane-ipv6 $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6 half_open garbage session
		foreign_client $dataplane
		tap_at_least "$(relay_count stream)" $N "xdp: datagrams for DTLS clients are passed up"
		tap_at_least "$(relay_count refused)" 1 "xdp: and dropped without a permission"
	fi
	restarted
	tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "$dataplane: it did not die"
done
switches
tap_done
