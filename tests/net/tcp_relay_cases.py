# SPDX-License-Identifier: MIT
"""TCP allocations (RFC 6062) on the wire; tcp_relay_test.sh starts the daemon.

  tcp_relay_cases.py LAB CONTROL_SOCKET RELAY_PID CLIENT SERVER PEER RELAYED MAX_BPS [--no-rss]
                     [--short] [--database FILE]

One line for each case: status, name and diagnostic, separated by tabs. Q is a group of the
catalogue of bad input. MAX_BPS 0: everything, else only what is about that limit."""
import hashlib
import random
import socket
import ssl
import subprocess
import sys
import threading
import time

from case_report import SLACK, is_equal, say, until
from running_lab import RunningLab
from stream_client import *

NAME, CONTROL, RELAY_PID, CLIENT, SERVER, PEER, RELAYED = sys.argv[1:8]
MAX_BPS = int(sys.argv[8])
RSS_COUNTS = "--no-rss" not in sys.argv
SHORT = "--short" in sys.argv
CONNECT, CONN_BIND, ATTEMPT, A_CONN = 10, 11, 12, 0x2A
TCP = (A_TRANSPORT, b"\x06\0\0\0")
TLS = {}
lab = RunningLab(NAME, CONTROL)


class Control(StreamClient):
    """A control connection; the first request brings the nonce."""

    def __init__(self, tls=None, user="alice", password="secret"):
        super().__init__(lab, CLIENT, SERVER, user, password)
        self.open(tls=tls)
        self.indications = []
        self.login()

    def hear(self):
        text = self.read()
        return text and Answer(text)

    def talk(self, request):
        """The answer to it; indications wait their turn."""
        self.write(request)
        while True:
            answer = self.hear()
            if answer is None or answer.txid == request[8:20]:
                return answer
            self.indications.append(answer)

    def allocate(self, *attrs):
        family = [(A_RAF, b"\x02\0\0\0")] if ":" in RELAYED else []
        answer = self.talk(self.request(ALLOCATE, TCP, *family, *attrs))
        if answer.code() == "ok":
            self.relayed = answer.address(A_RELAYED)
        return answer.code()

    def connect(self, port, ip=None):
        """The connection's id, or the error."""
        answer = self.talk(self.about(CONNECT, (ip or PEER, port)))
        return answer.attrs[A_CONN] if answer.code() == "ok" else answer.code()

    def attempted(self):
        answer = self.indications.pop(0) if self.indications else self.hear()
        assert answer.method == ATTEMPT and answer.klass == INDICATION, answer.text.hex()
        return answer.attrs[A_CONN], answer.address(A_PEER)

    def refresh(self, seconds):
        answer = self.talk(self.request(REFRESH, (A_LIFETIME, struct.pack("!I", seconds))))
        return answer.code()


class Data(StreamClient):
    """A data connection, once bind_to() says ok; then receive() and write()."""

    def __init__(self, tls=None, user="alice", password="secret", rcvbuf=0):
        super().__init__(lab, CLIENT, SERVER, user, password)
        self.open(tls=tls, rcvbuf=rcvbuf)
        self.login()

    def bind_to(self, number, behind=b""):
        self.write(self.request(CONN_BIND, (A_CONN, number)) + behind)
        return Answer(self.read()).code()

    def receive(self, n=None):
        """n bytes, or all to the end."""
        self.sock.settimeout(SLACK)
        got, self.buffer = self.buffer, b""
        while n is None or len(got) < n:
            try:
                more = self.sock.recv(65536)
            except ssl.SSLEOFError:
                raise ConnectionResetError from None
            if not more:
                break
            got += more
        return got


def listener():
    s = lab.tcp("peer", PEER)
    s.listen(300)
    return s, s.getsockname()[1]


def control(**kw):
    c = Control(**kw)
    code = c.allocate()
    assert code == "ok", code
    return c


def reach(c):
    """The id of a connection by Connect, and the peer's end of it."""
    l, port = listener()
    number = c.connect(port)
    assert isinstance(number, bytes), number
    end, _ = l.accept()
    end.settimeout(SLACK)
    l.close()
    return number, end


def pair(c, tls=None, behind=b"", **kw):
    """A data connection and the peer's end of it."""
    number, end = reach(c)
    d = Data(tls=tls, **kw)
    code = d.bind_to(number, behind)
    assert code == "ok", code
    return d, end


def receive(sock, n=None):
    got = b""
    while n is None or len(got) < n:
        more = sock.recv(65536)
        if not more:
            break
        got += more
    return got


def is_reset(receiving):
    try:
        receiving()
    except (ConnectionResetError, ssl.SSLError):
        return True
    return False


# ------------------------------------------------------------------ cases

def both_ways(tls):
    """Two workers: with 16 connections, some are for the one that did not accept them."""
    kind = "TLS" if tls is not None else "TCP"
    c = control(tls=tls)
    good = 0
    for i in range(16):
        d, end = pair(c, tls)
        up, down = random.randbytes(200000), random.randbytes(300000)
        writer = threading.Thread(target=end.sendall, args=(down,))
        writer.start()
        got = []
        reader = threading.Thread(target=lambda: got.append(receive(end, len(up))))
        reader.start()
        if tls is None:
            sender = threading.Thread(target=d.write, args=(up,))
            sender.start()
            ok = d.receive(len(down)) == down
            sender.join()
        else:
            ok = d.receive(len(down)) == down
            d.write(up)
        writer.join()
        reader.join()
        good += ok and got == [up]
    is_equal(good, 16, f"{kind}: 16 connections by Connect, both ways, whichever worker")
    c.sock.close()


def data_at_once(tls):
    kind = "TLS" if tls is not None else "TCP"
    c = control(tls=tls)
    good = 0
    for i in range(8):
        number, end = reach(c)
        end.sendall(b"before")
        d = Data(tls=tls)
        behind = random.randbytes([1, 100, 3000, 50000, 5, 20000, 3900, 4096][i])
        code = d.bind_to(number, behind)
        good += code == "ok" and d.receive(6) == b"before" and \
            receive(end, len(behind)) == behind
    is_equal(good, 8, f"{kind}: nothing is lost that is sent before or right behind ConnectionBind")


def attempts(tls):
    kind = "TLS" if tls is not None else "TCP"
    c = control(tls=tls)
    p = lab.tcp("peer", PEER)
    p.connect(c.relayed)
    try:
        closed = p.recv(1) == b""
    except ConnectionResetError:
        closed = True
    say(closed, f"Q11 {kind}: a peer without permission is accepted and closed")
    is_equal(c.talk(c.about(PERMIT, (PEER, 0))).code(), "ok", f"{kind}: CreatePermission")
    is_equal(len(c.indications), 0, f"Q11 {kind}: and the client hears nothing of it")
    p = lab.tcp("peer", PEER)
    p.connect(c.relayed)
    p.sendall(b"hello")
    number, who = c.attempted()
    is_equal(who, p.getsockname()[:2], f"{kind}: ConnectionAttempt names the peer")
    d = Data(tls=tls)
    is_equal(d.bind_to(number), "ok", f"{kind}: ConnectionBind to it")
    d.write(b"welcome")
    is_equal((d.receive(5), receive(p, 7)), (b"hello", b"welcome"), f"{kind}: both ways")
    is_equal(c.connect(p.getsockname()[1]), 446, f"Q2 {kind}: Connect to a peer that is there")


def half_closes():
    c = control()
    d, end = pair(c)
    d.write(b"question")
    d.sock.shutdown(socket.SHUT_WR)
    question = receive(end)
    end.sendall(b"answer")
    end.close()
    is_equal((question, d.receive()), (b"question", b"answer"), "the client's end is passed on")
    for tls in (None, TLS):
        d, end = pair(c, tls=tls)
        end.sendall(b"first")
        end.shutdown(socket.SHUT_WR)
        first = d.receive()
        d.write(b"second")
        if tls is None:
            d.sock.close()
            second = receive(end)
        else:
            second = receive(end, 6)
        is_equal((first, second), (b"first", b"second"),
                 f"the peer's end is passed on, {'TLS' if tls is not None else 'TCP'}")


def resets():
    c = control()
    now = struct.pack("ii", 1, 0)
    d, end = pair(c)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    end.close()
    say(is_reset(d.receive), "a peer's reset reaches the client")
    d, end = pair(c)
    d.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    d.sock.close()
    say(is_reset(lambda: receive(end)), "a client's reset reaches the peer")
    for tls in (None, TLS):
        d, end = pair(c, tls=tls)
        d.sock.close()
        is_equal(receive(end), b"", "a client that closes: the peer's connection ends")
        end.close()


def refusals():
    c = Control()
    is_equal(c.connect(80), 437, "Q1 Connect without an allocation")
    is_equal(c.allocate((A_DF, b"")), 400, "L7 TCP with DONT-FRAGMENT")
    is_equal(c.allocate(), "ok", "then without")
    udp = UdpClient(lab, CLIENT, SERVER).login()
    is_equal(udp.ask(udp.request(ALLOCATE, TCP)).code(), 400, "L6 TCP for a client on UDP")
    is_equal(udp.ask(udp.request(CONN_BIND, (A_CONN, bytes(4)))).code(), 400,
             "Q6 ConnectionBind on UDP")
    udp.sock.close()
    l, port = listener()
    l.close()
    start = time.monotonic()
    is_equal(c.connect(port), 447, "Q5 a peer that refuses")
    say(time.monotonic() - start < SLACK, "Q5 is said at once")
    other = Control()
    if ":" not in PEER:
        is_equal(c.connect(3478, SERVER), 403, "Q4 this server")
        is_equal(c.connect(80, "127.0.0.1"), 403, "Q4 loopback")
    l, port = listener()
    number = c.connect(port)
    is_equal(c.connect(port), 446, "Q2 Connect to the same peer twice")
    d = Data()
    is_equal(d.bind_to(bytes(a ^ 1 for a in number)), 400, "Q7 an id that there is not")
    is_equal(d.bind_to(number), "ok", "and the right one, on the same connection")
    is_equal(Data().bind_to(number), 400, "Q7 one that is bound")
    l, port = listener()
    number = c.connect(port)
    is_equal(Data(user="bob").bind_to(number), 441, "Q8 somebody else's")
    other.sock.close()


def shown():
    """What operators see of it: the relayed address, by TCP, and how many connections."""
    c = control()
    of = "[%s]:%d" if ":" in RELAYED else "%s:%d"
    want = {"relayed": [of % c.relayed], "relayed_by": "tcp", "connections": 3}
    c.talk(c.about(PERMIT, (PEER, 0)))
    pairs = [pair(c) for _ in range(2)]
    with lab.tcp("peer", PEER) as peer:
        peer.connect(c.relayed)
        bound = Data()
        bound.bind_to(c.attempted()[0])

        def seen():
            return next({key: a[key] for key in want} for a in lab.allocations()
                        if a["relayed"] == want["relayed"])
        is_equal(seen(), want, "allocations tells the relayed address and three connections")
        text = subprocess.run(["build/turnpike", "--socket", CONTROL, "allocations"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        say(f"{want['relayed'][0]}/tcp " in text, "and so it is shown", text)
    bound.sock.close()
    want["connections"] = 2
    say(until(lambda: seen() == want), "one that is over is gone", seen())
    for d, end in pairs:
        d.sock.close()
        end.close()
    c.refresh(0)
    c.sock.close()


def ends():
    c = control()
    pairs = [pair(c) for _ in range(4)]
    is_equal(c.refresh(0), "ok", "Refresh to 0")
    say(all(is_reset(d.receive) and is_reset(lambda: receive(end)) for d, end in pairs),
        "Q13 ends every connection at both ends")
    c = control()
    pairs = [pair(c) for _ in range(4)]
    c.sock.close()
    say(all(is_reset(d.receive) and is_reset(lambda: receive(end)) for d, end in pairs),
        "Q13 and so does the end of the control connection")
    say(until(lambda: not lab.allocations()), "no allocation is left behind", lab.allocations())


def rss():
    with open(f"/proc/{RELAY_PID}/statm") as f:
        return int(f.read().split()[1]) * 4096


def stuff(sock, most):
    """Writes until nothing more is taken for a second; how much, and its hash."""
    digest, n = hashlib.sha256(), 0
    sock.settimeout(1)
    while n < most:
        block = random.randbytes(65536)
        try:
            sent = sock.send(block)
        except (TimeoutError, ssl.SSLWantWriteError):
            break
        digest.update(block[:sent])
        n += sent
    return n, digest.digest()


def slow(tls, up):
    kind = f"{'TLS' if tls is not None else 'TCP'}, {'to the peer' if up else 'to the client'}"
    c = control()
    d, end = pair(c, tls=tls)
    other, other_end = pair(c)
    before = rss()
    n, digest = stuff(d.sock if up else end, 200 << 20)
    say(1 << 16 < n < 100 << 20, f"Q10 slow reader, {kind}: the writer is stopped", f"{n} bytes")
    if RSS_COUNTS:
        say(rss() - before < 2 << 20, f"Q10 {kind}: the daemon keeps little", rss() - before)
    other.write(b"x")
    is_equal(receive(other_end, 1), b"x", f"{kind}: others are not delayed")
    got = receive(end, n) if up else d.receive(n)
    is_equal(hashlib.sha256(got).digest() == digest, True, f"{kind}: and then everything arrives")


def any_order():
    """Q14: 150 connections, whoever ends them first."""
    c = [control() for _ in range(3)]
    things = []
    for i in range(150):
        l, port = listener()
        number = c[i % 3].connect(port)
        if not isinstance(number, bytes):
            continue
        end, _ = l.accept()
        things += [end, l]
        if i % 5:
            d = Data(tls=TLS if i % 3 else None)
            d.write(d.request(CONN_BIND, (A_CONN, number)) + b"x" * (i * 50))
            things.append(d.sock)
    random.shuffle(things)
    for i, s in enumerate(things):
        if i % 4 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        if i == len(things) // 2:
            c[0].sock.close()
        if i == len(things) * 2 // 3:
            c[1].refresh(0)
    c[2].sock.close()
    c[1].sock.close()
    say(until(lambda: not lab.allocations()), "Q14 150 connections end in any order")
    c = control()
    d, end = pair(c)
    d.write(b"alive")
    is_equal(receive(end, 5), b"alive", "Q14 and the daemon serves")
    c.sock.close()


def no_rows():
    """The kernel's data paths know nothing of it: datagrams reach no socket."""
    c = control()
    c.talk(c.about(PERMIT, (PEER, 0)))
    before = lab.ask("stats")["reasons"]
    s = lab.udp("peer", PEER)
    s.connect(c.relayed)
    s.send(b"x")
    try:
        got = s.recv(100)
    except OSError as e:
        got = e
    say(isinstance(got, ConnectionRefusedError), "a datagram to a TCP relayed address: no such port",
        got)
    rows = [sum(r["packets"] for r in stats if r["reason"] in ("stream", "refused"))
            for stats in (before, lab.ask("stats")["reasons"])]
    is_equal(rows[1], rows[0], "and no row is there for it")
    c.sock.close()


def hairpin():
    """Both ends of it are clients of this server."""
    a, b = control(), control()
    for c in (a, b):
        c.talk(c.about(PERMIT, (RELAYED, 0)))
    number = a.connect(b.relayed[1], b.relayed[0])
    if not isinstance(number, bytes):
        return say(False, "from a relayed address to another", number)
    theirs, who = b.attempted()
    is_equal(who, a.relayed, "from a relayed address to another: ConnectionAttempt names it")
    mine, other = Data(), Data()
    is_equal((mine.bind_to(number), other.bind_to(theirs)), ("ok", "ok"), "both are bound")
    mine.write(b"ping")
    got = other.receive(4)
    other.write(b"pong")
    is_equal((got, mine.receive(4)), (b"ping", b"pong"), "and data goes through both")
    a.sock.close()
    b.sock.close()


def limited():
    """The first second's worth is free, and what is read at once."""
    for up in (True, False):
        c = control()
        d, end = pair(c)
        n = MAX_BPS * 3
        data = random.randbytes(n)
        start = time.monotonic()
        writer = threading.Thread(target=(d.sock if up else end).sendall, args=(data,))
        writer.start()
        got = receive(end, n) if up else d.receive(n)
        took = time.monotonic() - start
        writer.join()
        say(got == data and 1.5 < took < 2 + SLACK, f"max-bps, {'up' if up else 'down'}: three seconds' "
            "worth take two, and nothing is lost", f"{took:.1f} s, {len(got)} of {n}")
        c.sock.close()


def looked_up(path):
    """Users are in a database, and the ConnectionBind request waits for it: what comes behind
    the request does, too."""
    who = dict(user="eve", password="secret2")
    c = Control(**who)
    is_equal(c.allocate(), "ok", "a user of the database")
    good = 0
    for i in range(4):
        number, end = reach(c)
        # nothing that was known of users counts any more
        subprocess.run(["build/turnpike", "--config", "/nonexistent", "--realm", "lab", "--userdb",
                        path, "user", "add", f"other{i}"], input=b"x\n", check=True)
        time.sleep(1.5)
        behind = random.randbytes(1000 + i * 10000)
        d = Data(**who)
        code = d.bind_to(number, behind)
        good += code == "ok" and receive(end, len(behind)) == behind
    is_equal(good, 4, "nothing is lost of what is sent while the user is looked up")
    c.sock.close()


def main():
    if MAX_BPS:
        limited()
    elif "--database" in sys.argv:
        looked_up(sys.argv[-1])
    else:
        for tls in (None, TLS):
            both_ways(tls)
            data_at_once(tls)
            attempts(tls)
            if not SHORT:
                slow(tls, False)
                slow(tls, True)
        no_rows()
        hairpin()
        refusals()
        shown()
        if not SHORT:
            half_closes()
            resets()
            ends()
            any_order()
    say(until(lambda: not lab.allocations()), "no allocation is left", lab.allocations())


main()
