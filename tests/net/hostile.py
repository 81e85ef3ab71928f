# SPDX-License-Identifier: MIT
"""STUN and TURN messages, made byte by byte so that each may be wrong in one place, and clients
that send them."""
import hashlib
import hmac
import os
import struct
import zlib

from case_report import SLACK
from stun import *

REQUEST, INDICATION, SUCCESS, ERROR = 0, 1, 2, 3
A_MAPPED, A_USERNAME, A_MI, A_ERROR, A_CHANNEL, A_LIFETIME = 0x1, 0x6, 0x8, 0x9, 0xC, 0xD
A_PEER, A_DATA, A_REALM, A_NONCE, A_RELAYED, A_RAF = 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
A_EVEN, A_TRANSPORT, A_DF, A_MI256, A_XOR_MAPPED, A_TOKEN = 0x18, 0x19, 0x1A, 0x1C, 0x20, 0x22
A_AAF, A_FINGERPRINT = 0x8000, 0x8028

UDP = (A_TRANSPORT, b"\x11\0\0\0")
BOTH = (A_AAF, b"\x02\0\0\0")


def header(method, klass, length, txid, cookie=COOKIE):
    kind = (method & 0xF) | (method & 0x70) << 1 | (method & 0xF80) << 2
    kind |= (klass & 1) << 4 | (klass & 2) << 7
    return struct.pack("!HHI", kind, length, cookie) + txid


def message(method, attrs=(), klass=REQUEST, txid=None, key=None, after=b""):
    """attrs: (type, value) or ready bytes; key adds MESSAGE-INTEGRITY, after follows it."""
    txid = txid or os.urandom(12)
    body = b"".join(a if isinstance(a, bytes) else attribute(*a) for a in attrs)
    if key:
        text = header(method, klass, len(body) + 24, txid) + body
        body += attribute(A_MI, hmac.new(key, text, hashlib.sha1).digest())
    body += after
    return header(method, klass, len(body), txid) + body


def fingerprint(text):
    """The message with a FINGERPRINT at its end."""
    text = text[:2] + struct.pack("!H", len(text) - 20 + 8) + text[4:]
    return text + attribute(A_FINGERPRINT, struct.pack("!I", zlib.crc32(text) ^ 0x5354554E))


def peer(ip, port, txid):
    return attribute(A_PEER, xor_address(ip, port, txid))


class Answer:
    def __init__(self, text):
        kind, _, _ = struct.unpack("!HHI", text[:8])
        self.text, self.txid = text, text[8:20]
        self.method = kind & 0xF | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
        self.klass = (kind >> 4 & 1) | (kind >> 7 & 2)
        self.attrs = read_attributes(text)

    def code(self):
        """"ok", the number of the error, or "data"."""
        if self.klass == ERROR:
            value = self.attrs[A_ERROR]
            return (value[2] & 7) * 100 + value[3]
        return "ok" if self.klass == SUCCESS else "data"

    def address(self, kind):
        return read_address(self.attrs[kind], self.txid)

    def lifetime(self):
        return struct.unpack("!I", self.attrs[A_LIFETIME])[0]


def received(sock):
    """What is there already."""
    sock.setblocking(False)
    got = []
    try:
        while True:
            got.append(sock.recv(65536))
    except BlockingIOError:
        pass
    finally:
        sock.settimeout(SLACK)
    return got


class Client:
    """What it knows about itself and its server, and the messages it makes of it. How they get
    there, and what is answered, its transport says: exchange()."""

    def __init__(self, lab, ip, server, user="alice", password="secret"):
        self.lab, self.ip, self.server = lab, ip, server
        self.user, self.password = user.encode(), password
        self.realm = self.nonce = self.key = None

    def ask(self, datagram):
        """The answer to one, None where there is none."""
        got = self.exchange([datagram])
        return Answer(got[0]) if len(got) == 1 else None

    def login(self):
        challenge = self.ask(message(ALLOCATE))
        self.realm, self.nonce = challenge.attrs[A_REALM], challenge.attrs[A_NONCE]
        text = b":".join((self.user, self.realm, self.password.encode()))
        self.key = hashlib.md5(text).digest()
        return self

    def credentials(self, user=None, realm=None, nonce=None):
        return [(A_USERNAME, self.user if user is None else user),
                (A_REALM, self.realm if realm is None else realm),
                (A_NONCE, self.nonce if nonce is None else nonce)]

    def request(self, method, *attrs, txid=None, **kw):
        """With good credentials, but for what kw says."""
        key = kw.pop("key", self.key)
        return message(method, list(attrs) + self.credentials(**kw), txid=txid, key=key)

    def about(self, method, *addresses, more=(), klass=REQUEST, **kw):
        """A request or indication that names (ip, port) pairs."""
        txid = os.urandom(12)
        attrs = [peer(ip, port, txid) for ip, port in addresses] + list(more)
        if klass == INDICATION:
            return message(method, attrs, INDICATION, txid)
        return self.request(method, *attrs, txid=txid, **kw)

    def send(self, ip, port, data=b"x", more=()):
        return self.about(SEND, (ip, port), more=[(A_DATA, data), *more], klass=INDICATION)

    def allocate(self, *attrs):
        self.login()
        return self.ask(self.request(ALLOCATE, UDP, *attrs))

    def close(self):
        """True where there was an allocation and it is gone."""
        answer = self.ask(self.request(REFRESH, (A_LIFETIME, bytes(4))))
        self.sock.close()
        return answer is not None and answer.code() == "ok"


class UdpClient(Client):
    """One 5-tuple."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.sock = self.lab.udp("client", self.ip)
        self.sock.connect((self.server, 3478))

    def exchange(self, datagrams):
        """Every answer to them: a Binding request goes last and is answered last. XDP leaves
        one with a USERNAME to the daemon, who has the others."""
        fence = message(BINDING, [(A_USERNAME, b"last")])
        for datagram in datagrams:
            self.sock.send(datagram)
        self.sock.send(fence)
        got = []
        while True:
            text = self.sock.recv(65536)
            if text[8:20] == fence[8:20]:
                return got
            got.append(text)
