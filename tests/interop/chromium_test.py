#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Chromium without a window, in the lab's client host: a page (page.html) with two peers, each
forced to relayed candidates of this server, that exchange a data channel and video both ways, so
that the path is client, relay, relay, client. Over UDP, TCP and TLS."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'net'))
from lab import RELAY, ROOT, SERVER, Lab, Tap

PATIENCE_MS = 20000
MESSAGES, LENGTH, FRAMES = 200, 1000, 15    # as in page.html
FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
         '--remote-debugging-pipe', '--no-first-run', '--disable-sync', '--mute-audio',
         '--disable-background-networking', '--disable-component-update', '--disable-extensions',
         '--use-fake-device-for-media-stream=fps=20', '--use-fake-ui-for-media-stream']


class Browser:
    """The DevTools protocol over a pair of pipes: JSON, a NUL behind each message."""

    def __init__(self, lab, home, *flags):
        far_in, self.out = os.pipe()
        self.inp, far_out = os.pipe()
        self.buffer, self.serial, self.session = b'', 0, None
        self.log = open(f'{home}.log', 'w+', encoding='utf-8')
        # descriptors 3 and 4 are where it reads and writes
        script = f'exec 3<&{far_in} 4>&{far_out} chromium "$@"'
        self.process = subprocess.Popen(
            lab.enter('client') + ['bash', '-c', script, 'chromium', *FLAGS, *flags,
                                   f'--user-data-dir={home}', 'about:blank'],
            pass_fds=(far_in, far_out), stdout=self.log, stderr=self.log, start_new_session=True,
            env={**os.environ, 'HOME': home})
        os.close(far_in)
        os.close(far_out)

    def read(self):
        while b'\0' not in self.buffer:
            more = os.read(self.inp, 1 << 16)
            if not more:
                raise EOFError('Chromium has ended')
            self.buffer += more
        message, self.buffer = self.buffer.split(b'\0', 1)
        return json.loads(message)

    def ask(self, method, **params):
        self.serial += 1
        message = {'id': self.serial, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self.read()
            if answer.get('id') == self.serial:
                if 'error' in answer:
                    raise RuntimeError(f'{method}: {answer["error"]}')
                return answer['result']

    def open(self, url):
        self.session = None
        target = self.ask('Target.createTarget', url=url)['targetId']
        self.session = self.ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        end = time.monotonic() + 20
        while self.value('typeof call') != 'function':
            if time.monotonic() > end:
                raise RuntimeError('the page was not loaded')
            time.sleep(0.05)

    def value(self, expression):
        answer = self.ask('Runtime.evaluate', expression=expression, awaitPromise=True,
                          returnByValue=True)
        if 'exceptionDetails' in answer:
            return {'errors': [answer['exceptionDetails'].get('exception', {})
                               .get('description', 'exception')]}
        return answer['result'].get('value')

    def close(self):
        self.session = None
        try:
            self.ask('Browser.close')
        except (EOFError, OSError):
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def certificate(directory):
    """Its own, as a test server has it."""
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
         '-nodes', '-days', '30', '-subj', '/CN=turn.lab',
         '-addext', f'subjectAltName=DNS:turn.lab,IP:{SERVER[4]}',
         '-keyout', f'{directory}/key.pem', '-out', f'{directory}/cert.pem'],
        check=True, stderr=subprocess.DEVNULL)
    return f'--cert={directory}/cert.pem', f'--pkey={directory}/key.pem'


def one_call(lab, browser, url, name):
    """A call, and what was counted meanwhile."""
    before = lab.counts()
    started = time.monotonic()
    result = browser.value(f'call({json.dumps(url)}, "alice", "secret", {PATIENCE_MS})') or {}
    print(f'# {name}: {time.monotonic() - started:.1f} s, {json.dumps(result)}')
    return result, lab.counted(before)


def check_call(tap, lab, browser, url, family, protocol):
    name = f'Chromium, {url}'
    result, relayed = one_call(lab, browser, url, name)
    pairs = result.get('pairs', [])
    tap.same(result.get('messages'), MESSAGES, f'{name}: all messages there and back')
    tap.ok(len(pairs) == 2 and min(result['frames']) >= FRAMES, f'{name}: video both ways',
           json.dumps(result))
    tap.same([(p['local'], p['remote'], p['protocol'], p['address']) for p in pairs],
             [('relay', 'relay', protocol, RELAY[family])] * 2, f'{name}: from relay to relay')
    tap.ok(pairs and all(min(p['sent'], p['received']) > MESSAGES * LENGTH for p in pairs),
           f'{name}: by that pair', json.dumps(pairs))
    if not pairs:
        return
    packets = sum(p['packets'] for p in pairs)
    path, other = ('hairpin', 'user_to_client') if protocol == 'udp' else \
        ('user_to_client', 'hairpin')
    tap.ok(relayed.get(path, 0) >= packets * 8 // 10 and relayed.get(other, 0) <= packets // 5,
           f'{name}: relayed by the ' + ('kernel' if protocol == 'udp' else 'daemon'),
           f'{packets} packets: {relayed}')


def check_refusal(tap, lab, browser, url):
    name = f'Chromium, {url}, a wrong password'
    result = browser.value(f'call("{url}", "alice", "wrong", 1500)') or {}
    tap.ok(result.get('late') and any(e.startswith('401 ') for e in result['errors']),
           f'{name}: 401, and no call', json.dumps(result))


def main():
    if not shutil.which('chromium'):
        print('1..0 # SKIP no chromium: apt-get install chromium')
        sys.exit(4)
    tap, lab = Tap(), Lab()
    lab.start('--allocation-default-address-family=keep', *certificate(lab.tmp))
    browser = Browser(lab, f'{lab.tmp}/home', '--ignore-certificate-errors')
    try:
        print('#', browser.ask('Browser.getVersion')['product'])
        browser.open(f'file://{ROOT}/tests/interop/page.html')
        check_call(tap, lab, browser, f'turn:{SERVER[4]}:3478?transport=udp', 4, 'udp')
        check_call(tap, lab, browser, f'turn:[{SERVER[6]}]:3478?transport=udp', 6, 'udp')
        check_call(tap, lab, browser, f'turn:{SERVER[4]}:3478?transport=tcp', 4, 'tcp')
        check_call(tap, lab, browser, f'turns:{SERVER[4]}:5349?transport=tcp', 4, 'tls')
        check_refusal(tap, lab, browser, f'turn:{SERVER[4]}:3478?transport=udp')
    finally:
        browser.close()
    tap.done()


main()
