#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Too large for the way out, and fragments on the way in: RFC 8656 sections 13 and 14, by
the daemon, and with XDP or tc before it.

A sender who forbids fragments (DF, or IPv6) is told by XDP, with ICMP, and then sends
less. The daemon does not see his DF, and fragments (the alternate behaviour), as with XDP
it does for everybody else and with tc for all. Only DONT-FRAGMENT from an IPv4 client to
an IPv4 peer keeps a datagram whole, or else from leaving; between other families it must
be ignored.
"""
import errno
import itertools
import socket
import struct
import time

from case_report import SLACK
from lab import CLIENT, PEER, RELAY, SERVER, Lab, Tap
from packet import ICMP, ICMP6, Packet, capture, ip, pseudo, total
from turn import Client, channel_data, send_indication

CHANNEL = 0x4002
SMALL = 1280
TAG = itertools.count(1)
HEADER = {4: 20, 6: 40}
# IP_MTU_DISCOVER and IPV6_MTU_DISCOVER, and what of their values: cut what is known to be too
# large; forbid to cut and never mind what is known; the same but allow it
MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
WANT, PROBE, OMIT = 1, 3, 5


def payload(size):
    return struct.pack('!I', next(TAG)) + bytes(i * 13 & 255 for i in range(size - 4))


class Setting:
    """One allocation with a bound channel; what is received at either end, and how it came."""

    def __init__(self, tap, lab, c, p, dataplane):
        self.tap, self.lab, self.c, self.p = tap, lab, c, p
        self.fast, self.tells = dataplane != 'user', dataplane == 'xdp'
        self.name = f'{dataplane}, client IPv{c}, peer IPv{p}'
        self.far = lab.udp('peer', PEER, p)
        self.client = Client(lab.udp('client', CLIENT, c), SERVER[c])
        self.relayed = self.client.allocate(p)
        self.peer = PEER[p], self.far.getsockname()[1]
        self.client.bind(CHANNEL, self.peer)
        self.far.connect(self.relayed)

    def close(self):
        self.client.close()
        self.far.close()

    def receive(self, sock, want, wire, wait=SLACK):
        """Whether that arrives whole, and the packets that it came in."""
        sock.settimeout(wait)
        try:
            while sock.recv(65536) != want:
                pass
            whole = True
        except TimeoutError:
            whole = False
        packets = []
        wire.setblocking(False)
        try:
            while True:
                raw, where = wire.recvfrom(65536)
                p = Packet(raw)
                if where[2] != 4 and p.family and p.proto in (17, 44):
                    packets.append(p)
        except BlockingIOError:
            pass
        wire.close()
        return whole, packets

    def up(self, sent, data, wait=SLACK):
        wire, before = self.lab.wire('peer'), self.lab.counts()
        if callable(sent):
            sent()
        else:
            self.client.sock.send(sent)
        whole, packets = self.receive(self.far, data, wire, wait)
        return whole, packets, self.lab.counted(before)

    def down(self, data):
        wire, before = self.lab.wire('client'), self.lab.counts()
        self.far.send(data)
        whole, packets = self.receive(self.client.sock, channel_data(CHANNEL, data), wire)
        return whole, packets, self.lab.counted(before)


class Way:
    """From the client to the peer, or back."""

    def __init__(self, s, up):
        self.s, self.up = s, up
        self.src, self.dst = (s.c, s.p) if up else (s.p, s.c)
        self.sock = s.client.sock if up else s.far
        self.host, self.to = ('client', SERVER[s.c]) if up else ('peer', RELAY[s.p])
        self.here = (CLIENT if up else PEER)[self.src]
        self.reason = 'user_to_peer' if up else 'user_to_client'
        # what is left of the way out for the sender; peers are told of room for Data indications
        mtu = SMALL + HEADER[self.src] - HEADER[self.dst]
        self.mtu = mtu + 4 if up else mtu - 48
        self.tells = s.tells and self.mtu >= (68 if self.src == 4 else 1280)

    def discover(self, how):
        self.sock.setsockopt(*MTU_DISCOVER[self.src], how)

    def send(self, data):
        return self.s.up(channel_data(CHANNEL, data), data) if self.up else self.s.down(data)


def pieces(packets):
    return len(packets), all(p.fragment and p.length <= SMALL for p in packets)


# S14: also what a client sends without DONT-FRAGMENT
def check_cut(way, name, by='mtu'):
    """Not to be sent as it is, and nobody forbids to fragment it."""
    s = way.s
    whole, packets, counted = way.send(payload(1400))
    s.tap.ok(whole, f'{s.name}: {name}: arrives whole', counted)
    s.tap.same(pieces(packets), (2, True), f'{s.name}: {name}: in fragments that fit')
    s.tap.same((counted.get(by, 0) > 0, counted.get(way.reason), counted.get('too_big')),
               (s.fast, 1, None),
               f'{s.name}: {name}: {"passed up, " if s.fast else ""}by the daemon')


def error_to(way, p):
    """The MTU in an ICMP error about a datagram of ours, from the address that it went to."""
    if p.family != way.src or p.proto != (ICMP if way.src == 4 else ICMP6):
        return None
    body = p.raw[p.header:p.length]
    over = pseudo(p.src, p.dst, ICMP6, len(body)) if way.src == 6 else b''
    inner = body[8:]
    addresses = inner[12:20] if way.src == 4 else inner[8:40]
    if body[:2] != (b'\3\4' if way.src == 4 else b'\2\0') or total(over + body) != 0xffff or \
            (p.src, p.dst) != (ip(way.to), ip(way.here)) or addresses != p.dst + p.src:
        return None
    return struct.unpack('!I', body[4:8])[0]


def check_told(way, name):
    """The sender forbids to fragment it: he is told, and then does it himself."""
    s, data, before = way.s, payload(1400), way.s.lab.counts()
    wire = s.lab.wire(way.host)
    way.discover(PROBE)
    way.sock.send(channel_data(CHANNEL, data) if way.up else data)
    p = capture(wire, time.monotonic() + SLACK, lambda p: error_to(way, p) is not None)
    wire.close()
    s.tap.same(p and error_to(way, p), way.mtu, f'{s.name}: {name}: told of MTU {way.mtu}')
    s.tap.same(way.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.EMSGSIZE,
               f'{s.name}: {name}: the application hears of it')
    counted = s.lab.counted(before)
    s.tap.same((counted.get('too_big'), counted.get('mtu'), counted.get(way.reason)),
               (1, None, None), f'{s.name}: {name}: and it was not relayed')
    way.discover(WANT)
    check_cut(way, f'{name}, told', 'fragment')


def check_way(s, name, up):
    """By a sender who allows fragments, where there are such, and by one who does not."""
    way = Way(s, up)
    if way.src == 4:
        way.discover(OMIT)
        check_cut(way, name)
    if way.tells:
        check_told(way, f'{name}, DF')
    else:
        way.discover(PROBE)
        check_cut(way, f'{name}, DF')
    way.discover(OMIT if way.src == 4 else WANT)


def check_dont_fragment(s):
    both4 = s.c == 4 and s.p == 4
    data = payload(1000)
    whole, packets, _ = s.up(send_indication(s.peer, data, True), data)
    s.tap.ok(whole, f'{s.name}: DONT-FRAGMENT, small enough: arrives')
    if s.p == 4:
        s.tap.same([p.df for p in packets], [int(both4)],
                   f'{s.name}: DONT-FRAGMENT: DF is {"set" if both4 else "not set"}')
    data = payload(1400)
    whole, packets, counted = s.up(send_indication(s.peer, data, True), data, 0.5 if both4 else SLACK)
    if both4:
        s.tap.same((whole, len(packets), counted.get('send_failed'), counted.get('user_to_peer')),
                   (False, 0, 1, None),
                   f'{s.name}: DONT-FRAGMENT, too large: not sent, and counted once')
    else:
        s.tap.same((whole, pieces(packets)), (True, (2, True)),
                   f'{s.name}: DONT-FRAGMENT, too large: ignored')
    data = payload(1400)
    whole, packets, _ = s.up(send_indication(s.peer, data), data)
    s.tap.same((whole, pieces(packets)), (True, (2, True)),
               f'{s.name}: the next one without is fragmented')


def check_burst(s):
    """Many at once, which the daemon would have liked to send as one."""
    sent = [payload(1400) for _ in range(40)] + [payload(900) for _ in range(40)]
    for data in sent:
        s.client.sock.send(channel_data(CHANNEL, data))
    s.far.settimeout(SLACK)
    got = set()
    try:
        while len(got) < len(sent):
            got.add(s.far.recv(65536))
    except TimeoutError:
        pass
    s.tap.same(len(got & set(sent)), len(sent), f'{s.name}: a burst arrives whole')


def check_fragments_in(s):
    data = payload(3000)
    whole, _, counted = s.up(channel_data(CHANNEL, data), data)
    s.tap.same((whole, counted.get('user_to_peer'), counted.get('fragment', 0)),
               (True, 1, 3 if s.fast else 0), f"{s.name}: client's fragments are put together")
    data = payload(3000)
    whole, _, counted = s.down(data)
    s.tap.same((whole, counted.get('user_to_client'), counted.get('fragment', 0)),
               (True, 1, 3 if s.fast else 0), f"{s.name}: peer's fragments are put together")


def narrow_link(lab, dev, mtu):
    lab.run('relay', f'ip link set {dev} mtu {mtu}')
    lab.catches_up()


def check_links(s):
    narrow_link(s.lab, 'topeer', SMALL)
    check_way(s, 'narrow link to the peer', True)
    check_dont_fragment(s)
    check_burst(s)
    narrow_link(s.lab, 'topeer', 1500)
    narrow_link(s.lab, 'toclient', SMALL)
    check_way(s, 'narrow link to the client', False)
    narrow_link(s.lab, 'toclient', 1500)


def check_routes(s):
    """The same by an MTU of the route."""
    for dev, to, family in (('topeer', PEER, s.p), ('toclient', CLIENT, s.c)):
        six = '-6' if family == 6 else ''
        s.lab.run('relay', f'ip {six} route add {to[family]} dev {dev} mtu {SMALL}')
        s.lab.catches_up()
        check_way(s, f'route {dev}', dev == 'topeer')
        s.lab.run('relay', f'ip {six} route del {to[family]} dev {dev}')


def main():
    tap, lab = Tap(), Lab()
    lab.settle_neighbours()
    for dataplane in ('user', 'xdp', 'tc'):
        lab.start(f'--dataplane={dataplane}')
        for c, p in itertools.product((4, 6), (4, 6)):
            s = Setting(tap, lab, c, p, dataplane)
            check_fragments_in(s)
            check_links(s)
            check_routes(s)
            s.close()
        lab.stop()
    tap.done()


main()
