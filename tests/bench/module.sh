#!/bin/bash
# SPDX-License-Identifier: MIT
# The part "module" of the bench: instructions for each datagram in QEMU, the kernel module
# beside the daemon's own path. Sourced by bench.sh.
# shellcheck disable=SC2154	# bench.sh sets dir

# The figures of the guest, as a table with the ratios.
module_table()
{
	awk '
	$1 == "#" && ($2 == "user" || $2 == "kmod") && NF == 6 {
		sent[$2, $3, $4] = $5; drained[$2, $3, $4] = $6
		if (!(($3, $4) in seen)) { seen[$3, $4] = 1; order[++n] = $3 SUBSEP $4 }
	}
	END {
		printf "%-10s %6s %12s %12s %8s %12s\n", "", "bytes", "daemon", "module", "ratio", "above drop"
		for (i = 1; i <= n; i++) {
			split(order[i], k, SUBSEP); c = k[1]; s = k[2]
			# what the peer itself costs is known where all has arrived by then
			own = drained["kmod", c, s]
			u = sent["user", c, s] + drained["user", c, s] - own
			m = sent["kmod", c, s]
			floor = sent["user", "drop", s]
			above = c == "single" ? sprintf("%.2f", (u - floor) / (m - floor)) : ""
			printf "%-10s %6d %12d %12d %8.3f %12s\n", c, s, u, m, u / m, above
		}
	}' "$1"
}

part_module()
{
	local headers release module
	headers=$(find /lib/modules -maxdepth 2 -name build -path '/lib/modules/6.1.*' | sort -V | tail -n 1)
	if [ -z "$headers" ]; then
		echo 'no headers of Linux 6.1 (package linux-headers-amd64): left out'
		return
	fi
	release=${headers#/lib/modules/} release=${release%/build}
	module=build/kmod/$release/turnpike.ko
	make -s "$module" >/dev/null || return
	echo "Instructions for each datagram, Linux $release in QEMU (-icount), client to peer, IPv4, veth"
	TEST_KMOD=$PWD/$module scripts/vm.sh --kernel 6.1 --icount yes --timeout 200 \
		--with build/turnpiked --with build/turnpike --with build/bench/kmod --with "$module" \
		-- tests/bench/kmod_guest.sh >"$dir/module" 2>&1 || { tail -n 30 "$dir/module"; return 1; }
	module_table "$dir/module"
	sed -n 's/^# stats /relayed: /p' "$dir/module"
}
