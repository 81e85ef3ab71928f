#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Neighbours while XDP (or tc) relays and the kernel's own routing sees nothing of
it: a peer (it might be a gateway) that changes its MAC address without a word is
found again by the flow itself, and one that is deleted at once.

How long it takes: the kernel takes an address for right for reachable_time (a
random 0.5 to 1.5 times base_reachable_time, 30 s), then a packet makes it wait
delay_first_probe_time (5 s), ask ucast_solicit times (3) every retrans_time (1 s),
and then ask everybody: 8 s after it went stale, 53 s at worst. Here the times are
a tenth.
"""
import struct
import time

from lab import CLIENT, PEER, RELAY, SERVER, Lab, Tap
from turn import Client, channel_data

CHANNEL = 0x4003
EVERY_S = 0.02
REACHABLE_S, DELAY_S, PROBES_S = 3 * 1.5, 1, 3 * 0.1
WORST_S = REACHABLE_S + DELAY_S + PROBES_S
SLACK_S = 10            # two busy cores, and the kernel's timers


class Flow:
    """Numbered messages there, their echo back."""

    def __init__(self, lab, c, p):
        self.far = lab.udp('peer', PEER, p)
        self.far.setblocking(False)
        self.client = Client(lab.udp('client', CLIENT, c), SERVER[c])
        self.client.allocate(p)
        self.client.bind(CHANNEL, (PEER[p], self.far.getsockname()[1]))
        self.client.sock.setblocking(False)
        self.n = 0
        self.sent, self.back = {}, {}

    def step(self):
        self.n += 1
        self.sent[self.n] = time.monotonic()
        self.client.sock.send(channel_data(CHANNEL, struct.pack('!I', self.n)))
        time.sleep(EVERY_S)
        self.drain()

    def drain(self):
        try:
            while True:
                data, who = self.far.recvfrom(2048)
                self.far.sendto(data, who)
        except BlockingIOError:
            pass
        time.sleep(0.001)
        try:
            while True:
                data = self.client.sock.recv(2048)
                if data[0] & 0xc0 == 0x40:
                    self.back[struct.unpack('!I', data[4:8])[0]] = time.monotonic()
        except (BlockingIOError, ConnectionError):
            pass

    def run(self, seconds, until=lambda: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.step()

    def lost_since(self, n):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.drain()
            lost = [i for i in range(n + 1, self.n + 1) if i not in self.back]
            if not lost:
                break
        return lost

    def close(self):
        self.client.sock.settimeout(SLACK_S)
        self.client.close()
        self.far.close()


def quiet_peer(lab, p):
    """A peer that says nothing about itself unless it is asked."""
    lab.run('peer', f'ip neigh replace {RELAY[p]} dev eth0 nud permanent '
                    f'lladdr {lab.mac("relay", "topeer")}')


def state(lab, p):
    words = lab.run('relay', f'ip neigh show {PEER[p]} dev topeer').split()
    return words[-1] if words else 'none'


def check_poked(tap, lab, flow, name):
    """A sound neighbour: asked for again and again, nothing lost, hardly a packet passed up."""
    before, n = lab.counts(), flow.n
    flow.run(2 * WORST_S)
    counted = lab.counted(before)
    sent = flow.n - n
    tap.same(flow.lost_since(n), [], f'{name}: nothing is lost')
    poked = counted.get('poke', 0)
    tap.ok(1 <= poked <= 16, f'{name}: a few packets are passed up for the kernel', counted)
    relayed = counted.get('to_peer', 0) + counted.get('to_client', 0) + poked
    tap.same(relayed, 2 * sent, f'{name}: the program relays all others')


def check_new_mac(tap, lab, flow, p, name):
    flow.run(0.5)
    lab.run('peer', f'ip link set eth0 address 02:00:00:00:77:0{p}')
    changed, n = time.monotonic(), flow.n
    flow.run(WORST_S + SLACK_S, until=lambda: max(flow.back) > n + 5)
    back = [t for i, t in flow.back.items() if i > n]
    tap.ok(back and min(back) - changed < WORST_S + SLACK_S,
           f'{name}: a new MAC address is found within {WORST_S + SLACK_S:.1f} s',
           'never' if not back else min(back) - changed)
    if back:
        print(f'# after {min(back) - changed:.1f} s')
    flow.run(0.5)
    n = flow.n
    flow.run(0.5)
    tap.same(flow.lost_since(n), [], f'{name}: and then nothing is lost')


def check_deleted(tap, lab, flow, p, name):
    n = flow.n
    lab.run('relay', f'ip neigh del {PEER[p]} dev topeer')
    flow.run(1)
    tap.same(flow.lost_since(n), [], f'{name}: deleted, and nothing is lost')
    before = lab.counts()
    flow.run(0.5)
    tap.same(lab.counted(before).get('no_nexthop'), None, f'{name}: past the daemon again at once')


def check_stale(tap, lab, flow, p, name):
    """The command makes it stale; the kernel has asked for it again soon after."""
    flow.run(0.1)
    lab.run('relay', f'ip neigh replace {PEER[p]} dev topeer nud stale '
                     f'lladdr {lab.mac("peer", "eth0")}')
    before = lab.counts()
    flow.run(DELAY_S + PROBES_S + SLACK_S, until=lambda: state(lab, p) == 'REACHABLE')
    tap.same(state(lab, p), 'REACHABLE', f'{name}: stale is made reachable again')
    # two where the daemon asks again meanwhile; the client's side may go stale, too
    counted = lab.counted(before)
    tap.ok(1 <= counted.get('poke', 0) <= 3, f'{name}: by a packet', counted)


def main():
    tap, lab = Tap(), Lab()
    for family in ('ipv4', 'ipv6'):
        for dev in ('topeer', 'toclient'):
            at = f'net__{family}__neigh__{dev}__'
            lab.sysctl('relay', **{at + 'base_reachable_time_ms': 3000,
                                   at + 'delay_first_probe_time': DELAY_S,
                                   at + 'retrans_time_ms': 100})
    for dataplane, c, p in (('xdp', 4, 4), ('xdp', 6, 6), ('tc', 6, 4)):
        lab.start(f'--dataplane={dataplane}')
        quiet_peer(lab, p)
        flow = Flow(lab, c, p)
        name = f'{dataplane}, IPv{p}'
        flow.run(0.5)
        check_stale(tap, lab, flow, p, name)
        check_deleted(tap, lab, flow, p, name)
        check_poked(tap, lab, flow, name)
        check_new_mac(tap, lab, flow, p, name)
        flow.close()
        lab.stop()
    tap.done()


main()
