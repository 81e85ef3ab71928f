#!/bin/bash
# SPDX-License-Identifier: MIT
# Listeners that come and go with a reload, while others' traffic goes on.
. "$(dirname "$0")/tap.sh"
. tests/net/cert.sh
. tests/net/conf.sh

AUX=$LAB_RELAY4:3500

# write_conf LINE...
write_conf()
{
	conf_write user=alice:secret user=carol:secret "$@"
}

# tcp_asks PORT [FILE]: connects, says so, waits until FILE is there, and asks
tcp_asks()
{
	lab_exec client timeout 60 python3 -c '
import os, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
print("connected", flush=True)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.05)
s.sendall(bytes.fromhex("00010000" "2112a442") + bytes(12))
print(s.recv(2).hex())' "$LAB_RELAY4" "$1" "${2:-/}" 2>&1
}

listens()
{
	turnpike status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(*[x for x in s["listening"]])'
}

test_added()
{
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: a client allocates"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "$1: binds a channel"
	write_conf "aux-server=$AUX"
	conf_during "$1: a listener comes" 0
	tap_is "$(listens)" "$LAB_RELAY4:3478 $AUX" "$1: status shows it"
	guest_start "$AUX"
	tap_is "$(guest_say allocate | cut -d' ' -f1)" ok "$1: a client is served there"
	tap_is "$(guest_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "$1: and bound"
	tap_is "$(guest_say channel 0x4000 100 100 200)" "sent 100 received 100 damaged 0" \
		"$1: and relayed for"
	tap_is "$(tcp_asks 3500 | tail -1)" 0101 "$1: TCP as well"
	relay_kill
	tap_ok $? "$1: a successor of the relay process"
	tap_is "$(guest_say channel 0x4000 100 100 200)" "sent 100 received 100 damaged 0" \
		"$1: carries on there"
	tap_is "$(guest_say refresh 600 | cut -d' ' -f1)" ok "$1: and answers there"
}

test_refused()
{
	local taken
	: >"$TAP_TMP/bound"
	lab_start relay timeout 30 python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 3501))
print("bound", flush=True)
time.sleep(30)' $LAB_RELAY4 >"$TAP_TMP/bound"
	taken=$LAB_PID
	tap_until grep -q bound "$TAP_TMP/bound"
	write_conf "aux-server=$LAB_RELAY4:3502" "aux-server=$LAB_RELAY4:3501" user=dora:secret
	conf_during "$1: a port that is taken refuses all of it" 1
	grep -q "turnpike.conf:4: error: listen $LAB_RELAY4:3501/udp: Address already in use" \
		"$TAP_TMP/said"
	tap_ok $? "$1: with its line" "$(cat "$TAP_TMP/said")"
	tap_is "$(listens)" "$LAB_RELAY4:3478 $AUX" "$1: and nothing has changed"
	kill "$taken"
	wait "$taken" 2>/dev/null
	tap_is "$(lab_exec relay ss -Hlun "sport = :3502")" "" "$1: nor is anything left open"
	tap_is "$(guest_say channel 0x4000 50 100 200)" "sent 50 received 50 damaged 0" \
		"$1: and the guest goes on"
}

test_removed()
{
	local asks
	: >"$TAP_TMP/tcp"
	rm -f "$TAP_TMP/ask"
	tcp_asks 3500 "$TAP_TMP/ask" >"$TAP_TMP/tcp" &
	asks=$!
	tap_until grep -q connected "$TAP_TMP/tcp"
	write_conf
	conf_during "$1: the listener goes" 0
	grep -q "1 allocations of listeners that are gone ended" "$TAP_TMP/said"
	tap_ok $? "$1: with its client's allocation" "$(cat "$TAP_TMP/said")"
	tap_is "$(relay_allocations '[x["user"] for x in a]')" "['alice']" "$1: and no other"
	tap_is "$(guest_say channel 0x4000 20 100 200)" "sent 20 received 0 damaged 0" \
		"$1: nothing is relayed there any more"
	tap_is "$(lab_exec relay ss -Hlutn "sport = :3500")" "" "$1: its sockets are closed"
	tap_is "$(tcp_asks 3500 | tail -1 | grep -c refused)" 1 "$1: it takes no connection"
	touch "$TAP_TMP/ask"
	wait "$asks"
	tap_is "$(tail -1 "$TAP_TMP/tcp")" 0101 "$1: the one that it had goes on"
	write_conf "aux-server=$AUX"
	conf_during "$1: it comes back" 0
	guest_stop
	guest_start "$AUX"
	tap_is "$(guest_say allocate | cut -d' ' -f1)" ok "$1: and serves again"
	guest_stop
}

tls_shakes()
{
	lab_exec client timeout 20 openssl s_client -connect "$LAB_RELAY4:5349" </dev/null 2>&1 |
		grep -c 'BEGIN CERTIFICATE'
}

# dtls_shakes SECONDS: at most, since a client that nobody answers waits for ever
dtls_shakes()
{
	echo Q | lab_exec client timeout "$1" openssl s_client -dtls1_2 \
		-connect "$LAB_RELAY4:3478" 2>&1 | grep -c 'BEGIN CERTIFICATE'
}

test_tls()
{
	tap_is "$(tls_shakes)" 0 "$1: no TLS without cert"
	write_conf "cert=$CERTS/a.pem" "pkey=$CERTS/a.key"
	conf_during "$1: TLS is switched on" 0
	tap_is "$(tls_shakes)" 1 "$1: and spoken"
	tap_is "$(dtls_shakes 2)" 0 "$1: no DTLS unless asked for"
	write_conf dtls "cert=$CERTS/a.pem" "pkey=$CERTS/a.key"
	conf_during "$1: DTLS is switched on" 0
	tap_is "$(dtls_shakes 20)" 1 "$1: and spoken"
	tap_is "$(listens)" "$LAB_RELAY4:3478 $LAB_RELAY4:5349" "$1: on one more port"
	write_conf no-tls "cert=$CERTS/a.pem" "pkey=$CERTS/a.key"
	conf_during "$1: and off" 0
	tap_is "$(tls_shakes)" 0 "$1: and not spoken"
	tap_is "$(tcp_asks 3478 | tail -1)" 0101 "$1: TCP is there all along"
	write_conf no-tcp
	conf_during "$1: no TCP either" 0
	tap_is "$(lab_exec relay ss -Hltn "sport = :3478")" "" "$1: and its socket is closed"
}

test_all_of_it()
{
	write_conf listening-port=3600
	turnpike reload >"$TAP_TMP/said"
	tap_is $? 0 "$1: another port" "$(cat "$TAP_TMP/said")"
	tap_is "$(listens)" "$LAB_RELAY4:3600" "$1: instead of the old one"
	tap_is "$(relay_allocations 'len(a)')" 0 "$1: whose clients' allocations are over"
	client_stop
	client_start "$LAB_RELAY4:3600"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "$1: serves"
	client_stop
}

tap_lab
cert_make a lab
trap 'guest_stop; tap_clean' EXIT
for dataplane in xdp user; do
	write_conf
	conf_start --relay-ip=$LAB_OUTER4 --dataplane=$dataplane
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	test_added $dataplane
	test_refused $dataplane
	test_removed $dataplane
	test_tls $dataplane
	test_all_of_it $dataplane
	relay_stop
done
tap_done
