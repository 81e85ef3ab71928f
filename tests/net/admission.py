# SPDX-License-Identifier: MIT
"""Who may send to the relayed address of a client on a stream, whichever it is."""
from case_report import is_equal, say, until
from hostile import A_DATA, Answer


def admission(client, peer):
    """peer: a UDP socket in the peer's host."""
    ip, port = peer.getsockname()[:2]
    turned_away = client.lab.unpermitted()
    peer.sendto(b"early", client.relayed)
    # two sockets of the daemon: which it reads first is not said
    say(until(lambda: client.lab.unpermitted() > turned_away),
        "what comes without a permission is dropped")
    client.permit(ip)
    peer.sendto(b"late", client.relayed)
    indication = Answer(client.read())
    is_equal((indication.code(), indication.attrs[A_DATA]), ("data", b"late"),
             "without a permission nothing gets in, with it a Data indication comes")
    client.write(client.send(ip, port, b"up.."))
    is_equal(peer.recv(10), b"up..", "a Send indication gets out")
