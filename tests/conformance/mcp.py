#!/usr/bin/env python3
"""Runs the official MCP conformance suite against our fixture and through the gateway in front of it.

    mcp.py [--fixture PATH] [--binary PATH] [CELL...]

A cell is SET/UPSTREAM/TRANSPORT: the suite's requirements (2025-11-25, 2026-07-28), what the fixture behind the gateway
speaks (both, legacy, modern), and how it is reached (http, stdio), with /door behind it through a virtual server;
SET/direct for the fixture alone; or SET/client/SCENARIO, where the suite is the server and client.mjs, an SDK client,
reaches it through the gateway. The beginning of a cell's name stands for all that begin so; without cells all are run.
A cell passes when the suite says so (every scored scenario) and when no unscored scenario that passes directly fails.
"""
import argparse
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODULES = ROOT / 'tests' / 'e2e' / 'node_modules'
SETS = ('2025-11-25', '2026-07-28')
# Where the suite wants a token, the gateway is the client of OAuth under test (gateway/broker.h). Not among them: proofs of
# possession (auth/dpop*), workload identities (auth/wif-*) and the exchange of a person's identity (auth/enterprise-*), which the
# gateway does not do; the suite does not count them.
AUTH = tuple(f'auth/{name}' for name in (
    'metadata-default', 'metadata-var1', 'metadata-var2', 'metadata-var3', 'basic-cimd', 'scope-from-www-authenticate',
    'scope-from-scopes-supported', 'scope-omitted-when-undefined', 'scope-step-up', 'scope-retry-limit', 'token-endpoint-auth-basic',
    'token-endpoint-auth-post', 'token-endpoint-auth-none', 'pre-registration', 'client-credentials-jwt', 'client-credentials-basic'))
AUTH_MODERN = tuple(f'auth/{name}' for name in (
    'resource-mismatch', 'offline-access-scope', 'offline-access-not-supported', 'authorization-server-migration', 'iss-supported',
    'iss-not-advertised', 'iss-supported-missing', 'iss-wrong-issuer', 'iss-unexpected', 'iss-normalized', 'metadata-issuer-mismatch'))
CLIENT = {
    '2025-11-25': ('initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry', 'json-schema-2020-12-preservation') + AUTH,
    '2026-07-28': ('tools_call', 'request-metadata', 'sep-2322-client-request-state', 'http-standard-headers',
                   'http-custom-headers', 'http-invalid-tool-headers', 'json-schema-ref-no-deref',
                   'json-schema-2020-12-preservation') + AUTH + AUTH_MODERN,
}
CELLS = [f'{s}/direct' for s in SETS] + [
    f'{s}/{u}/{t}{d}' for d in ('', '/door') for s in SETS for u in ('both', 'legacy', 'modern') for t in ('http', 'stdio')] + [
    f'{s}/client/{scenario}' for s in SETS for scenario in CLIENT[s]]


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for(process, port):
    for _ in range(200):
        if process.poll() is not None:
            sys.exit(f'a program ended early: exit {process.returncode}')
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.05)
    sys.exit('a program does not listen')


CONFIG = """\
listen:
  address: 127.0.0.1:{port}
  tls: off
identity:
  anonymous: {{from: loopback, agent: suite}}
servers:
  fixture:
    {upstream}
virtual_servers:
  door: {{servers: [fixture], prefix: false}}
policy:
  directory: policies
  mode: enforce
"""


class Cell:
    def __init__(self, name, args):
        parts = name.split('/')
        self.name, self.set, self.args = name, parts[0], args
        self.direct = parts[1] == 'direct'
        self.eras = 'both' if self.direct else parts[1]
        self.stdio = not self.direct and parts[2] == 'stdio'
        self.door = parts[-1] == 'door'

    def run(self, folder):
        running = []
        try:
            url = self.start(folder, running)
            return self.suite(folder, url)
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()

    def start(self, folder, running):
        port = free_port()
        if not self.stdio:
            running.append(subprocess.Popen([self.args.fixture, '--eras', self.eras, 'http', str(port)],
                                            stderr=open(folder / 'fixture.log', 'w')))
            wait_for(running[-1], port)
        if self.direct:
            return f'http://localhost:{port}/mcp'
        if self.stdio:
            upstream = f'stdio: [{self.args.fixture}, --eras, {self.eras}, stdio]'
        else:
            upstream = f'url: http://localhost:{port}/mcp'
        own = free_port()
        (folder / 'policies').mkdir()
        (folder / 'policies' / 'all.cedar').write_text('@id("all")\npermit (principal, action, resource);\n')
        (folder / 'latticegate.yaml').write_text(CONFIG.format(port=own, upstream=upstream))
        running.append(subprocess.Popen([self.args.binary, 'run', '--config', folder / 'latticegate.yaml'],
                                        stderr=open(folder / 'gateway.log', 'w'), stdout=subprocess.DEVNULL))
        wait_for(running[-1], own)
        return f'http://localhost:{own}/mcp/{"door" if self.door else "fixture"}'

    def suite(self, folder, url):
        done = subprocess.run(
            [MODULES / '.bin' / 'node', MODULES / '@modelcontextprotocol' / 'conformance' / 'dist' / 'index.js', 'server',
             '--url', url, '--requirements', self.set, '-o', folder / 'out'],
            capture_output=True, text=True, timeout=600, cwd=folder)
        text = re.sub(r'\x1b\[[0-9;]*m', '', done.stdout + done.stderr)
        (folder / 'suite.log').write_text(text)
        failed = {m[1]: int(m[2]) for m in re.finditer(r'^✗ ([\w./-]+): \d+ passed, (\d+) failed', text, re.M)}
        total = re.search(r'^Total: (\d+) passed, (\d+) failed', text, re.M)
        return done.returncode, total, failed


def run_client(name, args, folder):
    """The suite as server: its exit status says whether client and gateway together did everything."""
    revision, _, scenario = name.split('/', 2)
    node = MODULES / '.bin' / 'node'
    done = subprocess.run(
        [node, MODULES / '@modelcontextprotocol' / 'conformance' / 'dist' / 'index.js', 'client', '--command',
         f'{node} {HERE / "client.mjs"} {args.binary} {MODULES}', '--scenario', scenario, '--spec-version', revision,
         *(('--force',) if 'client-credentials' in scenario else ())],  # extensions have no revision
        capture_output=True, text=True, timeout=120, cwd=folder)
    text = re.sub(r'\x1b\[[0-9;]*m', '', done.stdout + done.stderr)
    (folder / 'suite.log').write_text(text)
    counts = re.search(r'^Passed: (\d+)/\d+, (\d+) failed', text, re.M)
    return done.returncode, counts, {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--binary', default=os.environ.get('LATTICEGATE_BINARY', ROOT / 'build/dev/latticegate'), type=pathlib.Path)
    parser.add_argument('--fixture', default=os.environ.get('LATTICEGATE_FIXTURE', ROOT / 'build/dev/conformance_fixture'),
                        type=pathlib.Path)
    parser.add_argument('--keep', type=pathlib.Path, help='a folder for logs and results')
    parser.add_argument('cells', nargs='*', metavar='CELL')
    args = parser.parse_args()
    args.binary, args.fixture = args.binary.resolve(), args.fixture.resolve()
    cells = [cell for wanted in args.cells or [''] for cell in CELLS if cell.startswith(wanted)]
    if not cells:
        parser.error(f'no such cell; there are {", ".join(CELLS)}')
    bad = 0
    for name in cells:
        with tempfile.TemporaryDirectory(prefix='latticegate-conformance-') as made:
            folder = pathlib.Path(made)
            if args.keep:
                folder = (args.keep / name.replace('/', '-')).resolve()
                folder.mkdir(parents=True)
            run = run_client(name, args, folder) if '/client/' in name else Cell(name, args).run(folder)
            status, total, failed = run
            # The tasks extension is of the modern era: a server that speaks the old one only has none, also without us.
            without = '/legacy/' in name
            beyond = {scenario for scenario in failed if not (without and scenario.startswith('tasks-'))}
            passed = status == 0 and not beyond and total
            print(f'{"passed" if passed else "FAILED"}: {name}: '
                  f'{total[1] if total else "?"} checks passed, {total[2] if total else "?"} failed', flush=True)
            if not passed:
                bad += 1
                for scenario in sorted(beyond):
                    print(f'    {scenario}: {failed[scenario]} failed')
                if not beyond:
                    print((folder / 'suite.log').read_text()[-2000:])
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
