#!/bin/bash
# SPDX-License-Identifier: MIT
# The Prometheus exporter and the health endpoints, under traffic.
. "$(dirname "$0")/tap.sh"

# get PATH: status and body
get()
{
	lab_exec relay python3 - "http://127.0.0.1:9641$1" <<'PYTHON'
import sys, urllib.error, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=10) as r:
        print(r.status, r.read().decode(), sep="\n", end="")
except urllib.error.HTTPError as e:
    print(e.code, e.read().decode(), sep="\n", end="")
PYTHON
}

# value SERIES
value()
{
	get /metrics | awk -v series="$1" '{ v = $NF; sub(/ [^ ]*$/, "") } $0 == series { print v }'
}

# Every sample belongs to the TYPE line before it, and no name has two of them.
well_formed()
{
	get /metrics | tail -n +2 | awk '
		/^# TYPE/ { if (seen[$3]++) exit 1; name = $3; next }
		/^#/ { next }
		{ n = $1; sub(/\{.*/, "", n) } n != name { exit 1 }
		$NF !~ /^[0-9]+$/ { exit 1 }'
}

test_traffic()
{
	tap_is "$(value 'turn_total_allocations{type="UDP"}')" 0 "$1: no allocation is 0, not missing"
	client_start "$LAB_RELAY4:3478"
	client_say allocate >/dev/null
	client_say bind 0x4000 $LAB_PEER4:3480 >/dev/null
	tap_is "$(client_say channel 0x4000 200 100 200)" "sent 200 received 200 damaged 0" \
		"$1: a client is served"
	tap_is "$(value 'turn_total_allocations{type="UDP"}')" 1 "$1: one allocation"
	tap_is "$(value 'turn_traffic_rcvp{realm="lab"}')" 200 "$1: 200 packets up, while it lives"
	tap_is "$(value turn_total_traffic_sentp)" 200 "$1: and 200 down"
	tap_at_least "$(value "turnpike_packets_total{reason=\"$2\"}")" 190 "$1: by $2"
	tap_is "$(value 'turnpike_relay_ports{state="used"}')" 1 "$1: one relay port"
	tap_is "$(value 'turnpike_user_allocations{user="alice"}')" 1 "$1: by user: one allocation"
	tap_is "$(value 'turnpike_user_bytes{user="alice",direction="up"}')" 20000 "$1: by user: bytes up"
	tap_is "$(value 'turnpike_user_bytes{user="alice",direction="down"}')" 20000 "$1: and down"
	well_formed
	tap_ok $? "$1: the text is well formed" "$(get /metrics)"
	client_stop
}

test_health()
{
	tap_is "$(get / | tr '\n' ' ')" "200 ok " "$1: / as coturn"
	tap_is "$(get /livez | tr '\n' ' ')" "200 ok " "$1: /livez"
	tap_is "$(get /readyz | tr '\n' ' ')" "200 ready " "$1: /readyz"
	turnpike drain >/dev/null
	tap_is "$(get /readyz | tr '\n' ' ')" "503 draining " "$1: not while draining"
	tap_is "$(value turnpike_draining)" 1 "$1: which is a metric, too"
	turnpike drain --cancel >/dev/null
	tap_is "$(get /nothing | sed -n 1p)" 404 "$1: nothing else is there"
}

tap_lab
# so that all of the kernel's packets are
relay_settle_neighbours
for dataplane in xdp user; do
	relay_start --dataplane=$dataplane --prometheus --prometheus-username-labels
	tap_ok $? "$dataplane: starts" "$(cat "$TAP_TMP/relay.log")"
	reason=to_peer
	[ $dataplane = xdp ] || reason=user_to_peer
	test_traffic $dataplane $reason
	test_health $dataplane
	relay_stop
done
tap_done
