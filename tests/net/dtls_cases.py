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

from admission import admission
from case_report import SLACK, is_equal, say, until
from hostile import *
from running_lab import RunningLab
from stream_client import StreamClient

PATIENCE = 3
NAME, CONTROL, CLIENT, SERVER, PEER = sys.argv[1:6]
lab = RunningLab(NAME, CONTROL)
COOKIE_AT = 13 + 12 + 2 + 32 + 1


def bracketed(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


class DtlsClient(StreamClient):
    """Messages of a multiple of 4 bytes, each of them one record."""

    def __init__(self, port=3478):
        super().__init__(lab, CLIENT, SERVER)
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{NAME}-client", "--", "openssl", "s_client",
             "-dtls1_2", "-quiet", "-no_ign_eof", "-alpn", "stun.turn",
             "-connect", bracketed(SERVER, port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        # what is written before the end of the handshake would all be one record
        self.write(message(BINDING))
        assert Answer(self.read()).code() == "ok"

    def write(self, data):
        """A record for each message, which s_client makes of what it reads at once: the next one
        waits until this one was read."""
        while data:
            size = 20 + struct.unpack("!H", data[2:4])[0]
            self.process.stdin.write(data[:size])
            data = data[size:]
            assert until(self.is_taken)

    def is_taken(self):
        waiting = fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4))
        return waiting == bytes(4) or self.process.poll() is not None

    def read(self, timeout=SLACK):
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
        self.process.wait(SLACK)

    def vanish(self):
        self.process.kill()
        self.process.wait(SLACK)


def allocated():
    return DtlsClient().relay_to(PEER)


def hello(cookie=b"", random=None):
    """A ClientHello of DTLS 1.2 that a server can answer."""
    extensions = (b"\0\x0a\0\4\0\2\0\x17" b"\0\x0b\0\2\1\0" b"\0\x0d\0\6\0\4\4\3\4\1")
    body = (b"\xfe\xfd" + (random or os.urandom(32)) + b"\0" + bytes([len(cookie)]) + cookie +
            b"\0\4\xc0\x2b\xc0\x2f" + b"\1\0" + struct.pack("!H", len(extensions)) + extensions)
    sequence = 1 if cookie else 0
    size = len(body).to_bytes(3, "big")
    text = b"\1" + size + struct.pack("!H", sequence) + bytes(3) + size + body
    return b"\x16\xfe\xfd\0\0" + bytes(5) + bytes([sequence]) + struct.pack("!H", len(text)) + text


def cookie_in(answer):
    """Of a HelloVerifyRequest."""
    assert answer[0] == 22 and answer[13] == 3, answer.hex()
    return answer[28:28 + answer[27]]


def stranger():
    s = lab.udp("client", CLIENT)
    s.connect((SERVER, 3478))
    return s


def half_open():
    """Handshakes that end after the server's first flight."""
    s, random = stranger(), os.urandom(32)
    s.send(hello(random=random))
    answer = s.recv(4096)
    cookie = cookie_in(answer)
    say(len(answer) <= len(hello()), "X1 HelloVerifyRequest is no larger than its ClientHello",
        f"{len(answer)} of {len(hello())} bytes")
    is_equal(lab.strangers(), 0, "X1 and nothing is kept for it")
    other = stranger()
    other.send(hello(cookie, random))
    answer = other.recv(4096)
    is_equal(answer[13], 3, "X2 a cookie from another port is none")
    is_equal(lab.strangers(), 0, "X2 and nothing is kept for it")
    start = time.monotonic()
    s.send(hello(cookie, random))
    answer = s.recv(4096)
    is_equal((answer[0], answer[13]), (22, 2), "with its cookie it is greeted")
    is_equal(lab.strangers(), 1, "and counts as a stranger")
    again = s.recv(4096)
    took = time.monotonic() - start
    say(again[13] == 2 and 0.8 < took < PATIENCE, "a flight that is not answered is repeated",
        f"after {took:.1f} s")
    say(until(lambda: lab.strangers() == 0), "X10 it is given up in time",
        f"{lab.strangers()} strangers")
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
    before = lab.count("dtls")
    for text in wrong + [good]:
        s.send(text)
    answer = s.recv(4096)
    is_equal((answer[13], received(s)), (3, []), "X5 what is no ClientHello is not answered")
    # the good one does not get in, either
    is_equal((lab.count("dtls") - before, lab.strangers()), (len(wrong) + 1, 0),
             "X5 it is counted, and nothing is kept")
    s.close()


def crowd():
    """One address with many half handshakes, side by side: the first are still there with the
    last."""
    socks, at_once = [(stranger(), os.urandom(32)) for _ in range(300)], 30
    for i in range(0, len(socks), at_once):
        some = socks[i:i + at_once]
        for s, random in some:
            s.send(hello(random=random))
        for s, random in some:
            s.send(hello(cookie_in(s.recv(4096)), random))
    most = lab.strangers()
    say(200 < most <= 256, "X11 E10 an address may have so many handshakes, no more", most)
    say(until(lambda: lab.strangers() == 0), "X11 and they end", lab.strangers())
    for s, _ in socks:
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
    admission(client, peer)
    before = lab.count("too_long")
    peer.sendto(bytes(16400), client.relayed)
    say(until(lambda: lab.count("too_long") == before + 1), "more than a record holds is too long")
    peer.sendto(bytes(16000), client.relayed)
    is_equal(len(Answer(client.read()).attrs[A_DATA]), 16000, "as much as a record holds arrives")
    classic = bytes(range(16))
    client.write(b"\0\1\0\0" + classic)
    select.select([client.process.stdout], [], [], SLACK)
    text = os.read(client.process.stdout.fileno(), 100)     # read() insists on the cookie
    is_equal((text[:2], text[4:20], text[20:22], text[26:28]),
             (b"\1\x11", classic, b"\0\x09", b"\5\0"),
             "H8 a request of RFC 3489 is refused with 500 (RFC 8489 section 11)")
    client.end()
    say(until(lambda: not lab.allocations()), "close_notify ends the allocation")
    is_equal(lab.strangers(), 0, "and the session")
    peer.close()


def patience():
    client = DtlsClient()
    start = time.monotonic()
    is_equal(client.exchange([]), [], "Binding is answered")
    end = client.read()
    took = time.monotonic() - start
    say(end is None, "T10 a session without allocation is ended in time",
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
    except BrokenPipeError:
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
say(until(lambda: not lab.allocations() and not lab.strangers()), "nothing is left",
    (len(lab.allocations()), lab.strangers()))
