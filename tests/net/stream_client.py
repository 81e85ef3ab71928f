# SPDX-License-Identifier: MIT
"""A client on TCP or TLS, on top of hostile.py's."""
import socket
import ssl
import struct
import time

from hostile import *


class StreamClient(Client):
    """Its messages, cut out of a stream of bytes; this one's is TCP, or TLS."""

    buffer = b""

    def open(self, port=3478, tls=None, rcvbuf=0):
        """tls: None, or {"name": for SNI, "context": arguments of context()}."""
        self.sock = self.lab.tcp("client", self.ip)
        option = self.sock.setsockopt
        if rcvbuf:
            option(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect((self.server, port))
        self.introduce()
        if tls is not None:
            self.sock = context(**tls.get("context", {})).wrap_socket(
                self.sock, server_hostname=tls.get("name"))
        return self

    def introduce(self):
        """What goes before everything else, TLS included."""

    def write(self, data):
        self.sock.sendall(data)

    def read(self, timeout=SLACK):
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

    def closed(self):
        """Seconds until the server closes, having said nothing; None where it does not."""
        start = time.monotonic()
        self.sock.settimeout(SLACK)
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

    def relay_to(self, ip):
        """With an allocation for peers of that family; self.relayed is its address."""
        answer = self.allocate(*([(A_RAF, b"\x02\0\0\0")] if ":" in ip else []))
        assert answer.code() == "ok", answer.code()
        self.relayed = answer.address(A_RELAYED)
        return self


def channel_data(number, data):
    return struct.pack("!HH", number, len(data)) + data + bytes(-len(data) % 4)


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
