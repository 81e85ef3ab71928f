#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Listeners and relay sockets that see one interface only, the latter opened by a process
without privileges; and an interface that does not exist."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from case_report import SLACK
from lab import CLIENT, PEER, SERVER, TURNPIKED, Lab, Tap
from turn import Client, message, parse, send_indication

DEVICES = ('--listening-device=toclient', '--relay-device=topeer')


def binding(lab, host, local, family, patience):
    """Is a Binding request answered that comes from that host?"""
    txid = os.urandom(12)
    with lab.udp(host, local, family) as sock:
        sock.settimeout(patience)
        sock.connect((SERVER[family], 3478))
        try:
            sock.send(message(1, txid))
            return parse(sock.recv(2048))[:2] == (0x101, txid)
        except OSError:
            return False


def connects(lab, host, patience=SLACK):
    with lab.socket(host, socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience)
        try:
            sock.connect((SERVER[4], 3478))
            return True
        except OSError:
            return False


class Session:
    """A client with an allocation that both hosts may send to."""

    def __init__(self, lab, family):
        self.family = family
        self.client = Client(lab.udp('client', CLIENT, family), SERVER[family])
        self.relayed = self.client.allocate(family)
        self.client.permit(PEER[family])
        self.client.permit(CLIENT[family])
        self.near = lab.udp('client', CLIENT, family)
        self.far = lab.udp('peer', PEER, family)

    def heard(self, sock, data, patience=SLACK):
        """Does what sock sends to the relayed address arrive at the client?"""
        self.client.sock.settimeout(patience)
        sock.sendto(data, self.relayed)
        try:
            return data in self.client.sock.recv(2048)
        except OSError:
            return False

    def sent(self, data):
        self.client.sock.send(send_indication(self.far.getsockname()[:2], data))
        try:
            return self.far.recvfrom(2048)[1][:2] == self.relayed
        except OSError:
            return False

    def close(self):
        self.client.sock.settimeout(SLACK)
        self.client.close()
        self.near.close()
        self.far.close()


def look(lab, family, other_side):
    """other_side: whether it is served, and so waited for."""
    patience = SLACK if other_side else 0.5
    session = Session(lab, family)
    seen = {
        'binding from the client side': binding(lab, 'client', CLIENT, family, SLACK),
        'binding from the peer side': binding(lab, 'peer', PEER, family, patience),
        'to the peer': session.sent(b'there'),
        'from the peer side': session.heard(session.far, b'from the peer'),
        'from the client side': session.heard(session.near, b'from the client', patience),
    }
    session.close()
    return seen


def wanted(other_side):
    return {'binding from the client side': True, 'binding from the peer side': other_side,
            'to the peer': True, 'from the peer side': True, 'from the client side': other_side}


def on_one_device(tap, lab):
    lab.start('--dataplane=user')
    for family in (4, 6):
        tap.same(look(lab, family, True), wanted(True), f'IPv{family}: without a device, both sides')
    tap.same([connects(lab, host) for host in ('client', 'peer')], [True, True],
             'TCP: without a device, both sides')
    lab.stop()
    lab.start('--dataplane=user', '--proc-user=nobody', *DEVICES)
    for family in (4, 6):
        tap.same(look(lab, family, False), wanted(False), f'IPv{family}: each device its side')
    tap.same([connects(lab, 'client'), connects(lab, 'peer', 0.5)], [True, False],
             'TCP: the device of the listeners')
    lab.stop()


def in_the_kernel(tap, lab):
    """The right ones go on to work where the kernel relays."""
    lab.start('--dataplane=xdp', '--proc-user=nobody', *DEVICES)
    session = Session(lab, 4)
    session.client.bind(0x4001, session.far.getsockname()[:2])
    session.client.sock.send(b'\x40\x01\x00\x04ping')
    tap.same(session.far.recv(2048), b'ping', 'XDP: to the peer')
    tap.ok(session.heard(session.far, b'pong'), 'XDP: from the peer')
    session.close()
    lab.stop()


def no_such(tap, lab):
    path = f'{lab.tmp}/turnpike.conf'
    for name in ('listening-device', 'relay-device'):
        with open(path, 'w') as out:
            out.write(f'realm=lab\n{name}=nowhere0\n')
        run = subprocess.run(lab.enter('relay') + [TURNPIKED, '-c', path, '--check-config'],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = f"{path}:2: error: {name}: there is no interface 'nowhere0'"
        tap.ok(run.returncode and line in run.stderr, f'{name} that is not there', run.stderr)


def main():
    tap = Tap()
    lab = Lab()
    on_one_device(tap, lab)
    in_the_kernel(tap, lab)
    no_such(tap, lab)
    tap.done()


main()
