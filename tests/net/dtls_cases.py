# SPDX-License-Identifier: MIT
"""What clients on DTLS may do, good ones through openssl s_client; dtls_test.sh starts the
daemon.

  dtls_cases.py LAB CONTROL_SOCKET CLIENT SERVER PEER [CASE...]

One line for each case: status, name and diagnostic, separated by tabs. X is a group of the
catalogue of bad input. The daemon's max-allocate-timeout is PATIENCE."""
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time

from hostile import *
from stream_client import StreamClient

PATIENCE = 3
NAME, CONTROL, CLIENT, SERVER, PEER = sys.argv[1:6]
lab = Lab(NAME, CONTROL)
COOKIE_AT = 13 + 12 + 2 + 32 + 1


def say(good, name, why=""):
    print(0 if good else 1, name, str(why).replace("\n", " "), sep="\t", flush=True)


def is_equal(got, want, name):
    say(got == want, name, f"got {got}, want {want}")


def until(what, within=2):
    """True as soon as what() is."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def bracketed(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def count(reason):
    return next(r["packets"] for r in lab.ask("stats")["reasons"] if r["reason"] == reason)


def unpermitted():
    """By the daemon, or in the kernel."""
    return count("no_permission") + count("refused")


def strangers():
    return lab.ask("status")["streams"]["strangers"]


def waiting(pipe):
    """Bytes that its reader has not taken yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


class DtlsClient(StreamClient):
    """Messages of a multiple of 4 bytes, each of them one record."""

    def __init__(self, port=3478):
        self.lab, self.ip, self.server = lab, CLIENT, SERVER
        self.user, self.password = b"alice", "secret"
        self.realm = self.nonce = self.key = None
        self.buffer = b""
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{NAME}-client", "--", "openssl", "s_client",
             "-dtls1_2", "-quiet", "-no_ign_eof", "-alpn", "stun.turn",
             "-connect", bracketed(SERVER, port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        # what is written before the end of the handshake would all be one record
        self.write(message(BINDING))
        assert Answer(self.read()).code() == "ok"

    def write(self, data):
        """A record for each message, which s_client makes of what it reads at once."""
        while data:
            size = 20 + struct.unpack("!H", data[2:4])[0]
            self.process.stdin.write(data[:size])
            data = data[size:]
            if not until(lambda: not waiting(self.process.stdin), 5):
                raise TimeoutError

    def read(self, timeout=5):
        while True:
            text = self.cut()
            if text is not None:
                return text
            if not select.select([self.process.stdout], [], [], timeout)[0]:
                raise TimeoutError
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return None
            self.buffer += more

    def end(self):
        """With close_notify."""
        self.process.stdin.close()
        self.process.wait(5)

    def vanish(self):
        self.process.kill()
        self.process.wait(5)


def allocated():
    client = DtlsClient()
    answer = client.allocate(*([(A_RAF, b"\x02\0\0\0")] if ":" in PEER else []))
    assert answer.code() == "ok", answer.code()
    client.relayed = answer.address(A_RELAYED)
    return client


def hello(cookie=b"", random=None):
    """A ClientHello of DTLS 1.2 that a server can answer."""
    extensions = (b"\0\x0a\0\4\0\2\0\x17" b"\0\x0b\0\2\1\0" b"\0\x0d\0\6\0\4\4\3\4\1")
    body = (b"\xfe\xfd" + (random or os.urandom(32)) + b"\0" + bytes([len(cookie)]) + cookie +
            b"\0\4\xc0\x2b\xc0\x2f" + b"\1\0" + struct.pack("!H", len(extensions)) + extensions)
    sequence = 1 if cookie else 0
    size = len(body).to_bytes(3, "big")
    text = b"\1" + size + struct.pack("!H", sequence) + bytes(3) + size + body
    return b"\x16\xfe\xfd\0\0" + bytes(5) + bytes([sequence]) + struct.pack("!H", len(text)) + text


def cookie_for(sock, random):
    """What HelloVerifyRequest says, and how long it was; None where there is none."""
    sock.send(hello(random=random))
    try:
        answer = sock.recv(4096)
    except TimeoutError:
        return None, 0
    assert answer[0] == 22 and answer[13] == 3, answer.hex()
    return answer[28:28 + answer[27]], len(answer)


def stranger():
    s = lab.udp("client", CLIENT)
    s.connect((SERVER, 3478))
    s.settimeout(0.5)
    return s


def half_open():
    """Handshakes that end after the server's first flight."""
    s, random = stranger(), os.urandom(32)
    cookie, size = cookie_for(s, random)
    say(size and size <= len(hello()), "X1 HelloVerifyRequest is no larger than its ClientHello",
        f"{size} of {len(hello())} bytes")
    is_equal(strangers(), 0, "X1 and nothing is kept for it")
    other = stranger()
    other.send(hello(cookie, random))
    answer = other.recv(4096)
    is_equal(answer[13], 3, "X2 a cookie from another port is none")
    is_equal(strangers(), 0, "X2 and nothing is kept for it")
    start = time.monotonic()
    s.send(hello(cookie, random))
    answer = s.recv(4096)
    is_equal((answer[0], answer[13]), (22, 2), "with its cookie it is greeted")
    is_equal(strangers(), 1, "and counts as a stranger")
    s.settimeout(2.5)
    again = s.recv(4096)
    took = time.monotonic() - start
    say(again[13] == 2 and 0.8 < took < 2, "a flight that is not answered is repeated",
        f"after {took:.1f} s")
    say(until(lambda: strangers() == 0, PATIENCE + 2), "X10 it is given up in time",
        f"{strangers()} strangers")
    s.close()
    other.close()


def garbage():
    """From strangers: nothing comes back, nothing is kept."""
    s = stranger()
    good = hello()
    wrong = [bytes([kind]) + good[1:] for kind in range(20, 64) if kind != 22]
    wrong += [good[:cut] for cut in range(1, len(good), 7)]
    wrong += [good[:3] + b"\0\1" + good[5:], good[:14] + b"\xff\xff\xff" + good[17:22] + b"\1" +
              good[23:], b"\x16" * 1400, b"\x17\xfe\xfd" + bytes(1000), b"\x15\xfe\xfd" + bytes(20)]
    before = count("dtls")
    for text in wrong:
        s.send(text)
    try:
        answer = s.recv(4096)
    except TimeoutError:
        answer = None
    is_equal(answer, None, "X5 what is no ClientHello is not answered")
    is_equal((count("dtls") - before, strangers()), (len(wrong), 0),
             "X5 it is counted, and nothing is kept")
    s.close()


def crowd():
    """One address with many half handshakes."""
    socks = []
    for _ in range(300):
        s, random = stranger(), os.urandom(32)
        cookie, _ = cookie_for(s, random)
        if cookie:
            s.send(hello(cookie, random))
        socks.append(s)
    most = strangers()
    say(200 < most <= 256, "X11 E10 an address may have so many handshakes, no more", most)
    say(until(lambda: strangers() == 0, PATIENCE + 3), "X11 and they end", strangers())
    for s in socks:
        s.close()
    client = allocated()
    client.end()
    say(until(lambda: not lab.allocations()), "X11 others are served afterwards")


def session():
    peer = lab.udp("peer", PEER)
    port = peer.getsockname()[1]
    client = allocated()
    listed = lab.allocations()
    is_equal([a["transport"] for a in listed], ["dtls"], "turnpike allocations says dtls")
    turned_away = unpermitted()
    peer.sendto(b"early", client.relayed)
    # two sockets of the daemon: which it reads first is not said
    say(until(lambda: unpermitted() > turned_away), "what comes without a permission is dropped")
    client.permit(PEER)
    peer.sendto(b"late", client.relayed)
    indication = Answer(client.read())
    is_equal((indication.code(), indication.attrs[A_DATA]), ("data", b"late"),
             "without a permission nothing gets in, with it a Data indication comes")
    client.write(client.send(PEER, port, b"up.."))
    is_equal(peer.recv(10), b"up..", "a Send indication gets out")
    before = count("too_long")
    peer.sendto(bytes(16400), client.relayed)
    say(until(lambda: count("too_long") == before + 1), "more than a record holds is too long")
    peer.sendto(bytes(16000), client.relayed)
    is_equal(len(Answer(client.read()).attrs[A_DATA]), 16000, "as much as a record holds arrives")
    classic = bytes(range(16))
    client.write(b"\0\1\0\0" + classic)
    select.select([client.process.stdout], [], [], 5)
    text = os.read(client.process.stdout.fileno(), 100)     # read() insists on the cookie
    is_equal((text[:2], text[4:20], text[20:22], text[26:28]),
             (b"\1\x11", classic, b"\0\x09", b"\5\0"),
             "H8 a request of RFC 3489 is refused with 500 (RFC 8489 section 11)")
    client.end()
    say(until(lambda: not lab.allocations()), "close_notify ends the allocation")
    is_equal(strangers(), 0, "and the session")
    peer.close()


def patience():
    client = DtlsClient()
    start = time.monotonic()
    is_equal(client.exchange([]), [], "Binding is answered")
    end = client.read(PATIENCE + 3)
    took = time.monotonic() - start
    say(end is None and took < PATIENCE + 2, "T10 a session without allocation is ended in time",
        f"after {took:.1f} s")
    client.vanish()
    client = DtlsClient()
    client.login()
    client.key = b"guess"
    refused = 0
    try:
        while refused < 100:
            client.write(client.request(ALLOCATE, UDP))
            text = client.read()
            if text is None:
                break
            refused += 1
    except (BrokenPipeError, TimeoutError):
        pass
    is_equal(refused, 31, "one who guesses passwords is cut off")
    client.vanish()
    client = allocated()
    is_equal(Answer(client.exchange([client.request(REFRESH, (A_LIFETIME, bytes(4)))])[0]).code(),
             "ok", "Refresh with lifetime 0")
    is_equal(len(lab.allocations()), 0, "ends the allocation")
    answer = client.ask(client.request(ALLOCATE, UDP))
    is_equal(answer.code(), "ok", "and the session goes on")
    client.end()


ALL = {"half_open": half_open, "garbage": garbage, "session": session, "patience": patience,
       "crowd": crowd}
for case in sys.argv[6:] or ALL:
    ALL[case]()
say(until(lambda: not lab.allocations() and not strangers(), PATIENCE + 3), "nothing is left",
    (len(lab.allocations()), strangers()))
