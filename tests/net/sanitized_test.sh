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
for name in daemon restart hostile reload relays listeners stream dtls proxy tcp_relay credentials; do
	echo "# $name"
	"tests/net/${name}_test.sh" || rc=1
done
echo "# proxied"
tests/net/proxied_test.py || rc=1
exit $rc
