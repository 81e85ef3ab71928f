# SPDX-License-Identifier: MIT
"""Sockets of a network namespace: a socket stays in the one that it was made in."""
import contextlib
import ctypes
import os
import socket

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f'setns: {os.strerror(ctypes.get_errno())}')


@contextlib.contextmanager
def inside(name):
    """This thread is in the namespace of that name until the block ends."""
    with open('/proc/thread-self/ns/net') as here, open(f'/run/netns/{name}') as there:
        enter(there)
        try:
            yield
        finally:
            enter(here)


def socket_in(name, *args):
    with inside(name):
        return socket.socket(*args)
