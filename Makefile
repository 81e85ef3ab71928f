# SPDX-License-Identifier: MIT
# Verbs for humans; `make help` lists them. Everything is built under build/.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

CC      := gcc
CLANG   := clang
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKGS    := libbpf libevent_core libevent_pthreads libmnl libcrypto jansson zlib
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

LIB_SRC  := $(filter-out user/main.c,$(wildcard user/*.c user/stun/*.c user/turn/*.c user/net/*.c user/dataplane/*.c))
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

build/%.skel.h: build/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$(*F))_bpf > $@

# ------------------------------------------------------------------ user

build/obj/user/dataplane/xdp.o build/san/user/dataplane/xdp.o: build/turnpike.skel.h

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

build/tests/net/%_test: build/san/tests/net/%_test.o build/libturnpike-san.a
	$(call msg,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(SAN) $^ $(PKG_LIBS) -o $@

-include $(shell find build -name '*.d' 2>/dev/null)
