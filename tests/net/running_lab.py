# SPDX-License-Identifier: MIT
"""A lab that is up, with a daemon in it, seen by a program of cases: sockets in its hosts, and
what the daemon's control socket says."""
import json
import socket

from case_report import SLACK
from namespace import inside


class RunningLab:
    # one packet, one of these; what XDP passed up is counted again by who took it
    ENDS = ("to_peer to_client hairpin binding bad_frame bad_channel ttl rewrite refused stranger "
            "unasked limit user_to_peer user_to_client "
            "stun_success stun_error stun_limited stun_ignored bad_stun not_turn no_allocation "
            "no_channel no_permission bad_send too_long icmp_relayed icmp_ignored").split()

    def __init__(self, name, control):
        self.name, self.control = name, control

    # ------------------------------------------------------------ the hosts

    def bound(self, host, kind, ip, port=0):
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with inside(f"{self.name}-{host}"):
            s = socket.socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((ip, port))
        s.settimeout(SLACK)
        return s

    def udp(self, host, ip, port=0):
        return self.bound(host, socket.SOCK_DGRAM, ip, port)

    def tcp(self, host, ip):
        return self.bound(host, socket.SOCK_STREAM, ip)

    # ----------------------------------------------------------- the daemon

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.control)
            s.sendall(json.dumps({"cmd": command}).encode() + b"\n")
            return json.load(s.makefile())

    def counts(self):
        return {r["reason"]: r["packets"] for r in self.ask("stats")["reasons"]}

    def ends(self):
        """What became of each packet."""
        return {k: n for k, n in self.counts().items() if k in self.ENDS}

    def count(self, reason):
        return self.counts()[reason]

    def unpermitted(self):
        """By the daemon, or in the kernel."""
        counts = self.counts()
        return counts["no_permission"] + counts["refused"]

    def strangers(self):
        """Connections and sessions without an allocation."""
        return self.ask("status")["streams"]["strangers"]

    def allocations(self):
        return self.ask("allocations")["allocations"]
