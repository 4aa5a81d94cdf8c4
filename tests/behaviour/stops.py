#!/usr/bin/env python3
"""How long a stop takes, and that nothing is delivered after it: stops.py [rounds]. Exit 0 when no record came after a stop.

In each round an agent has four calls under way whose server sends one record after the other as fast as it can; then an operator
kills the agent and waits (`kill --wait`, over the management socket). When the answer is there, all that was delivered by then is
read; no record may come after that, and each call ends with the error of a stopped conversation. What the gateway itself measured (latticegate_stop_seconds: from the decision until nothing was open) is printed as percentiles.
"""
import http.client
import json
import os
import re
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True  # nothing is left in the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenarios"))
from gateway import Folder, Gateway, default_headers, initialize  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
CALLS = 4
CONFIG = """
listen: {address: "127.0.0.1:0", tls: off, threads: 2}
identity:
  tokens: [{agent: tester, sha256: "${token:tester}", groups: [testers], segments: [lab]}]
servers:
  tools: {url: "http://127.0.0.1:%d/mcp", segment: lab, effects: [read]}
behaviour: {habits: false}
"""
TOOLS = [{"name": "scrape", "description": "Reads all there is.", "inputSchema": {"type": "object"}}]
RECORD = b"a-record-of-the-scrape"


class Server(BaseHTTPRequestHandler):
    """Answers tools/call with records without end."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = message.get("method")
        if method == "tools/call":
            self.scrape()
            return
        result = {"tools": TOOLS} if method == "tools/list" else {
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "logging": {}}, "serverInfo": {"name": "s", "version": "1"}}
        body = b"" if "id" not in message else json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.send_response(200 if body else 202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def scrape(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        text = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": RECORD.decode() + " " * 200}})
        try:
            while True:
                self.wfile.write(f"data: {text}\n\n".encode())
                time.sleep(0.002)
        except OSError:
            pass
        self.close_connection = True

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        self.send_error(405)

    def log_message(self, *words):
        pass


class Call:
    """One call: what its client read before the stop was answered, and after that."""

    def __init__(self, gateway, session, number):
        self.before, self.after, self.over = b"", b"", False
        headers = [*default_headers("tester", {}), ("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")]
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "scrape", "arguments": {}}}).encode()
        lines = [f"{name}: {value}" for name, value in [*headers, ("Host", "127.0.0.1"), ("Content-Length", len(body))]]
        self.socket = gateway.connect()
        self.socket.sendall("\r\n".join(["POST /mcp/tools HTTP/1.1", *lines, "", ""]).encode() + body)
        self.socket.setblocking(False)

    def read(self, stopped):
        """All that is there now."""
        while not self.over:
            try:
                piece = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if stopped:
                self.after += piece
            else:
                self.before += piece
            text = (self.before + self.after)[-200:]
            self.over = not piece or text.endswith(b"0\r\n\r\n")


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def begin(path, what, body):
    connection = Unix(path)
    connection.request("POST", what, json.dumps(body), {"Host": "localhost"})
    return connection


def end_of(connection):
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return json.loads(text)


def order(path, what, body):
    return end_of(begin(path, what, body))


def percentile(buckets, share):
    """The upper bound of the bucket in which that share of all lies."""
    total = buckets[-1][1]
    return next(bound for bound, count in buckets if count >= share * total)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = Folder([os.path.join(HERE, "..", "scenarios", "common")])
    folder.write("latticegate.yaml", folder.fill(CONFIG % server.server_address[1]))
    gateway = Gateway(folder)
    assert gateway.start(), gateway.text
    control = os.path.join(folder.path, "state", "control.sock")
    late = ended = records = 0
    took = []
    try:
        for _ in range(ROUNDS):
            opening = gateway.request("POST", "/mcp/tools", default_headers("tester", {}), json.dumps({"jsonrpc": "2.0", "id": 1, **initialize()}).encode())
            session = opening.getheader("Mcp-Session-Id")
            opening.read()
            opening.owner.close()
            calls = [Call(gateway, session, number) for number in range(2, 2 + CALLS)]
            end = time.monotonic() + 10
            while not all(RECORD in call.before for call in calls) and time.monotonic() < end:
                select.select([call.socket for call in calls], [], [], 0.1)
                for call in calls:
                    call.read(False)
            assert all(RECORD in call.before for call in calls), gateway.text[-2000:]
            begun = time.perf_counter()
            connection = begin(control, "/v1/kill", {"agent": "tester", "wait": "true"})
            while not select.select([connection.sock, *[call.socket for call in calls]], [], [], 10)[0].count(connection.sock):
                for call in calls:
                    call.read(False)
            took.append(time.perf_counter() - begun)
            for call in calls:  # what was delivered before the answer was
                call.read(False)
            answer = end_of(connection)
            assert answer == {"killed": 1, "closed": True}, answer
            while not all(call.over for call in calls) and time.monotonic() < end + 10:
                select.select([call.socket for call in calls if not call.over], [], [], 0.1)
                for call in calls:
                    call.read(True)
            for call in calls:
                records += call.before.count(RECORD)
                late += call.after.count(RECORD)
                ended += 1 if b"-31410" in call.before + call.after else 0
                call.socket.close()
            order(control, "/v1/release", {"agent": "tester"})
        metrics = gateway.command(["metrics"])["stdout"]
    finally:
        gateway.stop()
        server.shutdown()
        folder.remove()
    buckets = [(float(bound.replace("+Inf", "inf")), int(count))
               for bound, count in re.findall(r'^latticegate_stop_seconds_bucket\{le="([^"]+)"\} (\d+)', metrics, re.M)]
    took.sort()
    print(f"{ROUNDS} stops of {CALLS} calls under way, {records} records delivered before")
    print(f"records after the stop: {late}; calls that ended with the error: {ended} of {ROUNDS * CALLS}")
    print("from the decision until nothing was open: " + ", ".join(
        f"p{share * 100:g} <= {percentile(buckets, share) * 1000:g} ms" for share in (0.5, 0.9, 0.99, 1)))
    print(f"from the order to its answer: p50 {took[len(took) // 2] * 1000:.2f} ms, worst {took[-1] * 1000:.2f} ms")
    return 0 if late == 0 and ended == ROUNDS * CALLS and buckets[-1][1] == ROUNDS else 1


if __name__ == "__main__":
    sys.exit(main())
