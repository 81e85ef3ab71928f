#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""external-ip=auto: a STUN server says what clients are told instead of the relay addresses.
One written here, which answers well, late or badly, and a second turnpiked; what is kept over
a reload; and that without a good answer there is no start."""
import os
import pwd
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from case_report import SLACK
from lab import CLIENT, PEER, RELAY, SERVER, TURNPIKED, Lab, Tap
from turn import Client, attr, message, parse, xor_address

PUBLIC = {4: '12.0.0.7', 6: '2a00:2::7'}
AUTO = '--external-ip=auto'
PAIR6 = f'--external-ip={PUBLIC[6]}/{RELAY[6]}'


class Stun(threading.Thread):
    """answers(server, data, txid, source) gives the datagrams to send back."""

    def __init__(self, sock, answers):
        super().__init__(daemon=True)
        self.sock, self.answers, self.asked = sock, answers, []
        self.sock.settimeout(0.1)
        self.over = False
        self.start()

    def run(self):
        while not self.over:
            try:
                data, source = self.sock.recvfrom(2048)
            except OSError:
                continue
            request = parse(data)
            if request and request[0] == 1:
                self.asked.append(source[:2])
                for answer in self.answers(self, request[1], source):
                    self.sock.sendto(answer, source)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()
        self.sock.close()


def success(txid, address):
    return message(0x101, txid, attr(0x20, xor_address(address, 4242, txid)))


def good(server, txid, source):
    return [success(txid, PUBLIC[6 if ':' in source[0] else 4])]


def third_time(server, txid, source):
    """Answers to others and of others first; the right one to the third request only."""
    server.stranger.sendto(success(txid, '12.0.0.66'), source)
    wrong = bytes(b ^ 1 for b in txid)
    noise = [success(wrong, '12.0.0.66'), b'\x01\x01', success(txid, '12.0.0.66')[:-4],
             message(0x011, txid)]
    return noise + (good(server, txid, source) if len(server.asked) == 3 else [])


def uids_of_children(pid):
    """As /proc says it: a process that is not dumpable has files of root there."""
    with open(f'/proc/{pid}/task/{pid}/children') as children:
        return [int(line.split()[1]) for child in children.read().split()
                for line in open(f'/proc/{child}/status') if line.startswith('Uid:')]


def refused(server, txid, source):
    return [message(0x111, txid, attr(9, struct.pack('!HBB', 0, 5, 0) + b'no'))]


def unknown(server, txid, source):
    return [message(0x101, txid, attr(0x20, xor_address('12.0.0.66', 1, txid)),
                    attr(0x7777, b'what'))]


def told(lab, family):
    """The relayed address that a client gets."""
    client = Client(lab.udp('client', CLIENT, family), SERVER[4] if family == 4 else SERVER[6])
    address = client.allocate(family)[0]
    client.close()
    return address


def serves(lab, family, answers, port=3478):
    return Stun(lab.udp('peer', PEER, family, port), answers)


def both_families(tap, lab):
    with serves(lab, 4, good) as four:
        lab.start(AUTO, PAIR6, f'--external-ip-server={PEER[4]}')
        tap.same(told(lab, 4), PUBLIC[4], 'IPv4: what the server says')
        tap.same(told(lab, 6), PUBLIC[6], 'IPv6: what is written')
        tap.same([a for a, _ in four.asked], [RELAY[4]], 'asked once, from the relay address')
    lab.stop()
    with serves(lab, 6, good, 5000) as six:
        lab.start(AUTO, f'--external-ip={PUBLIC[4]}', f'--external-ip-server=[{PEER[6]}]:5000')
        tap.same((told(lab, 4), told(lab, 6)), (PUBLIC[4], PUBLIC[6]),
                 'IPv6 asked, IPv4 written for the family')
        tap.same([a for a, _ in six.asked], [RELAY[6]], 'and only IPv6')
    lab.stop()


def names(tap, lab):
    """A name is looked up, with a port and without."""
    for name, port in (('localhost', 3478), ('localhost:5001', 5001)):
        with Stun(lab.udp('relay', {4: '127.0.0.1'}, 4, port), good):
            lab.start(AUTO, PAIR6, f'--external-ip-server={name}')
            tap.same(told(lab, 4), PUBLIC[4], name)
        lab.stop()


def late(tap, lab):
    """Wrong answers are passed over, and it is asked again; a reload asks nobody."""
    with serves(lab, 4, third_time) as server, lab.udp('peer', PEER, 4) as server.stranger:
        began = time.monotonic()
        lab.start(AUTO, PAIR6, f'--external-ip-server={PEER[4]}:3478')
        took = time.monotonic() - began
        tap.same((told(lab, 4), len(server.asked)), (PUBLIC[4], 3), 'the third request')
        tap.ok(1.5 <= took < SLACK, 'after 0.5 and 1 s', f'{took:.1f} s')
        lab.daemon.send_signal(signal.SIGHUP)
        lab.says('reloaded ms=')
        log = open(lab.log.name).read()
        tap.ok('reloaded ms=' in log and 'next start' not in log, 'a reload', log)
        tap.same((told(lab, 4), len(server.asked)), (PUBLIC[4], 3), 'keeps the answer')
    lab.stop()


def by_whom(tap, lab):
    """What reads answers of the network has no privilege."""
    seen = []

    def look(server, txid, source):
        pid = lab.daemon.pid
        seen.append((os.stat(f'/proc/{pid}').st_uid, uids_of_children(pid)))
        return good(server, txid, source)

    with serves(lab, 4, look):
        lab.start(AUTO, PAIR6, '--proc-user=nobody', f'--external-ip-server={PEER[4]}')
    lab.stop()
    tap.same(seen, [(0, [pwd.getpwnam('nobody').pw_uid])], 'a child asks, without privilege')


def starts_not(tap, lab, answers, words, name, where=PEER[4]):
    """Nothing is told where the answer is none."""
    server = serves(lab, 4, answers)
    try:
        lab.start(AUTO, PAIR6, f'--external-ip-server={where}')
        said = 'it has started'
    except RuntimeError as why:
        lab.daemon.wait(SLACK)
        said = str(why) + open(lab.log.name).read()
    server.__exit__()
    tap.ok(words in said and '--external-ip: ' in said and lab.daemon.poll(), name, said)
    lab.stop()


def failures(tap, lab):
    starts_not(tap, lab, refused, 'it answers with error 500', 'an error response')
    starts_not(tap, lab, unknown, 'an attribute that is not known', 'an unknown attribute')
    starts_not(tap, lab, lambda s, txid, source: [success(txid, '10.0.0.7')],
               '10.0.0.7, which is no public IPv4 address', 'a private address')
    starts_not(tap, lab, lambda s, txid, source: [success(txid, PUBLIC[6])],
               'no public IPv4 address', 'an address of the other family')
    starts_not(tap, lab, good, 'another family', 'a server of the other family', PEER[6])
    began = time.monotonic()
    starts_not(tap, lab, lambda *_: [], 'it does not answer: Connection timed out', 'silence')
    took = time.monotonic() - began
    tap.ok(5 < took < SLACK, 'ends it after 5.5 s', f'{took:.1f} s')


def second_daemon(tap, lab):
    """Nothing translates between them: it sees the relay address itself."""
    other = subprocess.Popen(
        lab.enter('peer') + [TURNPIKED, '-n', '--stun-only', '--dataplane=user',
                             f'--listening-ip={PEER[4]}', '--no-tcp', '--realm=other',
                             f'--control-socket={lab.tmp}/other.sock'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lab.start(AUTO, PAIR6, f'--external-ip-server={PEER[4]}')
        log = open(lab.log.name).read()
        tap.ok(f'external address={RELAY[4]} local={RELAY[4]}' in log, 'a second turnpiked', log)
        lab.stop()
    finally:
        other.terminate()
        other.wait()


def main():
    tap = Tap()
    lab = Lab()
    both_families(tap, lab)
    names(tap, lab)
    late(tap, lab)
    by_whom(tap, lab)
    failures(tap, lab)
    second_daemon(tap, lab)
    tap.done()


main()
