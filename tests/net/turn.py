# SPDX-License-Identifier: MIT
"""A TURN client for tests in Python: over a UDP socket, with a long-term credential."""
import hashlib
import hmac
import os
import struct
import time

from case_report import SLACK
from stun import ALLOCATE, BIND, COOKIE, DATA, PERMIT, REFRESH, SEND, attribute as attr, \
    read_address, read_attributes, xor_address


def message(kind, txid, *attrs):
    body = b''.join(attrs)
    return struct.pack('!HHI', kind, len(body), COOKIE) + txid + body


def parse(data):
    """(type, txid, {attribute: first value}), or None."""
    if len(data) < 20 or data[0] >= 0x40:
        return None
    kind, length, cookie = struct.unpack('!HHI', data[:8])
    if cookie != COOKIE or length != len(data) - 20:
        return None
    return kind, data[8:20], read_attributes(data)


def channel_data(number, data):
    return struct.pack('!HH', number, len(data)) + data


def send_indication(peer, data, dont_fragment=False):
    txid = os.urandom(12)
    return message(SEND | 0x10, txid, attr(0x12, xor_address(*peer, txid)), attr(0x13, data),
                   attr(0x1A, b'') if dont_fragment else b'')


class Client:
    def __init__(self, sock, server):
        self.sock = sock
        self.sock.connect((server, 3478))
        self.nonce = self.realm = b''

    def request(self, method, *attrs):
        """The attributes of the success answer, and its transaction id."""
        for _ in range(3):
            txid = os.urandom(12)
            body = [a(txid) if callable(a) else a for a in attrs]
            self.sock.send(self.signed(method, txid, body))
            kind, _, answer = self.answer(txid)
            if kind == method | 0x100:
                return answer, txid
            self.realm, self.nonce = answer.get(0x14, self.realm), answer.get(0x15, self.nonce)
            code = answer[9][2] * 100 + answer[9][3]
            if code not in (401, 438):
                break
        raise RuntimeError(f'method {method}: error {code}')

    def signed(self, method, txid, body):
        if not self.nonce:
            return message(method, txid, *body)
        body += [attr(6, b'alice'), attr(0x14, self.realm), attr(0x15, self.nonce)]
        key = hashlib.md5(b'alice:' + self.realm + b':secret').digest()
        whole = message(method, txid, *body)
        whole = whole[:2] + struct.pack('!H', len(whole) - 20 + 24) + whole[4:]
        return whole + attr(8, hmac.new(key, whole, hashlib.sha1).digest())

    def answer(self, txid):
        end = time.monotonic() + SLACK
        while time.monotonic() < end:
            m = parse(self.sock.recv(65536))
            if m and m[1] == txid:
                return m
        raise RuntimeError('no answer')

    def allocate(self, family):
        """The relayed transport address."""
        answer, txid = self.request(ALLOCATE, attr(0x19, bytes([17, 0, 0, 0])),
                                    attr(0x17, bytes([2 if family == 6 else 1, 0, 0, 0])))
        return read_address(answer[0x16], txid)

    def permit(self, address):
        self.request(PERMIT, lambda txid: attr(0x12, xor_address(address, 0, txid)))

    def bind(self, number, peer):
        self.request(BIND, attr(0x0C, struct.pack('!HH', number, 0)),
                     lambda txid: attr(0x12, xor_address(*peer, txid)))

    def close(self):
        """Gives the allocation back."""
        self.request(REFRESH, attr(0x0D, bytes(4)))
        self.sock.close()
