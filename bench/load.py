#!/usr/bin/env python3
"""What the gateway takes over time and at rest: open sessions, sessions that come and go, one endless answer, and what it adds
to the time of a call when nobody hurries. No network; its own server, or bench_upstream where that is enough.

  load.py [--build FOLDER] [idle] [churn] [stream] [latency]     all of them without a word

  idle      10,000 sessions (legacy, one upstream session each), nothing under way: memory
  churn     100,000 sessions opened and ended: memory after each tenth
  stream    a call whose answer sends 1 GB of messages before its result: memory while it runs, and that all of them arrive
  latency   calls at random times (Poisson), to the server itself and through the gateway in turns, first a thousand a second,
            then half as many as the gateway can answer: what is added at the median and at the 99th of a hundred

Memory is PSS of the process tree. Counts can be made smaller (--sessions, --churn, --megabytes, --seconds). Exit 1 when a goal is
missed: idle 300 MB for 10,000, churn flat within 16 MB of its first tenth, stream within 64 MB, latency 150 us and 1 ms.
"""
import argparse
import atexit
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import bench

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
TOKEN = "load-token"
LINE = "x" * 1000


def message(method, params=None, number=None):
    out = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        out["id"] = number
    if params is not None:
        out["params"] = params
    return json.dumps(out).encode()


class Client:
    """One connection that asks one thing after the other."""

    def __init__(self, port, path="/mcp/crm"):
        self.http, self.path, self.session = http.client.HTTPConnection("127.0.0.1", port, timeout=60), path, None
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, body, method="POST"):
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        self.http.request(method, self.path, body, headers)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            sys.exit(f"load: {method} was answered with {answer.status}: {text[:200]}")
        return answer, text

    def open(self):
        self.session = None
        self.session = self.ask(message("initialize", HELLO, 1))[0].getheader("Mcp-Session-Id")
        self.ask(message("notifications/initialized"))
        return self.session

    def end(self):
        self.ask(None, "DELETE")


def start(args, folder, upstream_port, **limits):
    """Our gateway; its port and process."""
    port = bench.free_port()
    home = folder / f"gateway-{port}"
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "all.cedar").write_text('@id("all")\npermit (principal, action, resource);\n')
    config = {
        "listen": {"address": f"127.0.0.1:{port}", "threads": 1, "tls": "off"},
        "identity": {"tokens": [{"agent": "load", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}]},
        "servers": {"crm": {"url": f"http://127.0.0.1:{upstream_port}/mcp", "protocol": "legacy"}},
        "policy": {"directory": "policies"},
        "behaviour": {"floor_calls": 1_000_000_000},
        "limits": {"connections": 100_000, "connections_per_address": 100_000, **limits},
        "log": {"level": "warning"},
    }
    (home / "latticegate.yaml").write_text(json.dumps(config))
    process = bench.Process("gateway", [args.build / "latticegate", "run", "--config", home / "latticegate.yaml"], args.core, folder,
                            bench.listens(port))
    atexit.register(process.stop)  # also where something went wrong
    return port, process


def megabytes(process):
    return bench.pss_kib(process.pid) / 1024


def idle(args, folder, upstream_port):
    port, gateway = start(args, folder, upstream_port)
    before = megabytes(gateway)
    client = Client(port)
    ids = [client.open() for _ in range(args.sessions)]
    time.sleep(1)
    after = megabytes(gateway)
    for client.session in (ids[0], ids[len(ids) // 2], ids[-1]):  # none was ended to make room
        client.ask(message("ping", number=9))
    if len(set(ids)) != args.sessions:
        sys.exit("load: two sessions have one id")
    gateway.stop()
    print(f"idle: {args.sessions} sessions take {after - before:.0f} MB ({before:.0f} -> {after:.0f}), "
          f"{(after - before) * 1024 / args.sessions:.1f} KB each")
    return after <= 300 * max(1, args.sessions / 10_000)


def churn(args, folder, upstream_port):
    port, gateway = start(args, folder, upstream_port)
    client, seen, begun = Client(port), [], time.monotonic()
    for i in range(1, args.churn + 1):
        client.open()
        client.end()
        if i % max(1, args.churn // 10) == 0:
            seen.append(megabytes(gateway))
    took = time.monotonic() - begun
    gateway.stop()
    print(f"churn: {args.churn} sessions opened and ended in {took:.0f} s, memory after each tenth: "
          f"{', '.join(f'{each:.0f}' for each in seen)} MB")
    return seen[-1] - seen[0] <= 16


class Endless:
    """A server whose one call sends a message a thousand bytes long, again and again, and then its result."""

    def __init__(self, count):
        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while True:
                length = 0
                if not (first := lines.readline()):
                    return
                while (line := lines.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.answer(connection, first, json.loads(lines.read(length) or b"{}"))

    def answer(self, connection, first, asked):
        method, number = asked.get("method", ""), asked.get("id")
        if not first.startswith(b"POST") or number is None:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        result = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "logging": {}},
                                 "serverInfo": {"name": "endless", "version": "1"}},
                  "tools/list": {"tools": [{"name": "flood", "description": "Talks.", "inputSchema": {"type": "object"}}]}}.get(method, {})
        if method == "tools/call":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            note = b"data: " + message("notifications/message", {"level": "info", "data": LINE}) + b"\n\n"
            block = note * 100
            chunk = b"%x\r\n%s\r\n" % (len(block), block)
            for _ in range(self.count // 100):
                connection.sendall(chunk)
            last = b"data: " + json.dumps({"jsonrpc": "2.0", "id": number, "result": {"content": []}}).encode() + b"\n\n"
            connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last))
            return
        body = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))


def stream(args, folder, _):
    server = Endless(args.megabytes * 1000)
    port, gateway = start(args, folder, server.port)
    client = Client(port)
    client.open()
    before, most, got, begun = megabytes(gateway), 0.0, 0, time.monotonic()
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream",
               "Content-Type": "application/json", "Mcp-Session-Id": client.session}
    client.http.request("POST", "/mcp/crm", message("tools/call", {"name": "flood", "arguments": {}}, 2), headers)
    answer, next_look, tail = client.http.getresponse(), 0.0, b""
    while piece := answer.read1(1 << 20):
        got += len(piece)
        tail = (tail + piece)[-4096:]
        if time.monotonic() > next_look:
            most, next_look = max(most, megabytes(gateway)), time.monotonic() + 0.2
    took = time.monotonic() - begun
    gateway.stop()
    whole = b'"result"' in tail and got >= args.megabytes * 1_000_000
    print(f"stream: {got / 1e6:.0f} MB in {took:.0f} s ({got / 1e6 / took:.0f} MB/s), memory {before:.0f} -> at most {most:.0f} MB, "
          f"{'its result came last' if whole else 'NOT WHOLE'}")
    return whole and most - before <= 64


@contextlib.contextmanager
def awake():
    """No processor sleeps meanwhile (the kernel's latency request, PM QoS; for root). How long a halted virtual processor takes to
    wake, for a call or for the disk, is its host's matter and would be most of what is seen. Gives whether it could be had."""
    try:
        with open("/dev/cpu_dma_latency", "wb", buffering=0) as request:
            request.write(struct.pack("i", 0))
            yield True
    except OSError:
        yield False


def syncs(folder, count=1000):
    """What the disk takes to make a record of one call durable, when nobody else wants anything of it: median and 99th of a
    hundred, in microseconds."""
    seen = []
    with open(folder / "synced", "wb", buffering=0) as file:
        file.write(bytes(4096 * count))
        os.fsync(file.fileno())
        for at in range(count):
            time.sleep(0.001)
            begun = time.perf_counter()
            os.pwrite(file.fileno(), bytes(2500), 4096 * at)
            os.fdatasync(file.fileno())
            seen.append(1e6 * (time.perf_counter() - begun))
    return [statistics.quantiles(seen, n=100)[k] for k in (49, 98)]


def latency(args, folder, upstream_port):
    port, gateway = start(args, folder, upstream_port)
    sessions = {}
    for way, client in {"direct": Client(upstream_port, "/mcp"), "through": Client(port)}.items():
        sessions[way] = client.http.port, client.path, client.open()

    def calls(way, rate, connections, seconds):
        number, path, session = sessions[way]
        command = [args.build / "bench_callers", "--port", number, "--path", path, "--token", TOKEN, "--session", session,
                   "--rate", rate, "--connections", connections, "--seconds", seconds]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"load: {done.stderr.strip()}")
        return json.loads(done.stdout)

    with awake() as kept:
        most = [calls("through", 0, connections, args.seconds)["calls_per_second"] for connections in (4, 8, 16, 32)]
        disk = syncs(folder)
        rates = {"little to do": 1000, "half of the most": max(most) / 2}
        print("latency: one after the other, the gateway answers "
              + ", ".join(f"{rate:.0f}" for rate in most) + " calls a second on 4, 8, 16, 32 connections"
              + f"; the disk alone makes 2.5 KB durable in p50 {disk[0]:.0f} us, p99 {disk[1]:.0f} us"
              + ("" if kept else "; processors may sleep (no /dev/cpu_dma_latency)"))
        for words, rate in rates.items():
            seen = {way: [] for way in sessions}
            for _ in range(args.rounds):
                for way in sessions:
                    seen[way].append(calls(way, rate, 64, args.seconds))
            at = {way: [statistics.median(run[key] for run in runs) for key in ("p50_us", "p99_us")] for way, runs in seen.items()}
            added = [b - a for a, b in zip(at["direct"], at["through"])]
            print(f"  {words}, {rate:.0f} a second at random times: to the server itself p50 {at['direct'][0]:.0f} us, "
                  f"p99 {at['direct'][1]:.0f} us; through the gateway p50 {at['through'][0]:.0f} us, p99 {at['through'][1]:.0f} us; "
                  f"added {added[0]:.0f} us and {added[1]:.0f} us")
    gateway.stop()
    return added[0] <= 150 and added[1] <= 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=bench.ROOT / "build/release")
    parser.add_argument("--core", type=int, default=0, help="of the gateway; server and load have the other")
    parser.add_argument("--folder", type=pathlib.Path, help="where the gateways' logs are, instead of the folder for what is passing")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--churn", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5, help="of latency: each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of latency: turns")
    parser.add_argument("--check", action="store_true", help="instead: whether all of it works, with little of everything; no goal is judged")
    parser.add_argument("modes", nargs="*", choices=("idle", "churn", "stream", "latency", []))
    args = parser.parse_args()
    args.build = args.build.resolve()
    if args.check:
        args.sessions, args.churn, args.megabytes, args.seconds, args.rounds = 20, 100, 5, 1, 1
    bad = 0
    with tempfile.TemporaryDirectory(prefix="latticegate-load-", dir=args.folder) as made:
        folder, upstream_port = pathlib.Path(made), bench.free_port()
        upstream = bench.Process("upstream", [args.build / "bench_upstream", "--port", str(upstream_port)], 1 - args.core, folder,
                                 bench.listens(upstream_port))
        os.sched_setaffinity(0, {1 - args.core})
        try:
            for mode in args.modes or ("idle", "churn", "stream", "latency"):
                good = {"idle": idle, "churn": churn, "stream": stream, "latency": latency}[mode](args, folder, upstream_port)
                if not good and not args.check:
                    bad += 1
                    print(f"{mode}: the goal is missed")
        finally:
            upstream.stop()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
