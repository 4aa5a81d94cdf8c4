"""The scripted MCP server of the scenarios: a child on pipes, or plain streamable HTTP inside the runner.

A script is a list of lines: a scenario's upstream.jsonl and after it common/upstream.jsonl. What no line matches is answered as a small, well-behaved server would:
initialize, ping, tools/list (of the "tools" line in force) and notifications. A line has

  match      members of the message by path, all of which must be equal; "method" alone is usual. "GET" and "DELETE" are
             the methods of HTTP requests without a message
  server     of which server it is the script; without it: of all
  times      how often the line may be used
  when       a file of the scenario's folder that has to be there (the client makes it with "touch")
  tools      the tools that are listed while this line is in force (the first that is, wins)
  do         what happens, in order: result, error (the answer), send (another message before it), numbered (so many
             log messages), wait (a file),
             wait_answer (until the answer to our own request of this id is there), wait_cancelled, raw (bytes instead of
             an answer), status with type and body (HTTP), sse (answer as an event stream), piece or piece_hex
             (bytes of it), pause (seconds, where time itself is the subject), stderr (written there), stubborn (a child that
             ignores signals and the end of its input), truncate (half an answer, then
             the end), close (the connection or the pipes), exit (the process, with this code), silence (never answer)

In what is sent "$params.a.b" stands for a value of the request, "$id" for its id, "$request" for its JSON text,
"$header.name" for an HTTP header, "$environment" for the names of the process's variables, "$answer" for what the client
answered to our own request; {"$rows": n} is a list of n records, {"$text": [text, n]} a text repeated, {"$json": x} the JSON text of
x. "answer_text" is an answer as text, for what JSON readers would change; $id in it is the request's id.
"""
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 20.0  # seconds that any wait may take
MODERN = "2026-07-28"


def at_path(value, path):
    """The value at "a.b.0", or None; a dot of a member's name is written "\\."."""
    for step in re.split(r"(?<!\\)\.", path) if path else []:
        step = step.replace("\\.", ".")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def wait_until(condition, limit=LIMIT, pause=0.01):
    """Whether the condition came true in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return bool(condition())


class Script:
    """The lines of one server, and the record of what it received."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        with open(os.path.join(folder, "upstream.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(text) for text in file if text.strip()]
        self.lines = [line for line in lines if line.get("server", server) == server]
        self.used = [0] * len(self.lines)
        self.lock = threading.Lock()
        self.stubborn = False
        self.cancelled = set()
        self.answers = {}

    def received(self, record):
        with self.lock, open(os.path.join(self.folder, "upstream.log"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"server": self.server, **record}) + "\n")

    def there(self, name):
        return os.path.exists(os.path.join(self.folder, name))

    def in_force(self, line):
        return "when" not in line or self.there(line["when"])

    def find(self, message):
        """The first line that matches and is not used up."""
        with self.lock:
            for index, line in enumerate(self.lines):
                if "match" not in line or not self.in_force(line):
                    continue
                if self.used[index] >= line.get("times", 1 << 30):
                    continue
                if all(at_path(message, path) == value for path, value in line["match"].items()):
                    self.used[index] += 1
                    return line["do"]
        return None

    def tools(self):
        listed = [line["tools"] for line in self.lines if "tools" in line and self.in_force(line)]
        return listed[0] if listed else []

    def usual(self, message):
        """What a well-behaved server answers; None for notifications and responses."""
        method = message.get("method")
        if method is None or "id" not in message:
            return None
        if method == "initialize":
            version = at_path(message, "params.protocolVersion")
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}},
                               "serverInfo": {"name": self.server, "version": "1"}}}
        if method == "server/discover":
            return {"result": {"supportedVersions": [MODERN], "capabilities": {"tools": {}},
                               "serverInfo": {"name": self.server, "version": "1"}, "resultType": "complete"}}
        if method == "ping":
            return {"result": {}}
        if method == "tools/list":
            return {"result": {"tools": self.tools()}}
        return {"error": {"code": -32601, "message": "no such method"}}


def filled(template, message, headers, answer):
    if isinstance(template, dict):
        if set(template) == {"$rows"}:
            return [{"id": i, "name": f"person {i}"} for i in range(template["$rows"])]
        if set(template) == {"$json"}:
            return json.dumps(filled(template["$json"], message, headers, answer))
        if set(template) == {"$text"}:
            return template["$text"][0] * template["$text"][1]
        return {key: filled(value, message, headers, answer) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, message, headers, answer) for value in template]
    if not isinstance(template, str) or not template.startswith("$"):
        return template
    if template == "$request":
        return json.dumps(message)
    if template == "$id":
        return message.get("id")
    if template == "$answer":
        return json.dumps(answer)
    if template == "$environment":
        with open("/proc/self/environ", "rb") as file:
            names = [entry.split(b"=")[0].decode() for entry in file.read().split(b"\0") if entry]
        return " ".join(sorted(names))
    if template.startswith("$header."):
        return headers.get(template[8:])
    if template.startswith("$params"):
        return at_path(message, template[1:])
    return template


class Ended(Exception):
    """The script ended the connection or the process."""


def play(script, steps, message, headers, channel):
    """Does the steps of one line. The channel says how: send, answer, raw, status, close, exit."""
    answer = None
    answered = False

    def fill(template):
        return filled(template, message, headers, answer)

    for step in steps:
        if "wait" in step:
            wait_until(lambda: script.there(step["wait"]))
        elif "wait_answer" in step:
            key = json.dumps(step["wait_answer"])
            wait_until(lambda: key in script.answers)
            answer = script.answers.get(key)
        elif "wait_cancelled" in step:
            wait_until(lambda: json.dumps(message.get("id")) in script.cancelled)
        elif "send" in step:
            channel.send({"jsonrpc": "2.0", **fill(step["send"])})
        elif "sse" in step:
            channel.stream()
        elif "piece" in step or "piece_hex" in step:
            channel.chunk(step["piece"].encode() if "piece" in step else bytes.fromhex(step["piece_hex"]))
        elif "numbered" in step:
            for number in range(step["numbered"]):
                channel.send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": number}})
        elif "stderr" in step:
            os.write(2, fill(step["stderr"]).encode())
        elif "stubborn" in step:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            script.stubborn = True
        elif "pause" in step:
            time.sleep(step["pause"])
        elif "raw" in step:
            channel.raw(step["raw"].encode("utf-8") if isinstance(step["raw"], str) else bytes.fromhex(step["raw"]["hex"]))
        elif "status" in step:
            channel.status(step["status"], step.get("type", "application/json"), fill(step.get("body", "")))
            answered = True
        elif "answer_text" in step:
            channel.status(200, "application/json", step["answer_text"].replace("$id", json.dumps(message["id"])))
            answered = True
        elif "silence" in step:
            channel.silence()
            answered = True
        elif "truncate" in step:
            channel.truncate({"jsonrpc": "2.0", "id": message.get("id"), "result": fill(step["truncate"])})
            raise Ended
        elif "close" in step:
            channel.close()
            raise Ended
        elif "exit" in step:
            channel.exit(step["exit"])
        else:
            channel.answer({"jsonrpc": "2.0", "id": message.get("id"), **fill(step)})
            answered = True
    return answered


def take(script, message):
    """Notes answers and cancellations that later steps wait for."""
    if "method" not in message and "id" in message:
        script.answers[json.dumps(message["id"])] = message
    if message.get("method") == "notifications/cancelled":
        script.cancelled.add(json.dumps(at_path(message, "params.requestId")))


# --- on pipes ---------------------------------------------------------------------------------------------------------


class Pipes:
    lock = threading.Lock()

    def raw(self, data):
        with self.lock:
            try:
                os.write(1, data)
            except OSError:
                pass

    def send(self, message):
        self.raw(json.dumps(message).encode() + b"\n")

    answer = send

    def stream(self):
        pass

    def silence(self):
        pass

    def truncate(self, message):
        self.raw(json.dumps(message).encode()[:-10])
        os._exit(0)

    def close(self):
        os._exit(0)

    def exit(self, code):
        sys.stderr.flush()
        os._exit(code)


def serve_pipes(script):
    channel = Pipes()
    beginning = script.find({"method": "START"})
    if beginning is not None:
        play(script, beginning, {}, {}, channel)

    def handle(message):
        try:
            steps = script.find(message)
            if steps is not None:
                play(script, steps, message, {}, channel)
            elif (usual := script.usual(message)) is not None:
                channel.answer({"jsonrpc": "2.0", "id": message["id"], **usual})
        except Ended:
            pass

    for line in sys.stdin.buffer:
        message = json.loads(line)
        script.received({"message": message})
        take(script, message)
        threading.Thread(target=handle, args=(message,), daemon=True).start()
    while script.stubborn:
        time.sleep(1)


# --- over HTTP --------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def start(self, message):
        self.streaming = False
        self.session = None
        self.message = message

    # The channel of play().
    def stream(self):
        if self.streaming:
            return
        self.streaming = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        if self.session:
            self.send_header("Mcp-Session-Id", self.session)
        self.end_headers()
        self.wfile.flush()

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def send(self, message):
        self.stream()
        self.chunk(f"event: message\ndata: {json.dumps(message)}\n\n".encode())

    def answer(self, message):
        if self.streaming:
            self.send(message)
            self.chunk(b"")
        else:
            self.status(200, "application/json", json.dumps(message))

    def status(self, code, kind, body):
        data = body.encode("utf-8") if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.session:
            self.send_header("Mcp-Session-Id", self.session)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def raw(self, data):
        self.close_connection = True
        self.wfile.write(data)
        self.wfile.flush()

    def silence(self):
        self.close_connection = True
        self.connection.settimeout(LIMIT)
        try:
            self.connection.recv(1)  # until the gateway gives up
        except OSError:
            pass

    def truncate(self, message):
        data = json.dumps(message).encode()
        if self.streaming:
            self.chunk(b"data: " + data[:-10])
        else:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:-10])
            self.wfile.flush()
        self.close()

    def close(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def exit(self, _):
        self.close()

    # HTTP.
    def work(self, message):
        script = self.server.script
        headers = {name.lower(): value for name, value in self.headers.items()}
        script.received({"http": self.command, "headers": headers, "message": message})
        self.start(message)
        modern = headers.get("mcp-protocol-version", "") >= MODERN
        if message.get("method") == "initialize":
            self.session = uuid.uuid4().hex
            self.server.sessions.add(self.session)
        elif not modern and headers.get("mcp-session-id") not in self.server.sessions:
            self.status(404, "application/json", '{"error":"no such session"}')
            return
        take(script, message)
        try:
            steps = script.find(message)
            if steps is not None:
                if not play(script, steps, message, headers, self):
                    if self.streaming:
                        self.chunk(b"")
                    elif message.get("method") and "id" not in message and not self.close_connection:
                        self.status(202, "application/json", "")
                return
            usual = script.usual(message)
            if usual is not None:
                self.answer({"jsonrpc": "2.0", "id": message["id"], **usual})
            elif self.command == "POST":
                self.status(202, "application/json", "")
            elif self.command == "DELETE":
                self.server.sessions.discard(headers.get("mcp-session-id"))
                self.status(200, "application/json", "{}")
            else:
                self.status(405, "application/json", "{}")
        except (Ended, OSError):
            self.close_connection = True

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.work(json.loads(self.rfile.read(length)))

    def do_GET(self):
        self.work({"method": "GET"})

    def do_DELETE(self):
        self.work({"method": "DELETE"})


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    tls = None

    def finish_request(self, request, client_address):  # in the connection's own thread
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


def serve_http(script, tls=None):
    """Serves on a free loopback port in a thread; the caller ends it with shutdown() and server_close()."""
    server = Server(("127.0.0.1", 0), Handler)
    server.tls = tls
    server.daemon_threads = True
    server.block_on_close = False
    server.script = script
    server.sessions = set()
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


if __name__ == "__main__":
    serve_pipes(Script(sys.argv[1], sys.argv[2]))
