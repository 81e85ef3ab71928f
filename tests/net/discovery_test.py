#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""NAT behaviour discovery (RFC 5780 section 4) through NATs of every kind, whose outer sides
are sockets of the client host: the client learns from the server's four addresses how they
map and filter, and by the older way (RFC 3489) which of the four classic types they are.
By TCP and TLS the four addresses are there as well, for how a NAT maps.
And redirection, which needs no second address but a daemon as well."""
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from case_report import SLACK
from lab import CLIENT, SERVER, Lab, Tap
from turn import ALLOCATE, Client, attr, message, parse, read_address

SECOND = {4: '11.0.1.3', 6: '2a00:1:1::3'}
PORTS = (3478, 3479)
TLS_PORTS = (5349, 8443)
BINDING = 1
MAPPED, CHANGE_REQUEST, SOURCE, CHANGED = 1, 3, 4, 5
PADDING, RESPONSE_PORT, ORIGIN, OTHER = 0x26, 0x27, 0x802B, 0x802C
XOR_MAPPED = 0x20
IP, PORT = 4, 2
ENDPOINT, ADDRESS, ADDRESS_PORT = 'endpoint-independent', 'address-dependent', \
    'address-and-port-dependent'


def part(policy, address):
    """What of an address a NAT of this policy looks at."""
    return {ENDPOINT: None, ADDRESS: address[0], ADDRESS_PORT: address[:2]}[policy]


class Nat:
    """A NAT for one inner socket. Its outer side is one socket per mapping (RFC 4787)."""

    def __init__(self, lab, family, mapping, filtering):
        self.lab, self.family = lab, family
        self.mapping, self.filtering = mapping, filtering
        self.outer = {}

    def send(self, data, to):
        key = part(self.mapping, to)
        if key not in self.outer:
            sock = self.lab.udp('client', CLIENT, self.family)
            sock.settimeout(0)
            self.outer[key] = (sock, set())
        sock, opened = self.outer[key]
        opened.add(part(self.filtering, to))
        sock.sendto(data, to)

    def receive(self, wait):
        """The answer, or Nones where there is none until then, or where it is filtered."""
        end = time.monotonic() + wait
        while time.monotonic() < end:
            for sock, opened in self.outer.values():
                try:
                    data, source = sock.recvfrom(65536)
                except BlockingIOError:
                    continue
                return (data, source[:2]) if part(self.filtering, source) in opened else (None, None)
            time.sleep(0.002)
        return None, None

    def close(self):
        for sock, _ in self.outer.values():
            sock.close()


def plain_address(value):
    family = socket.AF_INET6 if value[1] == 2 else socket.AF_INET
    return socket.inet_ntop(family, value[4:]), struct.unpack('!H', value[2:4])[0]


def ask(nat, to, *attrs):
    """The attributes of the answer and whence it came, or two Nones."""
    txid = os.urandom(12)
    nat.send(message(BINDING, txid, *attrs), to)
    data, source = nat.receive(SLACK)
    if data is None:
        return None, None
    kind, got, answer = parse(data)
    assert got == txid
    answer['mapped'] = read_address(answer[XOR_MAPPED], txid) if kind == 0x101 else None
    return answer, source


def change(bits):
    return attr(CHANGE_REQUEST, struct.pack('!I', bits))


def discover(lab, family, mapping, filtering):
    """RFC 5780 sections 4.3 and 4.4, as a client does it that knows one address."""
    nat = Nat(lab, family, mapping, filtering)
    first, _ = ask(nat, (SERVER[family], PORTS[0]))
    other = plain_address(first[OTHER])
    second, _ = ask(nat, (other[0], PORTS[0]))
    third, _ = ask(nat, other)
    nat.close()
    if first['mapped'] == second['mapped']:
        maps = ENDPOINT
    else:
        maps = ADDRESS if second['mapped'] == third['mapped'] else ADDRESS_PORT
    nat = Nat(lab, family, mapping, filtering)
    ask(nat, (SERVER[family], PORTS[0]))
    if ask(nat, (SERVER[family], PORTS[0]), change(IP | PORT))[0]:
        filters = ENDPOINT
    elif ask(nat, (SERVER[family], PORTS[0]), change(PORT))[0]:
        filters = ADDRESS
    else:
        filters = ADDRESS_PORT
    nat.close()
    return maps, filters


def every_nat(t, lab):
    for family in (4, 6):
        for mapping in (ENDPOINT, ADDRESS, ADDRESS_PORT):
            for filtering in (ENDPOINT, ADDRESS, ADDRESS_PORT):
                t.same(discover(lab, family, mapping, filtering), (mapping, filtering),
                       f'IPv{family}: maps {mapping}, filters {filtering}')


# ------------------------------------------------------------ RFC 3489

def ask_classic(nat, to, *attrs):
    txid = os.urandom(16)
    body = b''.join(attrs)
    nat.send(struct.pack('!HH', BINDING, len(body)) + txid + body, to)
    data, _ = nat.receive(SLACK)
    if data is None:
        return None
    assert data[4:20] == txid and data[:2] == b'\1\1', data
    answer, at = {}, 20
    while at < len(data):
        name, size = struct.unpack('!HH', data[at:at + 4])
        answer[name] = plain_address(data[at + 4:at + 4 + size])
        at += 4 + size
    return answer


def classic_type(lab, mapping, filtering):
    """RFC 3489 section 10.1, figure 2."""
    nat = Nat(lab, 4, mapping, filtering)
    server = (SERVER[4], PORTS[0])
    first = ask_classic(nat, server)
    assert first[SOURCE] == server
    if ask_classic(nat, server, change(IP | PORT)):
        kind = 'full cone'
    elif ask_classic(nat, first[CHANGED])[MAPPED] != first[MAPPED]:
        kind = 'symmetric'
    elif ask_classic(nat, server, change(PORT)):
        kind = 'restricted cone'
    else:
        kind = 'port restricted cone'
    nat.close()
    return kind


def classic_types(t, lab):
    for kind, mapping, filtering in (('full cone', ENDPOINT, ENDPOINT),
                                     ('restricted cone', ENDPOINT, ADDRESS),
                                     ('port restricted cone', ENDPOINT, ADDRESS_PORT),
                                     ('symmetric', ADDRESS_PORT, ADDRESS_PORT)):
        t.same(classic_type(lab, mapping, filtering), kind, f'RFC 3489: {kind}')


# ------------------------------------------------------------ the server's answers

def four_addresses(t, lab):
    ips = (SERVER[4], SECOND[4])
    nat = Nat(lab, 4, ENDPOINT, ENDPOINT)
    for i in range(2):
        for k in range(2):
            for bits in (0, IP, PORT, IP | PORT):
                answer, source = ask(nat, (ips[i], PORTS[k]), change(bits))
                want = (ips[i ^ bool(bits & IP)], PORTS[k ^ bool(bits & PORT)])
                t.same((source, plain_address(answer[ORIGIN]), plain_address(answer[OTHER])),
                       (want, want, (ips[not i], PORTS[not k])),
                       f'{ips[i]}:{PORTS[k]}, change {bits}')
    nat.close()


def ask_stream(lab, to, tls):
    """RESPONSE-ORIGIN, OTHER-ADDRESS and where the answer says the client is; a TURN client
    is answered there as well."""
    sock = lab.socket('client', socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(5)
    sock.connect(to)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    answers = []
    for kind in (BINDING, ALLOCATE):
        txid = os.urandom(12)
        sock.sendall(message(kind, txid, attr(0x19, bytes([17, 0, 0, 0])) if kind == ALLOCATE
                             else b''))
        data = b''
        while len(data) < 20 or len(data) < 20 + struct.unpack('!H', data[2:4])[0]:
            more = sock.recv(2048)
            assert more
            data += more
        answers.append(parse(data))
        assert answers[-1][1] == txid
    (_, txid, answer), (_, _, refused) = answers
    good = read_address(answer[XOR_MAPPED], txid) == sock.getsockname() and \
        refused[9][2:4] == bytes([4, 1])
    sock.close()
    return plain_address(answer[ORIGIN]), plain_address(answer[OTHER]), good


def connections(t, lab):
    ips = (SERVER[4], SECOND[4])
    for tls, ports in ((False, PORTS), (False, TLS_PORTS), (True, TLS_PORTS)):
        for i in range(2):
            for k in range(2):
                t.same(ask_stream(lab, (ips[i], ports[k]), tls),
                       ((ips[i], ports[k]), (ips[not i], ports[not k]), True),
                       f'{"TLS" if tls else "TCP"} {ips[i]}:{ports[k]}')


def response_port(t, lab):
    asking, other = (lab.udp('client', CLIENT, 4) for _ in range(2))
    txid = os.urandom(12)
    asking.sendto(message(BINDING, txid, attr(RESPONSE_PORT, struct.pack(
        '!HH', other.getsockname()[1], 0))), (SERVER[4], PORTS[0]))
    data, source = other.recvfrom(2048)
    t.same((read_address(parse(data)[2][XOR_MAPPED], txid), source),
           (asking.getsockname(), (SERVER[4], PORTS[0])), 'RESPONSE-PORT')


def padding(t, lab):
    nat = Nat(lab, 4, ENDPOINT, ENDPOINT)
    wire = lab.wire('client')
    answer, _ = ask(nat, (SERVER[4], PORTS[0]), attr(PADDING, bytes(1500)))
    t.same(len(answer[PADDING]), 1500, 'PADDING of an MTU')
    wire.settimeout(0.2)
    fragments = 0
    try:
        while True:
            frame = wire.recv(65536)
            if frame[12:14] == b'\x08\x00' and \
                    frame[26:30] == socket.inet_aton(SERVER[4]):
                fragments += struct.unpack('!H', frame[20:22])[0] & 0x3fff != 0
    except (socket.timeout, TimeoutError):
        pass
    t.same(fragments, 2, 'and so the answer comes in fragments')
    wire.close()
    nat.close()


def off(t, lab):
    nat = Nat(lab, 4, ENDPOINT, ENDPOINT)
    answer, _ = ask(nat, (SERVER[4], PORTS[0]))
    t.ok(OTHER not in answer and ORIGIN not in answer, 'off: nothing is said of it')
    answer, _ = ask(nat, (SERVER[4], PORTS[0]), change(IP))
    t.same((answer[9][2:4], answer[0x0A]), (bytes([4, 20]), struct.pack('!H', CHANGE_REQUEST)),
           'off: CHANGE-REQUEST is refused')
    txid = os.urandom(16)
    nat.send(struct.pack('!HH', BINDING, 0) + txid, (SERVER[4], PORTS[0]))
    t.same(nat.receive(0.3)[0], None, 'off: RFC 3489 is not answered')
    nat.close()


# ------------------------------------------------------------ redirection

def redirected(lab, family):
    """The addresses that an Allocate with credentials is answered with, and without."""
    c = Client(lab.udp('client', CLIENT, family), SERVER[family])
    seen = []
    for _ in range(2):
        txid = os.urandom(12)
        c.sock.send(c.signed(ALLOCATE, txid, [attr(0x19, bytes([17, 0, 0, 0]))]))
        _, _, answer = c.answer(txid)
        code = answer[9][2] * 100 + answer[9][3]
        seen.append((code, plain_address(answer[0x8023]) if 0x8023 in answer else None))
        c.realm, c.nonce = answer.get(0x14, b''), answer.get(0x15, b'')
    c.sock.close()
    return seen


def redirects(t, lab):
    for i in range(4):
        t.same(redirected(lab, 4), [(401, None), (300, (f'192.0.2.{i % 2 + 1}', 3478))],
               f'alternate-server: client {i + 1}')
    # there is none for IPv6: such a client is served
    c = Client(lab.udp('client', CLIENT, 6), SERVER[6])
    t.ok(c.allocate(6), 'alternate-server: not for IPv6')
    c.close()


def main():
    t, lab = Tap(), Lab()
    lab.run('relay', f'ip addr add {SECOND[4]}/24 dev toclient; '
                     f'ip -6 addr add {SECOND[6]}/64 dev toclient nodad')
    cert = f'{lab.tmp}/cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=lab', '-keyout', cert,
                    '-out', f'{cert}.crt'], check=True, stderr=subprocess.DEVNULL)
    with open(cert, 'a') as out, open(f'{cert}.crt') as crt:
        out.write(crt.read())
    for kernel in ('xdp', 'user'):
        lab.start(f'--dataplane={kernel}', '--rfc5780', '--rfc3489-compatibility',
                  f'--cert={cert}', f'--alt-tls-listening-port={TLS_PORTS[1]}',
                  f'--listening-ip={SECOND[4]}', f'--listening-ip={SECOND[6]}')
        four_addresses(t, lab)
        response_port(t, lab)
        padding(t, lab)
        if kernel == 'xdp':
            connections(t, lab)
            every_nat(t, lab)
            classic_types(t, lab)
        lab.stop()
    lab.start('--dataplane=xdp', '--alternate-server=192.0.2.1', '--alternate-server=192.0.2.2')
    off(t, lab)
    redirects(t, lab)
    lab.stop()
    t.done()


if __name__ == '__main__':
    main()
