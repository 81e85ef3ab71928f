# SPDX-License-Identifier: MIT
"""The lab of scripts/lab.sh, a daemon in it, sockets in its hosts, and TAP: for tests in Python."""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from case_report import SLACK, until
from namespace import inside, socket_in

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
# The daemon to test; sanitized_test.sh names another.
TURNPIKED = os.environ.get('TURNPIKED', 'build/turnpiked')
# As in scripts/lab.sh; by family.
CLIENT = {4: '11.0.1.2', 6: '2a00:1:1::2'}
SERVER = {4: '11.0.1.1', 6: '2a00:1:1::1'}
RELAY = {4: '11.0.2.1', 6: '2a00:1:2::1'}
PEER = {4: '11.0.2.2', 6: '2a00:1:2::2'}
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33


class Tap:
    def __init__(self):
        self.n = 0
        self.failed = False

    def ok(self, good, name, *why):
        self.n += 1
        print(('ok' if good else 'not ok'), self.n, '-', name)
        if not good:
            self.failed = True
            for line in why:
                print('#', line)
        sys.stdout.flush()

    def same(self, got, want, name):
        self.ok(got == want, name, f'got:  {got}', f'want: {want}')

    def done(self):
        print(f'1..{self.n}')
        sys.exit(self.failed)


class Lab:
    """Three hosts, up until the program ends; start() puts a daemon into the relay host."""

    def __init__(self):
        if os.geteuid():
            print('1..0 # SKIP network namespaces need root')
            sys.exit(4)
        os.chdir(ROOT)
        self.name = f'tpy{os.getpid()}'
        self.tmp = tempfile.mkdtemp()
        self.daemon = None
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(1))
        atexit.register(self.clean)
        os.mkdir(f'{self.tmp}/bpf')
        subprocess.run(['mount', '-t', 'bpf', 'bpf', f'{self.tmp}/bpf'], check=True)
        subprocess.run(['scripts/lab.sh', 'up', '--name', self.name], check=True,
                       stdout=subprocess.DEVNULL)

    def clean(self):
        if self.daemon:  # the test has failed half way
            for line in open(self.log.name).read().splitlines()[-40:]:
                print('#', line)
        self.stop()
        subprocess.run(['scripts/lab.sh', 'down', '--name', self.name], check=False)
        if os.path.ismount(f'{self.tmp}/bpf'):
            subprocess.run(['umount', f'{self.tmp}/bpf'], check=False)
        shutil.rmtree(self.tmp)

    # ------------------------------------------------------------ the hosts

    def enter(self, host):
        return ['nsenter', f'--net=/run/netns/{self.name}-{host}', '--']

    def run(self, host, command):
        return subprocess.run(self.enter(host) + ['sh', '-c', command], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def sysctl(self, host, **values):
        for key, value in values.items():
            self.run(host, f'sysctl -qw {key.replace("__", ".")}={value}')

    def mac(self, host, dev):
        return json.loads(self.run(host, f'ip -j link show {dev}'))[0]['address']

    def settle_neighbours(self):
        """Nothing is asked and nothing goes stale: every host knows the others for good."""
        macs = {('client', 'eth0'): [('relay', 'toclient', SERVER)],
                ('relay', 'toclient'): [('client', 'eth0', CLIENT)],
                ('relay', 'topeer'): [('peer', 'eth0', PEER)],
                ('peer', 'eth0'): [('relay', 'topeer', RELAY)]}
        for (host, dev), others in macs.items():
            for other, far, address in others:
                for family in (4, 6):
                    self.run(host, f'ip neigh replace {address[family]} dev {dev} nud permanent '
                                   f'lladdr {self.mac(other, far)}')

    def socket(self, host, *args):
        """A socket made in that host; it stays there."""
        return socket_in(f'{self.name}-{host}', *args)

    def udp(self, host, address, family, port=0):
        sock = self.socket(host, AF[family], socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        sock.bind((address[family], port))
        sock.settimeout(SLACK)
        return sock

    def wire(self, host, dev='eth0'):
        """Frames in and out of an interface."""
        with inside(f'{self.name}-{host}'):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind((dev, ETH_P_ALL))
            return sock

    # ----------------------------------------------------------- the daemon

    def start(self, *directives, conf=None):
        """conf: a file that is read, too."""
        self.log = open(f'{self.tmp}/relay.log', 'w+')
        self.daemon = subprocess.Popen(
            self.enter('relay') + [
                TURNPIKED, *(('-c', conf) if conf else ('-n',)), '--realm=lab',
                '--lt-cred-mech', '--user=alice:secret',
                f'--control-socket={self.tmp}/control.sock', f'--pin-path={self.tmp}/bpf/tp',
                f'--listening-ip={SERVER[4]}', f'--listening-ip={SERVER[6]}',
                f'--relay-ip={RELAY[4]}', f'--relay-ip={RELAY[6]}', '--relay-threads=2',
                '--unauthorized-ratelimit=off', *directives],
            stdout=self.log, stderr=subprocess.STDOUT)
        if not self.says('relaying workers='):
            raise RuntimeError('no daemon:\n' + open(self.log.name).read())

    def says(self, text, times=1):
        """Until its log has that so many times; False where it has ended before, or is late: a
        busy machine verifies a program for long."""
        def said():
            return open(self.log.name).read().count(text) >= times
        until(lambda: said() or self.daemon.poll() is not None, 3 * SLACK)
        return said()

    def catches_up(self):
        """What the kernel has said until now of links and routes, the daemon knows: its loop,
        which answers this as well, has been round since."""
        for _ in range(3):
            self.counts()

    def stop(self):
        if not self.daemon:
            return
        self.daemon.send_signal(signal.SIGINT)
        self.daemon.wait()
        self.daemon = None
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        if re.search(r'runtime error:|ERROR: \w*Sanitizer', said):
            raise RuntimeError('a sanitizer has reported:\n' + said)

    def started(self):
        """How many relay processes there have been."""
        return open(self.log.name).read().count('relaying workers=')

    def crash(self):
        """Kills the relay process, and waits for the next one."""
        started = self.started()
        child = int(subprocess.run(['pgrep', '-P', str(self.daemon.pid)], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout)
        os.kill(child, signal.SIGKILL)
        self.says('relaying workers=', started + 1)

    def turnpike(self, *command):
        out = subprocess.run(['build/turnpike', '--socket', f'{self.tmp}/control.sock',
                              '--pin-path', f'{self.tmp}/bpf/tp', *command, '--json'],
                             check=True, stdout=subprocess.PIPE).stdout
        return json.loads(out)

    def counts(self):
        return {r['reason']: r['packets'] for r in self.turnpike('stats')['reasons']}

    def allocations(self):
        return self.turnpike('allocations')['allocations']

    def counted(self, before):
        """What was added since, without zeros."""
        now = self.counts()
        return {k: now[k] - before.get(k, 0) for k in now if now[k] != before.get(k, 0)}

    def counts_soon(self, before, reason, n=1):
        """The same, as soon as that reason has as many."""
        until(lambda: self.counted(before).get(reason, 0) >= n)
        return self.counted(before)
