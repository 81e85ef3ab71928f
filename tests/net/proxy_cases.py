# SPDX-License-Identifier: MIT
"""Clients behind a proxy that speaks the PROXY protocol; proxy_test.sh starts the daemon.

  proxy_cases.py LAB CONTROL_SOCKET CLIENT SERVER PEER

The proxy is this program: its connections come from CLIENT, the clients are invented. One
line for each case: status, name and diagnostic, separated by tabs."""
import ipaddress
import os
import struct
import sys
import time

from stream_client import *

PORT, PATIENCE = 4000, 3
NAME, CONTROL, CLIENT, SERVER, PEER = sys.argv[1:6]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FAR4, FAR6 = "8.8.4.4", "2a00:9::9"
lab = Lab(NAME, CONTROL)


def say(good, name, why=""):
    print(0 if good else 1, name, str(why).replace("\n", " "), sep="\t", flush=True)


def is_equal(got, want, name):
    say(got == want, name, f"got {got}, want {want}")


def until(what, within=2):
    end = time.monotonic() + within
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def header(ip=FAR4, port=5555, to="9.9.9.9", tlvs=b"", command=0x21):
    a, b = ipaddress.ip_address(ip).packed, ipaddress.ip_address(to).packed
    rest = a + b + struct.pack("!HH", port, 443) + tlvs
    return SIGNATURE + bytes([command, 0x11 if len(a) == 4 else 0x21]) + \
        struct.pack("!H", len(rest)) + rest


def local():
    return SIGNATURE + b"\x20\0\0\0"


class Proxied(StreamClient):
    def __init__(self, head, tls=False, pieces=0):
        self.lab, self.ip, self.server = lab, CLIENT, SERVER
        self.user, self.password = b"alice", "secret"
        self.realm = self.nonce = self.key = None
        self.buffer = b""
        self.sock = tcp(lab, CLIENT)
        self.sock.settimeout(5)
        self.sock.connect((SERVER, PORT))
        for at in range(0, len(head), pieces or len(head) or 1):
            self.sock.sendall(head[at:at + (pieces or len(head))])
            time.sleep(0.002 if pieces else 0)
        if tls:
            self.sock = context().wrap_socket(self.sock)


def served(head, who, name, **kw):
    """Allocates behind this header, and is known by that address."""
    client = Proxied(head, **kw)
    answer = client.ask(message(BINDING))
    is_equal(answer.address(A_XOR_MAPPED)[0], who, f"{name}: XOR-MAPPED-ADDRESS")
    is_equal(client.allocate().code(), "ok", f"{name}: Allocate")
    listed = [a["client"] for a in lab.allocations()]
    say(len(listed) == 1 and who in listed[0], f"{name}: listed by its own address", listed)
    client.sock.close()
    say(until(lambda: not lab.allocations()), f"{name}: ends")


def ended(data, within, name, pieces=0):
    start = time.monotonic()
    try:
        client = Proxied(data, pieces=pieces)
        took = client.closed(within)
    except OSError:
        took = time.monotonic() - start
    say(took is not None, name, "still open")


served(header(), FAR4, "IPv4")
served(header(FAR6, to="2a00:9::1"), FAR6, "IPv6")
served(header(tlvs=os.urandom(300)), FAR4, "with TLVs")
served(header(tlvs=os.urandom(60)), FAR4, "byte by byte", pieces=1)
served(header(), FAR4, "TLS behind it", tls=True)
served(local(), CLIENT, "LOCAL")
served(header(command=0x20), CLIENT, "LOCAL with addresses")
fast = Proxied(header() + message(BINDING))
is_equal(Answer(fast.read()).code(), "ok", "header and message in one segment")
fast.sock.close()
ended(message(BINDING), 1, "no header: closed")
ended(b"PROXY TCP4 8.8.4.4 9.9.9.9 5555 443\r\n", 1, "version 1: closed")
ended(header(command=0x11), 1, "another version: closed")
ended(header()[:13] + b"\x12" + header()[14:], 1, "of a datagram: closed")
ended(header()[:14] + b"\0\4" + header()[16:], 1, "too short for its addresses: closed")
ended(SIGNATURE + b"\x21\x11\xff\xff" + bytes(60000), 1, "much too long: closed")
ended(header()[:20], PATIENCE + 2, "half a header: closed in time")
ended(b"", PATIENCE + 2, "silence: closed in time")
ended(header() + header(), 1, "a second header: closed")
# strangers are limited by their own addresses, not by the proxy's
crowd = [Proxied(header(f"8.8.{i // 200}.{i % 200 + 1}")) for i in range(300)]
is_equal(until(lambda: lab.ask("status")["streams"]["strangers"] == 300), True,
         "300 clients behind one proxy")
crowd += [Proxied(header(FAR6, i + 1, "2a00:9::1")) for i in range(300)]
time.sleep(0.3)
strangers = lab.ask("status")["streams"]["strangers"]
is_equal(strangers, 300 + 256, "but of one client no more than 256")
for client in crowd:
    client.sock.close()
say(until(lambda: not lab.allocations() and not lab.ask("status")["streams"]["strangers"], 5),
    "nothing is left", lab.ask("status")["streams"])
