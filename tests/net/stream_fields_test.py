#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
RFC 8656 sections 15 and 16 on the wire: every field of the IP header of what goes to a peer
for a client on TCP or TLS, and of the connection's own segments, whatever a peer's datagrams
had in theirs; in all four pairs of families.
"""
import itertools
import os
import socket
import ssl
import struct
import subprocess
import time

from lab import AF, CLIENT, PEER, SERVER, Lab, Tap
from packet import Packet, capture, frame, packet, udp
from turn import Client, channel_data, parse, send_indication

CHANNEL = 0x4009
DSCPS = (0, 8, 46)
ECNS = range(4)
TTL = 64                # the system's default
DATA, A_ICMP = 0x17, 0x8004
PATIENCE_S = 10
MTU = 1500
TCP_PROTO = 6


class Framed:
    """Messages on a connection, for turn.Client."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b''
        self.connect, self.close = lambda to: None, sock.close

    def send(self, text):
        self.sock.sendall(text + bytes(-len(text) % 4))

    def recv(self, _=None):
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack('!H', self.buffer[2:4])[0]
                size += 20 if self.buffer[0] < 0x40 else 4
                used = size + -size % 4
                if len(self.buffer) >= used:
                    text, self.buffer = self.buffer[:size], self.buffer[used:]
                    return text
            more = self.sock.recv(65536)
            assert more, 'the server has closed'
            self.buffer += more


def connect(lab, family, dscp, tls):
    sock = lab.socket('client', AF[family], socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_S)
    sock.setsockopt(*((socket.IPPROTO_IP, socket.IP_TOS) if family == 4 else
                      (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)), dscp << 2)
    sock.bind((CLIENT[family], 0))
    sock.connect((SERVER[family], 3478))
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def drain(wire):
    """What came in there already."""
    wire.setblocking(False)
    got = []
    try:
        while True:
            raw, where = wire.recvfrom(65536)
            if where[2] != 4:       # PACKET_OUTGOING
                got.append(Packet(raw))
    except BlockingIOError:
        return got


class Leg:
    """One client, its relayed address and its peer."""

    def __init__(self, lab, wires, macs, families, dscp, tls):
        self.lab, (self.near, self.far), self.macs = lab, wires, macs
        self.c, self.p = families
        self.name = f'{"TLS" if tls else "TCP"} IPv{self.c} to IPv{self.p}, DSCP {dscp}'
        self.dscp = dscp
        drain(self.near)
        sock = connect(lab, self.c, dscp, tls)
        self.port = sock.getsockname()[1]
        self.client = Client(Framed(sock), SERVER[self.c])
        self.peer = lab.udp('peer', PEER, self.p)
        self.peer.settimeout(PATIENCE_S)
        self.relayed = self.client.allocate(self.p)
        self.to = PEER[self.p], self.peer.getsockname()[1]
        self.client.bind(CHANNEL, self.to)

    def close(self):
        self.client.close()
        self.peer.close()

    def up(self, messages, fence):
        """All packets from the relayed address, up to the one that holds the fence."""
        drain(self.far)
        for text in (*messages, channel_data(CHANNEL, fence)):
            self.client.sock.send(text)
        got, source = [], socket.inet_pton(AF[self.p], self.relayed[0])
        while not got or got[-1].data != fence:
            p = capture(self.far, time.monotonic() + PATIENCE_S,
                        lambda p: p.family == self.p and p.src == source)
            assert p, 'the fence did not arrive'
            got.append(p)
        return got[:-1]

    def segments(self):
        """The fields of the connection's segments with data so far."""
        fields = set()
        for p in drain(self.near):
            if p.family != self.c or p.proto != TCP_PROTO:
                continue
            segment = p.raw[p.header:p.length]
            if struct.unpack('!H', segment[2:4])[0] == self.port and \
                    len(segment) > segment[12] // 16 * 4:
                fields.add((p.tos >> 2, p.ttl, p.header))
                assert p.tos & 3 in (0, 2), 'the ECN of a peer'     # TCP's own, RFC 3168
        return fields


def to_peer(t, leg):
    """Section 15."""
    data = os.urandom(100)
    messages = (channel_data(CHANNEL, data), send_indication(leg.to, data),
                send_indication(leg.to, data, dont_fragment=True))
    got = leg.up(messages, b'end')
    t.same([(p.data == data, p.error) for p in got], [(True, 0)] * 3,
           f'{leg.name}: ChannelData and Send arrive')
    t.same({p.tos for p in got}, {leg.dscp << 2},
           f"{leg.name}: to the peer the connection's DSCP, Not-ECT")
    t.same({p.ttl for p in got}, {TTL}, f"{leg.name}: to the peer the system's TTL")
    t.same({(p.header, p.proto) for p in got}, {(20 if leg.p == 4 else 40, 17)},
           f'{leg.name}: to the peer no options, no extension headers')
    if leg.p == 4:
        t.same([p.df for p in got], [0, 0, 1], f'{leg.name}: DF as DONT-FRAGMENT says')


def too_large(t, leg):
    """Section 15, fragmentation: only without DONT-FRAGMENT."""
    data = os.urandom(MTU + 100)
    got = leg.up([send_indication(leg.to, data, dont_fragment=True)], b'end')
    t.same(len(got), 0, f'{leg.name}: what must not be fragmented is not sent')
    for kind, text in (('ChannelData', channel_data(CHANNEL, data)),
                       ('Send', send_indication(leg.to, data))):
        got = leg.up([text], b'end')
        t.same(([p.fragment for p in got], {p.tos for p in got}),
               ([True, True], {leg.dscp << 2}), f'{leg.name}: {kind} that is too large is fragmented')


def arrives(leg, **fields):
    """The data that the client gets for a datagram with such fields."""
    data = os.urandom(40)
    content = packet(leg.to[0], leg.relayed[0],
                     udp(leg.to[0], leg.relayed[0], leg.to[1], leg.relayed[1], data), **fields)
    leg.far.send(frame(*leg.macs, content))
    got = leg.client.sock.recv()
    return got == channel_data(CHANNEL, data)


def fragmented(leg):
    """IPv4: one datagram in two pieces."""
    data = os.urandom(200)
    whole = udp(leg.to[0], leg.relayed[0], leg.to[1], leg.relayed[1], data)
    ident = struct.unpack('!H', os.urandom(2))[0]
    for part, frag in ((whole[:96], 0x2000), (whole[96:], 96 // 8)):
        leg.far.send(frame(*leg.macs, packet(leg.to[0], leg.relayed[0], part, ident=ident,
                                             frag=frag)))
    return leg.client.sock.recv() == channel_data(CHANNEL, data)


def from_peer(t, leg):
    """Section 16."""
    t.same([arrives(leg, tos=34 << 2 | ecn) for ecn in ECNS], [True] * 4,
           f'{leg.name}: datagrams with another DSCP and every ECN arrive')
    t.same([arrives(leg, ttl=ttl) for ttl in (1, 255)], [True] * 2,
           f'{leg.name}: and with every TTL')
    if leg.p == 4:
        t.same([arrives(leg, df=True), arrives(leg, options=b'\x01\x01\x01\x00'), fragmented(leg)],
               [True] * 3, f'{leg.name}: with DF, with options, and in fragments')
    t.same(leg.segments(), {(leg.dscp, TTL, 20 if leg.c == 4 else 40)},
           f'{leg.name}: none of that is in the segments to the client')


def unreachable(t, leg):
    """Section 16, ICMP: as section 11.5 says."""
    leg.peer.close()
    leg.client.sock.send(channel_data(CHANNEL, b'nobody is there'))
    kind, _, attrs = parse(leg.client.sock.recv())
    t.ok(kind == DATA and A_ICMP in attrs,
         f'{leg.name}: an ICMP error comes as a Data indication', attrs)


def main():
    t, lab = Tap(), Lab()
    lab.settle_neighbours()
    for host in ('client', 'relay'):
        lab.sysctl(host, net__ipv4__tcp_ecn=1)      # segments are ECT(0), and nothing else is
    cert = f'{lab.tmp}/cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=lab', '-keyout',
                    f'{cert}.key', '-out', cert], check=True, stderr=subprocess.DEVNULL)
    wires = lab.wire('client'), lab.wire('peer')
    macs = lab.mac('relay', 'topeer'), lab.mac('peer', 'eth0')
    lab.start('--dataplane=xdp', f'--cert={cert}', f'--pkey={cert}.key')
    for families in itertools.product((4, 6), (4, 6)):
        for dscp, tls in (*((dscp, False) for dscp in DSCPS), (46, True)):
            leg = Leg(lab, wires, macs, families, dscp, tls)
            to_peer(t, leg)
            from_peer(t, leg)
            if dscp == DSCPS[-1]:
                too_large(t, leg)
                unreachable(t, leg)
            leg.close()
    lab.stop()
    t.done()


main()
