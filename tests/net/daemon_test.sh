#!/bin/bash
# SPDX-License-Identifier: MIT
# The daemon as an operator meets it: privileges, locks, what it says and what
# it refuses, and that it leaves nothing behind.
. "$(dirname "$0")/tap.sh"

status_of()
{
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$2/status"
}

pins()
{
	find "$TAP_TMP/bpf" -path '*/turnpike*' | wc -l
}

test_privileges()
{
	local child
	child=$(relay_child)
	tap_is "$(status_of CapEff "$child")" 0000000000000000 "the relay process has no capability"
	tap_is "$(status_of CapPrm "$child")" 0000000000000000 "nor can it get one"
	tap_is "$(status_of NoNewPrivs "$child")" 1 "no new privileges"
	[ "$(status_of Uid "$child" | cut -f1)" != 0 ]
	tap_ok $? "it is not root"
	tap_is "$(stat -c %a "$TAP_TMP/bpf/turnpike")" 700 "the pins are root's"
}

test_status()
{
	tap_is "$(turnpike status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
d = s["dataplane"]
print(d["mode"], d["wanted"], sorted((i["name"], i["xdp"]) for i in d["interfaces"]))')" \
		"xdp auto [('toclient', 'native'), ('topeer', 'native')]" \
		"status says what it took"
}

# G21
test_second()
{
	lab_exec relay "$TURNPIKED" -n --control-socket="$RELAY_SOCKET" \
		--listening-ip=$LAB_OUTER4 >"$TAP_TMP/second.log" 2>&1
	tap_is $? 1 "a second daemon on the same control socket does not start"
	grep -q 'another turnpiked is running' "$TAP_TMP/second.log"
	tap_ok $? "and says why" "$(cat "$TAP_TMP/second.log")"
	lab_exec relay "$TURNPIKED" -n --control-socket="$TAP_TMP/other.sock" \
		--listening-ip=$LAB_RELAY4 >"$TAP_TMP/second.log" 2>&1
	tap_is $? 1 "nor on the same port"
	grep -q "$LAB_RELAY4:3478.*in use" "$TAP_TMP/second.log"
	tap_ok $? "and says why" "$(cat "$TAP_TMP/second.log")"
}

test_detach()
{
	relay_stop TERM
	lab_ip relay -d link show toclient | grep -q 'prog/xdp'
	tap_ok $? "SIGTERM leaves the programs to established flows"
	turnpike detach >/dev/null
	tap_is $? 0 "detach works without the daemon"
	! lab_ip relay -d link show toclient | grep -q 'prog/xdp'
	tap_ok $? "and takes the programs off"
	tap_is "$(pins)" 0 "and the pins"
	turnpike status >/dev/null 2>&1
	tap_is $? 3 "status without a daemon ends with 3"
}

test_no_credentials()
{
	relay_launch -n
	tap_ok $? "it starts without any configuration" "$(cat "$TAP_TMP/relay.log")"
	grep -q 'no credentials configured.*turnpike credentials' "$TAP_TMP/relay.log"
	tap_ok $? "and says how to get credentials" "$(cat "$TAP_TMP/relay.log")"
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say binding | cut -d: -f1)" "ok $LAB_CLIENT4" "it answers STUN"
	tap_is "$(client_say allocate | cut -d' ' -f1)" error "it refuses TURN"
	client_stop
	client_start "[$LAB_RELAY6]:3478"
	tap_is "$(client_say binding | grep -o "^ok.$LAB_CLIENT6\|^ok .$LAB_CLIENT6")" \
		"ok [$LAB_CLIENT6" "on every address"
	client_stop
	relay_stop
}

# K6
test_refusals()
{
	lab_ip relay link add br0 type bridge
	lab_ip relay address add 11.0.3.1/24 dev br0
	lab_ip relay link set br0 up
	lab_exec relay "$TURNPIKED" -n --realm=lab --lt-cred-mech --user=a:b \
		--control-socket="$RELAY_SOCKET" --pin-path="$TAP_TMP/bpf/turnpike" \
		--listening-ip=11.0.3.1 --dataplane=xdp >"$TAP_TMP/refused.log" 2>&1
	tap_is $? 1 "dataplane=xdp does not start on a bridge"
	grep -q 'dataplane=xdp: br0: ' "$TAP_TMP/refused.log"
	tap_ok $? "and says which interface and why" "$(cat "$TAP_TMP/refused.log")"
	tap_is "$(pins)" 0 "and leaves no pin"
	relay_start --listening-ip=11.0.3.1 --relay-ip=11.0.3.1
	tap_ok $? "dataplane=auto starts" "$(cat "$TAP_TMP/relay.log")"
	grep -q 'interface name=br0 xdp=tc why="tc; no native XDP: .' "$TAP_TMP/relay.log"
	tap_ok $? "and says why br0 is without XDP" "$(cat "$TAP_TMP/relay.log")"
	relay_stop
	relay_start --dataplane=user
	tap_is "$(pins)" 0 "dataplane=user loads no BPF"
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "allocate"
	tap_is "$(client_say permit 11.0.3.1)" "error 403" \
		"an address of this host that nothing was told about is no peer"
	tap_is "$(client_say permit 11.0.2.255)" "error 403" "nor is a network's broadcast address"
	tap_is "$(client_say permit 11.0.2.0)" "error 403" "by its old form"
	tap_is "$(client_say bind 0x4001 11.0.3.255:9)" "error 403" "on any interface"
	tap_is "$(client_say permit $LAB_PEER4)" ok "another host's is"
	client_stop
	relay_stop
}

# K7: a kernel that lets nobody load programs
test_no_bpf()
{
	local RELAY_BOUNDS=-sys_admin,-bpf
	relay_start --dataplane=xdp || wait "$RELAY_PID"
	tap_is $? 1 "without CAP_BPF dataplane=xdp does not start"
	grep -q 'error.*not permitted' "$TAP_TMP/relay.log"
	tap_ok $? "and says why" "$(cat "$TAP_TMP/relay.log")"
	relay_start
	tap_ok $? "dataplane=auto does" "$(cat "$TAP_TMP/relay.log")"
	grep -q 'not permitted' "$TAP_TMP/relay.log"
	tap_ok $? "and says why it relays by itself" "$(cat "$TAP_TMP/relay.log")"
	client_start "$LAB_RELAY4:3478"
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "allocate"
	client_stop
	relay_stop
}

test_bad_configuration()
{
	printf '%s\n' 'realm=lab' 'listening-port=65536' 'denied-peer-ip=10.0.0.0/33' \
		'static-auth-secret=x' >"$TAP_TMP/bad.conf"
	chmod 600 "$TAP_TMP/bad.conf"
	"$TURNPIKED" -c "$TAP_TMP/bad.conf" >"$TAP_TMP/bad.log" 2>&1
	tap_is $? 1 "a bad configuration does not start"
	tap_is "$(grep -c 'bad.conf:[23]: error:' "$TAP_TMP/bad.log")" 2 \
		"every bad line is named at once"
}

tap_lab
relay_start
tap_ok $? "starts" "$(cat "$TAP_TMP/relay.log")"
test_privileges
test_status
test_second
test_detach
test_no_credentials
test_refusals
test_no_bpf
test_bad_configuration
tap_done
