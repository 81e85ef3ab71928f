#!/bin/bash
# SPDX-License-Identifier: MIT
# Configurations as projects tell people to write them (configs/*.conf): each is accepted with
# exactly the remarks in NAME.expected, and a daemon started with it serves a client with the
# credentials that it describes, on every transport that it has. Paths are moved to a place
# where nothing else is, and the one address to listen on becomes the lab's.
LANES=5		# labs side by side: most of the time coturn's client waits
if [ $# -eq 0 ]; then
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
	jobs=()
	for ((i = 0; i < LANES; i++)); do
		"$0" $i $LANES >"$out/$i" 2>&1 &
		jobs+=($!)
	done
	status=0
	for i in "${jobs[@]}"; do
		wait "$i" || status=$?
	done
	awk '/^(not )?ok [0-9]/ { sub(/ok [0-9]+/, "ok " ++n) }
		!/^1\.\.[0-9]+$/ { print } END { print "1.." n + 0 }' "$out"/*
	exit $status
fi

# lane NUMBER OF: every one of so many configurations, beginning there
. "$(dirname "$0")/lib.sh"

DOCUMENTED4=198.51.100.20
PLACE=$TAP_TMP/place

command -v turnutils_uclient >/dev/null || tap_skip_all "no turnutils_uclient: apt-get install coturn"

# value FILE DIRECTIVE: what it is set to last
value()
{
	sed -n "s/^$2=\"\{0,1\}\([^\" ]*\).*/\1/p" "$1" | tail -1
}

# adapt FILE: prints the name of its copy
adapt()
{
	local copy
	copy=$PLACE/$(basename "$1")
	sed -e "s#=/\(etc\|var\)/#=$PLACE/\1/#" -e "s#=$DOCUMENTED4\$#=$LAB_RELAY4#" "$1" >"$copy"
	chmod 600 "$copy"
	lay_out "$(value "$copy" cert)" "$TAP_TMP/cert.pem"
	lay_out "$(value "$copy" pkey)" "$TAP_TMP/key.pem"
	echo "$copy"
}

# lay_out PATH ORIGINAL
lay_out()
{
	[ -z "$1" ] || install -D -m 600 "$2" "$1"
}

# credentials FILE: options for turnutils_uclient
credentials()
{
	local secret user
	secret=$(value "$1" static-auth-secret) user=$(value "$1" user)
	case $user in
	'')	echo "-u anybody -W $secret" ;;
	*:0x*)	echo "-u ${user%%:*} -w hunter2" ;;	# what that key was made of
	*)	echo "-u ${user%%:*} -w ${user#*:}" ;;
	esac
}

# served NAME FILE: a client on each transport, all at once
served()
{
	local file=$2 transports=(UDP) transport options tls mine
	tls=$(value "$file" tls-listening-port)
	mine=$(credentials "$file")
	grep -q '^no-tcp$' "$file" || transports+=("TCP -t")
	! grep -q '^cert=' "$file" || transports+=("TLS -t -S -p ${tls:-5349}")
	for transport in "${transports[@]}"; do
		read -r transport options <<<"$transport"
		# shellcheck disable=SC2086
		uclient_start "$1: a client on $transport is served" \
			uclient $LAB_RELAY4 $mine -c -s -e $LAB_PEER4 -r 3480 $options
	done
	uclient_end
	# shellcheck disable=SC2086
	uclient_says 'error 403 ()' $LAB_RELAY4 $mine -c -s -n 1 -e 10.9.9.9
	tap_ok $? "$1: a private peer is refused" "$(tail -n 3 "$TAP_TMP/said")"
	uclient_says 'Cannot complete Allocation' $LAB_RELAY4 -u "${mine:3:4}" -w wrong -c -n 1 \
		-e $LAB_PEER4
	tap_ok $? "$1: a wrong password is refused" "$(tail -n 3 "$TAP_TMP/said")"
}

# start FILE: until it answers; some of them log where nobody looks
start()
{
	lab_start relay "$TURNPIKED" -c "$1" --control-socket="$RELAY_SOCKET" \
		--pin-path="$TAP_TMP/bpf/turnpike" --unauthorized-ratelimit=off \
		>"$TAP_TMP/relay.log" 2>&1
	RELAY_PID=$LAB_PID
	tap_until answers_or_ended && turnpike status >/dev/null
}

answers_or_ended()
{
	turnpike status >/dev/null 2>&1 || tap_ended "$RELAY_PID"
}

# configuration NAME
configuration()
{
	local copy
	copy=$(adapt "tests/interop/configs/$1.conf")
	lab_exec relay "$TURNPIKED" -c "$copy" --check-config >/dev/null 2>"$TAP_TMP/said"
	tap_ok $? "$1: accepted" "$(cat "$TAP_TMP/said")"
	sed -i "s#$PLACE/##g" "$TAP_TMP/said"
	[ -z "${CONFIGS_WRITE-}" ] || cp "$TAP_TMP/said" "tests/interop/configs/$1.expected"
	diff "tests/interop/configs/$1.expected" "$TAP_TMP/said" >"$TAP_TMP/diff"
	tap_ok $? "$1: with the remarks that are expected" "$(cat "$TAP_TMP/diff")"
	start "$copy"
	tap_ok $? "$1: starts" "$(cat "$TAP_TMP/relay.log")"
	served "$1" "$copy"
	relay_stop
}

tap_lab
make_cert
mkdir -p "$PLACE/var/log" "$PLACE/var/tmp"
chmod 777 "$PLACE/var/log" "$PLACE/var/tmp"
files=(tests/interop/configs/*.conf)
for ((i = $1; i < ${#files[@]}; i += $2)); do
	file=${files[i]##*/}
	configuration "${file%.conf}"
done
tap_done
