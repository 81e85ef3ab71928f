#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Where packets can be lost in a lab, in numbers: sockets' queues, interfaces, and what
the data path says. To be told apart: a loss of the relay, and one of a busy machine.

    losses.py LAB PIN_PATH           every counter, one per line
    losses.py LAB PIN_PATH EARLIER   what was added since that file was written
"""
import json
import re
import subprocess
import sys

LAB, PINS = sys.argv[1:3]


def run(host, *command):
    done = subprocess.run(['nsenter', f'--net=/run/netns/{LAB}-{host}', '--', *command],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout


def sockets(host):
    stats = json.loads(run(host, 'nstat', '-jasz'))['kernel']
    wanted = re.compile(r'(Udp6?|Ip6?)(InErrors|RcvbufErrors|SndbufErrors|NoPorts|InCsumErrors|'
                        r'MemErrors|InDiscards|OutDiscards|OutNoRoutes|ReasmFails)$')
    return {k: v for k, v in stats.items() if wanted.match(k)}


def interfaces(host):
    out = {}
    for link in json.loads(run(host, 'ip', '-s', '-j', 'link')):
        if link['ifname'] == 'lo':
            continue
        for way in ('rx', 'tx'):
            for what in ('dropped', 'errors'):
                out[f'{link["ifname"]} {way} {what}'] = link['stats64'][way][what]
        for line in run(host, 'ethtool', '-S', link['ifname']).splitlines():
            m = re.match(r' *(\S*(?:drop|err)\S*): (\d+)', line)
            if m:
                out[f'{link["ifname"]} {m[1]}'] = int(m[2])
    return out


def relay():
    text = run('relay', 'build/turnpike', '--pin-path', PINS, 'stats', '--json')
    return {f'turnpike {r["reason"]}': r['packets'] for r in json.loads(text)['reasons']} \
        if text else {}


def main():
    now = {f'{host}: {k}': v for host in ('client', 'relay', 'peer')
           for k, v in {**sockets(host), **interfaces(host)}.items()}
    now.update(relay())
    before = {}
    if len(sys.argv) > 3:
        with open(sys.argv[3], encoding='ascii') as f:
            before = {k: int(v) for k, v in (line.rsplit('\t', 1) for line in f)}
    for k, v in now.items():
        if len(sys.argv) == 3:
            print(k, v, sep='\t')
        elif v != before.get(k, 0):
            print(k, v - before.get(k, 0))


main()
