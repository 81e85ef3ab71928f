# SPDX-License-Identifier: MIT
"""Bad input over the wire, case by case; hostile_test.sh starts the daemon for it.

  hostile_cases.py LAB CONTROL_SOCKET RELAY_PID CLIENT SERVER PEER OTHER_PEER OWN... [--no-rss]

One line for each case: status, name and diagnostic, separated by tabs. The letter and
number of a case say its group: header, attributes, user, allocate, refresh, permission,
channel, send, data."""
import os
import random
import socket
import struct
import sys

from case_report import is_equal, say
from hostile import *
from running_lab import RunningLab

CANARY = 7777
NAME, CONTROL, RELAY_PID, CLIENT, SERVER, PEER, OTHER = sys.argv[1:8]
OWN = [a for a in sys.argv[8:] if a[0] != "-"]
RSS_COUNTS = "--no-rss" not in sys.argv
V6 = ":" in SERVER
SEED = int(os.environ.get("HOSTILE_SEED") or struct.unpack("!I", os.urandom(4))[0])
RANDOM_DATAGRAMS = 10000
RSS_GROWTH_KIB = 512

lab = RunningLab(NAME, CONTROL)
BASELINE = lab.ends()


def expect(name, client, datagrams, answers, reasons):
    """What comes back, and that each is counted once, under one of these reasons."""
    before = lab.ends()
    got = [Answer(t).code() for t in client.exchange(datagrams)]
    after = lab.ends()
    delta = {r: after[r] - before[r] for r in after if after[r] != before[r]}
    delta["stun_success"] -= 1          # the Binding at the end
    delta = {r: n for r, n in delta.items() if n}
    say(got == answers and sum(delta.values()) == len(datagrams) and set(delta) <= set(reasons),
        name, f"answers {got}, want {answers}; counted {delta}, want {len(datagrams)} of {reasons}")


def silent(name, client, datagrams, *reasons):
    expect(name, client, datagrams, [], reasons)


def refused(name, client, datagrams, code):
    expect(name, client, datagrams, [code] * len(datagrams), ["stun_error"])


def accepted(name, client, datagrams):
    expect(name, client, datagrams, ["ok"] * len(datagrams),
           ["stun_success", "binding"])


def new(user="alice", password="secret"):
    return UdpClient(lab, CLIENT, SERVER, user, password)


# ------------------------------------------------------------ stateless cases

def headers():
    c = new()
    good = message(BINDING)
    not_for_servers = [message(m, klass=k) for m in (BINDING, ALLOCATE, SEND, DATA, BIND)
                       for k in (SUCCESS, ERROR)]
    challenge = c.exchange([message(ALLOCATE)])[0]

    silent("H1 empty", c, [b""], "not_turn")
    silent("H2 1 to 19 bytes", c, [bytes(n) for n in range(1, 20)], "bad_stun")
    accepted("H3 a good Binding", c, [good, fingerprint(good)])
    silent("H4 ChannelData of a stranger", c, [bytes([b]) + good[1:] for b in range(0x40, 0x50)],
           "no_allocation", "bad_channel")
    silent("H5 H6 first byte of something else", c,
           [bytes([b]) + good[1:] for b in [*range(4, 64), *range(128, 256)]], "not_turn", "unasked")
    silent("H7 each bit of the cookie", c,
           [header(BINDING, REQUEST, 0, bytes(12), COOKIE ^ 1 << b) for b in range(32)],
           "bad_stun")
    silent("H9 length not of whole words", c,
           [header(BINDING, REQUEST, n, bytes(12)) + bytes(n) for n in (1, 2, 3, 5, 7)],
           "bad_stun")
    silent("H10 longer than the datagram", c,
           [header(BINDING, REQUEST, n, bytes(12)) for n in (4, 8, 65000)], "bad_stun")
    silent("H11 shorter than the datagram", c,
           [good + bytes(n) for n in (1, 4, 20, 1000)], "bad_stun")
    silent("H12 length at its end", c,
           [header(BINDING, REQUEST, n, bytes(12)) for n in (0xFFFC, 0xFFF0, 0xFFFF)], "bad_stun")
    silent("H13 unknown methods", c, [message(m) for m in (0, 2, 5, 0xD, 0x7F, 0xFFF)],
           "stun_ignored", "not_turn")
    silent("H14 responses", c, not_for_servers, "stun_ignored", "unasked")
    silent("H15 its own 401 back", c, [challenge, challenge], "stun_ignored", "unasked")
    silent("H16 H17 H18 wrong classes", c,
           [message(m) for m in (SEND, DATA)] +
           [message(m, klass=INDICATION) for m in (BINDING, ALLOCATE, REFRESH, DATA, PERMIT, BIND)],
           "stun_ignored", "unasked")
    accepted("H19 odd transaction ids", c,
             [message(BINDING, txid=t) for t in (bytes(12), b"\xff" * 12, b"\x21\x12\xa4\x42" * 3)])
    silent("H24 RFC 3489 with RESPONSE-ADDRESS", c,
           [b"\0\1\0\x0c" + os.urandom(16) + attribute(2, b"\0\1\x0d\x96\x0b\0\2\2")], "bad_stun")
    refused("H25 CHANGE-REQUEST", c, [message(BINDING, [(3, b"\0\0\0\6")])], 420)


def attributes():
    c = new().login()
    wrong = bytearray(fingerprint(message(BINDING)))
    wrong[-1] ^= 1

    def bad(kind, length, size):
        return message(BINDING, [attribute(kind, bytes(size), length)])

    silent("A1 past the end", c, [bad(0x8022, n, 4) for n in (5, 8, 0xFFFF)], "bad_stun")
    silent("A2 rounds to more than 16 bits", c, [bad(k, n, 0) for k in (0x8022, 6, 0x12)
                                                 for n in (0xFFFD, 0xFFFE, 0xFFFF)], "bad_stun")
    silent("A18 A19 FINGERPRINT", c,
           [bytes(wrong), bad(A_FINGERPRINT, 0, 0), bad(A_FINGERPRINT, 8, 8)], "bad_stun")
    for name, kind, lengths in (("A5 LIFETIME", A_LIFETIME, (0, 2, 3, 8)),
                                ("A7 EVEN-PORT", A_EVEN, (0, 2, 4)),
                                ("A8 RESERVATION-TOKEN", A_TOKEN, (0, 7, 9, 16)),
                                ("A9 REQUESTED-ADDRESS-FAMILY", A_RAF, (0, 1, 3, 8)),
                                ("A9 ADDITIONAL-ADDRESS-FAMILY", A_AAF, (0, 1, 3, 8)),
                                ("A10 DONT-FRAGMENT", A_DF, (1, 4))):
        refused(f"{name} of the wrong length", c,
                [c.request(ALLOCATE, UDP, (kind, bytes(n))) for n in lengths], 400)
    refused("A6 REQUESTED-TRANSPORT of the wrong length", c,
            [c.request(ALLOCATE, (A_TRANSPORT, b"\x11" + bytes(n - 1) if n else b""))
             for n in (0, 1, 3, 8)], 400)
    refused("A21 MESSAGE-INTEGRITY of the wrong length", c,
            [message(ALLOCATE, [UDP, *c.credentials(), (A_MI, bytes(n))]) for n in (0, 16, 32)],
            400)
    refused("A24 unknown, required", c,
            [c.request(ALLOCATE, UDP, (k, b"")) for k in (0x0002, 0x7FFE)], 420)
    refused("A25 the same from a stranger", c, [message(ALLOCATE, [UDP, (0x7FFE, b"")])], 401)
    answer = c.exchange([message(BINDING, [(0x4000 + n, b"") for n in range(200)])])
    say(len(answer) == 1 and len(answer[0]) <= 820, "A26 200 unknown: a shorter 420",
        [len(a) for a in answer])
    c.sock.close()


def users():
    c, other, mallory = new().login(), new().login(), new("mallory", "guess").login()
    ip = 40 if V6 else 20
    answer = c.exchange([message(ALLOCATE)])[0]
    ratio = (ip + 8 + len(answer)) / (ip + 8 + 20)
    flipped = [bytearray(c.request(ALLOCATE, UDP)) for _ in range(20)]
    for i, text in enumerate(flipped):
        text[-20 + i] ^= 1 << i % 8

    say(ratio <= 2.8, "U1 a 401 is at most 2.8 times its request", f"{ratio:.2f}")
    refused("U1 without MESSAGE-INTEGRITY", c,
            [message(m) for m in (ALLOCATE, REFRESH, PERMIT, BIND)], 401)
    for number, gone in ((2, A_USERNAME), (3, A_REALM), (4, A_NONCE)):
        attrs = [a for a in c.credentials() if a[0] != gone]
        refused(f"U{number} without attribute {gone:#x}", c,
                [message(ALLOCATE, [UDP, *attrs], key=c.key)], 400)
    refused("U5 unknown user", mallory, [mallory.request(ALLOCATE, UDP)], 401)
    refused("U6 flips of MESSAGE-INTEGRITY", c, flipped, 401)
    refused("U8 both wrong", c, [c.request(ALLOCATE, UDP, nonce=b"old", key=bytes(16))], 401)
    refused("U9 another client's nonce", c, [c.request(ALLOCATE, UDP, nonce=other.nonce)], 438)
    refused("U10 U12 a changed nonce", c,
            [c.request(ALLOCATE, UDP, nonce=c.nonce[:i] + b"~" + c.nonce[i + 1:])
             for i in range(len(c.nonce))], 438)
    refused("U11 nonces of other lengths", c,
            [c.request(ALLOCATE, UDP, nonce=b"n" * n) for n in (0, 1, 127, 128, 509, 763)], 438)
    refused("U11 U20 longer than allowed", c,
            [c.request(ALLOCATE, UDP, nonce=b"n" * 764),
             c.request(ALLOCATE, UDP, user=b"u" * 764)], 400)
    refused("U21 names nearly right", c,
            [c.request(ALLOCATE, UDP, user=u) for u in (b"alice\0", b'"alice"', b"alice ", b"")],
            401)
    refused("U22 another realm", c, [c.request(ALLOCATE, UDP, realm=b"other")], 401)
    for client in (c, other, mallory):
        client.sock.close()


def allocates():
    c = new().login()
    first = c.request(ALLOCATE, UDP)

    refused("L4 without REQUESTED-TRANSPORT", c, [c.request(ALLOCATE)], 400)
    refused("L5 L6 other transports", c,
            [c.request(ALLOCATE, (A_TRANSPORT, bytes([p, 0, 0, 0]))) for p in (0, 1, 6, 33, 255)],
            442)
    refused("L9 L13 L15 L17 what excludes each other", c,
            [c.request(ALLOCATE, UDP, (A_TOKEN, bytes(8)), (A_EVEN, b"\0")),
             c.request(ALLOCATE, UDP, (A_TOKEN, bytes(8)), (A_RAF, b"\1\0\0\0")),
             c.request(ALLOCATE, UDP, (A_RAF, b"\1\0\0\0"), BOTH),
             c.request(ALLOCATE, UDP, (A_AAF, b"\1\0\0\0")),
             c.request(ALLOCATE, UDP, (A_EVEN, b"\x80"), BOTH)], 400)
    refused("L10 unknown token", c, [c.request(ALLOCATE, UDP, (A_TOKEN, b"12345678"))], 508)
    refused("L14 unknown families", c,
            [c.request(ALLOCATE, UDP, (A_RAF, bytes([f, 0, 0, 0]))) for f in (0, 3)], 440)
    answers = [Answer(t) for t in c.exchange([first, first, first])]
    is_equal([a.code() for a in answers], ["ok"] * 3, "L2 the same request again")
    is_equal(len({a.address(A_RELAYED) for a in answers}), 1, "L2 gets the same address")
    is_equal(len(lab.allocations()), 1, "L2 of one allocation")
    refused("L1 another request", c, [c.request(ALLOCATE, UDP)], 437)
    say(c.close(), "R2 Refresh to 0")
    for wanted, granted in ((0, 600), (1, 600), (3600, 3600), (3601, 3600), (2**32 - 1, 3600)):
        c = new()
        answer = c.allocate((A_LIFETIME, struct.pack("!I", wanted)))
        is_equal(answer.lifetime(), granted, f"L21 LIFETIME {wanted}")
        c.close()


# ------------------------------------------------------------ on an allocation

def refreshes(c, bob):
    zero = (A_LIFETIME, bytes(4))
    stranger = new().login()

    refused("R1 without an allocation", stranger, [stranger.request(REFRESH)], 437)
    refused("R7 without credentials", c, [message(REFRESH, [zero])], 401)
    refused("R5 unknown family", c, [c.request(REFRESH, zero, (A_RAF, b"\3\0\0\0"))], 443)
    refused("U25 P12 C17 another user", c,
            [bob.request(REFRESH, zero, nonce=c.nonce),
             bob.about(PERMIT, (PEER, 0), nonce=c.nonce),
             bob.about(BIND, (PEER, 9), more=[(A_CHANNEL, b"\x40\0\0\0")], nonce=c.nonce)], 441)
    for wanted, granted in ((None, 600), (1, 600), (2**32 - 1, 3600)):
        attrs = [] if wanted is None else [(A_LIFETIME, struct.pack("!I", wanted))]
        is_equal(c.ask(c.request(REFRESH, *attrs)).lifetime(), granted, f"R4 LIFETIME {wanted}")
    is_equal(len(lab.allocations()), 1, "R7 U25 the allocation lives")
    refused("P9 C9 without an allocation", stranger,
            [stranger.about(PERMIT, (PEER, 0)),
             stranger.about(BIND, (PEER, 9), more=[(A_CHANNEL, b"\x40\0\0\0")])], 437)
    stranger.sock.close()


FORBIDDEN = """127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1
    169.254.169.254 168.63.129.16 100.100.100.200 192.0.2.1 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:11.0.2.2 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b:1::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: 2001:db8::1 fe80::1 fec0::1
    fc00::1 fd00:ec2::254 ff02::1 ff0e::1 ::5efe:127.0.0.1""".split()


def permissions(c):
    canaries = [lab.udp("relay", "0.0.0.0", CANARY), lab.udp("relay", "::", CANARY)]
    for ip in ("127.0.0.1", "::1"):
        lab.udp("relay", ip).sendto(b"x", (ip, CANARY))
    is_equal([len(gathered(s, 1)) for s in canaries], [1, 1], "P5 the canaries sing")

    refused("P1 without XOR-PEER-ADDRESS", c, [c.request(PERMIT)], 400)
    refused("P2 A11 A12 addresses that are none", c,
            [c.request(PERMIT, (A_PEER, bytes(n))) for n in (0, 4, 7, 9, 16, 21)] +
            [c.request(PERMIT, (A_PEER, bytes([0, f, 0, 9]) + bytes(n)))
             for f, n in ((0, 4), (3, 4), (255, 16), (1, 16), (2, 4))] +
            [c.about(PERMIT, *[(OTHER, 0)] * 9, more=[(A_PEER, bytes(4))])], 400)
    refused("P5 forbidden", c, [c.about(PERMIT, (ip, CANARY)) for ip in FORBIDDEN], 403)
    refused("C8 forbidden", c,
            [c.about(BIND, (ip, CANARY), more=[(A_CHANNEL, b"\x40\1\0\0")])
             for ip in FORBIDDEN + OWN], 403)
    refused("P4 one forbidden among ten", c,
            [c.about(PERMIT, *[(OTHER, 0)] * 9, ("127.0.0.1", 0))], 403)
    silent("P2 P4 S5 leave no permission", c, [c.send(OTHER, 9)], "no_permission")
    refused("P13 its listener", c, [c.about(PERMIT, (SERVER, 3478)),
                                    c.about(PERMIT, (SERVER, CANARY))], 403)
    # relay to relay is allowed, so its relay address may be permitted; a port of others not
    for ip in OWN:
        c.exchange([c.about(PERMIT, (ip, 0))])
    silent("S8 P5 Send to them nevertheless", c,
           [c.send(ip, CANARY) for ip in FORBIDDEN + OWN], "no_permission", "bad_send")
    is_equal([len(received(s)) for s in canaries], [0, 0], "P5 no canary saw a packet")
    for s in canaries:
        s.close()


def channels(c):
    def bind(number, ip, port, *more):
        return c.about(BIND, (ip, port),
                       more=[(A_CHANNEL, struct.pack("!HH", number, 0)), *more])

    refused("C1 C2 A4 incomplete", c,
            [c.about(BIND, (PEER, 9)), c.request(BIND, (A_CHANNEL, b"\x40\0\0\0"))] +
            [c.about(BIND, (PEER, 9), more=[(A_CHANNEL, b"\x40\0\0\0\0\0\0\0"[:n])])
             for n in (0, 2, 3, 5, 8)], 400)
    refused("C3 numbers that are none", c,
            [bind(n, PEER, 9) for n in (0, 0x3FFF, 0x8000, 0xFFFF)], 400)
    refused("C11 peer's port 0", c, [bind(0x4000, PEER, 0)], 403)
    accepted("C6 bound, and again", c, [bind(0x4000, PEER, 9), bind(0x4000, PEER, 9)])
    accepted("C16 of two addresses the first", c,
             [c.about(BIND, (PEER, 9), ("127.0.0.1", 9), more=[(A_CHANNEL, b"\x40\0\0\0")])])
    refused("C4 C5 another peer, another number", c,
            [bind(0x4000, PEER, 10), bind(0x4000, OTHER, 9), bind(0x4001, PEER, 9)], 400)


def indications(c, peer):
    port = peer.getsockname()[1]
    address = message(SEND, [(A_DATA, b"x")], INDICATION)
    stranger = new().login()

    silent("S1 without an allocation", stranger, [stranger.send(PEER, port)], "no_allocation")
    silent("S2 S3 S16 incomplete", c,
           [address, c.about(SEND, (PEER, port), klass=INDICATION), c.send(PEER, 0)], "bad_send")
    silent("A27 unknown, required", c, [c.send(PEER, port, more=[(0x7FFE, b"")])], "bad_send")
    silent("S12 a peer without permission", c, [c.send(OTHER, port)], "no_permission")
    silent("S11 forbidden first", c,
           [c.about(SEND, ("127.0.0.1", port), (PEER, port), more=[(A_DATA, b"x")],
                    klass=INDICATION)], "no_permission", "bad_send")
    is_equal(received(peer), [], "S1-S12 nothing reached the peer")
    silent("S4 S6 S11 S15 good ones", c,
           [c.send(PEER, port, b""), c.send(PEER, port, b"abc"),
            c.about(SEND, (PEER, port), ("127.0.0.1", port), more=[(A_DATA, b"two")],
                    klass=INDICATION),
            c.send(PEER, port, b"mi", more=[(A_USERNAME, b"who"), (A_MI, bytes(20))])],
           "to_peer", "user_to_peer")
    is_equal(gathered(peer, 4), [b"", b"abc", b"two", b"mi"], "S4-S15 arrive as they are")
    stranger.sock.close()


def gathered(sock, n):
    got = []
    try:
        while len(got) < n:
            got.append(sock.recv(65536))
    except socket.timeout:
        pass
    return got + received(sock)


def channel_data(c, peer):
    port = peer.getsockname()[1]
    stranger = new()

    def data(number, length, payload):
        return struct.pack("!HH", number, length) + payload

    silent("D13 before the channel is bound", c, [data(0x4002, 4, b"none")], "no_channel")
    accepted("C6 bind", c, [c.about(BIND, (PEER, port), more=[(A_CHANNEL, b"\x40\2\0\0")])])
    silent("D1 without an allocation", stranger, [data(0x4002, 4, b"none")], "no_allocation")
    silent("D1 unbound", c, [data(n, 4, b"none") for n in (0x4003, 0x4FFF)], "no_channel")
    silent("D2 no channel numbers", c,
           [data(n, 4, b"none") for n in (0x8000, 0xC000, 0xFFFF)], "not_turn")
    silent("D3 longer than the datagram", c,
           [data(0x4002, n, b"none") for n in (5, 100, 65000)], "bad_channel")
    silent("D7 shorter than its header", c,
           [b"\x40", b"\x40\2", b"\x40\2\0"], "bad_channel")
    is_equal(received(peer), [], "D1-D7 nothing reached the peer")
    silent("D4 D5 D6 tails and nothing", c,
           [data(0x4002, 1, b"a" + b"pad"), data(0x4002, 4, b"abcd" + b"t" * 100),
            data(0x4002, 0, b""), data(0x4002, 2, b"ab")], "to_peer", "user_to_peer")
    is_equal(sorted(gathered(peer, 4)), [b"", b"a", b"ab", b"abcd"], "D4-D6 arrive without them")
    stranger.sock.close()


def allocation():
    c, bob, peer = new(), new("bob", "builder").login(), lab.udp("peer", PEER)
    is_equal(c.allocate(BOTH).code(), "ok", "an allocation of both families")
    refreshes(c, bob)
    permissions(c)
    channels(c)
    indications(c, peer)
    channel_data(c, peer)
    say(c.close(), "R2 Refresh to 0")
    is_equal(lab.allocations(), [], "R2 it is gone")
    bob.sock.close()
    peer.close()


# ----------------------------------------------------------------- at random

def rss_kib():
    with open(f"/proc/{RELAY_PID}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def mutant(rng, models):
    """Noise, or a message with some bytes changed, cut or made longer."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(1400))
    text = bytearray(rng.choice(models))
    for _ in range(rng.randrange(1, 6)):
        if text:
            text[rng.randrange(len(text))] = rng.choice((0, 1, 4, 0x7F, 0xFF, rng.randrange(256)))
    if rng.random() < 0.3:
        text = text[:rng.randrange(len(text) + 1)]
    if rng.random() < 0.2:
        text += rng.randbytes(rng.randrange(200))
    return bytes(text)


def at_random():
    rng = random.Random(SEED)
    clients = [new() for _ in range(4)]
    for c in clients[:2]:
        c.allocate()
    for c in clients[2:]:
        c.login()
    peer = lab.udp("peer", PEER)
    port = peer.getsockname()[1]
    before, sent, rss = lab.ends(), 0, 0
    while sent < RANDOM_DATAGRAMS:
        c = clients[sent // 50 % 4]
        models = [c.request(ALLOCATE, UDP), c.request(REFRESH), c.about(PERMIT, (PEER, 0)),
                  c.about(BIND, (PEER, port), more=[(A_CHANNEL, b"\x40\0\0\0")]),
                  c.send(PEER, port), b"\x40\0\0\4data", fingerprint(message(BINDING))]
        c.exchange([mutant(rng, models) for _ in range(50)])
        received(peer)
        sent += 50
        if sent == RANDOM_DATAGRAMS // 4:       # buffers have their size by then
            rss = rss_kib()
    rss = rss_kib() - rss
    after = lab.ends()
    for reason in after:                        # a peer's port may be closed: more packets
        if reason.startswith("icmp"):
            before[reason] = after[reason]
    is_equal(sum(after.values()) - sum(before.values()), sent + sent // 50,
             f"{sent} at random (seed {SEED}): each counted once")
    if RSS_COUNTS:
        say(rss <= RSS_GROWTH_KIB, f"no more than {RSS_GROWTH_KIB} KiB larger for them",
            f"{rss} KiB")
    for c in clients:
        c.close()
    peer.close()


def still_works():
    c, peer = new(), lab.udp("peer", PEER)
    port = peer.getsockname()[1]
    relayed = c.allocate((A_RAF, b"\2\0\0\0" if V6 else b"\1\0\0\0")).address(A_RELAYED)
    c.exchange([c.about(PERMIT, (PEER, 0))])
    c.sock.send(c.send(PEER, port, b"there"))
    data, source = peer.recvfrom(2048)
    peer.sendto(b"and back", source)
    answer = Answer(c.sock.recv(2048))
    is_equal((data, source[:2], answer.attrs.get(A_DATA)), (b"there", relayed, b"and back"),
             "a good client is still served")
    say(c.close(), "and ends its allocation")
    is_equal(lab.allocations(), [], "no allocation is left")
    peer.close()


for part in (headers, attributes, users, allocates, allocation, at_random, still_works):
    part()
