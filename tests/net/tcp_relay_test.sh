#!/bin/bash
# SPDX-License-Identifier: MIT
# TCP allocations (RFC 6062): coturn's client, and a client of our own (tcp_relay_cases.py), with
# peers of both families, through two workers.
. "$(dirname "$0")/tap.sh"
. tests/net/cases.sh
. tests/net/cert.sh
. tests/net/uclient.sh

N=20		# messages of one client

relay_tcp()
{
	relay_start --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" --user=bob:secret "$@"
}

# tcp_cases MODE MAX_BPS CLIENT SERVER PEER RELAYED OPTION...
tcp_cases()
{
	cases_run "$1: " tcp_relay "$(relay_child)" "${@:3:4}" "$2" $NO_RSS "${@:7}"
}

# coturn's own client: its connections are to each other, through two relayed addresses.
foreign()
{
	local options
	for options in "-T" "-T -S"; do
		# shellcheck disable=SC2086
		uclient_start "turnutils_uclient $options" uclient $LAB_RELAY4 $options -u alice \
			-w secret -L $LAB_CLIENT4
	done
	uclient_end
}

tap_lab
cert_make a a.test
relay_tcp --tcp-relay --dataplane=xdp
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
foreign
tcp_cases ipv4 0 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4
tcp_cases ipv6 0 $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6 $LAB_OUTER6 --short
tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "it did not die"
relay_stop
relay_tcp --tcp-relay --dataplane=user --max-bps=1000000
tcp_cases max-bps 1000000 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4
relay_stop
mkdir "$TAP_TMP/db"
echo secret2 | build/turnpike --config /nonexistent --realm lab --userdb "$TAP_TMP/db/users" user add eve
relay_tcp --tcp-relay --dataplane=user --userdb="$TAP_TMP/db/users"
tcp_cases database 0 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4 $LAB_OUTER4 \
	--database "$TAP_TMP/db/users"
relay_stop
relay_tcp --dataplane=user --no-tcp-relay
uclient_says 'error 442' $LAB_RELAY4 -T -u alice -w secret -n 1
tap_ok $? "no TCP allocations without tcp-relay: 442" "$(tail -n 3 "$TAP_TMP/said")"
relay_stop
tap_done
