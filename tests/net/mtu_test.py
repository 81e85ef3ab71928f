#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Too large for the way out, and fragments on the way in: RFC 8656 sections 13 and 14,
by the daemon, and with XDP or tc before it, which pass up all of these.

Where the sender had set DF the daemon does not know, and fragments (the alternate
behaviour). Only DONT-FRAGMENT from an IPv4 client to an IPv4 peer keeps a datagram
whole, or else from leaving; between other families it must be ignored.
"""
import itertools
import struct
import time

from lab import CLIENT, PEER, SERVER, Lab, Tap
from packet import Packet, frame, packet, udp
from turn import Client, channel_data, send_indication

CHANNEL = 0x4002
SMALL = 1280
TAG = itertools.count(1)


def payload(size):
    return struct.pack('!I', next(TAG)) + bytes(i * 13 & 255 for i in range(size - 4))


class Setting:
    """One allocation with a bound channel; what is received at either end, and how it came."""

    def __init__(self, tap, lab, c, p, dataplane):
        self.tap, self.lab, self.c, self.p = tap, lab, c, p
        self.fast = dataplane != 'user'
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

    def receive(self, sock, want, wire, wait=2):
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

    def up(self, sent, data, wait=2):
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


def pieces(packets):
    return len(packets), all(p.fragment and p.length <= SMALL for p in packets)


# S14: also what a client sends without DONT-FRAGMENT
def check_cut(s, name, result, user_reason):
    whole, packets, counted = result
    s.tap.ok(whole, f'{s.name}: {name}: arrives whole', counted)
    s.tap.same(pieces(packets), (2, True), f'{s.name}: {name}: in fragments that fit')
    s.tap.same((counted.get('mtu', 0), counted.get(user_reason)), (int(s.fast), 1),
               f'{s.name}: {name}: {"passed up, " if s.fast else ""}by the daemon')


def check_df(s, client_mac):
    """The sender's DF, which the daemon does not see."""
    data = payload(1400)
    here = s.client.sock.getsockname()
    content = packet(CLIENT[s.c], SERVER[s.c], udp(CLIENT[s.c], SERVER[s.c], here[1], 3478,
                                                   channel_data(CHANNEL, data)), df=True)
    wire = s.lab.wire('client')
    check_cut(s, "sender's DF, too large",
              s.up(lambda: wire.send(frame(*client_mac, content)), data), 'user_to_peer')
    wire.close()


def check_dont_fragment(s):
    both4 = s.c == 4 and s.p == 4
    data = payload(1000)
    whole, packets, _ = s.up(send_indication(s.peer, data, True), data)
    s.tap.ok(whole, f'{s.name}: DONT-FRAGMENT, small enough: arrives')
    if s.p == 4:
        s.tap.same([p.df for p in packets], [int(both4)],
                   f'{s.name}: DONT-FRAGMENT: DF is {"set" if both4 else "not set"}')
    data = payload(1400)
    whole, packets, counted = s.up(send_indication(s.peer, data, True), data, 0.5 if both4 else 2)
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
    s.far.settimeout(2)
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
    time.sleep(0.1)         # the daemon hears of it


def check_links(s, client_mac):
    narrow_link(s.lab, 'topeer', SMALL)
    data = payload(1400)
    check_cut(s, 'narrow link to the peer', s.up(channel_data(CHANNEL, data), data), 'user_to_peer')
    if s.c == 4:
        check_df(s, client_mac)
    check_dont_fragment(s)
    check_burst(s)
    narrow_link(s.lab, 'topeer', 1500)
    narrow_link(s.lab, 'toclient', SMALL)
    data = payload(1400)
    check_cut(s, 'narrow link to the client', s.down(data), 'user_to_client')
    narrow_link(s.lab, 'toclient', 1500)


def check_routes(s):
    """The same by an MTU of the route."""
    for dev, to, family in (('topeer', PEER, s.p), ('toclient', CLIENT, s.c)):
        six = '-6' if family == 6 else ''
        s.lab.run('relay', f'ip {six} route add {to[family]} dev {dev} mtu {SMALL}')
        time.sleep(0.1)
        data = payload(1400)
        if dev == 'topeer':
            check_cut(s, 'route to the peer', s.up(channel_data(CHANNEL, data), data),
                      'user_to_peer')
        else:
            check_cut(s, 'route to the client', s.down(data), 'user_to_client')
        s.lab.run('relay', f'ip {six} route del {to[family]} dev {dev}')


def main():
    tap, lab = Tap(), Lab()
    lab.settle_neighbours()
    client_mac = lab.mac('relay', 'toclient'), lab.mac('client', 'eth0')
    for dataplane in ('user', 'xdp', 'tc'):
        lab.start(f'--dataplane={dataplane}')
        for c, p in itertools.product((4, 6), (4, 6)):
            s = Setting(tap, lab, c, p, dataplane)
            check_fragments_in(s)
            check_links(s, client_mac)
            check_routes(s)
            s.close()
        lab.stop()
    tap.done()


main()
