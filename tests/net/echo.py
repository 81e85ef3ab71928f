#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
echo.py ADDRESS PORT: sends every datagram back, with room for those that come while
somebody else has the processor (turnutils_peer has room for fifty).
"""
import socket
import sys

SO_RCVBUFFORCE = 33

sock = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
sock.bind((sys.argv[1], int(sys.argv[2])))
while True:
    data, back = sock.recvfrom(65536)
    sock.sendto(data, back)
