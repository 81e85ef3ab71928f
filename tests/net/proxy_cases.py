# SPDX-License-Identifier: MIT
"""Clients behind a proxy that speaks the PROXY protocol; proxy_test.sh starts the daemon.

  proxy_cases.py LAB CONTROL_SOCKET CLIENT SERVER one_by_one|crowd

The proxy is this program: its connections come from CLIENT, the clients are invented. One
line for each case: status, name and diagnostic, separated by tabs."""
import ipaddress
import os
import select
import struct
import sys
import time

from case_report import is_equal, say, until
from running_lab import RunningLab
from stream_client import *

PORT, PATIENCE = 4000, 3
NAME, CONTROL, CLIENT, SERVER, CASES = sys.argv[1:6]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FAR4, FAR6 = "8.8.4.4", "2a00:9::9"
lab = RunningLab(NAME, CONTROL)


def header(ip=FAR4, port=5555, to="9.9.9.9", tlvs=b"", command=0x21):
    a, b = ipaddress.ip_address(ip).packed, ipaddress.ip_address(to).packed
    rest = a + b + struct.pack("!HH", port, 443) + tlvs
    return SIGNATURE + bytes([command, 0x11 if len(a) == 4 else 0x21]) + \
        struct.pack("!H", len(rest)) + rest


def local():
    return SIGNATURE + b"\x20\0\0\0"


class Proxied(StreamClient):
    def __init__(self, head, tls=False, pieces=0):
        super().__init__(lab, CLIENT, SERVER)
        self.head, self.pieces = head, pieces or len(head) or 1
        self.open(PORT, tls={} if tls else None)

    def introduce(self):
        for at in range(0, len(self.head), self.pieces):
            self.sock.sendall(self.head[at:at + self.pieces])
            time.sleep(0.002)


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


def ended(data, name, at_once=True):
    """at_once: before patience is at an end."""
    start = time.monotonic()
    try:
        closed = Proxied(data).closed() is not None
    except OSError:
        closed = True
    took = time.monotonic() - start
    say(closed and (took < PATIENCE or not at_once), name, f"closed: {closed}, after {took} s")


def one_by_one():
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
    ended(message(BINDING), "no header: closed")
    ended(b"PROXY TCP4 8.8.4.4 9.9.9.9 5555 443\r\n", "version 1: closed")
    ended(header(command=0x11), "another version: closed")
    ended(header()[:13] + b"\x12" + header()[14:], "of a datagram: closed")
    ended(header()[:14] + b"\0\4" + header()[16:], "too short for its addresses: closed")
    ended(SIGNATURE + b"\x21\x11\xff\xff" + bytes(60000), "much too long: closed")
    ended(header()[:20], "half a header: closed in time", at_once=False)
    ended(b"", "silence: closed in time", at_once=False)
    ended(header() + header(), "a second header: closed")


def crowd():
    """Strangers are limited by their own addresses, not by the proxy's. With more patience:
    the first are still there with the last."""
    clients = [Proxied(header(f"8.8.{i // 200}.{i % 200 + 1}")) for i in range(300)]
    is_equal(until(lambda: lab.strangers() == 300), True, "300 clients behind one proxy")
    alike = [Proxied(header(FAR6, i + 1, "2a00:9::1")) for i in range(300)]
    until(lambda: len(select.select([c.sock for c in alike], [], [], 0)[0]) == 300 - 256)
    is_equal(lab.strangers(), 300 + 256, "but of one client no more than 256")
    for client in clients + alike:
        client.sock.close()


{"one_by_one": one_by_one, "crowd": crowd}[CASES]()
say(until(lambda: not lab.allocations() and not lab.strangers()), "nothing is left",
    lab.ask("status")["streams"])
