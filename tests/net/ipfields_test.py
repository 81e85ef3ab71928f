#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
RFC 8656 sections 13 and 14 on the wire: every field of the IP header of what is
relayed, both ways, in all four pairs of families, by the daemon and in the kernel (XDP
and tc).

The kernel has the preferred behaviour. The daemon has it too, but where a socket does
not tell: DF of what came in counts as 0 (the alternate behaviour), and a packet
that is damaged does not get that far.
"""
import itertools
import struct
import time

from case_report import SLACK
from lab import CLIENT, PEER, SERVER, Lab, Tap
from packet import capture, frame, packet, udp
from turn import Client, channel_data

CHANNEL = 0x4007
TAG = itertools.count(1)
TOS = [dscp << 2 | ecn for dscp in (0, 8, 34, 46, 63) for ecn in range(4)]
LOST_S = 0.3


class Direction:
    """Frames go in at one end, and what comes out at the other is looked at."""

    def __init__(self, lab, up, ends):
        self.lab, self.up = lab, up
        self.client, self.server, self.relayed, self.peer, self.wires, self.macs = ends
        way = (self.client, self.server), (self.relayed, self.peer)
        if not up:
            way = tuple(pair[::-1] for pair in reversed(way))
        (self.src, self.dst), (self.out_src, self.out_dst) = way
        self.in_family, self.out_family = (6 if ':' in a[0] else 4
                                           for a in (self.src, self.out_src))

    def send(self, size=20, error=0, no_checksum=False, **fields):
        """The packet that came out for one that went in, or None."""
        data = struct.pack('!I', next(TAG)) + bytes(i * 7 & 255 for i in range(size - 4))
        payload = channel_data(CHANNEL, data)
        inside, outside = (payload, data) if self.up else (data, payload)
        content = packet(self.src[0], self.dst[0],
                         udp(self.src[0], self.dst[0], self.src[1], self.dst[1], inside, error,
                             no_checksum), **fields)
        wire, macs = self.wires[not self.up], self.macs[not self.up]
        wire.send(frame(*macs, content))
        lost = fields.get('ttl') == 1 or error
        return capture(self.wires[self.up], time.monotonic() + (LOST_S if lost else SLACK),
                       lambda p: p.data == outside and (p.sport, p.dport) ==
                       (self.out_src[1], self.out_dst[1]))

    def send_all(self, over):
        return [self.send(**fields) for fields in over]


def check_common(tap, d, name, fast):
    """What holds for every packet: DSCP, ECN, TTL, checksums."""
    out = d.send_all({'tos': tos} for tos in TOS)
    tap.same([p and p.tos for p in out], TOS, f'{name}: DSCP and ECN are copied')
    out = d.send_all({'ttl': ttl} for ttl in (2, 3, 64, 255))
    tap.same([p and p.ttl for p in out], [1, 2, 63, 254], f'{name}: TTL is one less')
    before = d.lab.counts()
    tap.same(d.send(ttl=1), None, f'{name}: a packet with TTL 1 ends here')
    reason = 'time_exceeded' if name.startswith('xdp') else 'ttl'
    tap.same(d.lab.counts_soon(before, reason).get(reason), 1, f'{name}: and is counted')
    out = d.send_all({'size': size} for size in (4, 5, 6, 7, 160, 1201))
    tap.same([p and (p.error, p.check != 0, p.good_header) for p in out], [(0, True, True)] * 6,
             f'{name}: checksums are right')
    if fast:
        out = d.send_all({'error': e} for e in (1, 0x100, 0x1357))
        tap.same([p and p.error for p in out], [1, 0x100, 0x1357],
                 f'{name}: what is damaged stays damaged, and just so')
    else:
        tap.same(d.send(error=1), None, f'{name}: what is damaged is dropped by the kernel')


def check_from4(tap, d, name, fast):
    before = d.lab.counts()
    p = d.send(options=b'\x01\x01\x01\x00')
    tap.same(p and p.header, 20 if d.out_family == 4 else 40, f'{name}: options do not come out')
    if fast:
        counted = d.lab.counted(before)
        tap.same((counted.get('options'), counted.get('to_peer'), counted.get('to_client')),
                 (1, None, None), f'{name}: options are for the daemon')
    p = d.send(no_checksum=True)
    if d.out_family == 6:
        tap.same(p and (p.check != 0, p.error), (True, 0), f'{name}: no checksum becomes one')
    elif fast:
        tap.same(p and p.check, 0, f'{name}: no checksum stays none')
    else:
        tap.same(p and p.error, 0, f'{name}: no checksum, or a right one')


def check_to4(tap, d, name, fast):
    """DF: IPv4 to IPv4 as it came; from IPv6 by size, RFC 7915 section 5.1."""
    grown = 28 if d.up else 32
    if d.in_family == 4:
        out = d.send_all({'df': df} for df in (False, True))
        want = [0, 1]
    else:
        out = d.send_all({'size': 1260 - grown + more} for more in (0, 1))
        want = [0, 1]
    how = 'is copied' if d.in_family == 4 else 'is set above 1260 bytes'
    tap.same([p and p.df for p in out], want if fast else [0, 0],
             f'{name}: DF {how if fast else "is never set"}')
    out = d.send_all({'ident': 0x1234} for _ in range(8))
    idents = {p and p.ident for p in out}
    tap.ok(len(idents) == 8 and None not in idents and 0x1234 not in idents,
           f'{name}: the identification is another one each time', idents)
    tap.same({p and (p.more, p.offset, p.header) for p in out}, {(0, 0, 20)},
             f'{name}: no fragment, no options')


def check_to6(tap, d, name):
    out = d.send_all({'label': 0x0abcd + i} for i in range(4))
    labels = {p and p.label for p in out}
    tap.ok(len(labels) == 1 and None not in labels and not labels & set(range(0x0abcd, 0x0abd1)),
           f'{name}: one flow label, not what came in', labels)


def check(tap, d, name, fast):
    before = d.lab.counts()
    check_common(tap, d, name, fast)
    counted = d.lab.counted(before)
    relayed = len(TOS) + 4 + 6 + (3 if fast else 0)
    reason = ('' if fast else 'user_') + ('to_peer' if d.up else 'to_client')
    tap.same(counted.get(reason), relayed,
             f'{name}: all of it by {"the kernel" if fast else "the daemon"}')
    if d.in_family == 4:
        check_from4(tap, d, name, fast)
    if d.out_family == 4:
        check_to4(tap, d, name, fast)
    else:
        check_to6(tap, d, name)


def run_pair(tap, lab, wires, macs, dataplane, c, p):
    sock, far = lab.udp('client', CLIENT, c), lab.udp('peer', PEER, p)
    client = Client(sock, SERVER[c])
    relayed = client.allocate(p)
    peer = PEER[p], far.getsockname()[1]
    client.bind(CHANNEL, peer)
    ends = ((CLIENT[c], sock.getsockname()[1]), (SERVER[c], 3478), relayed, peer, wires, macs)
    for up in (True, False):
        name = f'{dataplane}, {"client" if up else "peer"} ' \
               f'IPv{c if up else p} to IPv{p if up else c}'
        check(tap, Direction(lab, up, ends), name, dataplane != 'user')
    client.close()
    far.close()


def main():
    tap, lab = Tap(), Lab()
    lab.settle_neighbours()
    wires = lab.wire('client'), lab.wire('peer')
    macs = ((lab.mac('relay', 'toclient'), lab.mac('client', 'eth0')),
            (lab.mac('relay', 'topeer'), lab.mac('peer', 'eth0')))
    for dataplane in ('user', 'xdp', 'tc'):
        lab.start(f'--dataplane={dataplane}')
        for c, p in itertools.product((4, 6), (4, 6)):
            run_pair(tap, lab, wires, macs, dataplane, c, p)
        lab.stop()
    tap.done()


main()
