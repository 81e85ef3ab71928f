# SPDX-License-Identifier: MIT
# The kernel module; included by the Makefile. Kbuild builds in its source directory, so that
# is a copy: the one that DKMS gets, too.

# Headers of the running kernel, else the newest that are installed.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -dv /lib/modules/*/build 2>/dev/null | tail -1))
KREL  = $(patsubst /lib/modules/%/build,%,$(KDIR))
KMOD_SRC := kmod/Kbuild $(wildcard kmod/*.[ch])
KMOD_KO  := $(if $(KDIR),build/kmod/$(KREL)/turnpike.ko)

.PHONY: kmod
kmod: $(KMOD_KO) ## build the kernel module build/kmod/turnpike.ko (KDIR=/lib/modules/RELEASE/build)
ifeq ($(KDIR),)
	@echo 'kmod: no kernel headers in /lib/modules/*/build (package linux-headers-amd64): skipped'
else
	$(Q)install -m 644 $< build/kmod/turnpike.ko
endif

# In build/kmod/RELEASE/, for any kernel whose headers are installed.
build/kmod/%/turnpike.ko: $(KMOD_SRC) $(wildcard include/turnpike/*.h)
	$(call msg,KMOD,$@)
	$(Q)mkdir -p $(@D)/include/turnpike
	$(Q)install -m 644 -C $(KMOD_SRC) $(@D)
	$(Q)install -m 644 -C include/turnpike/*.h $(@D)/include/turnpike
	+$(Q)$(MAKE) $(if $(V),,-s) -C /lib/modules/$*/build M=$(CURDIR)/$(@D) modules

# The same, where allocations fail as a test says: for tests/kernel/ only.
build/kmod-fault/%/turnpike.ko: $(KMOD_SRC) $(wildcard include/turnpike/*.h)
	$(call msg,KMOD,$@)
	$(Q)mkdir -p $(@D)/include/turnpike
	$(Q)install -m 644 -C $(KMOD_SRC) $(@D)
	$(Q)install -m 644 -C include/turnpike/*.h $(@D)/include/turnpike
	+$(Q)$(MAKE) $(if $(V),,-s) -C /lib/modules/$*/build M=$(CURDIR)/$(@D) TP_FAULT=y modules

# ---------------------------------------------------------------- install

KMOD_VERSION = $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kmod/dkms.conf)
KMOD_TREE = $(DESTDIR)/usr/src/turnpike-$(KMOD_VERSION)

.PHONY: kmod-install kmod-dkms
kmod-install: kmod ## install the module for the kernel that it was built for (then: modprobe turnpike)
	$(if $(KDIR),,$(error no kernel headers: nothing to install))
	$(INSTALL) -D -m 644 $(KMOD_KO) $(DESTDIR)/lib/modules/$(KREL)/updates/turnpike.ko
	$(if $(DESTDIR),,depmod $(KREL))

kmod-dkms: ## install the module's source where DKMS takes it from (then: dkms install turnpike/VERSION)
	$(INSTALL) -d $(KMOD_TREE)/include/turnpike
	$(INSTALL) -m 644 $(KMOD_SRC) kmod/dkms.conf $(KMOD_TREE)
	$(INSTALL) -m 644 include/turnpike/*.h $(KMOD_TREE)/include/turnpike

# ------------------------------------------------------------------ check

# Debian's headers have no checkpatch.pl, and Debian no smatch: sparse and gcc's extra
# warnings are what there is. What sparse says of include/turnpike/ is left out: the relay core
# takes words of a packet for what they are in BPF, plain numbers, and 0 for a pointer. A copy of
# its own, since Kbuild would find nothing to do.
.PHONY: check-kmod
ifeq ($(KDIR),)
check-kmod:
	@echo 'check-kmod: no kernel headers: skipped'
else
check-kmod: build/check/kmod.checked
endif

build/check/kmod.checked: $(KMOD_SRC) $(wildcard include/turnpike/*.h)
	$(call msg,CHECK,kmod)
	$(Q)rm -rf build/check/kmod && mkdir -p build/check/kmod/include/turnpike
	$(Q)install -m 644 $(KMOD_SRC) build/check/kmod
	$(Q)install -m 644 include/turnpike/*.h build/check/kmod/include/turnpike
	+$(Q)$(MAKE) -s -C $(KDIR) M=$(CURDIR)/build/check/kmod C=2 W=1 CF=-fmax-warnings=unlimited \
		KCFLAGS=-Werror modules >build/check/kmod.log 2>&1 || { cat build/check/kmod.log; exit 1; }
	$(Q)! grep -E '/kmod/[a-z]*\.[ch]:.*(warning|error):' build/check/kmod.log
	$(Q)touch $@
