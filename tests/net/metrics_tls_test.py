#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The exporter over HTTPS (prometheus-tls): whom it serves, with which certificate, also after
a reload, and how long it waits for those who say nothing."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from case_report import until
from lab import SERVER, TURNPIKED, Lab, Tap

PORT = 9641
PATIENCE_S = 60         # the daemon's own is 10; a busy machine is late


def make_cert(path, name):
    """A certificate and its key in one file."""
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}', '-addext',
                    f'subjectAltName=DNS:{name}', '-keyout', path, '-out', f'{path}.crt'],
                   check=True, stderr=subprocess.DEVNULL)
    with open(path, 'a') as out, open(f'{path}.crt') as crt:
        out.write(crt.read())
    os.remove(f'{path}.crt')
    return path


def plain(lab, port=PORT):
    sock = lab.socket('client', socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_S)
    sock.connect((SERVER[4], port))
    return sock


def secure(lab, cert, name, port=PORT, alpn=None):
    """A connection to a server that must have this certificate."""
    context = ssl.create_default_context(cafile=cert)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context.wrap_socket(plain(lab, port), server_hostname=name)


def get(sock, path):
    """Status and body; the connection stays."""
    sock.sendall(f'GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n'.encode())
    data = b''
    while b'\r\n\r\n' not in data:
        data += received(sock)
    head, _, body = data.partition(b'\r\n\r\n')
    length = next(int(line.split(b':')[1]) for line in head.split(b'\r\n')
                  if line.lower().startswith(b'content-length:'))
    while len(body) < length:
        body += received(sock)
    return int(head.split()[1]), body.decode()


def received(sock):
    more = sock.recv(65536)
    if not more:
        raise ConnectionResetError
    return more


def refused(try_it):
    try:
        try_it()
    except OSError as e:        # an alert as well
        return str(e) or repr(e)
    return None


def whom_it_serves(t, lab, cert):
    sock = secure(lab, cert, 'a.lab')
    status, body = get(sock, '/metrics')
    t.same((status, 'turn_total_allocations{type="TLS"} 0' in body), (200, True), 'the metrics')
    t.same(get(sock, '/livez'), (200, 'ok\n'), 'by the same connection: /livez')
    sock.close()
    for alpn, chosen in ((['h2', 'http/1.1'], 'http/1.1'), (['http/1.1'], 'http/1.1')):
        sock = secure(lab, cert, 'a.lab', alpn=alpn)
        t.same((sock.selected_alpn_protocol(), get(sock, '/')[0]), (chosen, 200), f'ALPN {alpn}')
        sock.close()
    for alpn in (['h2'], ['stun.turn']):
        why = refused(lambda: secure(lab, cert, 'a.lab', alpn=alpn))
        t.ok('no application protocol' in str(why).lower(), f'ALPN {alpn} is refused', why)
    t.ok(refused(lambda: get(plain(lab), '/metrics')), 'plain HTTP gets nothing')
    before = secure(lab, cert, 'a.lab')
    before.close()
    t.ok(get(secure(lab, cert, 'a.lab'), '/')[0] == 200, 'one that leaves takes nobody along')


def served_by(lab, cert, name, port=PORT):
    try:
        secure(lab, cert, name, port).close()
    except ssl.SSLError:
        return False
    return True


def reloads(t, lab, a, b, used):
    old = secure(lab, a, 'a.lab')
    shutil.copy(b, used)
    lab.daemon.send_signal(signal.SIGHUP)
    # asked every time, so that it is not let go meanwhile
    t.ok(until(lambda: get(old, '/livez')[0] == 200 and served_by(lab, b, 'b.lab')),
         'reload: the new certificate, and a connection goes on with what it began with')
    old.close()
    shutil.copy(a, used)
    t.ok(until(lambda: served_by(lab, a, 'a.lab'), PATIENCE_S),
         'and what is written there without a reload')
    with open(used, 'w') as out:
        out.write('rubbish')
    t.ok(until(lambda: 'holds no certificate' in open(lab.log.name).read()), 'rubbish is refused')
    t.ok(served_by(lab, a, 'a.lab'), 'and the last good one stays')


def ended(sock):
    """Without a word of its own, but for an alert."""
    try:
        while sock.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def silent(lab, cert):
    """Connections that say nothing, half of a ClientHello, nothing inside TLS, and half a request."""
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname='a.lab').do_handshake()
    except ssl.SSLWantReadError:
        pass
    kinds = {'nothing': plain(lab), 'half a ClientHello': plain(lab),
             'nothing inside TLS': secure(lab, cert, 'a.lab'),
             'half a request': secure(lab, cert, 'a.lab')}
    kinds['half a ClientHello'].sendall(hello.read()[:100])
    kinds['half a request'].sendall(b'GET /metrics HT')
    return kinds


def faults(t, a, b):
    for directives, want in (
            ((), '--prometheus-tls: error: prometheus-tls without prometheus-cert or cert'),
            ((f'--prometheus-cert={a}', f'--prometheus-key={b}'),
             f'--prometheus-key: error: prometheus-key {b}: is not the key of the certificate'),
            ((f'--prometheus-cert={a}', f'--pkey={a}', f'--pkey={a}'),
             '--pkey: error: there are 1 prometheus-cert, and 2 pkey: one belongs to each'),
            (('--prometheus-cert=/nowhere.pem',),
             '--prometheus-cert: error: prometheus-cert: /nowhere.pem: No such file')):
        said = subprocess.run([TURNPIKED, '-n', '--check-config', '--stun-only', '--prometheus',
                               '--prometheus-tls', *directives], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        t.ok(said.returncode and want in said.stderr, want.partition(': ')[2], said.stderr)


def main():
    t, lab = Tap(), Lab()
    a, b = (make_cert(f'{lab.tmp}/{name}.pem', f'{name}.lab') for name in 'ab')
    faults(t, a, b)
    lab.start('--dataplane=user', '--prometheus', '--prometheus-tls', f'--cert={a}',
              f'--prometheus-cert={b}')
    t.ok(served_by(lab, b, 'b.lab') and served_by(lab, a, 'a.lab', 5349),
         'a certificate of its own')
    lab.stop()
    used = f'{lab.tmp}/used.pem'
    shutil.copy(a, used)
    lab.start('--dataplane=user', '--no-tls', '--prometheus', '--prometheus-tls', f'--cert={used}')
    waiting = silent(lab, a)
    whom_it_serves(t, lab, a)
    reloads(t, lab, a, b, used)
    for kind, sock in waiting.items():
        t.ok(ended(sock), f'who says {kind} is let go')
    lab.stop()
    t.done()


if __name__ == '__main__':
    main()
