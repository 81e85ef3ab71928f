#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client moves to another address (RFC 8016): its allocation, channel and permission go
along, from worker to worker, the kernel relays by the new address from its first packet on,
and the daemon's end between two of its packets changes nothing."""
import os
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lab import AF, CLIENT, PEER, SERVER, Lab, Tap
from turn import ALLOCATE, REFRESH, Client, attr, channel_data, parse, read_address, send_indication

TICKET = 0x8030
MOVES = 6


class Mobile(Client):
    def allocate_mobile(self):
        answer, txid = self.request(ALLOCATE, attr(0x19, bytes([17, 0, 0, 0])),
                                    attr(TICKET, b''))
        self.ticket = answer[TICKET]
        return read_address(answer[0x16], txid)

    def move(self, sock, server):
        """From now on by this socket; the old one goes on until then."""
        old = self.sock
        self.sock = sock
        self.sock.connect((server, 3478))
        self.nonce = b''
        answer, _ = self.request(REFRESH, attr(TICKET, self.ticket))
        self.ticket = answer[TICKET]
        return old


class Echo:
    """The peer, by hand: a test can see what comes before it answers."""

    def __init__(self, lab):
        self.sock = lab.udp('peer', PEER, 4, 3490)

    def sees(self, data):
        got, self.client = self.sock.recvfrom(2048)
        return got == data

    def say(self, data):
        self.sock.sendto(data, self.client)


def heard(sock):
    try:
        return sock.recv(2048)
    except (socket.timeout, TimeoutError):
        return None


def both_ways(t, c, echo, name):
    c.sock.send(channel_data(0x4000, b'up ' + name.encode()))
    there = echo.sees(b'up ' + name.encode())
    echo.say(b'down')
    t.ok(there and heard(c.sock) == channel_data(0x4000, b'down'), f'{name}: both ways')


def in_kernel(t, lab, c, echo, name):
    before = lab.counts()
    both_ways(t, c, echo, name)
    counted = lab.counted(before)
    fast = counted.get('to_peer', 0) + counted.get('to_client', 0)
    t.ok(fast + counted.get('poke', 0) == 2, f'{name}: in the kernel', counted)


def overlap(t, c, echo, old, name):
    old.send(channel_data(0x4000, b'old'))
    there = echo.sees(b'old')
    echo.say(b'old, too')
    t.ok(there and heard(old) == channel_data(0x4000, b'old, too'),
         f'{name}: the old path, until the new one is used')


def moves(t, lab, kernel):
    echo = Echo(lab)
    c = Mobile(lab.udp('client', CLIENT, 4), SERVER[4])
    relayed = c.allocate_mobile()
    c.bind(0x4000, (PEER[4], 3490))
    both_ways(t, c, echo, f'{kernel}, at home')
    for i in range(MOVES):
        name = f'{kernel}, move {i + 1}'
        family = 6 if i % 3 == 2 else 4
        old = c.move(lab.udp('client', CLIENT, family), SERVER[family])
        overlap(t, c, echo, old, name)
        both_ways(t, c, echo, name)
        if kernel != 'user':
            in_kernel(t, lab, c, echo, name)
        old.settimeout(0.2)
        old.send(channel_data(0x4000, b'late'))
        echo.say(b'late')
        t.ok(heard(old) is None and heard(c.sock) == channel_data(0x4000, b'late'),
             f'{name}: and the old path no more')
    t.same(echo.client, relayed, f'{kernel}: the relayed address is the same')
    return c, echo


def restarted(t, lab, c, echo, kernel):
    """Killed after the client has moved, and once more before it moves on."""
    child = int(subprocess.run(['pgrep', '-P', str(lab.daemon.pid)], check=True, text=True,
                               stdout=subprocess.PIPE).stdout)
    os.kill(child, signal.SIGKILL)
    lab.says('relaying workers=', 2)
    both_ways(t, c, echo, f'{kernel}, restarted')
    c.move(lab.udp('client', CLIENT, 4), SERVER[4])
    both_ways(t, c, echo, f'{kernel}, restarted and moved')


def ended_and_started(t, lab, c, echo, kernel, arguments):
    """The whole daemon: another one knows the tickets that the first one gave out."""
    lab.daemon.send_signal(signal.SIGTERM)
    lab.daemon.wait()
    lab.start(*arguments)
    c.move(lab.udp('client', CLIENT, 4), SERVER[4])
    both_ways(t, c, echo, f'{kernel}, another daemon, and moved')
    in_kernel(t, lab, c, echo, f'{kernel}, another daemon')


def forbidden(t, lab):
    lab.start('--dataplane=user')
    c = Mobile(lab.udp('client', CLIENT, 4), SERVER[4])
    try:
        c.allocate_mobile()
        t.ok(False, 'without mobility: refused')
    except RuntimeError as e:
        t.same(str(e), f'method {ALLOCATE}: error 405', 'without mobility: refused')
    lab.stop()


def main():
    t, lab = Tap(), Lab()
    lab.settle_neighbours()
    for kernel in ('xdp', 'tc', 'user'):
        arguments = (f'--dataplane={kernel}', '--mobility', '--relay-threads=4')
        lab.start(*arguments)
        c, echo = moves(t, lab, kernel)
        restarted(t, lab, c, echo, kernel)
        if kernel != 'user':
            ended_and_started(t, lab, c, echo, kernel, arguments)
        c.close()
        echo.sock.close()
        lab.stop()
    forbidden(t, lab)
    t.done()


if __name__ == '__main__':
    main()
