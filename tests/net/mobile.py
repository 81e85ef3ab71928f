# SPDX-License-Identifier: MIT
"""Clients that move (RFC 8016) by UDP, TCP, TLS and DTLS, on top of turn.py, and their peer."""
import errno
import fcntl
import os
import select
import socket
import ssl
import struct
import subprocess
import termios

from lab import AF, CLIENT, PEER, until
from turn import ALLOCATE, REFRESH, Client, attr, channel_data, message, read_address

TICKET = 0x8030


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


# ------------------------------------------------------------------ connections

class Udp:
    """Like a connected socket, with these differences: the port is given, and it can be broken."""

    padded = False

    def __init__(self, lab, port=0):
        self.lab, self.port = lab, port
        self.wait = 30
        self.bytes = b''

    def connect(self, to):
        self.sock = self.lab.udp('client', CLIENT, 4, self.port)
        self.sock.connect(to)

    def send(self, data):
        self.sock.send(data)

    def settimeout(self, seconds):
        self.wait = seconds

    def recv(self, _):
        self.sock.settimeout(self.wait)
        return self.sock.recv(65536)

    def close(self):
        self.sock.close()


class Stream(Udp):
    padded = True

    def connect(self, to):
        self.sock = self.lab.socket('client', AF[4], socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((CLIENT[4], self.port))
        self.sock.settimeout(self.wait)
        assert until(lambda: self.connected(to))

    def connected(self, to):
        try:
            self.sock.connect(to)
            return True
        except OSError as e:
            # the connection before it, from the same port, is not all over yet
            if e.errno != errno.EADDRNOTAVAIL:
                raise
            return False

    def send(self, data):
        self.sock.sendall(data + bytes(-len(data) % 4))

    def more(self):
        self.sock.settimeout(self.wait)
        return self.sock.recv(65536)

    def recv(self, _):
        """One message; no bytes at the end."""
        while True:
            whole = self.cut()
            if whole is not None:
                return whole
            more = self.more()
            if not more:
                return b''
            self.bytes += more

    def cut(self):
        if len(self.bytes) < 4:
            return None
        size = (4 if self.bytes[0] >= 0x40 else 20) + struct.unpack('!H', self.bytes[2:4])[0]
        used = size + (-size % 4 if self.padded else 0)
        if len(self.bytes) < used:
            return None
        whole, self.bytes = self.bytes[:size], self.bytes[used:]
        return whole

    def reset(self):
        """Without a word but RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()


class Tls(Stream):
    def connect(self, to):
        super().connect(to)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)


class Dtls(Stream):
    """openssl s_client, which makes a record of what it reads at once."""

    padded = False

    def connect(self, to):
        self.process = subprocess.Popen(
            self.lab.enter('client') + [
                'openssl', 's_client', '-dtls1_2', '-quiet', '-no_ign_eof',
                '-bind', f'{CLIENT[4]}:{self.port}', '-connect', f'{to[0]}:{to[1]}'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        # what is written before the end of the handshake would all be one record
        assert until(lambda: self.answered(message(1, os.urandom(12))), 90)

    def answered(self, request):
        """It is for the client to repeat what is lost on the way, or its answer."""
        self.send(request)
        try:
            return self.recv(0)[8:20] == request[8:20]
        except TimeoutError:
            return False

    def waiting(self):
        """Bytes that s_client has not taken yet."""
        return struct.unpack('i', fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4)))[0]

    def send(self, data):
        self.process.stdin.write(data)
        assert until(lambda: not self.waiting())

    def more(self):
        if not select.select([self.process.stdout], [], [], self.wait)[0]:
            raise TimeoutError
        return os.read(self.process.stdout.fileno(), 65536)

    def close(self):
        """With close_notify."""
        self.process.stdin.close()
        self.process.wait(5)

    def reset(self):
        """Without a word."""
        self.process.kill()
        self.process.wait(5)
