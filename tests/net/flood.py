#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""flood.py SOURCE SERVER PORT TYPE COUNT [PER_SECOND]: so many STUN requests without
attributes from one socket, and how many answers came (within a second of the last). Where
nobody says how many per second, so many that their answers keep up."""
import os
import select
import socket
import struct
import sys

source, server, port, kind, count = sys.argv[1:6]
count = int(count)
pause = 1 / float(sys.argv[6]) if len(sys.argv) > 6 else 0
family = socket.AF_INET6 if ":" in server else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind((source, 0))
s.connect((server, int(port)))
answers = set()


def collect(seconds, until=None):
    while len(answers) != until and select.select([s], [], [], seconds)[0]:
        try:
            answer = s.recv(2048)
        except ConnectionError:
            continue
        answers.add(answer[8:20])
        seconds = min(seconds, 0.2)


for i in range(count):
    txid = struct.pack("!I", i) + os.urandom(8)
    s.send(struct.pack("!HHI", int(kind, 0), 0, 0x2112A442) + txid)
    if pause:
        collect(pause)
    elif i % 64 == 63:
        collect(1, i + 1)
collect(1)
print("sent", count, "answered", len(answers))
