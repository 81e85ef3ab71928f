#!/bin/bash
# SPDX-License-Identifier: MIT
# Clients behind a proxy that says who they are (proxy_cases.py).
. "$(dirname "$0")/tap.sh"
. tests/net/cases.sh
. tests/net/cert.sh

# proxied CLIENT SERVER: what is read on the proxy's port after a header and a Binding request
proxied()
{
	lab_exec client timeout 20 python3 - "$1" "$2" <<'END2'
import socket, sys
s = socket.create_connection((sys.argv[2], 4000), source_address=(sys.argv[1], 0))
try:
    s.sendall(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + b"\0\1\0\0\x21\x12\xa4\x42" + b"x" * 12)
    print(len(s.recv(100)))
except OSError:
    print(0)
END2
}

# reloaded LINE...: what proxied() says after a reload to these
reloaded()
{
	printf '%s\n' "$@" >"$TAP_TMP/more.conf"
	turnpike reload >/dev/null && proxied $LAB_CLIENT4 $LAB_RELAY4 2>/dev/null
}

said_of()
{
	relay_check -n --realm=x "$@" | grep tcp-proxy-port
}

# proxy_start SECONDS: of patience with those who do not allocate
proxy_start()
{
	relay_start --cert="$CERTS/a.pem" --pkey="$CERTS/a.key" --tcp-proxy-port=4000 \
		--dataplane=user --trusted-proxy-ip=11.0.1.2/32 --max-allocate-timeout="$1" \
		--unauthorized-ratelimit=on
}

tap_lab
cert_make a a.test
proxy_start 3
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
cases_run "" proxy $LAB_CLIENT4 $LAB_RELAY4 one_by_one
tap_is "$(proxied $LAB_CLIENT4 $LAB_RELAY4)" 32 "a trusted proxy is served"
tap_is "$(proxied $LAB_CLIENT6 $LAB_RELAY6)" 0 "another one is not"
tap_is "$(grep -c 'relay process ended' "$TAP_TMP/relay.log")" 0 "it did not die"
relay_stop
proxy_start 60
cases_run "crowd: " proxy $LAB_CLIENT4 $LAB_RELAY4 crowd
relay_stop
: >"$TAP_TMP/more.conf"
relay_start --dataplane=user --include="$TAP_TMP/more.conf"
tap_ok $? "starts without a port for proxies" "$(cat "$TAP_TMP/relay.log")"
tap_is "$(reloaded tcp-proxy-port=4000 trusted-proxy-ip=$LAB_CLIENT4)" 32 "a reload brings one"
tap_is "$(reloaded tcp-proxy-port=4000 trusted-proxy-ip=192.0.2.1)" 0 "or trusts somebody else"
tap_is "$(reloaded tcp-proxy-port=4000 trusted-proxy-ip=$LAB_CLIENT4)" 32 "and back"
tap_is "$(reloaded aux-server=$LAB_RELAY4:4000)" 0 "it becomes a port like any other"
tap_is "$(lab_exec relay ss -Hltn "src $LAB_RELAY4:4000" | wc -l)" 2 "which listens on"
tap_is "$(reloaded)" "" "another reload takes it away"
relay_stop
case $(said_of --tcp-proxy-port=4000) in
"--tcp-proxy-port: error: tcp-proxy-port without trusted-proxy-ip"*) true ;; *) false ;; esac
tap_ok $? "without trusted-proxy-ip: an error" "$(said_of --tcp-proxy-port=4000)"
tap_is "$(said_of --tcp-proxy-port=3478 --trusted-proxy-ip=11.0.1.2)" \
	"--tcp-proxy-port: error: tcp-proxy-port 3478 is taken by clients without a proxy" \
	"on a port of others: an error"
tap_done
