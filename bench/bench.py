#!/usr/bin/env python3
"""CPU per call of the gateway, with everything on, against nginx and HAProxy that only proxy. One command, no network.

Every round visits every row once, the next round in reverse order (paired rounds); a ratio is taken within a round, and the
median over the rounds is printed. CPU comes from the scheduler's statistics of the whole process tree, requests from wrk.
The gateway under test has one core, load and upstream the other. Any error, non-2xx answer or answer of the wrong size
fails its row. Read bench/README.md before you quote a number.

  ./dev bench                        about two minutes: plain and TLS, memory with 5,000 open event streams
  ./dev bench --only tls --rounds 9  more rounds of one half
  ./dev bench --soak 1000000         does memory grow over a million calls, and is each of them in the log
  ./dev bench -o json                for machines (one object; the rounds of each row are in it)
"""
import argparse
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
GROUP = "X25519MLKEM768"
TOOL = "search_customers"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def give_up(text):
    say(text)
    sys.exit(3)


# --- processes -------------------------------------------------------------------------------------------------------
def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """The process and everything below it."""
    found, queue = [], [pid]
    while queue:
        p = queue.pop()
        found.append(p)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    queue += [int(child) for child in f.read().split()]
    return found


def cpu_ns(pid):
    """Nanoseconds on a CPU of all threads of the tree."""
    total = 0
    for p in tree(pid):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{p}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{p}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
    return total


def pss_kib(pid):
    total = 0
    for p in tree(pid):
        with contextlib.suppress(OSError), open(f"/proc/{p}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total


class Process:
    """A program on one core, killed with its children at the end; its output goes to a file that is shown when it dies."""

    def __init__(self, name, command, core, folder, ready):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "wb") as out:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder,
                                          start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.pid = self.child.pid
        deadline = time.monotonic() + 30
        while not ready(self):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                give_up(f"{name} did not start:\n{self.output()}")
            time.sleep(0.05)

    def output(self):
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()


def listens(port):
    def check(_):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return True
        return False
    return check


# --- what is measured ------------------------------------------------------------------------------------------------
def certificate(folder):
    key, crt, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", crt], check=True, capture_output=True)
    both.write_text(crt.read_text() + key.read_text())
    return key, crt, both


ANSWER = json.dumps({"jsonrpc": "2.0", "id": 0, "result": {"resultType": "complete", "content": [{"type": "text", "text": json.dumps(
    [{"id": 1000 + i, "name": f"Customer {i} of the northern branch", "city": "Hamburg", "last_order": "2025-0%d-12" % (i + 1),
      "total": 1234.5 + i, "note": "bought lamps, chairs and a table"} for i in range(5)])}]}})


def upstream(args, folder, tls, port, key, crt):
    """The server that everybody proxies to: bench's own, or, where that is not built, an nginx that answers one text."""
    if args.upstream.exists():
        command = [args.upstream, "--port", str(port)] + (["--certificate", crt, "--key", key] if tls else [])
        return Process(f"upstream-{'tls' if tls else 'plain'}", command, args.load_core, folder, listens(port))
    text = ANSWER.replace("\\", "\\\\").replace("'", "\\'")
    config = folder / f"static-{port}.conf"
    config.write_text(f"""
daemon off; user {user()}; worker_processes 1; pid {folder}/static-{port}.pid; error_log stderr warn;
events {{ worker_connections 20000; accept_mutex off; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_buffer_size 128k;
  {temporary(folder)}
  server {{ listen 127.0.0.1:{port} {'ssl' if tls else ''}; {nginx_tls(key, crt) if tls else ''}
    location / {{ default_type application/json; return 200 '{text}'; }} }} }}
""")
    return Process(f"upstream-{port}", ["nginx", "-e", "stderr", "-p", folder, "-c", config], args.load_core, folder, listens(port))


def user():
    return "root" if os.getuid() == 0 else os.environ.get("USER", "nobody")


def temporary(folder):
    return " ".join(f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def nginx_tls(key, crt):
    return f"ssl_certificate {crt}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; ssl_ecdh_curve {GROUP}; ssl_session_tickets off;"


def nginx(args, folder, tls, port, upstream_port, key, crt):
    config = folder / f"nginx-{port}.conf"
    scheme = "https" if tls else "http"
    verify = f"proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Groups {GROUP}; proxy_ssl_verify on; proxy_ssl_name localhost; " \
             f"proxy_ssl_trusted_certificate {crt};" if tls else ""
    config.write_text(f"""
daemon off; user {user()}; worker_processes 1; pid {folder}/nginx-{port}.pid; error_log stderr error;
events {{ worker_connections 20000; accept_mutex off; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_buffer_size 128k; tcp_nodelay on;
  {temporary(folder)}
  upstream up {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 100000000; keepalive_timeout 600s; }}
  server {{ listen 127.0.0.1:{port} {'ssl' if tls else ''}; {nginx_tls(key, crt) if tls else ''}
    location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering off; proxy_read_timeout 3600s; {verify} }} }} }}
""")
    return Process(f"nginx-{port}", ["nginx", "-e", "stderr", "-p", folder, "-c", config], args.gateway_core, folder, listens(port))


def haproxy(args, folder, tls, port, upstream_port, crt, both):
    config = folder / f"haproxy-{port}.cfg"
    bind = f" ssl crt {both}" if tls else ""
    server = f" ssl verify required ca-file {crt} sni str(localhost) verifyhost localhost" if tls else ""
    config.write_text(f"""
global
  nbthread 1
  maxconn {min(20000, args.files // 2 - 100)}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-curves {GROUP}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-curves {GROUP}
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
  option http-no-delay
  option forwardfor
frontend in
  bind 127.0.0.1:{port}{bind}
  default_backend up
backend up
  server one 127.0.0.1:{upstream_port} pool-max-conn 256{server}
""")
    return Process(f"haproxy-{port}", ["haproxy", "-q", "-db", "-f", config], args.gateway_core, folder, listens(port))


POLICIES = """
@id("agents-read")
permit (principal in Mcp::Group::"bench-agents", action in Mcp::Action::"read", resource is Mcp::Tool)
when { principal in resource.segment };

@id("branch-north-only")
forbid (principal, action == Mcp::Action::"crm/search_customers", resource)
unless { context.input has branch && context.input.branch == "north" };

@id("bulk-read-limit")
@obligation("kill_session")
forbid (principal is Mcp::Agent, action in Mcp::Action::"call_tool", resource)
when { context.input has limit && context.input.limit > 500 };

@id("changed-tool")
forbid (principal, action in Mcp::Action::"call_tool", resource is Mcp::Tool)
unless { resource.pinned };

@id("risk-cutoff")
@obligation("kill_session")
forbid (principal, action, resource)
when { context.risk.score >= 90 };

@id("quarantined-agent")
forbid (principal is Mcp::Agent, action, resource)
when { principal.quarantined };

@id("taint-no-egress")
forbid (principal, action in Mcp::Action::"egress", resource)
when { context.session.taint.containsAny(["web", "email"]) && context.session.seen.containsAny(["phi", "pci"]) };
"""


def tokens(count):
    """Bearer tokens of about 330 bytes, as identity providers make them; deterministic, and worth nothing."""
    made = []
    for i in range(count):
        text = "".join(hashlib.sha256(f"bench {i} {n}".encode()).hexdigest() for n in range(6))
        made.append(text[:330])
    return made


def latticegate(args, folder, tls, port, upstream_port, key, crt, name, less):
    home = folder / name
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "bench.cedar").write_text(POLICIES)
    config = {
        "listen": {"address": f"127.0.0.1:{port}", "threads": 1,
                   "tls": {"profile": "required", "certificate": str(crt), "key": str(key)} if tls else "off"},
        "identity": {"tokens": [{"agent": f"agent-{i}", "sha256": hashlib.sha256(token.encode()).hexdigest(),
                                 "groups": ["bench-agents"], "segments": ["bench"]} for i, token in enumerate(args.tokens)]},
        "servers": {"crm": {"url": f"{'https' if tls else 'http'}://127.0.0.1:{upstream_port}/mcp", "protocol": args.era,
                            "segment": "bench", **({"tls": {"profile": "required", "ca": str(crt)}} if tls else {}),
                            "tools": {TOOL: {"effects": ["read"]}}}},
        "policy": {"directory": "policies", "mode": "enforce"},
        # Load is one agent calling thousands of times a second: that alone must not count as unusual.
        "behaviour": {"floor_calls": 1_000_000_000},
        "limits": {"streams": 10_000, "calls": 10_000, "connections": 100_000, "connections_per_address": 100_000},
        "log": {"level": "warning"},
        **less,
    }
    (home / "latticegate.yaml").write_text(json.dumps(config, indent=1) + "\n")
    return Process(name, [args.binary, "run", "--config", home / "latticegate.yaml"], args.gateway_core, folder, listens(port))


class Row:
    def __init__(self, name, tls, port, path, process):
        self.name, self.tls, self.port, self.path, self.process = name, tls, port, path, process
        self.rounds, self.failure, self.session, self.answer_bytes = [], None, "", 0


def context(crt):
    made = ssl.create_default_context(cafile=str(crt))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0"}}
ARGUMENTS = {"query": "probe", "limit": 5, "branch": "north", "fields": ["id", "name"], "note": "probe"}


def probe(args, row, crt):
    """One call, read whole: it must be a result for its id. Notes the answer's size on the wire."""
    connect = http.client.HTTPSConnection("127.0.0.1", row.port, timeout=10, context=context(crt)) if row.tls else \
        http.client.HTTPConnection("127.0.0.1", row.port, timeout=10)
    head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {args.tokens[0]}"}

    def post(message, more):
        connect.request("POST", row.path, json.dumps(message), {**head, **more})
        answer = connect.getresponse()
        return answer, answer.read()
    try:
        if args.era == "legacy" and row.name != "direct" and not row.session and args.upstream.exists():
            answer, _ = post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}}, {})
            row.session = answer.getheader("Mcp-Session-Id") or ""
            post({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"Mcp-Session-Id": row.session})
        params = {"name": TOOL, "arguments": ARGUMENTS}
        if args.era == "modern":
            more = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": TOOL}
            params["_meta"] = META
        else:
            more = {"MCP-Protocol-Version": "2025-11-25", **({"Mcp-Session-Id": row.session} if row.session else {})}
        number = 123456789
        answer, body = post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}, more)
        if answer.status != 200:
            return f"answers {answer.status}: {body[:200]!r}"
        message = json.loads(body)
        if "result" not in message or message["result"].get("isError"):
            return f"refuses the call: {body[:300]!r}"
        if args.upstream.exists() and message["id"] != number:
            return f"answers another id: {message['id']!r}"
        row.answer_bytes = len(body) + len(str(answer.headers)) + len("HTTP/1.1 200 OK\r\n")
        return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"does not answer a probe: {error!r}"
    finally:
        connect.close()


def load(args, row, seconds, crt):
    """One run of wrk against a row; its numbers and the CPU that the row's process tree used meanwhile."""
    environment = {**os.environ, "BENCH_TOKENS": ",".join(args.tokens), "BENCH_SESSION": row.session, "BENCH_PAD": str(args.pad)}
    command = ["wrk", "-t1", f"-c{args.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", HERE / "calls.lua",
               f"{'https' if row.tls else 'http'}://127.0.0.1:{row.port}{row.path}"]
    before = cpu_ns(row.process.pid)
    out = subprocess.run(command, env=environment, capture_output=True, text=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, {args.load_core}))
    used = cpu_ns(row.process.pid) - before
    line = next((text for text in out.stdout.splitlines() if text.startswith("{")), None)
    if line is None:
        return {"failure": f"wrk failed: {out.stderr.strip() or out.stdout.strip()}"}
    seen = json.loads(line)
    seen["cpu_us"] = used / 1000 / max(seen["requests"], 1)
    seen["per_second"] = seen["requests"] / (seen["duration_us"] / 1e6)
    if seen["errors"] or seen["bad_status"] or not seen["requests"]:
        seen["failure"] = f"{seen['errors']} errors, {seen['bad_status']} answers that are not 2xx, {seen['requests']} requests"
    else:
        each = seen["bytes"] / seen["requests"]
        if row.answer_bytes and abs(each - row.answer_bytes) > 0.06 * row.answer_bytes:
            seen["failure"] = f"answers of {each:.0f} bytes where a good one has {row.answer_bytes}"
    return seen


# --- memory with open event streams ----------------------------------------------------------------------------------
def open_streams(args, row, crt):
    """Opens args.streams event streams through the row, a session of its own each; returns the sockets, or a failure."""
    secure = context(crt) if row.tls else None
    opened = []

    def exchange(s, head, body=b"", keep=False):
        s.sendall(head + body)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = s.recv(65536)
            if not piece:
                raise OSError("closed")
            data += piece
        first, rest = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: (\d+)", first)
        while length and len(rest) < int(length[1]):
            rest += s.recv(65536)
        if not length and not keep and b"chunked" in first.lower():
            while not rest.endswith(b"0\r\n\r\n"):
                rest += s.recv(65536)
        return first

    try:
        for i in range(args.streams):
            token = args.tokens[i % len(args.tokens)]
            common = f"Host: 127.0.0.1:{row.port}\r\nAuthorization: Bearer {token}\r\n"
            s = socket.create_connection(("127.0.0.1", row.port), 10)
            if secure:
                s = secure.wrap_socket(s, server_hostname="127.0.0.1")
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}}).encode()
            head = exchange(s, f"POST {row.path} HTTP/1.1\r\n{common}Content-Type: application/json\r\nAccept: application/json, "
                            f"text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body)
            session = re.search(rb"(?i)mcp-session-id: (\S+)", head)
            status = head.split(b"\r\n", 1)[0]
            if b" 200 " not in status:
                return opened, f"initialize: {status!r}"
            if session:
                common += f"Mcp-Session-Id: {session[1].decode()}\r\n"
            head = exchange(s, f"GET {row.path} HTTP/1.1\r\n{common}Accept: text/event-stream\r\n"
                            f"MCP-Protocol-Version: 2025-11-25\r\n\r\n".encode(), keep=True)
            status = head.split(b"\r\n", 1)[0]
            if b" 200 " not in status:
                return opened, f"stream {i}: {status!r}"
            opened.append(s)
        return opened, None
    except OSError as error:
        return opened, f"stream {len(opened)}: {error!r}"


def memory(args, rows, crt):
    found = []
    for row in rows:
        if row.name == "direct" or row.failure:
            continue
        time.sleep(0.5)
        entry = {"row": row.name, "tls": row.tls, "idle_kib": pss_kib(row.process.pid)}
        if args.streams and args.upstream.exists():
            opened, failure = open_streams(args, row, crt)
            time.sleep(1.0)
            entry.update(streams=len(opened), with_streams_kib=pss_kib(row.process.pid), failure=failure)
            before, started = cpu_ns(row.process.pid), time.monotonic()
            time.sleep(1.0)
            entry["idle_cpu_percent"] = 100 * (cpu_ns(row.process.pid) - before) / 1e9 / (time.monotonic() - started)
            for s in opened:
                s.close()
        found.append(entry)
    return found


def check(args):
    """Starts upstream and gateway as they are measured, calls once, opens a few streams: what would make every row fail."""
    args.streams, trouble = 3, []
    for tls in (False, True):
        with working_folder(args, args.build) as folder:
            key, crt, _ = certificate(folder)
            started = []
            try:
                ports = free_port(), free_port()
                started.append(upstream(args, folder, tls, ports[0], key, crt))
                started.append(latticegate(args, folder, tls, ports[1], ports[0], key, crt, "latticegate", {}))
                row = Row("latticegate TLS" if tls else "latticegate", tls, ports[1], "/mcp/crm", started[-1])
                failure = probe(args, row, crt)
                opened, no_stream = open_streams(args, row, crt)
                for s in opened:
                    s.close()
                trouble += [f"{row.name}: {words}" for words in (failure, no_stream) if words]
            finally:
                for process in reversed(started):
                    process.stop()
    print("\n".join(trouble) or "the bench's own rows work")
    return 1 if trouble else 0


# --- a long run ------------------------------------------------------------------------------------------------------
def system_calls(row, args, crt):
    """System calls per call under load, all threads; nothing where strace is absent. strace slows the row, so this is apart."""
    if not shutil.which("strace"):
        return None
    out = row.process.log.with_suffix(".strace")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out, "-p", str(row.process.pid)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    seen = load(args, row, 3, crt)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    counts = {line.split()[-1]: int(line.split()[3]) for line in out.read_text().splitlines()
              if len(line.split()) >= 5 and line.split()[3].isdigit() and line.split()[-1] != "total"}
    return {"calls": seen.get("requests", 0), "per_call": sum(counts.values()) / max(seen.get("requests", 0), 1),
            "most": {name: count / max(seen.get("requests", 0), 1) for name, count in
                     sorted(counts.items(), key=lambda each: -each[1])[:6]}}


def decided(home):
    """Decisions in the audit log of a gateway, as they stand in its segments."""
    total = 0
    for segment in sorted(home.rglob("seg/*.log")):
        total += segment.read_bytes().count(b'"type":"call.decided"')
    return total


def soak(args, folder):
    """One gateway, everything on, args.soak calls: does its memory grow, and is every call in its log?"""
    key, crt, _ = certificate(folder)
    started = []
    try:
        ports = free_port(), free_port()
        started.append(upstream(args, folder, False, ports[0], key, crt))
        process = latticegate(args, folder, False, ports[1], ports[0], key, crt, "latticegate-soak", {})
        started.append(process)
        row = Row("latticegate", False, ports[1], "/mcp/crm", process)
        if failure := probe(args, row, crt):
            give_up(failure)
        calls, weights = 1, []
        while calls < args.soak:
            seen = load(args, row, 5, crt)
            if seen.get("failure"):
                give_up(f"after {calls} calls: {seen['failure']}")
            calls += seen["requests"]
            weights.append((calls, pss_kib(process.pid)))
            say(f"{calls} calls, {weights[-1][1] / 1024:.1f} MiB")
        traced = system_calls(row, args, crt)
        calls += traced["calls"] if traced else 0
        process.stop()
        # wrk stops counting before the last answers arrive: one call of each connection and run may be in the log besides.
        besides = args.connections * (len(weights) + (1 if traced else 0))
        records = decided(folder / "latticegate-soak")
        return {"calls": calls, "memory_kib": weights, "system_calls": traced, "decisions_recorded": records,
                "complete": calls <= records <= calls + besides}
    finally:
        for process in reversed(started):
            process.stop()


def show_soak(found):
    first, last = found["memory_kib"][0], found["memory_kib"][-1]
    print(f"{found['calls']} calls: {first[1] / 1024:.1f} MiB after {first[0]}, {last[1] / 1024:.1f} MiB after {last[0]} (PSS)")
    print(f"decisions in the audit log: {found['decisions_recorded']}, {'none' if found['complete'] else 'SOME'} missing or twice")
    if found["system_calls"]:
        most = ", ".join(f"{name} {count:.2f}" for name, count in found["system_calls"]["most"].items())
        print(f"system calls per call: {found['system_calls']['per_call']:.2f} ({most})")


# --- the run ---------------------------------------------------------------------------------------------------------
def quartiles(values):
    values = sorted(values)
    return (values[0], values[-1]) if len(values) < 4 else tuple(statistics.quantiles(values, n=4)[::2])


def summarise(rows):
    base = next((row for row in rows if row.name == "nginx" and not row.failure), None)
    table = []
    for row in rows:
        entry = {"row": row.name, "tls": row.tls, "failure": row.failure, "rounds": row.rounds}
        good = [r for r in row.rounds if not r.get("failure")]
        if good:
            middle = lambda key: statistics.median(r[key] for r in good)
            entry.update(cpu_us=middle("cpu_us"), cpu_us_min=min(r["cpu_us"] for r in good), per_second=middle("per_second"),
                         p50_us=middle("p50_us"), p99_us=middle("p99_us"))
        if good and base and not row.failure:
            pairs = [a["cpu_us"] / b["cpu_us"] for a, b in zip(row.rounds, base.rounds)]
            entry.update(x_nginx=statistics.median(pairs), x_nginx_middle=quartiles(pairs),
                         rate_x_nginx=statistics.median(a["per_second"] / b["per_second"] for a, b in zip(row.rounds, base.rounds)))
        table.append(entry)
    return table


def noisy(rows):
    direct = next((row for row in rows if row.name == "direct"), None)
    values = [r["cpu_us"] for r in direct.rounds if not r.get("failure")] if direct else []
    return bool(values) and max(values) > 1.3 * min(values)


def half(args, tls, folder):
    """All rows of one half (plain or TLS): start, probe, warm up, measure in paired rounds, weigh, stop."""
    key, crt, both = certificate(folder)
    kind = "tls" if tls else "plain"
    started = []
    try:
        ports = {name: free_port() for name in ("direct", "nginx", "haproxy", "latticegate", "no-inspect")}
        up = upstream(args, folder, tls, ports["direct"], key, crt)
        started.append(up)
        rows = [Row("direct", tls, ports["direct"], "/mcp", up)]

        def add(name, path, process):
            started.append(process)
            rows.append(Row(name, tls, ports[name], path, process))
        add("nginx", "/mcp", nginx(args, folder, tls, ports["nginx"], ports["direct"], key, crt))
        if shutil.which("haproxy"):
            add("haproxy", "/mcp", haproxy(args, folder, tls, ports["haproxy"], ports["direct"], crt, both))
        if args.binary.exists() and args.upstream.exists():
            add("latticegate", "/mcp/crm", latticegate(args, folder, tls, ports["latticegate"], ports["direct"], key, crt, f"latticegate-{kind}", {}))
            if args.steps:
                off = {"secrets": {"arguments": "off", "results": "off"}, "hidden_text": {"arguments": "off", "results": "off"},
                       "argument_schema": False}
                add("no-inspect", "/mcp/crm", latticegate(args, folder, tls, ports["no-inspect"], ports["direct"], key, crt,
                                                          f"no-inspect-{kind}", {"inspect": off}))
        else:
            say("the gateway or bench's upstream is not built: its rows are left out")

        if tls:
            check_group(rows)
        for row in rows:
            row.failure = row.failure or probe(args, row, crt)
        live = [row for row in rows if not row.failure]
        for row in live:
            load(args, row, 1, crt)
        for n in range(args.rounds):
            for row in (live if n % 2 == 0 else live[::-1]):
                seen = load(args, row, args.seconds, crt)
                row.rounds.append(seen)
                if seen.get("failure"):
                    row.failure = seen["failure"]
            say(f"{kind} round {n + 1}/{args.rounds}: " + "  ".join(f"{row.name} {row.rounds[-1].get('cpu_us', 0):.1f}" for row in live) + "  us/call")
        for row in live:
            row.failure = row.failure or probe(args, row, crt)
        weighed = memory(args, rows, crt) if args.memory else []
        for row in rows:
            if row.failure:
                say(f"{kind} {row.name} failed: {row.failure}")
                if row.process.child.poll() is not None:
                    say(f"it ended ({row.process.child.returncode}):\n{row.process.output()}")
        return rows, weighed
    finally:
        for process in reversed(started):
            process.stop()


def check_group(rows):
    """The negotiated key exchange of every row, so that no row is cheaper by being weaker."""
    for row in rows:
        out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{row.port}", "-groups", f"{GROUP}:X25519", "-tls1_3", "-brief"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if GROUP not in out.stdout + out.stderr:
            row.failure = f"does not negotiate {GROUP}"


def version(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True)
        return (out.stdout + out.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "absent"


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "load_average": os.getloadavg()[0], "nginx": version("nginx", "-v"), "haproxy": version("haproxy", "-v"),
            "wrk": version("wrk", "-v"), "openssl": version("openssl", "version"), "compiler": version("g++-14", "--version"), "commit": commit}


GOALS = [("latticegate", False, 1.00, 0.85), ("latticegate", True, 0.90, 0.70)]


def judge(report):
    """Words about goals and about the last committed result; ratios only."""
    said = []
    if report["noisy"]:
        return ["noisy, not judged: `direct` moved by more than 30 % within the run"]
    for name, tls, bar, standing in GOALS:
        entry = next((e for e in report["rows"] if e["row"] == name and e["tls"] == tls and "x_nginx" in e), None)
        if entry:
            ratio = entry["x_nginx"]
            verdict = "reaches the standing goal" if ratio <= standing else "reaches the goal" if ratio <= bar else "misses the goal"
            said.append(f"{name} {'TLS' if tls else 'plain'}: {ratio:.2f} x nginx {verdict} (goal {bar:.2f}, standing {standing:.2f})")
    for entry in report["memory"]:
        if entry["row"] == "latticegate" and entry.get("streams"):
            mb = entry["with_streams_kib"] * 1024 / 1e6
            said.append(f"latticegate {'TLS' if entry['tls'] else 'plain'}: {mb:.0f} MB with {entry['streams']} open streams"
                        f" {'reaches' if mb <= 100 else 'misses'} the goal (100 MB)")
    last = HERE / "results" / "last.json"
    if last.exists():
        before = {(e["row"], e["tls"]): e["x_nginx"] for e in json.loads(last.read_text())["rows"] if "x_nginx" in e}
        for e in report["rows"]:
            old = before.get((e["row"], e["tls"]))
            if old and e["row"] == "latticegate" and e.get("x_nginx", 0) > old + 0.05:
                said.append(f"latticegate {'TLS' if e['tls'] else 'plain'}: slower than the committed result, {e['x_nginx']:.2f} against {old:.2f}")
    return said


def show(report):
    m = report["machine"]
    print(f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, load {m['load_average']:.1f}; {m['compiler']}; commit {m['commit']}")
    print(f"{m['nginx']}; {m['haproxy']}; {m['wrk']}; {m['openssl']}")
    s = report["settings"]
    print(f"{s['rounds']} paired rounds of {s['seconds']} s, {s['connections']} connections, {s['agents']} agents, "
          f"gateway on core {s['gateway_core']}, load and upstream on core {s['load_core']}; upstream: {s['upstream']}\n")
    for tls in (False, True):
        entries = [e for e in report["rows"] if e["tls"] == tls]
        if not entries:
            continue
        print(f"{'TLS 1.3, ' + GROUP + ', both legs' if tls else 'plain HTTP/1.1'}, 600-byte call")
        print(f"{'row':<14}{'CPU us/call':>12}{'min':>8}{'x nginx':>9}{'middle half':>14}{'calls/s':>9}{'x nginx':>9}{'p50 us':>8}{'p99 us':>8}")
        for e in entries:
            if e["failure"]:
                print(f"{e['row']:<14}failed: {e['failure']}")
                continue
            ratio = f"{e['x_nginx']:>9.2f}{'{:.2f}-{:.2f}'.format(*e['x_nginx_middle']):>14}" if "x_nginx" in e else " " * 23
            rate = f"{e['rate_x_nginx']:>9.2f}" if "rate_x_nginx" in e else " " * 9
            print(f"{e['row']:<14}{e['cpu_us']:>12.1f}{e['cpu_us_min']:>8.1f}{ratio}{e['per_second']:>9.0f}{rate}{e['p50_us']:>8.0f}{e['p99_us']:>8.0f}")
        print()
    if report["memory"]:
        print(f"{'memory, PSS':<22}{'idle MB':>9}{'streams':>9}{'MB':>8}{'KiB each':>10}{'CPU %':>8}")
        for e in report["memory"]:
            line = f"{e['row'] + (' TLS' if e['tls'] else ''):<22}{e['idle_kib'] * 1024 / 1e6:>9.1f}"
            if e.get("streams"):
                line += f"{e['streams']:>9}{e['with_streams_kib'] * 1024 / 1e6:>8.1f}" \
                        f"{(e['with_streams_kib'] - e['idle_kib']) / e['streams']:>10.1f}{e['idle_cpu_percent']:>8.2f}"
            print(line + (f"  failed: {e['failure']}" if e.get("failure") else ""))
        print()
    print("\n".join(report["verdict"]))


def raise_file_limit():
    """A stream is a descriptor here and two in a proxy; children inherit the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (max(hard, 65536), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
    return hard


@contextlib.contextmanager
def working_folder(args, where):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=where))
    try:
        yield folder
    finally:
        if args.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder with the program")
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--seconds", type=int, default=2, help="per row and round")
    parse.add_argument("--connections", type=int, default=32)
    parse.add_argument("--only", choices=("plain", "tls"))
    parse.add_argument("--agents", type=int, default=1, help="callers that take turns (100 for the second profile)")
    parse.add_argument("--pad", type=int, default=0, help="bytes added to each body (3500, 65000)")
    parse.add_argument("--era", choices=("modern", "legacy"), default="modern")
    parse.add_argument("--steps", action="store_true", help="also our gateway with inspection off")
    parse.add_argument("--streams", type=int, default=5000, help="open event streams for the memory rows; 0 leaves them out")
    parse.add_argument("--no-memory", dest="memory", action="store_false")
    parse.add_argument("--gateway-core", type=int, default=0)
    parse.add_argument("--load-core", type=int, default=1)
    parse.add_argument("--soak", type=int, metavar="CALLS",
                       help="instead: so many calls to one gateway; its memory, its system calls and its log (about 1.5 GB a million)")
    parse.add_argument("--check", action="store_true", help="instead: whether our own rows work, plain and TLS; measures nothing")
    parse.add_argument("--keep", action="store_true", help="keep the working folder (configurations, logs, audit)")
    parse.add_argument("--save", action="store_true", help="write bench/results/last.json, to be committed")
    parse.add_argument("-o", "--output", choices=("table", "json"), default="table")
    args = parse.parse_args()
    args.build = args.build.resolve()
    args.binary, args.upstream = args.build / "latticegate", args.build / "bench_upstream"
    for tool in ("openssl",) if args.check else ("wrk", "nginx", "openssl"):
        if not shutil.which(tool):
            give_up(f"{tool} is missing: run it as ./dev bench, which installs what it needs")
    if (os.cpu_count() or 1) < 2:
        give_up("two cores are needed: one for the gateway, one for load and upstream")
    args.files = raise_file_limit()
    args.tokens = tokens(args.agents)
    if args.check:
        return check(args)

    report = {"machine": machine(), "rows": [], "memory": [], "noisy": False, "settings": {
        "rounds": args.rounds, "seconds": args.seconds, "connections": args.connections, "agents": args.agents, "pad": args.pad, "era": args.era,
        "gateway_core": args.gateway_core, "load_core": args.load_core, "upstream": "bench_upstream" if args.upstream.exists() else "nginx, one fixed answer"}}
    # On the disk that builds use and not in memory: a durable record has to be durable.
    work = args.build if args.build.exists() else ROOT / "build"
    work.mkdir(parents=True, exist_ok=True)
    if args.soak:
        with working_folder(args, work) as folder:
            found = soak(args, folder)
        print(json.dumps(found, indent=1)) if args.output == "json" else show_soak(found)
        return 0 if found["complete"] else 1
    for tls in (False, True):
        if args.only and tls != (args.only == "tls"):
            continue
        with working_folder(args, work) as folder:
            rows, weighed = half(args, tls, folder)
        report["rows"] += summarise(rows)
        report["memory"] += weighed
        report["noisy"] = report["noisy"] or noisy(rows)
    report["verdict"] = judge(report)
    if args.save and not report["noisy"]:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "last.json").write_text(json.dumps(report, indent=1) + "\n")
    if args.output == "json":
        print(json.dumps(report, indent=1))
    else:
        show(report)
    return 1 if any(e["failure"] for e in report["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
