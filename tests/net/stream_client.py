# SPDX-License-Identifier: MIT
"""A client on TCP or TLS, on top of hostile.py's."""
import ctypes
import socket
import ssl
import struct
import time

from hostile import *

IP_TOS = 1


class StreamClient(Client):
    """tls: False, or the arguments of context()."""

    def __init__(self, lab, ip, server, port=3478, tls=None, tos=0, timeout=5, rcvbuf=0):
        self.lab, self.ip, self.server = lab, ip, server
        self.user, self.password = b"alice", "secret"
        self.realm = self.nonce = self.key = None
        self.buffer = b""
        self.sock = tcp(lab, ip, tos, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((server, port))
        if tls is not None:
            self.sock = context(**tls.get("context", {})).wrap_socket(
                self.sock, server_hostname=tls.get("name"))

    def write(self, data):
        self.sock.sendall(data)

    def read(self, timeout=5):
        """One message without its padding; None at the end of the stream."""
        self.sock.settimeout(timeout)
        while True:
            text = self.cut()
            if text is not None:
                return text
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as e:
                if isinstance(e, TimeoutError):
                    raise
                more = b""
            if not more:
                return None
            self.buffer += more

    def cut(self):
        b = self.buffer
        if len(b) < 4:
            return None
        length = struct.unpack("!H", b[2:4])[0]
        if b[0] >= 0x40:
            assert b[0] < 0x50, f"out of step: {b[:16].hex()}"
            size, used = 4 + length, (4 + length + 3) // 4 * 4
        else:
            assert b[0] < 4 and b[4:8] in struct.pack("!I", COOKIE), f"out of step: {b[:16].hex()}"
            size = used = 20 + length
        if len(b) < used:
            return None
        self.buffer = b[used:]
        return b[:size]

    def exchange(self, messages):
        """Every answer to them, up to the one to a Binding request behind them."""
        fence = message(BINDING)
        self.write(b"".join(messages) + fence)
        got = []
        while True:
            text = self.read()
            if text is None:
                raise ConnectionError("closed")
            if text[8:20] == fence[8:20]:
                return got
            got.append(text)

    def closed(self, within):
        """Seconds until the server closes, having said nothing; None where it does not."""
        start = time.monotonic()
        self.sock.settimeout(within)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            data = b""
        return None if data else time.monotonic() - start

    def bind(self, number, ip, port):
        return self.ask(self.about(BIND, (ip, port), more=[(A_CHANNEL, struct.pack("!HH", number, 0))]))

    def permit(self, ip):
        return self.ask(self.about(PERMIT, (ip, 0)))


def channel_data(number, data):
    return struct.pack("!HH", number, len(data)) + data + bytes(-len(data) % 4)


def tcp(lab, ip, tos=0, rcvbuf=0):
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with open(f"/run/netns/{lab.name}-client") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
    s = socket.socket(family, socket.SOCK_STREAM)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if tos and family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_TOS, tos)
    elif tos:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.bind((ip, 0))
    return s


def context(least=None, most=None, alpn=None, ca=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if ca:
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(ca)
    if least:
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.minimum_version = least
    if most:
        c.maximum_version = most
    if alpn:
        c.set_alpn_protocols(alpn)
    return c
