#!/usr/bin/env python3
"""What the gateway takes over time and at rest: open sessions, sessions that come and go, one endless answer, and what it adds
to the time of a call when nobody hurries. No network; its own server, or bench_upstream where that is enough.

  load.py [--build FOLDER] [idle] [churn] [stream] [latency]     all of them without a word

  idle      10,000 sessions (legacy, one upstream session each), nothing under way: memory
  churn     100,000 sessions opened and ended: memory after each tenth
  stream    a call whose answer sends 1 GB of messages before its result: memory while it runs, and that all of them arrive
  latency   a call at fixed times (open loop), to the server itself, through the gateway, and through it while others keep it
            half busy, in turns: what is added at the median and at the 99th of a hundred

Memory is PSS of the process tree. Counts can be made smaller (--sessions, --churn, --megabytes, --calls). Exit 1 when a goal is
missed: idle 300 MB for 10,000, churn flat within 16 MB of its first tenth, stream within 64 MB, latency 150 us and 1 ms.
"""
import argparse
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import statistics
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


class Load:
    """Other callers of the gateway while it is looked at: wrk, so many connections that ask one thing after the other."""

    def __init__(self, port, session, connections, seconds):
        self.seconds = seconds
        self.wrk = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", bench.HERE / "calls.lua", f"http://127.0.0.1:{port}/mcp/crm"],
            env={**os.environ, "BENCH_TOKENS": TOKEN, "BENCH_SESSION": session}, stdout=subprocess.PIPE, text=True)

    def calls_per_second(self):
        told = json.loads(self.wrk.communicate(timeout=self.seconds + 30)[0].strip().splitlines()[-1])
        if told["errors"] or told["bad_status"]:
            sys.exit(f"load: the other callers had errors: {told}")
        return told["requests"] / told["duration_us"] * 1e6


def ask_in_time(client, call, count, rate):
    """Calls at fixed times; microseconds from when each was due: one that waits behind a slow one counts its wait."""
    seen, pause, due = [], 1 / rate, time.perf_counter() + 0.01
    for _ in range(count):
        due += pause
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left if left > 0.002 else 0)
        client.ask(call)
        seen.append(1e6 * (time.perf_counter() - due))
    return seen


def latency(args, folder, upstream_port):
    port, gateway = start(args, folder, upstream_port)
    direct, through = Client(upstream_port, "/mcp"), Client(port)
    call = message("tools/call", {"name": bench.TOOL, "arguments": {"query": "late orders"}}, 7)
    for client in (direct, through):
        client.open()
        client.ask(call)
    peak = Load(port, through.session, 32, 3).calls_per_second()
    others = min(range(1, 9), key=lambda n: abs(Load(port, through.session, n, 2).calls_per_second() - peak / 2))
    ways = {"direct": [], "alone": [], "half": []}  # the gateway has nothing else to do; it has half of what it can
    rates = []
    for _ in range(args.rounds):
        count = args.calls // args.rounds
        ways["direct"] += ask_in_time(direct, call, count, args.rate)
        ways["alone"] += ask_in_time(through, call, count, args.rate)
        load = Load(port, through.session, others, count // args.rate + 2)
        time.sleep(0.5)
        ways["half"] += ask_in_time(through, call, count, args.rate)
        rates.append(load.calls_per_second())
    gateway.stop()
    at = {way: [statistics.quantiles(seen, n=100)[k] for k in (49, 98)] for way, seen in ways.items()}
    print(f"latency: {args.calls} calls each way, {args.rate} a second; the gateway's most is {peak:.0f} calls a second with 32 connections")
    words = {"direct": "to the server itself", "alone": "through the gateway",
             "half": f"the same, beside {statistics.median(rates):.0f} calls a second of others ({others} connections)"}
    for way, (p50, p99) in at.items():
        added = "" if way == "direct" else f"; added {p50 - at['direct'][0]:.0f} us and {p99 - at['direct'][1]:.0f} us"
        print(f"  {words[way]}: p50 {p50:.0f} us, p99 {p99:.0f} us{added}")
    added = [half - straight for half, straight in zip(at["half"], at["direct"])]
    return added[0] <= 150 and added[1] <= 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=bench.ROOT / "build/release")
    parser.add_argument("--core", type=int, default=0, help="of the gateway; server and load have the other")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--churn", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=500, help="of latency: calls a second")
    parser.add_argument("--rounds", type=int, default=5, help="of latency: turns")
    parser.add_argument("modes", nargs="*", choices=("idle", "churn", "stream", "latency", []))
    args = parser.parse_args()
    args.build = args.build.resolve()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="latticegate-load-") as made:
        folder, upstream_port = pathlib.Path(made), bench.free_port()
        upstream = bench.Process("upstream", [args.build / "bench_upstream", "--port", str(upstream_port)], 1 - args.core, folder,
                                 bench.listens(upstream_port))
        os.sched_setaffinity(0, {1 - args.core})
        try:
            for mode in args.modes or ("idle", "churn", "stream", "latency"):
                good = {"idle": idle, "churn": churn, "stream": stream, "latency": latency}[mode](args, folder, upstream_port)
                bad += not good
                if not good:
                    print(f"{mode}: the goal is missed")
        finally:
            upstream.stop()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
