# SPDX-License-Identifier: MIT
# Verbs for humans; `make help` lists them. Everything is built under build/.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# Every core, unless the caller says how many.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

CC      := gcc
CLANG   := clang
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKGS    := libbpf libevent_core libevent_extra libevent_pthreads libevent_openssl libmnl libssl libcrypto jansson zlib sqlite3 hiredis
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   = $(shell pkg-config --libs $(PKGS)) -lelf -lpthread
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) -Iinclude -Iuser -Ibuild \
	$(PKG_CFLAGS) -DTURNPIKE_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS += -pie -Wl,-z,relro,-z,now
SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

LIB_SRC  := $(filter-out user/main.c,$(wildcard user/*.c user/stun/*.c user/turn/*.c user/net/*.c user/dataplane/*.c user/users/*.c))
CLI_SRC  := $(wildcard user/cli/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=build/obj/%.o)
SAN_OBJ  := $(LIB_SRC:%.c=build/san/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=build/obj/%.o)
BPF_HDRS := $(wildcard bpf/*.h include/turnpike/*.h)
UNIT     := $(patsubst tests/unit/%_test.c,build/tests/unit/%_test,$(wildcard tests/unit/*_test.c))
DP_OBJ   := $(patsubst %.c,build/san/%.o,$(filter-out %_test.c,$(wildcard tests/dataplane/*.c)))
DPTEST   := $(patsubst tests/dataplane/%_test.c,build/tests/dataplane/%_test,$(wildcard tests/dataplane/*_test.c))

.PHONY: all help clean
all: build/turnpiked build/turnpike ## build the daemon, the command and the BPF object

help: ## list these verbs
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22

clean: ## remove build/
	rm -rf build

# ------------------------------------------------------------------ BPF

BPF_CFLAGS := -std=gnu11 -g -O2 -mcpu=v3 -target bpf -Wall -Wextra -Werror -Iinclude \
	-idirafter /usr/include/$(shell $(CC) -dumpmachine)

build/%.bpf.o: bpf/%.bpf.c $(BPF_HDRS)
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -c $< -o $@

# Each traced program is inside the one that traces it.
build/turnpike_trace.bpf.o: bpf/turnpike.bpf.c
build/turnpike_trace_tc.bpf.o: bpf/turnpike_tc.bpf.c

build/%.skel.h: build/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$(*F))_bpf > $@

# ------------------------------------------------------------------ user

build/obj/user/dataplane/xdp.o build/san/user/dataplane/xdp.o: build/turnpike.skel.h
build/obj/user/dataplane/tc.o build/san/user/dataplane/tc.o: build/turnpike_tc.skel.h
build/obj/user/dataplane/tracer.o build/san/user/dataplane/tracer.o: build/turnpike_trace.skel.h \
	build/turnpike_trace_tc.skel.h

build/obj/%.o: %.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(HARDEN) -c $< -o $@

build/san/%.o: %.c
	$(call msg,CC-SAN,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(SAN) -c $< -o $@

build/libturnpike.a: $(LIB_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

build/libturnpike-san.a: $(SAN_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

build/turnpiked: build/obj/user/main.o build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

# The daemon with AddressSanitizer and UndefinedBehaviorSanitizer, for tests.
build/san/turnpiked: build/san/user/main.o build/libturnpike-san.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(SAN) $^ $(PKG_LIBS) -o $@

build/turnpike: $(CLI_OBJ) build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

# ------------------------------------------------------------------ tests

.PHONY: unit
unit: $(UNIT) ## run the unit tests only (with AddressSanitizer)
	$(Q)tests/run.sh $(UNIT)

build/tests/unit/%_test: build/san/tests/unit/%_test.o build/libturnpike-san.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(SAN) $^ -lcmocka $(PKG_LIBS) -o $@

build/tests/dataplane/%_test: build/san/tests/dataplane/%_test.o $(DP_OBJ) build/libturnpike-san.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(SAN) $^ -lcmocka $(PKG_LIBS) -o $@

build/tests/net/%: build/obj/tests/net/%.o build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ -lcmocka $(PKG_LIBS) -o $@

# Where libnice is missing, nothing is made, and its test is skipped.
build/tests/interop/nice_agent: tests/interop/nice_agent.c
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && ! pkg-config --exists nice || $(CC) -std=gnu11 -D_GNU_SOURCE \
		$(CFLAGS) $(WARN) $(HARDEN) $(shell pkg-config --cflags nice) $(LDFLAGS) $< \
		$(shell pkg-config --libs nice) -o $@

include kmod/kmod.mk
include tests/kernel/kernel.mk

NETTEST := $(wildcard tests/net/*_test.sh tests/net/*_test.py)
INTEROP := $(wildcard tests/interop/*_test.sh tests/interop/*_test.py)
NETBIN  := $(patsubst tests/net/%.c,build/tests/net/%,$(wildcard tests/net/*.c))
NETPROG := $(filter %_test,$(NETBIN))

.PHONY: test deps clients
test: clients all $(UNIT) $(DPTEST) $(NETBIN) build/tests/interop/nice_agent build/san/turnpiked $(VMTEST) ## build everything and run every test but the fuzzers
	$(Q)tests/run.sh $(KERNELTEST) $(UNIT) $(DPTEST) $(NETPROG) $(NETTEST) $(INTEROP)

deps: ## install the packages that are needed (Debian)
	$(Q)scripts/deps.sh

clients:
	$(Q)scripts/deps.sh --clients

# ------------------------------------------------------------------ fuzz

FUZZ_SECONDS ?= 60
FUZZ := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ := $(LIB_SRC:%.c=build/fuzz/%.o)

build/fuzz/user/dataplane/xdp.o: build/turnpike.skel.h
build/fuzz/user/dataplane/tc.o: build/turnpike_tc.skel.h
build/fuzz/user/dataplane/tracer.o: build/turnpike_trace.skel.h build/turnpike_trace_tc.skel.h

build/fuzz/user/%.o: user/%.c
	$(call msg,CC-FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(ALL_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link -c $< -o $@

build/libturnpike-fuzz.a: $(FUZZ_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

build/fuzz/%_fuzz: tests/fuzz/%_fuzz.c build/libturnpike-fuzz.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(filter-out -Wmissing-prototypes,$(ALL_CFLAGS)) $(FUZZ_SAN) \
		-fsanitize=fuzzer $(filter %.c %.a,$^) $(PKG_LIBS) -o $@

.PHONY: fuzz
fuzz: $(FUZZ:%=build/fuzz/%_fuzz) ## run every fuzzer for FUZZ_SECONDS (60) each
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(FUZZ)

# --------------------------------------------------------------- nightly

# Longer than anybody waits for; each night other frames, which the seed brings again.
NIGHTLY_COUNT ?= 10000000
NIGHTLY_SEED ?= $(shell date +%s)
NIGHTLY_TORN_MS ?= 60000
NIGHTLY_FUZZ_SECONDS ?= 1800
NIGHTLYTEST := $(addprefix build/tests/,dataplane/random_test dataplane/torn_test unit/rows_stress_test)

.PHONY: nightly
nightly: $(NIGHTLYTEST) $(FUZZ:%=build/fuzz/%_fuzz) ## ten million random frames, long races and fuzzing: an hour and a half
	$(Q)rc=0; TEST_COUNT=$(NIGHTLY_COUNT) TEST_SEED=$(NIGHTLY_SEED) TEST_MS=$(NIGHTLY_TORN_MS) \
		TEST_TIMEOUT=20000 tests/run.sh $(NIGHTLYTEST) || rc=1; \
	FUZZ_SECONDS=$(NIGHTLY_FUZZ_SECONDS) scripts/fuzz.sh $(FUZZ) || rc=1; exit $$rc

# ----------------------------------------------------------------- bench

build/bench/bench.bpf.o: tests/bench/bench.bpf.c tests/bench/bench.h
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -Wno-unused-parameter -Itests/bench -c $< -o $@

build/obj/tests/bench/bench.o: ALL_CFLAGS += -Itests/bench
build/obj/tests/bench/bench.o: build/bench/bench.skel.h
build/bench/bench: $(addprefix build/obj/tests/,bench/traffic.o dataplane/frame.o)

# The XDP program's source in a program that times it, beside the tests' tables and frames.
build/bench/timing.bpf.o: tests/bench/timing.bpf.c tests/bench/timing.h bpf/turnpike.bpf.c $(BPF_HDRS)
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -Itests/bench -Ibpf -c $< -o $@

build/obj/tests/bench/cases.o: build/bench/timing.skel.h

build/bench/layout.bpf.o: tests/bench/layout.bpf.c bpf/turnpike.bpf.c $(BPF_HDRS)
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -Ibpf -c $< -o $@

build/obj/tests/bench/layout.o: build/bench/layout.skel.h
build/bench/cases: $(addprefix build/obj/tests/dataplane/,world_xdp.o world_user.o case_run.o frame.o icmp.o)

build/bench/load build/bench/latency build/bench/kmod build/bench/stream: \
	$(addprefix build/obj/tests/bench/,client.o endpoint.o)

BENCH_PROGS := $(addprefix build/bench/,bench load cases latency layout kmod stream)
$(BENCH_PROGS): build/bench/%: build/obj/tests/bench/%.o build/obj/tests/bench/die.o build/libturnpike.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS) -o $@

# ----------------------------------------------------------------- check

CHECK_SRC := user/main.c $(LIB_SRC) $(CLI_SRC)
CHECK_SRC := $(wildcard $(CHECK_SRC))
SPARSE := sparse -Wsparse-error -Wbitwise -Wno-decl -Wno-transparent-union -gcc-base-dir \
	$(shell $(CC) -print-file-name=)
HEADERS := $(wildcard include/turnpike/*.h user/*.h user/*/*.h bpf/*.h)
check_stamp = $(Q)mkdir -p $(@D) && touch $@

.PHONY: check check-analyze check-sparse check-headers check-budget check-shell check-cases
check: all check-analyze check-sparse check-headers check-budget check-shell check-cases check-kmod ## warnings, static analysis and house rules
	@echo 'check: nothing found'

check-analyze: $(CHECK_SRC:%.c=build/check/%.analyze)
check-sparse: $(CHECK_SRC:%.c=build/check/%.sparse)
check-headers: $(HEADERS:%=build/check/%.alone)

# The generated skeleton is read for what it declares: the program in it, a string of 300,000
# characters, and the function that fills in libbpf's tables are not ours to check.
build/check/user/dataplane/xdp.analyze build/check/user/dataplane/xdp.sparse: \
	build/check/skel/turnpike.skel.h
build/check/user/dataplane/tc.analyze build/check/user/dataplane/tc.sparse: \
	build/check/skel/turnpike_tc.skel.h
build/check/user/dataplane/tracer.analyze build/check/user/dataplane/tracer.sparse: \
	build/check/skel/turnpike_trace.skel.h build/check/skel/turnpike_trace_tc.skel.h

build/check/skel/%.skel.h: build/%.skel.h
	$(Q)mkdir -p $(@D) && sed -e '1i #pragma GCC system_header' \
		-e '/^\treturn (const void \*)"/,/";$$/c\	return (const void *)"";' \
		-e '/^$(subst .,_,$*)_bpf__create_skeleton(.*)$$/,/^}/c\$(subst .,_,$*)_bpf__create_skeleton(struct $(subst .,_,$*)_bpf *obj)\
		{ int fill(void *); return fill(obj); }' \
		$< > $@

build/check/%.analyze: %.c $(HEADERS)
	$(call msg,ANALYZE,$<)
	$(Q)$(CLANG) --analyze -Xanalyzer -analyzer-output=text -Xanalyzer -analyzer-werror \
		-Ibuild/check/skel $(filter-out -MMD -MP,$(ALL_CFLAGS)) $<
	$(check_stamp)

# Byte order: the C library's functions and types are given the kernel's
# bitwise types first, so that a forgotten htons() is found.
build/check/%.sparse: %.c $(HEADERS) scripts/sparse.h build/check/netinet/in.h
	$(call msg,SPARSE,$<)
	$(Q)$(SPARSE) -Ibuild/check -Ibuild/check/skel -include scripts/sparse.h \
		$(filter-out -W% -MMD -MP -O%,$(ALL_CFLAGS)) $<
	$(check_stamp)

build/check/netinet/in.h: /usr/include/netinet/in.h
	$(Q)mkdir -p $(@D) && sed -e '1i #include <linux/types.h>' \
		-e 's/typedef uint16_t in_port_t/typedef __be16 in_port_t/' \
		-e 's/typedef uint32_t in_addr_t/typedef __be32 in_addr_t/' $< > $@

# Each header compiles alone; those of the contract also for the kernel's side, where
# half of a host's primitives are in another one.
build/check/%.h.alone: %.h $(HEADERS)
	$(call msg,HEADER,$<)
	$(Q)$(if $(filter bpf/%,$<),,$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fsyntax-only -x c \
		-include $< /dev/null)
	$(Q)$(if $(filter user/%,$<),,$(CLANG) $(BPF_CFLAGS) -Wno-undefined-internal -fsyntax-only \
		-x c -include $< /dev/null)
	$(check_stamp)

check-budget:
	$(Q)scripts/budget.sh

check-shell:
	$(Q)scripts/check-shell.sh

check-cases:
	$(Q)scripts/check-cases.sh

# ----------------------------------------------------------------- verbs

.PHONY: run lab bench bench-clients setup
run: deps all ## start a server on this host with a ready-made configuration
	+$(Q)scripts/run.sh $(ARGS)

lab: ## client, relay and peer in network namespaces, until Ctrl-C
	$(Q)scripts/lab.sh

bench: deps all $(BENCH_PROGS) ## packets/s, latency, memory, beside coturn and a bare forwarder (BENCH=PART,...)
	$(Q)tests/bench/bench.sh

bench-clients: deps all build/bench/stream build/bench/latency ## 50,000 TLS clients held, in user-mode Linux: 10 minutes, 6 GB (BENCH_CLIENTS=N)
	$(Q)tests/bench/clients_vm.sh

setup: all ## prepare this host and start the service (scripts/setup.sh --undo takes it back)
	$(Q)scripts/setup.sh

# --------------------------------------------------------------- install

PREFIX ?= /usr
SYSCONFDIR ?= /etc
INSTALL := install
MAN := $(wildcard user/man/*.[1-8])

.PHONY: install
install: all ## copy everything to DESTDIR/PREFIX (/usr)
	$(INSTALL) -D -m 755 build/turnpiked $(DESTDIR)$(PREFIX)/sbin/turnpiked
	$(INSTALL) -D -m 755 build/turnpike $(DESTDIR)$(PREFIX)/bin/turnpike
	$(INSTALL) -D -m 644 build/turnpike.bpf.o $(DESTDIR)$(PREFIX)/lib/turnpike/turnpike.bpf.o
	$(INSTALL) -D -m 644 contrib/turnpike.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/turnpike.conf
	$(INSTALL) -D -m 644 contrib/turnpike.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/turnpike.conf
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/sbin|$(PREFIX)/sbin|' contrib/turnpike.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/turnpike.service
	for m in $(MAN); do \
		$(INSTALL) -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit; \
	done

-include $(shell find build -name '*.d' 2>/dev/null)
