#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests in which speed does not matter, once more with the daemon that has
# AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer in it.
cd "$(dirname "$0")/../.." || exit 1
export TURNPIKED=build/san/turnpiked
if [ ! -x $TURNPIKED ]; then
	echo "1..0 # SKIP no $TURNPIKED: make $TURNPIKED"
	exit 4
fi
rc=0
for name in daemon_test.sh restart_test.sh hostile_test.sh reload_test.sh relays_test.sh \
	listeners_test.sh stream_test.sh dtls_test.sh proxy_test.sh tcp_relay_test.sh \
	credentials_test.sh reconnect_test.py proxied_test.py; do
	echo "# $name"
	"tests/net/$name" || rc=1
done
exit $rc
