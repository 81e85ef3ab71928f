#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client on TCP, TLS or DTLS whose connection ends comes back with its ticket (RFC 8016),
by another connection, with any worker, by any transport, or after a crash."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from case_report import until
from lab import PEER, SERVER, Lab, Tap
from mobile import Dtls, Echo, Mobile, Stream, Tls, Udp, both_ways, heard
from turn import ALLOCATE, REFRESH, Client, attr, channel_data

WORKERS = 3
KINDS = {'TCP': Stream, 'TLS': Tls, 'DTLS': Dtls}


def gone(lab):
    return [a for a in lab.allocations() if a['gone']]


def worker_of(lab, port):
    """Which worker a client from this port meets, by an allocation that it gives back."""
    return next(a['worker'] for a in lab.allocations() if a['client'].endswith(f':{port}'))


def ports(lab, kind):
    """A port of the client for each worker: where a connection goes depends on its addresses."""
    found = {}
    for port in range(40000, 40200):
        c = Client(kind(lab, port), SERVER[4])
        c.allocate(4)
        found.setdefault(worker_of(lab, port), port)
        c.request(REFRESH, attr(0x0D, bytes(4)))
        (c.sock.close if kind is Udp else c.sock.reset)()
        if len(found) == WORKERS:
            return [found[i] for i in range(WORKERS)]
    raise RuntimeError(f'not every worker: {found}')


def allocated(lab, sock):
    c = Mobile(sock, SERVER[4])
    c.allocate_mobile()
    c.bind(0x4000, (PEER[4], 3490))
    return c


def lost(t, lab, echo, name):
    """What the peer says meanwhile is discarded, and counted."""
    before = lab.counts()
    echo.say(b'lost')
    t.ok(until(lambda: lab.counted(before).get('client_gone') == 1),
         f'{name}: what the peer sends meanwhile is discarded', lab.counted(before))


def breaks(t, lab, c, end, echo, name):
    end()
    t.ok(until(lambda: len(gone(lab)) == 1), f'{name}: the client is gone, its allocation is not',
         lab.allocations())
    lost(t, lab, echo, name)


def break_before_make(t, lab, echo, kind, at):
    """From the first worker's port to each worker's, and back to that same port."""
    c = allocated(lab, KINDS[kind](lab, at[0]))
    both_ways(t, c, echo, f'{kind}, at home')
    relayed = echo.client
    home = worker_of(lab, at[0])
    ends = [lambda: c.sock.close(), lambda: c.sock.reset()]
    for i, port in enumerate(at[1:] + at[:1] + at[:1]):
        name = f'{kind}, from the port of worker {at.index(port)}'
        # without a word, a DTLS client is still there
        breaks(t, lab, c, ends[0 if kind == 'DTLS' else i % 2], echo, name)
        c.move(KINDS[kind](lab, port), SERVER[4])
        t.ok(not gone(lab), f'{name}: and back')
        echo.say(b'at once!')
        t.same(heard(c.sock), channel_data(0x4000, b'at once!'),
               f'{name}: the peer reaches it before it has sent anything')
        both_ways(t, c, echo, name)
    t.same((worker_of(lab, at[0]), echo.client), (home, relayed),
           f'{kind}: the same worker, the same relayed address')
    c.permit(PEER[4])
    c.close()
    t.ok(until(lambda: not lab.allocations()), f'{kind}: and given back at the end')


def make_before_break(t, lab, echo, kind, at):
    """Both connections serve until the new one is used; either may end before or after."""
    c = allocated(lab, KINDS[kind](lab, at[0]))
    both_ways(t, c, echo, f'{kind}, two connections')
    for port in at[1:]:
        name = f'{kind}, two connections, to worker {at.index(port)}'
        old = c.move(KINDS[kind](lab, port), SERVER[4])
        old.send(channel_data(0x4000, b'old!'))
        there = echo.sees(b'old!')
        echo.say(b'old!')
        t.ok(there and heard(old) == channel_data(0x4000, b'old!'),
             f'{name}: the old one, until the new one is used')
        both_ways(t, c, echo, name)
        old.close()
        both_ways(t, c, echo, f'{name}: the old one has ended')
    # by the first worker's port again: that connection has ended, unused, when the next comes
    old = c.move(KINDS[kind](lab, at[0]), SERVER[4])
    c.sock.close()
    c.sock = old
    both_ways(t, c, echo, f'{kind}, two connections, the new one has ended')
    # and the old one ends while the new one is there, unused
    old = c.move(KINDS[kind](lab, at[0]), SERVER[4])
    old.close()
    t.ok(until(lambda: [a for a in lab.allocations() if a['client'].endswith(f':{at[0]}')]),
         f'{kind}: the old one has ended, and it is at the new one', lab.allocations())
    echo.say(b'down')
    t.same(heard(c.sock), channel_data(0x4000, b'down'), f'{kind}: where its peer reaches it')
    c.close()


def dtls_without_a_word(t, lab, echo, at):
    """The client vanishes, and begins anew from the same port."""
    c = allocated(lab, Dtls(lab, at[0]))
    both_ways(t, c, echo, 'DTLS, vanishing')
    c.sock.reset()
    c.move(Dtls(lab, at[0]), SERVER[4])
    both_ways(t, c, echo, 'DTLS, vanished and back from the same port')
    c.close()


def every_transport(t, lab, echo, stream_at, udp_at, kernel):
    c = allocated(lab, Udp(lab, udp_at[0]))
    both_ways(t, c, echo, 'UDP first')
    for kind, port in ((Stream, stream_at[1]), (Dtls, udp_at[2]), (Tls, stream_at[0]),
                       (Udp, udp_at[1]), (Tls, stream_at[2]), (Udp, udp_at[0])):
        old = c.move(kind(lab, port), SERVER[4])
        name = f'{type(old).__name__} to {kind.__name__}'
        both_ways(t, c, echo, name)
        old.close()
        both_ways(t, c, echo, f'{name}, the old one has ended')
        if kind is Udp and kernel != 'user':
            before = lab.counts()
            both_ways(t, c, echo, f'{name}, in the kernel')
            counted = lab.counted(before)
            t.ok(sum(counted.get(k, 0) for k in ('to_peer', 'to_client', 'poke')) == 2,
                 f'{name}: the kernel relays it', counted)
    c.close()


def refused(t, lab, echo, name):
    """Ways to be refused, none of which harms what is there."""
    c = allocated(lab, Stream(lab))
    both_ways(t, c, echo, name)
    breaks(t, lab, c, c.sock.close, echo, name)
    good = c.ticket
    for wrong, code in ((bytes(20), 400), (b'', 400), (good[:-1] + bytes([good[-1] ^ 1]), 400)):
        c.ticket = wrong
        try:
            c.move(Tls(lab), SERVER[4])
            code = None
        except RuntimeError as e:
            t.same(str(e), f'method {REFRESH}: error {code}', f'{name}: a wrong ticket')
        c.sock.close()
    c.ticket = good
    c.move(Tls(lab), SERVER[4])
    both_ways(t, c, echo, f'{name}: the right one')
    c.close()


def crashed(t, lab, echo, kernel):
    """With the process goes the connection; the client comes back, as to the one before."""
    c = allocated(lab, Tls(lab))
    both_ways(t, c, echo, f'{kernel}, before a crash')
    lab.crash()
    t.ok(len(gone(lab)) == 1, f'{kernel}, crashed: the client is gone', lab.allocations())
    lost(t, lab, echo, f'{kernel}, crashed')
    c.move(Tls(lab), SERVER[4])
    both_ways(t, c, echo, f'{kernel}, crashed, and back')
    c.close()


def allocate(lab, mobile):
    """The error, None if there is none."""
    sock = Stream(lab)
    c = Mobile(sock, SERVER[4])
    try:
        (c.allocate_mobile if mobile else lambda: c.allocate(4))()
        return c, None
    except RuntimeError as e:
        return c, str(e)


def limited(t, lab):
    """An allocation that is kept counts."""
    lab.start('--dataplane=user', '--mobility', '--user-quota=3')
    for i in range(3):
        c, error = allocate(lab, True)
        c.sock.close()
        t.same(error, None, f'of three, {i + 1}')
    t.ok(until(lambda: len(gone(lab)) == 3), 'three are kept', lab.allocations())
    full, error = allocate(lab, True)
    t.same(error, f'method {ALLOCATE}: error 486', 'and no more than those')
    full.sock.close()
    c.move(Stream(lab), SERVER[4])
    t.same(len(gone(lab)), 2, 'one of them is back')
    c.close()
    again, error = allocate(lab, True)
    t.same(error, None, 'and given back: there is room for one again')
    again.sock.close()
    t.ok(until(lambda: len(gone(lab)) == 3), 'which is kept, too')
    lab.turnpike('kick', 'alice')
    t.same(lab.allocations(), [], 'an operator ends them')
    later, error = allocate(lab, False)
    t.same(error, None, 'then there is room again')
    later.sock.close()
    t.ok(until(lambda: not lab.allocations()), 'and without a ticket none is kept')
    lab.stop()


def over(t, lab):
    lab.start('--dataplane=user', '--mobility', '--max-allocate-lifetime=2')
    c, error = allocate(lab, True)
    t.same(error, None, 'for two seconds')
    c.sock.close()
    t.ok(until(lambda: not lab.allocations()), 'which end also without the client')
    lab.stop()


def lost_port_rests(t, lab):
    """A crash takes an allocation whose client cannot come back; nobody gets its port at once."""
    lab.start('--dataplane=user', '--mobility', '--min-port=50000', '--max-port=50000')
    _, error = allocate(lab, False)
    t.same(error, None, 'one port: taken')
    lab.crash()
    t.same(lab.allocations(), [], 'one port: lost with its process')
    t.same(allocate(lab, False)[1], f'method {ALLOCATE}: error 508', 'one port: it rests')
    lab.stop()


def main():
    t, lab = Tap(), Lab()
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', '/CN=lab',
                    '-keyout', f'{lab.tmp}/key.pem', '-out', f'{lab.tmp}/cert.pem'], check=True,
                   stderr=subprocess.DEVNULL)
    lab.settle_neighbours()
    for kernel in ('xdp', 'user'):
        lab.start(f'--dataplane={kernel}', '--mobility', f'--relay-threads={WORKERS}', '--dtls',
                  f'--cert={lab.tmp}/cert.pem', f'--pkey={lab.tmp}/key.pem')
        echo = Echo(lab)
        stream_at, udp_at = ports(lab, Stream), ports(lab, Udp)
        for kind in KINDS:
            at = udp_at if kind == 'DTLS' else stream_at
            break_before_make(t, lab, echo, kind, at)
            make_before_break(t, lab, echo, kind, at)
        dtls_without_a_word(t, lab, echo, udp_at)
        every_transport(t, lab, echo, stream_at, udp_at, kernel)
        refused(t, lab, echo, kernel)
        crashed(t, lab, echo, kernel)
        echo.sock.close()
        t.same(lab.started(), 2, f'{kernel}: it died only where it was killed')
        lab.stop()
    limited(t, lab)
    over(t, lab)
    lost_port_rests(t, lab)
    t.done()


if __name__ == '__main__':
    main()
