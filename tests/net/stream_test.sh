#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients on TCP and TLS: coturn's client through the real daemon, and what hostile and slow
# ones may do (stream_cases.py).
. "$(dirname "$0")/tap.sh"
. tests/net/cases.sh
. tests/net/cert.sh
. tests/net/uclient.sh

N=100		# messages of one client
PATIENCE=3	# as in stream_cases.py

stream_start()
{
	relay_start --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" --cert="$CERTS/b.pem" \
		--pkey="$CERTS/b.key" --max-allocate-timeout=$PATIENCE "$@"
}

# foreign_client DATAPLANE
foreign_client()
{
	local n=1 options peer
	for options in "" "-S" "-s" "-S -s" "-S -p 5349" "-p 5349"; do
		for peer in $LAB_PEER4 $LAB_PEER6; do
			# shellcheck disable=SC2086
			uclient_start "$1: turnutils_uclient -t, $options-$peer: nothing is lost" \
				uclient_to "$peer" $LAB_RELAY4 -t $options
			n=$((n + 1))
		done
	done
	uclient_start "$1: turnutils_uclient -t, v6: nothing is lost" \
		uclient_to $LAB_PEER4 $LAB_RELAY6 -t -S
	uclient_end
	tap_is "$(relay_count user_to_peer)" $((2 * N * n)) "$1: each message once, to the peer"
	tap_is "$(relay_count user_to_client)" $((2 * N * n)) "$1: each message once, back"
	tap_is "$(relay_count slow_client)" 0 "$1: nothing was dropped"
}

# stream_cases MODE CLIENT SERVER PEER
stream_cases()
{
	cases_run "$1: " stream "$(relay_child)" "${@:2}" "$CERTS" $NO_RSS
}

# A stream's allocation does not outlive its connection, nor the process.
killed()
{
	local client
	lab_start client turnutils_uclient -t -u alice -w secret -c -n 10000 -m 1 -e $LAB_PEER4 \
		-r 3480 $LAB_RELAY4 >/dev/null 2>&1
	client=$LAB_PID
	tap_until relay_has 2
	kill -KILL "$(relay_child)"
	relay_wait 'adopted worker=.* allocations=0 over=[1-9]'
	tap_ok $? "killed: what was on TCP is not carried on" "$(tail -n 3 "$TAP_TMP/relay.log")"
	kill $client
	wait $client 2>/dev/null
	tap_until relay_has 0
	tap_is "$(relay_allocations 'len(a)')" 0 "killed: and nothing of it is left"
	tap_is "$(uclient_to $LAB_PEER4 $LAB_RELAY4 -t)" "$(uclient_all)" "killed: new clients are served"
}

# crowd CONNECTIONS [CLOSED]: from one address, all at once; how many are not closed after a
# while, and when so many are
crowd()
{
	lab_exec client python3 - $LAB_RELAY4 "$1" "${2:-0}" <<'END'
import select, socket, sys, time
socks = [socket.create_connection((sys.argv[1], 3478)) for _ in range(int(sys.argv[2]))]
closed, least, end = 0, time.monotonic() + 0.7, time.monotonic() + 20
while time.monotonic() < least or closed < int(sys.argv[3]) and time.monotonic() < end:
    closed = len(select.select(socks, [], [], 0)[0])
    time.sleep(0.05)
print(len(socks) - closed)
END
}

limits()
{
	local descriptors client before daemon=$TURNPIKED
	stream_start --dataplane=user --unauthorized-ratelimit=on --max-allocate-timeout=60
	tap_is "$(crowd 400 144)" 256 "T15 256 silent connections of one address, no more"
	tap_is "$(turnpike status --json | python3 -c 'import json,sys
print(json.load(sys.stdin)["streams"]["refused"])')" 144 "T15 the others are counted"
	relay_stop
	stream_start --dataplane=user
	descriptors=$(ls "/proc/$(relay_child)/fd" | wc -l)
	relay_stop
	# as many as it needs and a few more
	printf '#!/bin/sh\nulimit -n %d\nexec "%s" "$@"\n' $((descriptors + 8)) "$TAP_ROOT/$daemon" \
		>"$TAP_TMP/turnpiked"
	chmod 755 "$TAP_TMP/turnpiked"
	TURNPIKED=$TAP_TMP/turnpiked
	stream_start --dataplane=user
	TURNPIKED=$daemon
	crowd 40 >"$TAP_TMP/crowd" &
	client=$!
	relay_wait 'no more connections'
	tap_ok $? "T17 out of descriptors, and it is said"
	before=$(awk '{ print $14 + $15 }' "/proc/$(relay_child)/stat")
	wait $client
	[ $(($(awk '{ print $14 + $15 }' "/proc/$(relay_child)/stat") - before)) -lt 30 ]
	tap_ok $? "T17 nothing spins"
	tap_is "$(cat "$TAP_TMP/crowd")" 40 "T17 connections wait"
	tap_is "$(crowd 3)" 3 "T17 and others are taken later"
	tap_is "$(get 3478 /)" "" "T17 and served"
	relay_stop
}

# get PORT PATH OPTIONS...: what curl would say of it, without curl
get()
{
	lab_exec client timeout 20 python3 - "$LAB_RELAY4" "$@" <<'END'
import socket, ssl, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if len(sys.argv) > 4:
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    s = c.wrap_socket(s)
for part in (b"GE", b"T " + sys.argv[3].encode() + b" HTTP/1.1\r\nHost: x\r\n", b"\r\n"):
    s.sendall(part)
answer = b""
while True:
    more = s.recv(1000)
    if not more:
        break
    answer += more
print(answer.decode().replace("\r\n", "|"))
END
}

http()
{
	local acme=/.well-known/acme-challenge
	stream_start --dataplane=user --respond-http-unsupported --acme-redirect=http://acme.test/x/
	case $(get 3478 /) in "HTTP/1.1 400 "*"||"*) true ;; *) false ;; esac
	tap_ok $? "respond-http-unsupported: 400"
	case $(get 3478 $acme/tok_en-1) in
	"HTTP/1.1 302 "*"|Location: http://acme.test/x/tok_en-1|"*) true ;; *) false ;; esac
	tap_ok $? "acme-redirect: 302" "$(get 3478 $acme/tok_en-1)"
	case $(get 5349 $acme/tok_en-1 tls) in "HTTP/1.1 302 "*) true ;; *) false ;; esac
	tap_ok $? "acme-redirect inside TLS: 302"
	relay_stop
	stream_start --dataplane=user --acme-redirect=http://acme.test/x/
	tap_is "$(get 3478 /)" "" "acme-redirect alone: no other answer"
	relay_stop
}

# Another certificate in the same file, under a connection.
reloaded()
{
	local said
	cert_make c b.test
	cp "$CERTS/b.pem" "$CERTS/old.pem"
	stream_start --dataplane=user
	lab_exec client python3 -B - $LAB_RELAY4 "$CERTS" <<'END' >"$TAP_TMP/live" &
import os, socket, ssl, sys, time
sys.path.insert(0, "tests/net")
from hostile import *
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
def shown(s):
    got = s.getpeercert(True)
    return [n for n in ("old", "c") if ssl.PEM_cert_to_DER_cert(open(f"{sys.argv[2]}/{n}.pem").read()) == got]
def connect():
    s = c.wrap_socket(socket.create_connection((sys.argv[1], 5349)), server_hostname="b.test")
    s.settimeout(20)
    return s
def asks(s):
    s.sendall(message(BINDING))
    return Answer(s.recv(1000)).code()
live = connect()
first = asks(live), shown(live)
open(sys.argv[2] + "/ready", "w").close()
while not os.path.exists(sys.argv[2] + "/reloaded"):
    time.sleep(0.05)
print(*first, asks(live), shown(connect()))
END
	tap_until test -e "$CERTS/ready"
	cp "$CERTS/c.key" "$CERTS/b.key"
	said=$(turnpike reload 2>&1)
	tap_ok $((! $?)) "reload: a key that is not the certificate's is refused" "$said"
	cp "$CERTS/c.pem" "$CERTS/b.pem"
	said=$(turnpike reload 2>&1)
	tap_ok $? "reload: another certificate is taken" "$said" "$(tail -n 3 "$TAP_TMP/relay.log")"
	touch "$CERTS/reloaded"
	wait $!
	tap_is "$(cat "$TAP_TMP/live")" "ok ['old'] ok ['c']" \
		"reload: the connection goes on, another one gets the new certificate"
	relay_stop
}

# What is switched off.
transports()
{
	stream_start --dataplane=user --no-tcp
	tap_is "$(uclient_to $LAB_PEER4 $LAB_RELAY4 -t -S -p 5349)" "$(uclient_all)" "no-tcp: TLS is served"
	tap_is "$(uclient_nobody $LAB_PEER4 $LAB_RELAY4 -t -p 5349)" "" "no-tcp: TCP is not"
	relay_stop
	stream_start --dataplane=user --no-tls --no-udp
	tap_is "$(uclient_to $LAB_PEER4 $LAB_RELAY4 -t)" "$(uclient_all)" "no-tls, no-udp: TCP is served"
	tap_is "$(uclient_nobody $LAB_PEER4 $LAB_RELAY4 -t -S)" "" "no-tls: TLS is not"
	relay_stop
}

# check OPTIONS...: what is said of the certificates
check()
{
	relay_check -n --realm=x "$@" | grep -v 'no credentials'
}

certificates()
{
	local said
	said=$(check --cert="$CERTS/a.pem" --pkey="$CERTS/b.key")
	case $said in "--pkey: error: pkey $CERTS/b.key: is not the key of the certificate"*) true ;; *) false ;; esac
	tap_ok $? "another certificate's key: an error that names it" "$said"
	printf 'cert=%s\n\npkey=/nowhere.key\n' "$CERTS/a.pem" >"$TAP_TMP/t.conf"
	said=$("$TURNPIKED" -c "$TAP_TMP/t.conf" --check-config --listening-ip=127.0.0.1 2>&1 >/dev/null)
	case $said in *"t.conf:3: error: pkey: /nowhere.key: No such file or directory"*) true ;; *) false ;; esac
	tap_ok $? "a key that is not there: an error with file and line" "$said"
	said=$(check --cert="$CERTS/a.pem" --cert="$CERTS/b.pem" --pkey="$CERTS/b.key")
	case $said in "--pkey: error: there are 2 cert, and 1 pkey"*) true ;; *) false ;; esac
	tap_ok $? "fewer keys than certificates: an error" "$said"
	openssl x509 -req -in <(openssl req -new -key "$CERTS/a.key" -subj /CN=old 2>/dev/null) \
		-signkey "$CERTS/a.key" -days 0 -out "$CERTS/old.pem" 2>/dev/null
	sleep 1
	said=$(check --cert="$CERTS/old.pem" --pkey="$CERTS/a.key")
	case $said in "--cert: warning: cert $CERTS/old.pem: expired "*) true ;; *) false ;; esac
	tap_ok $? "an expired certificate: a warning" "$said"
}

tap_lab
cert_make a a.test
cert_make b b.test c.test
certificates
for dataplane in user xdp; do
	stream_start --dataplane=$dataplane
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	foreign_client $dataplane
	if [ $dataplane = user ]; then
		stream_cases $dataplane-ipv4 $LAB_CLIENT4 $LAB_RELAY4 $LAB_PEER4
	else
		stream_cases $dataplane-ipv6 $LAB_CLIENT6 $LAB_RELAY6 $LAB_PEER6
		tap_at_least "$(relay_count stream)" 1000 "xdp: datagrams for TCP clients are passed up"
		tap_at_least "$(relay_count refused)" 1 "xdp: and dropped without a permission"
		killed
	fi
	tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" \
		"$([ $dataplane = xdp ] && echo 1 || echo 0)" "$dataplane: it died only where it was killed"
	relay_stop
done
limits
http
reloaded
transports
tap_done
