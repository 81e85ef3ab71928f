#!/bin/bash
# SPDX-License-Identifier: MIT
# TCP allocations (RFC 6062): coturn's client, and a client of our own (tcp_relay_cases.py), with
# peers of both families, through two workers.
. "$(dirname "$0")/tap.sh"

CERTS=$TAP_TMP/certs

relay_tcp()
{
	relay_start --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" --user=bob:secret "$@"
}

# tcp_run MODE MAX_BPS CLIENT SERVER PEER RELAYED
tcp_run()
{
	local mode=$1 bps=$2 status name why last=''
	shift 2
	while IFS=$'\t' read -r status name why; do
		last=$name
		tap_ok "$status" "$mode: $name" "$why"
	done < <(timeout 200 python3 -B tests/net/tcp_relay_cases.py "$LAB_NAME" "$RELAY_SOCKET" \
		"$(relay_child)" "$@" "$bps" $TCP_FLAGS 2>"$TAP_TMP/cases.log")
	[ "$last" = "no allocation is left" ]
	tap_ok $? "$mode: ran to its end" "$(tail -n 5 "$TAP_TMP/cases.log")"
}

# coturn's own client: its connections are to each other, through two relayed addresses.
uclient()
{
	lab_exec client timeout 60 turnutils_uclient "$@" -L $LAB_CLIENT4 -u alice -w secret -n 20 -m 2 \
		-l 170 -z 5 $LAB_RELAY4 2>&1 |
		sed -n 's/.*tot_send_msgs=\([0-9]*\), tot_recv_msgs=\([0-9]*\).*/\1 \2/p' | tail -1
}

foreign()
{
	local jobs=() options
	for options in "-T" "-T -S"; do
		# shellcheck disable=SC2086
		uclient $options >"$TAP_TMP/client$options" &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	for options in "-T" "-T -S"; do
		tap_is "$(cat "$TAP_TMP/client$options")" "40 40" "turnutils_uclient $options"
	done
}

# A sanitizer keeps what is freed.
TCP_FLAGS=''
[ "$TURNPIKED" = build/turnpiked ] || TCP_FLAGS=--no-rss

command -v openssl >/dev/null || tap_skip_all "no openssl to make certificates with"
tap_lab
mkdir -m 700 "$CERTS"		# for root alone: the keeper reads them
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=a.test \
	-keyout "$CERTS/a.key" -out "$CERTS/a.pem" 2>/dev/null
relay_tcp --tcp-relay --dataplane=xdp
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
foreign
tcp_run ipv4 0 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4
TCP_FLAGS="$TCP_FLAGS --short"
tcp_run ipv6 0 $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6 $LAB_OUTER6
tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "it did not die"
relay_stop
relay_tcp --tcp-relay --dataplane=user --max-bps=1000000
tcp_run max-bps 1000000 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4
relay_stop
mkdir "$TAP_TMP/db"
echo secret2 | build/turnpike --config /nonexistent --realm lab --userdb "$TAP_TMP/db/users" user add eve
relay_tcp --tcp-relay --dataplane=user --userdb="$TAP_TMP/db/users"
TCP_FLAGS="--database $TAP_TMP/db/users"
tcp_run database 0 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4
relay_stop
relay_tcp --dataplane=user --no-tcp-relay
tap_at_least "$(lab_exec client timeout 20 turnutils_uclient -T -u alice -w secret -n 1 $LAB_RELAY4 2>&1 |
	grep -c 'error 442')" 1 "no TCP allocations without tcp-relay: 442"
relay_stop
tap_done
