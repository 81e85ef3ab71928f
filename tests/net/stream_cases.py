# SPDX-License-Identifier: MIT
"""What clients on TCP and TLS may do wrong, and slow ones; stream_test.sh starts the daemon.

  stream_cases.py LAB CONTROL_SOCKET RELAY_PID CLIENT SERVER PEER CERTS [--no-rss]

One line for each case: status, name and diagnostic, separated by tabs. T and X are groups
of the catalogue of bad input. The daemon's max-allocate-timeout is PATIENCE."""
import socket
import ssl
import statistics
import struct
import sys
import threading
import time
import warnings

from admission import admission
from case_report import SLACK, is_equal, say, until
from running_lab import RunningLab
from stream_client import *

warnings.simplefilter("ignore", DeprecationWarning)
PATIENCE = 3
NAME, CONTROL, RELAY_PID, CLIENT, SERVER, PEER, CERTS = sys.argv[1:8]
RSS_COUNTS = "--no-rss" not in sys.argv
TLS = {}
lab = RunningLab(NAME, CONTROL)


def connect(**kw):
    return StreamClient(lab, CLIENT, SERVER).open(**kw)


def allocated(**kw):
    return connect(**kw).relay_to(PEER)


def peer_socket():
    s = lab.udp("peer", PEER)
    return s, s.getsockname()[1]


# ------------------------------------------------------------------ framing

def split_anywhere(tls):
    kind = "TLS" if tls is not None else "TCP"
    client = connect(tls=tls)
    request = message(BINDING, [(A_USERNAME, b"x" * 5)])
    answers = 0
    for at in range(1, len(request)):
        client.write(request[:at])
        time.sleep(0.001)
        client.write(request[at:])
        answers += Answer(client.read()).code() == "ok"
    is_equal(answers, len(request) - 1, f"T3 {kind}: a message split at each offset")
    for byte in request:
        client.write(bytes([byte]))
    is_equal(Answer(client.read()).code(), "ok", f"T1 {kind}: one byte at a time")
    client.write(b"".join(message(BINDING) for _ in range(1000)))
    got = sum(Answer(client.read()).code() == "ok" for _ in range(1000))
    is_equal(got, 1000, f"T2 {kind}: 1000 requests in one piece are all answered")


def unread_answers(tls):
    """More answers than fit anywhere: reading stops, and goes on without a loss."""
    kind = "TLS" if tls is not None else "TCP"
    client = connect(tls=tls, rcvbuf=4096)
    n = 20000
    requests = b"".join(message(BINDING) for _ in range(n))
    writer = threading.Thread(target=client.sock.sendall, args=(requests,)) if tls is None else None
    if writer:
        writer.start()
        time.sleep(1)       # for both ends' buffers to be full
    else:
        n = 200
        client.write(b"".join(message(BINDING) for _ in range(n)))
    got = 0
    while got < n and client.read() is not None:
        got += 1
    if writer:
        writer.join()
    is_equal(got, n, f"T2 {kind}: {n} requests of a client that reads late")


def paddings():
    peer, port = peer_socket()
    client = allocated()
    client.bind(0x4001, PEER, port)
    for length in (1, 2, 3, 4, 5):
        data = b"abcde"[:length]
        client.write(struct.pack("!HH", 0x4001, length) + data + b"\xff" * (-length % 4))
        got, source = peer.recvfrom(100)
        peer.sendto(got, source)
        is_equal((got, client.read()), (data, struct.pack("!HH", 0x4001, length) + data),
                 f"T4 ChannelData of {length} with padding of any value, and back")
    client.write(struct.pack("!HH", 0x4001, 1) + b"a")
    peer.settimeout(0.3)
    try:
        got = peer.recv(10)
    except TimeoutError:
        got = None
    client.write(b"\0\0\0")
    peer.settimeout(SLACK)
    is_equal((got, peer.recv(10)), (None, b"a"), "T4 padding that is missing is waited for")
    client.write(channel_data(0x4001, b"x" * 60000))
    is_equal(len(peer.recv(65536)), 60000, "60000 bytes to the peer")
    peer.sendto(b"y" * 60000, client.relayed)
    is_equal(len(client.read()), 60004, "60000 bytes from the peer")
    is_equal(client.close(), True, "the client gives its allocation back")


def garbage():
    cases = {
        "T5 length 0xFFFC of a stranger": b"\0\3\xff\xfc" + struct.pack("!I", COOKIE),
        "T6 length not aligned": b"\0\1\0\6",
        "T7 GET": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "T7 SSH": b"SSH-2.0-x\r\n",
        "T7 PROXY": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "T7 PROXY v2": b"\r\n\r\n\0\r\nQUIT\n" + bytes(4),
        "T9 0x80": b"\x80\0\0\0", "T9 0xFF": b"\xff\0\0\0", "T9 4": b"\4\0\0\0",
        "T9 63": b"\x3f\0\0\0", "no cookie": b"\0\1\0\0" + bytes(16),
        "ChannelData longer than any datagram": b"\x40\0\xff\xff",
    }
    for name, data in cases.items():
        for tls in (None, TLS):
            client = connect(tls=tls)
            client.write(data)
            took = client.closed()
            say(took is not None and took < PATIENCE, f"{name}{', TLS' if tls is not None else ''}: closed",
                f"after {took}")
    client = connect()
    client.write(message(0x7f))
    is_equal(client.exchange([]), [],
             "T8 unknown method: discarded, and in step")


def guesses():
    client = connect()
    client.login()
    wrong = client.request(ALLOCATE, UDP, key=b"x" * 16)
    n = 0
    for _ in range(40):
        try:
            client.write(wrong)
            if client.read() is None:
                break
        except OSError:
            break
        n += 1
    say(n <= 32, "a client that guesses passwords is closed", f"{n} guesses")


# --------------------------------------------------------------------- time

def drip(client):
    try:
        for byte in message(BINDING, [(A_USERNAME, b"x" * 40)]):
            client.write(bytes([byte]))
            time.sleep(0.2)
    except OSError:
        pass


def patience():
    """All of them wait at the same time."""
    start = time.monotonic()
    waiting = {"T10 says nothing": connect(), "X10 TLS: begins a handshake": connect(),
               "T11 half a header": connect(), "T11 a header": connect(),
               "TLS: says nothing after the handshake": connect(tls=TLS),
               "T11 a byte now and then": connect(), "asks, but does not allocate": connect()}
    held = allocated()
    waiting["X10 TLS: begins a handshake"].write(b"\x16\3\1\2\0\1\0\1\xfc\3\3")
    waiting["T11 half a header"].write(b"\0\1")
    waiting["T11 a header"].write(message(BINDING)[:19])
    dripping = threading.Thread(target=drip, args=(waiting["T11 a byte now and then"],))
    dripping.start()
    waiting["asks, but does not allocate"].exchange([])
    again = allocated()
    again.ask(again.request(REFRESH, (A_LIFETIME, bytes(4))))
    waiting["gave its allocation back"] = again
    for name, client in waiting.items():
        late = client.closed()
        took = time.monotonic() - start
        say(late is not None, f"{name}: closed in time", f"{took} s")
    say(took > PATIENCE - 1, "... and not before", f"{took} s")
    dripping.join()
    is_equal(held.exchange([]), [], "a client with an allocation stays")
    say(until(lambda: not lab.strangers()), "no stranger is left", lab.strangers())
    held.close()


def ends():
    client = connect()
    client.write(message(BINDING))
    client.sock.shutdown(socket.SHUT_WR)
    is_equal((Answer(client.read()).code(), client.read()), ("ok", None),
             "T12 closed for writing: answered, then closed")
    for how in ("closed", "reset in a message"):
        client = allocated()
        before = len(lab.allocations())
        if how != "closed":
            client.write(b"\0\1\0")
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
        say(before == 1 and until(lambda: not lab.allocations()),
            f"T13 {how}: the allocation goes at once", lab.allocations())
    client = allocated(tls=TLS)
    is_equal(lab.allocations()[0]["transport"], "tls", "a TLS client's allocation says so")
    client.sock.close()
    say(until(lambda: not lab.allocations()), "TLS closed: the allocation goes at once")
    client = allocated()
    client.ask(client.request(REFRESH, (A_LIFETIME, bytes(4))))
    is_equal(client.allocate().code(), "ok", "another allocation on the same connection")
    client.sock.close()
    until(lambda: not lab.allocations())


# --------------------------------------------------------------------- slow

def rss():
    with open(f"/proc/{RELAY_PID}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def media(number):
    return struct.pack("!I", number) + bytes(1196)


def unread(port):
    """Bytes that wait in the relay process's UDP socket: what comes on top may be lost there."""
    with open(f"/proc/{RELAY_PID}/net/udp{'6' if ':' in PEER else ''}") as f:
        rows = [line.split() for line in f][1:]
    return sum(int(r[4].split(":")[1], 16) for r in rows if int(r[1].split(":")[1], 16) == port)


def last_word(peer, client, number):
    """Sends the newest of the media, and sees it into the client's queue, which is full."""
    if not until(lambda: not unread(client.relayed[1])):
        raise TimeoutError("the relay does not read")
    before = lab.count("slow_client")
    peer.sendto(media(number), client.relayed)
    if not until(lambda: lab.count("slow_client") > before and not unread(client.relayed[1])):
        raise TimeoutError("the newest did not push out the oldest")
    return number


def ping(peer, client, number):
    """Seconds until it arrives. Again now and then: it may be lost where the flood was."""
    data, start = b"ping %d" % number, time.monotonic()
    while time.monotonic() < start + SLACK:
        peer.sendto(data, client.relayed)
        try:
            while client.read(1)[4:] != data:
                pass
            return time.monotonic() - start
        except TimeoutError:
            pass
    raise TimeoutError("others are not served")


def slow(tls):
    """T14: a client that does not read, while its peer floods it, and one that does."""
    kind = "TLS" if tls is not None else "TCP"
    peer, port = peer_socket()
    deaf, good = allocated(tls=tls, rcvbuf=4096), allocated()
    deaf.bind(0x4001, PEER, port)
    good.bind(0x4001, PEER, port)
    lost, before = lab.count("slow_client"), rss()
    pings, rounds = [], 0
    while rounds < 3000 or (lab.count("slow_client") < lost + 5000 and rounds < 30000):
        for rounds in range(rounds + 1, rounds + 101):
            for _ in range(5):
                peer.sendto(media(rounds), deaf.relayed)
        pings.append(ping(peer, good, rounds))
    say(lab.count("slow_client") > lost + 5000, f"T14 {kind}: what a client does not read is dropped",
        f"{lab.count('slow_client') - lost} of {5 * rounds}")
    # half of them, since a busy machine may make anybody wait now and then
    say(statistics.median(pings) < 0.5, f"T14 {kind}: others do not notice", f"{pings} s")
    newest = last_word(peer, deaf, rounds + 1)
    if RSS_COUNTS:
        say(rss() - before < 2048, f"T14 {kind}: bounded in memory", f"{rss() - before} KiB more")
    deaf.write(deaf.request(REFRESH))
    arrived, answer, last = 0, None, -1
    while answer is None:
        text = deaf.read()
        if text[0] >= 0x40:
            number = struct.unpack("!I", text[4:8])[0]
            assert len(text) == 1204 and number >= last
            arrived, last = arrived + 1, number
        else:
            answer = Answer(text)
    is_equal(answer.code(), "ok", f"T14 {kind}: the answer is not lost, and in step")
    say(last == newest and arrived < 10000, f"T14 {kind}: it was the oldest that was dropped",
        f"{arrived} arrived, the last is of round {last} of {newest}")
    for client in (deaf, good):         # G16: one of them while its queue is being written
        client.sock.close()
    until(lambda: not lab.allocations())


# ---------------------------------------------------------------- IP fields

def permissions():
    client = allocated()
    admission(client, peer_socket()[0])
    client.close()


# ---------------------------------------------------------------------- TLS

def refused(tls, **kw):
    try:
        client = connect(tls=tls, **kw)
        client.exchange([])
    except ssl.SSLError as e:
        return e.reason or str(e)
    except OSError as e:
        return str(e)
    return None


def all_until_closed(sock):
    """How many seconds that took, and what came."""
    start, got = time.monotonic(), b""
    try:
        while more := sock.recv(65536):
            got += more
    except OSError:         # a reset; after SLACK a timeout
        pass
    return time.monotonic() - start, got


def secure():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls = {"context": {"least": version, "most": version}}
        is_equal(refused(tls), None, f"{version.name} is served")
    tls = {"context": {"least": ssl.TLSVersion.TLSv1, "most": ssl.TLSVersion.TLSv1_1}}
    say(refused(tls) is not None, "X9 TLS 1.1 is refused")
    say("no application protocol" in str(refused({"context": {"alpn": ["http/1.1"]}})),
             "X15 only http/1.1 offered: no_application_protocol")
    for offered in (["stun.turn"], ["stun.nat-discovery"], ["h2", "stun.turn"]):
        client = connect(tls={"context": {"alpn": offered}})
        is_equal(client.sock.selected_alpn_protocol(), offered[-1], f"ALPN {offered}")
    for name, cert in (("a.test", "a"), ("b.test", "b"), ("c.test", "b"), (None, "b")):
        client = connect(tls={"name": name, "context": {}})
        want = ssl.PEM_cert_to_DER_cert(open(f"{CERTS}/{cert}.pem").read())
        is_equal(client.sock.getpeercert(True) == want, True, f"SNI {name}: certificate {cert}")
    for name, data in (("X14 record longer than any", b"\x16\3\1\xff\xff" + bytes(70000)),
                       ("X5 an alert first", b"\x15\3\1\0\2\2\0"),
                       ("X5 data first", b"\x17\3\3\0\1\0"),
                       ("X20 no ClientHello", b"\x16\3\1\0\4\2\0\0\0"),
                       ("SSLv2", b"\x80\x2e\1\0\2")):
        client = connect()
        try:
            client.write(data)
        except OSError:
            pass
        took, _ = all_until_closed(client.sock)
        say(took < PATIENCE, f"{name}: closed", f"after {took} s")
    client = connect(tls=TLS)
    is_equal(client.exchange([]), [], "a good client is served after all that")


def plain_in_tls():
    """X6: what is not a record, in a connection that was secure."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = connect()
    tls = context().wrap_bio(incoming, outgoing)
    while True:
        try:
            tls.do_handshake()
            client.write(outgoing.read())
            break
        except ssl.SSLWantReadError:
            client.write(outgoing.read())
            incoming.write(client.sock.recv(65536))
    client.write(message(BINDING))
    took, got = all_until_closed(client.sock)
    say(took < PATIENCE and struct.pack("!I", COOKIE) not in got,
        "X6 plain messages inside TLS: closed, not answered", f"after {took} s: {got.hex()}")


for transport in (None, TLS):
    split_anywhere(transport)
    unread_answers(transport)
paddings()
garbage()
guesses()
ends()
patience()
slow(None)
slow(TLS)
permissions()
secure()
plain_in_tls()
is_equal(until(lambda: not lab.allocations()), True, "no allocation is left")
