#!/bin/bash
# SPDX-License-Identifier: MIT
# Super-packets through the module whose allocations fail (TEST_KMOD_FAULT). Run in the virtual
# machine by kmod_VERSION.sh.
rmmod turnpike 2>/dev/null
insmod "$TEST_KMOD_FAULT" || exit 1
build/vm-tests/kernel/kmod_bulk_test || exit 1
rmmod turnpike
