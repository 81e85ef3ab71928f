# SPDX-License-Identifier: MIT
"""What every message of STUN and TURN is made of."""
import ipaddress
import struct

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, PERMIT, BIND = 1, 3, 4, 6, 7, 8, 9


def attribute(kind, value, length=None):
    length = len(value) if length is None else length
    return struct.pack("!HH", kind, length) + value + bytes(-len(value) % 4)


def xored(packed, txid):
    return bytes(a ^ b for a, b in zip(packed, struct.pack("!I", COOKIE) + txid))


def xor_address(ip, port, txid=b""):
    """The value of XOR-PEER-ADDRESS (RFC 8489 section 14.2); to IPv4 txid does not matter."""
    packed = ipaddress.ip_address(ip).packed
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, port ^ COOKIE >> 16) + \
        xored(packed, txid)


def read_address(value, txid):
    port = struct.unpack("!H", value[2:4])[0] ^ COOKIE >> 16
    return str(ipaddress.ip_address(xored(value[4:], txid))), port


def read_attributes(text):
    """The first value of each."""
    attrs, at = {}, 20
    while at + 4 <= len(text):
        name, length = struct.unpack("!HH", text[at:at + 4])
        attrs.setdefault(name, text[at + 4:at + 4 + length])
        at += 4 + length + -length % 4
    return attrs
