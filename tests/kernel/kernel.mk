# SPDX-License-Identifier: MIT
# Tests that run in a virtual machine on Debian's kernels; included by the
# Makefile. Built without sanitizers, which are slow and large in an emulator.

VM_KERNELS  := 6.1 6.12
VMTEST      := $(patsubst tests/%_test.c,build/vm-tests/%_test,\
	$(wildcard tests/dataplane/*_test.c tests/kernel/*_test.c))
VMTEST_PART := $(patsubst %.c,build/obj/%.o,\
	$(filter-out %_test.c,$(wildcard tests/dataplane/*.c)))
# What `make test` runs with the rest: the oldest kernel.
KERNELTEST  := tests/kernel/dataplane_6_1.sh tests/kernel/kmod_6_1.sh

.PHONY: vm-tests test-kernels
vm-tests: $(VMTEST)

build/vm-tests/dataplane/%_test: build/obj/tests/dataplane/%_test.o $(VMTEST_PART) build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ -lcmocka $(PKG_LIBS) -o $@

KMODTEST := $(filter build/vm-tests/kernel/kmod_%,$(VMTEST))
KMODTEST_PART := build/obj/tests/kernel/world_kmod.o $(VMTEST_PART)

$(KMODTEST): build/vm-tests/kernel/%_test: build/obj/tests/kernel/%_test.o $(KMODTEST_PART) build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ -lcmocka $(PKG_LIBS) -o $@

build/vm-tests/kernel/%_test: build/obj/tests/kernel/%_test.o build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ -lcmocka $(PKG_LIBS) -o $@

test-kernels: $(VMTEST) all $(NETBIN) kmod ## run the data path's tests on Debian's kernels 6.1 and 6.12, in QEMU
	$(Q)tests/run.sh $(foreach k,$(subst .,_,$(VM_KERNELS)),tests/kernel/dataplane_$(k).sh \
		tests/kernel/kmod_$(k).sh)
