#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients behind proxies that pass on UDP with a header of the PROXY protocol (udp-proxy-port):
before every datagram or the first alone. The proxy is this program; its clients are invented."""
import ipaddress
import os
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from case_report import until
from lab import CLIENT, PEER, SERVER, Lab, Tap
from turn import (ALLOCATE, REFRESH, Client, attr, channel_data, message, parse, read_address,
                  send_indication)

PORT, OTHER_PORT = 4000, 4001
LONG, SHORT = 600, 1		# udp-proxy-timeout: as good as for ever, and soon over
BINDING, CHANGE_REQUEST, TICKET = 1, 3, 0x8030
MOVES = 8
SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
FAR = {4: '8.8.4.4', 6: '2a00:9::9'}
STRANGER = {4: '11.0.2.9'}	# another peer
# the rest of the client host's addresses are nobody's proxies
PROXIES = ('11.0.1.0/24', '2a00:1:1::2')
NO_PROXY = {6: '2a00:1:1::7'}


def header(ip=FAR[4], port=5555, tlvs=b'', command=0x21, transport=2):
    a = ipaddress.ip_address(ip).packed
    rest = a + a[::-1] + struct.pack('!HH', port, 443) + tlvs
    return SIGNATURE + bytes([command, (0x10 if len(a) == 4 else 0x20) | transport]) + \
        struct.pack('!H', len(rest)) + rest


LOCAL = SIGNATURE + b'\x20\0\0\0'


class Proxied:
    """A socket of the proxy's, for one client; always: a header before every datagram."""

    def __init__(self, lab, head=b'', always=True, family=4, port=PORT):
        self.sock = udp('client', CLIENT, family)
        self.sock.connect((SERVER[family], port))
        self.head, self.always = head, always

    def connect(self, _):
        """For Client, which knows no port but 3478."""

    def send(self, data):
        self.sock.send(self.head + data)
        if not self.always:
            self.head = b''

    def recv(self, size):
        return self.sock.recv(size)

    def close(self):
        self.sock.close()

    def ask(self, data):
        """The answer to one datagram as it is, None: there is none to it, but to a next one."""
        fence = message(BINDING, os.urandom(12))
        self.sock.send(data)
        self.sock.send(self.head + fence)
        got = self.sock.recv(2048)
        if got[8:20] == fence[8:20]:
            return None
        self.sock.recv(2048)
        return parse(got)


lab, tap = Lab(), Tap()


def udp(host, address, family=4, port=0):
    sock = lab.udp(host, address, family, port)
    sock.settimeout(20)
    return sock


def client_of(proxied):
    return Client(proxied, None)


def mapped(proxied, data=b''):
    txid = os.urandom(12)
    proxied.sock.send(data + message(BINDING, txid))
    return read_address(parse(proxied.sock.recv(2048))[2][0x20], txid)


def dropped(reason, data, name, sender):
    """What is sent is counted under this reason, and answered by nobody."""
    before = lab.counts()
    tap.same(sender.ask(data), None, f'{name}: no answer')
    tap.same(lab.counted(before).get(reason), 1, f'{name}: {reason}')


def relays(family, way, always, name):
    """All that a client does, and who it is taken for; way: the proxy's own family."""
    proxied = Proxied(lab, header(FAR[family], tlvs=os.urandom(50)), always, way)
    client = client_of(proxied)
    relayed = client.allocate(4)
    listed = lab.allocations()
    form = {4: '%s:%d', 6: '[%s]:%d'}
    tap.same([(a['client'], a['proxy'], a['transport']) for a in listed],
             [(form[family] % (FAR[family], 5555), form[way] % proxied.sock.getsockname()[:2],
               'udp')], f'{name}: listed')
    peer = udp('peer', PEER)
    where = peer.getsockname()
    client.permit(PEER[4])
    proxied.send(send_indication(where, b'indication'))
    tap.same(peer.recvfrom(2048), (b'indication', relayed), f'{name}: Send indication')
    peer.sendto(b'data', relayed)
    got = parse(proxied.recv(2048))
    tap.same((got[0], got[2].get(0x13)), (0x17, b'data'), f'{name}: Data indication')
    client.bind(0x4000, where)
    proxied.send(channel_data(0x4000, b'channel'))
    tap.same(peer.recvfrom(2048), (b'channel', relayed), f'{name}: ChannelData')
    peer.sendto(b'back', relayed)
    tap.same(proxied.recv(2048), channel_data(0x4000, b'back'), f'{name}: and back')
    client.request(REFRESH)
    # the kernel knows who may send there, and nothing of the proxy's port
    before = lab.counts()
    stranger = udp('peer', STRANGER)
    stranger.sendto(b'x', relayed)
    reason = 'refused' if mode == 'xdp' else 'no_permission'
    tap.ok(until(lambda: lab.counted(before).get(reason) == 1), f'{name}: a stranger: {reason}')
    peer.sendto(b'end', relayed)
    tap.same(proxied.recv(2048), channel_data(0x4000, b'end'), f'{name}: nothing of others')
    counted = lab.counted(before)
    tap.same(counted.get('stream', 0), int(mode == 'xdp'), f'{name}: passed up to the daemon')
    tap.same(counted.get('user_to_client'), 1, f'{name}: which relays it')
    client.close()
    tap.same(lab.allocations(), [], f'{name}: ends')
    for sock in (peer, stranger):
        sock.close()


def malformed():
    sender = Proxied(lab, header(port=1))
    ask = message(BINDING, os.urandom(12))
    good = header(port=1)
    for name, data in {
            'no header, never one': None,
            'of a stream': header(port=1, transport=1) + ask,
            'of no known transport': header(port=1, transport=3) + ask,
            'of a Unix socket': good[:13] + b'\x32' + good[14:] + ask,
            'another version': header(port=1, command=0x11) + ask,
            'another command': header(port=1, command=0x22) + ask,
            'too short for its addresses': good[:14] + b'\0\x0b' + good[16:] + ask,
            'IPv6 and too short': good[:13] + b'\x22' + good[14:] + ask,
            'longer than its datagram': good[:14] + b'\xff\xff' + good[16:] + ask,
            'more than a header may be': header(port=1, tlvs=bytes(5000)) + ask,
            'cut off': good[:-1],
            'the signature alone': SIGNATURE,
            'port 0': header(port=0) + ask,
    }.items():
        if data is None:
            dropped('proxy_unknown', ask, name, sender)
        else:
            dropped('proxy_header', data, name, sender)
    dropped('not_turn', good, 'a header and nothing behind it', sender)
    dropped('not_turn', good + good + ask, 'a header behind a header', sender)
    dropped('not_turn', good + b'\x16\xfe\xfd' + bytes(40), 'DTLS behind a header', sender)
    sender.close()


def foreign():
    """T7 on UDP: an address that nobody has said is a proxy's."""
    sender = udp('client', NO_PROXY, 6)
    before = lab.counts()
    for data in (header(), b'', message(BINDING, os.urandom(12)), LOCAL):
        sender.sendto(data + message(BINDING, os.urandom(12)), (SERVER[6], PORT))
    # the normal listener is another one, and takes no headers
    sender.sendto(header() + message(BINDING, os.urandom(12)), (SERVER[6], 3478))
    txid = os.urandom(12)
    sender.sendto(message(BINDING, txid), (SERVER[6], 3478))
    tap.same(read_address(parse(sender.recv(2048))[2][0x20], txid)[0], NO_PROXY[6],
             'not a proxy: the client itself on the normal port')
    until(lambda: lab.counted(before).get('proxy_untrusted') == 4)
    counted = lab.counted(before)
    tap.same(counted.get('proxy_untrusted'), 4, 'not a proxy: dropped and counted')
    tap.same(counted.get('not_turn'), 1, 'a header on the normal port is nothing')
    sender.close()


def who_is_who():
    proxied = Proxied(lab)
    own = proxied.sock.getsockname()
    tap.same(mapped(proxied, LOCAL), own, "LOCAL: the proxy's own")
    tap.same(mapped(proxied, header(command=0x20)), own, 'LOCAL with addresses')
    tap.same(mapped(proxied, SIGNATURE + b'\x21\0\0\0'), own, 'no family: its own')
    tap.same(mapped(proxied), own, 'and without a header, then')
    proxied.close()
    for family in (4, 6):
        proxied = Proxied(lab, header(FAR[family]))
        tap.same(mapped(proxied, proxied.head), (FAR[family], 5555), f'IPv{family}: its address')
        tap.same(mapped(proxied), (FAR[family], 5555), f'IPv{family}: also without a header')
        # what a client of the proxy may put before its datagram
        proxied.head = b''
        dropped('proxy_other', header('8.8.8.8') + message(BINDING, os.urandom(12)),
                f'IPv{family}: a header that lies', proxied)
        dropped('proxy_other', LOCAL + message(BINDING, os.urandom(12)),
                f'IPv{family}: one that says LOCAL', proxied)
        tap.same(mapped(proxied), (FAR[family], 5555), f'IPv{family}: it is who it was')
        answer = proxied.ask(message(BINDING, os.urandom(12),
                                     attr(CHANGE_REQUEST, b'\0\0\0\6')))
        tap.same(answer[2][9][2:4], b'\4\x14', f'IPv{family}: CHANGE-REQUEST is unknown there')
        proxied.close()


def not_confused():
    """The same client by itself and by two ports of the proxy: three clients."""
    direct = Client(udp('client', CLIENT, 4, 5555), SERVER[4])
    ways = [direct] + [client_of(Proxied(lab, header(CLIENT[4]))) for _ in range(2)]
    peer = udp('peer', PEER)
    where = peer.getsockname()
    for client in ways:
        client.relayed = client.allocate(4)
        client.bind(0x4000, where)
    tap.same(len({c.relayed for c in ways}), 3, 'one address, three ways: three allocations')
    tap.same({a['client'] for a in lab.allocations()}, {f'{CLIENT[4]}:5555'}, 'all of that client')
    for i, client in enumerate(ways):
        text = b'by way %d' % i
        client.sock.send(channel_data(0x4000, text))
        tap.same(peer.recvfrom(2048), (text, client.relayed), f'way {i}: up')
        peer.sendto(text, client.relayed)
        tap.same(client.sock.recv(2048), channel_data(0x4000, text), f'way {i}: down')
    for client in ways:
        client.close()
    tap.same(lab.allocations(), [], 'all of them end')
    peer.close()


def given_away():
    """The port of a client that has been silent for long is another one's."""
    proxied = Proxied(lab, header())
    client = client_of(proxied)
    client.allocate(4)
    # an allocation keeps it, however long the client is silent
    time.sleep(SHORT + 0.2)
    tap.same(mapped(proxied), (FAR[4], 5555), 'silent, with an allocation: still its own')
    time.sleep(SHORT + 0.2)
    proxied.head = header('8.8.8.8')
    tap.same(mapped(proxied, proxied.head), ('8.8.8.8', 5555), 'given to another client')
    tap.same(lab.allocations(), [], 'what the one before had is gone')
    proxied.close()
    # without an allocation, it is nobody's then
    proxied = Proxied(lab, header())
    mapped(proxied, header())
    time.sleep(SHORT + 0.2)
    dropped('proxy_unknown', message(BINDING, os.urandom(12)), 'silent for long', proxied)
    proxied.close()


def many():
    """A proxy's clients are as many as its ports, and spread over the workers."""
    clients = [client_of(Proxied(lab, header('8.8.8.%d' % (i + 1)), i % 2)) for i in range(40)]
    for client in clients:
        client.relayed = client.allocate(4)
    listed = lab.allocations()
    tap.same(len(listed), 40, '40 clients behind one proxy')
    tap.same({a['worker'] for a in listed}, {0, 1}, 'spread over the workers')
    return clients


def goes_on(clients):
    """The daemon dies: what these clients have is carried on, without another header."""
    pid = int(lab.run('relay', f'pgrep -P {lab.daemon.pid} | head -n 1'))
    os.kill(pid, signal.SIGKILL)
    until(lambda: said('relaying workers=', 2))
    peer = udp('peer', PEER)
    good = 0
    for i, client in enumerate(clients):
        client.bind(0x4000, peer.getsockname())
        client.sock.send(channel_data(0x4000, b'%d' % i))
        good += peer.recvfrom(2048) == (b'%d' % i, client.relayed)
        client.close()
    tap.same(good, 40, 'killed: all are carried on')
    tap.same(lab.allocations(), [], 'and end')
    peer.close()


def moves():
    """RFC 8016, from a proxy's port to another, to none and back, from worker to worker."""
    client = client_of(Proxied(lab, header(), False))
    answer, txid = client.request(ALLOCATE, attr(0x19, bytes([17, 0, 0, 0])), attr(TICKET, b''))
    relayed, ticket = read_address(answer[0x16], txid), answer[TICKET]
    peer = udp('peer', PEER)
    client.bind(0x4000, peer.getsockname())
    good = 0
    for i in range(MOVES):
        text = b'from there %d' % i
        if i % 3 == 2:
            client.sock = udp('client', CLIENT)
            client.sock.connect((SERVER[4], 3478))
        else:
            client.sock = Proxied(lab, header(FAR[4 + i % 2 * 2]), False)
        client.nonce = b''
        ticket = client.request(REFRESH, attr(TICKET, ticket))[0][TICKET]
        client.sock.send(channel_data(0x4000, text))
        good += peer.recvfrom(2048) == (text, relayed)
        peer.sendto(text, relayed)
        good += client.sock.recv(2048) == channel_data(0x4000, text)
    tap.same(good, 2 * MOVES, f'{mode}: an allocation moves {MOVES} times')
    tap.same(len(lab.allocations()), 1, f'{mode}: and is one')
    client.close()
    tap.same(lab.allocations(), [], f'{mode}: and ends')
    peer.close()


def said(text, times=1):
    return open(lab.log.name).read().count(text) >= times


def turnpike(*args):
    return subprocess.run(['build/turnpike', '--socket', f'{lab.tmp}/control.sock', *args],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


def start(timeout, *directives):
    lab.start(f'--dataplane={mode}', '--rfc5780', f'--udp-proxy-timeout={timeout}',
              *(f'--trusted-proxy-ip={ip}' for ip in PROXIES), *directives)


def reload():
    """Its port, its timeout, and who is trusted."""
    conf = f'{lab.tmp}/t.conf'

    def change(*lines):
        with open(conf, 'w') as f:
            f.writelines(f'{line}\n' for line in lines)
        if lab.daemon:
            turnpike('reload')

    trusted, port = f'trusted-proxy-ip={CLIENT[4]}', f'udp-proxy-port={PORT}'
    change(trusted, port)
    lab.start('--dataplane=user', conf=conf)
    proxied = Proxied(lab, header())
    client_of(proxied).allocate(4)
    mapped(proxied)
    change(trusted, port, 'udp-proxy-timeout=0')
    tap.same(len(lab.allocations()), 1, 'reload: the allocation stays')
    dropped('proxy_unknown', message(BINDING, os.urandom(12)), 'timeout 0, no header', proxied)
    tap.same(mapped(proxied, header()), (FAR[4], 5555), 'timeout 0, with one')
    tap.same(mapped(proxied, header('8.8.8.8')), ('8.8.8.8', 5555), 'timeout 0, another client')
    tap.same(lab.allocations(), [], 'timeout 0: what the one before had is gone')
    client_of(Proxied(lab, header())).allocate(4)
    change(trusted, f'udp-proxy-port={OTHER_PORT}')
    tap.same(lab.allocations(), [], 'another port: what came by the old one ends')
    proxied = Proxied(lab, header(), port=OTHER_PORT)
    tap.same(mapped(proxied, header()), (FAR[4], 5555), 'another port: served')
    tap.ok(f'UDP, proxies {SERVER[4]}:{OTHER_PORT}\n' in turnpike('status'), 'status names it')
    change(f'trusted-proxy-ip={CLIENT[6]}', f'udp-proxy-port={OTHER_PORT}')
    before = lab.counts()
    proxied.send(message(BINDING, os.urandom(12)))
    tap.ok(until(lambda: lab.counted(before).get('proxy_untrusted') == 1), 'trusted no more')
    lab.stop()


lab.run('peer', f'ip addr add {STRANGER[4]}/24 dev eth0')
lab.run('client', f'ip addr add {NO_PROXY[6]}/64 dev eth0 nodad')
for mode in ('xdp', 'user'):
    start(LONG, f'--udp-proxy-port={PORT}', '--mobility')
    for family, way in ((4, 4), (6, 6), (6, 4), (4, 6)):
        relays(family, way, True, f'{mode}, IPv{family} by {way}, header on all')
        relays(family, way, False, f'{mode}, IPv{family} by {way}, on the first')
    not_confused()
    moves()
    lab.stop()
start(LONG, f'--udp-proxy-port={PORT}')
malformed()
foreign()
who_is_who()
goes_on(many())
lab.stop()
start(SHORT, f'--udp-proxy-port={PORT}')
given_away()
lab.stop()
reload()
tap.done()
