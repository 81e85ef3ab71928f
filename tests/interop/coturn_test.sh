#!/bin/bash
# SPDX-License-Identifier: MIT
# coturn's programs: its client with each of its habits over each transport, its STUN client,
# and its NAT discovery. What the packets do on the way is in tests/net/relay_test.sh and
# stream_test.sh; here it is what clients ask for.
. "$(dirname "$0")/lib.sh"

STATIC="-u alice -w secret"
REST="-u bob -W northern"
SECOND4=11.0.1.3

command -v turnutils_uclient >/dev/null || tap_skip_all "no turnutils_uclient: apt-get install coturn"

# case_start NAME SERVER OPTIONS...: in the background, judged by uclient_end
case_start()
{
	uclient_start "turnutils_uclient, $1: nothing is lost" uclient "${@:2}"
}

# Every transport and family, with credentials of both kinds. -c: no RTCP, 2 clients of 40.
# transports OPTION...: those of a listener that is there
transports()
{
	local family server peer6
	for family in IPv4 IPv6; do
		server=$LAB_RELAY4 peer6=$LAB_PEER6
		[ $family = IPv4 ] || server=$LAB_RELAY6
		# shellcheck disable=SC2086
		{
			case_start "$1, $family, password" $server $STATIC -c \
				-e $LAB_PEER4 -r 3480 "${@:2}"
			case_start "$1, $family, secret, an IPv6 peer" $server $REST -c -x \
				-e $peer6 -r 3480 "${@:2}"
			case_start "$1, $family, two clients of this server" $server $STATIC \
				-c -y "${@:2}"
		}
	done
}

# What single clients ask for, each once.
habits()
{
	local peer="-e $LAB_PEER4 -r 3480"
	# shellcheck disable=SC2086
	{
		case_start "RTCP on the next port" $LAB_RELAY4 $STATIC $peer
		case_start "Send rather than channels" $LAB_RELAY4 $REST -c -s $peer
		case_start "DONT-FRAGMENT" $LAB_RELAY4 $STATIC -c -s -g $peer
		case_start "ChannelData padded over UDP" $LAB_RELAY4 $STATIC -c -D $peer
		case_start "IPv4 asked for" $LAB_RELAY4 $STATIC -c -X $peer
		case_start "permissions and channels again and again" $LAB_RELAY4 $STATIC -c -G $peer
		case_start "mobility" $LAB_RELAY4 $STATIC -c -M $peer
		case_start "TLS, the certificate checked" $LAB_RELAY4 $STATIC -t -S \
			-E "$TAP_TMP/ca.pem" -c $peer
	}
}

# RFC 6062: pairs of clients of this server, one of which connects to the other.
tcp_peers()
{
	# shellcheck disable=SC2086
	{
		case_start "TCP peers" $LAB_RELAY4 $STATIC -T
		case_start "TCP peers, TLS" $LAB_RELAY4 $REST -T -S
	}
}

# case_skip DIRECTIVE NAME: true, and said, where the daemon does not have it yet
case_skip()
{
	supported "$1" && return 1
	tap_skip "$2" "the daemon has no $1"
}

# In a clean start each.
refused()
{
	lab_exec client timeout 60 turnutils_uclient -c -n 1 -e $LAB_PEER4 "$@" $LAB_RELAY4 \
		>"$TAP_TMP/refused" 2>&1
	[ $? -eq 255 ] && grep -q 'Cannot complete Allocation' "$TAP_TMP/refused"
	tap_ok $? "turnutils_uclient $*: refused" "$(tail -n 2 "$TAP_TMP/refused")"
}

# Malformed and random requests, and clients that vanish (-B: where more than 5 messages are
# due at once), for a while: whoever comes after them is served.
negative()
{
	local pids=() i
	for i in -N -R "-R -t" "-O" "-O -t -S" "-B -m 12 -z 1" "-B -m 12 -z 1 -t"; do
		# shellcheck disable=SC2086
		lab_exec client timeout 3 turnutils_uclient $STATIC -c -n 50 -m 4 -e $LAB_PEER4 $i \
			$LAB_RELAY4 >/dev/null 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	# shellcheck disable=SC2086
	tap_is "$(uclient $LAB_RELAY4 $STATIC -c -e $LAB_PEER4 -r 3480)" "$(uclient_all)" \
		"turnutils_uclient -N, -R, -O and -B: others are served after them"
	tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "and nothing ended"
}

stun()
{
	local server
	for server in $LAB_RELAY4 $LAB_RELAY6; do
		lab_exec client timeout 20 turnutils_stunclient "$server" >"$TAP_TMP/stun" 2>&1
		grep -q "UDP reflexive addr: $LAB_CLIENT4:\|UDP reflexive addr: \[*$LAB_CLIENT6" \
			"$TAP_TMP/stun"
		tap_ok $? "turnutils_stunclient $server: its own address" "$(cat "$TAP_TMP/stun")"
	done
}

clients()
{
	local directives=(--static-auth-secret=northern --mobility --cert="$TAP_TMP/cert.pem"
		--pkey="$TAP_TMP/key.pem")
	! supported dtls || directives+=(--dtls)
	! supported tcp-relay || directives+=(--tcp-relay)
	relay_start "${directives[@]}"
	tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
	transports UDP
	transports TCP -t
	transports TLS -t -S
	transports "TLS, port 5349" -t -S -p 5349
	case_skip dtls "turnutils_uclient, DTLS" || transports DTLS -S
	case_skip tcp-relay "turnutils_uclient, TCP peers" || tcp_peers
	habits
	uclient_end
	stun
	refused -u alice -w wrong
	refused -u bob -W southern
	refused -u nobody -w secret
	negative
	relay_stop
}

# found WHAT TEXT
found()
{
	grep -q "$2" "$TAP_TMP/discovery"
	tap_ok $? "turnutils_natdiscovery: $1" "$(tail -n 12 "$TAP_TMP/discovery")"
}

# No NAT is between them, but the client does not know: it compares four addresses.
discovery()
{
	lab_ip relay address add $SECOND4/24 dev toclient
	relay_start --rfc5780 --listening-ip=$SECOND4
	tap_ok $? "rfc5780: starts" "$(cat "$TAP_TMP/relay.log")"
	lab_exec client timeout 60 turnutils_natdiscovery -m -f -H $LAB_RELAY4 \
		>"$TAP_TMP/discovery" 2>&1
	found "mapping" "NAT with Endpoint Independent Mapping\|No NAT detected"
	found "filtering" "NAT with Endpoint Independent Filtering"
	lab_exec client timeout 20 turnutils_stunclient -f $LAB_RELAY4 >"$TAP_TMP/discovery" 2>&1
	found "turnutils_stunclient -f: RFC 5780 is there" "RFC 5780 response"
	relay_stop
}

tap_lab
make_cert
tap_ok $? "a certificate"
clients
discovery
tap_done
