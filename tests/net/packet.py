# SPDX-License-Identifier: MIT
"""Ethernet frames with UDP in IPv4 or IPv6, made and read for tests, with a checksum of its own."""
import socket
import struct
import time

UDP, ICMP, ICMP6 = 17, 1, 58


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET, text)


def total(data):
    data += bytes(len(data) % 2)
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n


def pseudo(src, dst, proto, length):
    return src + dst + (struct.pack('!HH', proto, length) if len(src) == 4 else
                        struct.pack('!II', length, proto))


def udp(src, dst, sport, dport, data, error=0, no_checksum=False):
    """error: by how much the checksum is wrong, in one's complement."""
    length = 8 + len(data)
    head = struct.pack('!HHHH', sport, dport, length, 0)
    check = 0xffff - total(pseudo(ip(src), ip(dst), UDP, length) + head + data) or 0xffff
    if error:
        check = check + error
        check = (check & 0xffff) + (check >> 16)
    return head[:6] + struct.pack('!H', 0 if no_checksum else check) + data


def packet(src, dst, payload, proto=UDP, tos=0, ttl=64, df=False, ident=0xbeef, label=0x12345,
           options=b'', frag=0):
    if ':' in src:
        return struct.pack('!IHBB', 6 << 28 | tos << 20 | label, len(payload), proto, ttl) + \
            ip(src) + ip(dst) + payload
    size = 20 + len(options)
    head = struct.pack('!BBHHHBBH', 0x40 | size // 4, tos, size + len(payload), ident,
                       0x4000 if df else frag, ttl, proto, 0) + ip(src) + ip(dst) + options
    return head[:10] + struct.pack('!H', 0xffff - total(head)) + head[12:] + payload


def frame(dmac, smac, content):
    kind = 0x86dd if content[0] >> 4 == 6 else 0x0800
    return mac(dmac) + mac(smac) + struct.pack('!H', kind) + content


def icmp(src, dst, kind, code, rest, inner):
    """An ICMP or ICMPv6 packet's payload; rest are the 4 bytes behind the checksum."""
    body = struct.pack('!BBHI', kind, code, 0, rest) + inner
    over = pseudo(ip(src), ip(dst), ICMP6, len(body)) if ':' in src else b''
    return body[:2] + struct.pack('!H', 0xffff - total(over + body)) + body[4:]


class Packet:
    """What is in a frame; .data is None where it is not a whole UDP datagram."""

    def __init__(self, raw):
        self.data = None
        self.family = {0x0800: 4, 0x86dd: 6}.get(struct.unpack('!H', raw[12:14])[0], 0)
        self.raw = p = raw[14:]
        if self.family == 4:
            self.tos, self.length, self.ident, frag, self.ttl, self.proto = \
                struct.unpack('!xBHHHBBxx', p[:12])
            self.header = (p[0] & 15) * 4
            self.df, self.more, self.offset = frag >> 14 & 1, frag >> 13 & 1, frag & 0x1fff
            self.fragment = bool(self.more or self.offset)
            self.src, self.dst = p[12:16], p[16:20]
            self.good_header = total(p[:self.header]) == 0xffff
        elif self.family == 6:
            first, length, self.proto, self.ttl = struct.unpack('!IHBB', p[:8])
            self.tos, self.label, self.length = first >> 20 & 255, first & 0xfffff, 40 + length
            self.header, self.src, self.dst, self.good_header = 40, p[8:24], p[24:40], True
            self.fragment = self.proto == 44
        if not self.family or self.fragment or self.proto != UDP:
            return
        datagram = p[self.header:self.length]
        self.sport, self.dport, length, self.check = struct.unpack('!HHHH', datagram[:8])
        if length != len(datagram):
            return
        self.data = datagram[8:]
        self.sum = total(pseudo(self.src, self.dst, UDP, length) + datagram)

    @property
    def error(self):
        """0 where the checksum is right, else by how much it is wrong."""
        return 0 if self.sum in (0, 0xffff) else self.sum


def capture(wire, end, wanted):
    """The first incoming packet that wanted() takes, until that time; else None."""
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return None
        wire.settimeout(left)
        try:
            raw, where = wire.recvfrom(65536)
        except (TimeoutError, socket.timeout):
            return None
        if where[2] == 4:       # PACKET_OUTGOING
            continue
        p = Packet(raw)
        if wanted(p):
            return p
