"""The gateway under test: a folder, a process, HTTP clients that see every byte. Used by the scenarios and the faults."""
import hashlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import upstream

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(os.environ.get("LATTICEGATE_BINARY", os.path.join(HERE, "..", "..", "build", "dev", "latticegate")))
LIMIT = 20.0
ENDPOINT = re.compile(r"^ready (https?)://\S+:(\d+)", re.M)

# Made up; the checksum at its end is right, so that a detector that checks it must find it. In two pieces, so that no
# scanner of source trees takes it for a real one.
SECRET = "ghp_" + "Ky9Pf34qY6Nb3wWD25RQ4F5ZR3qa7y" + "3gm1IL"


def token(agent):
    return f"{agent}-token"


class Folder:
    """A temporary folder with configuration, policies and script; placeholders are filled. Ends what it started."""

    def __init__(self, sources):
        self.path = tempfile.mkdtemp(prefix="latticegate-scenario-")
        self.upstreams = {}
        self.sockets = []
        os.mkdir(os.path.join(self.path, "policies"))
        for source in sources:  # later ones replace
            if os.path.isdir(policies := os.path.join(source, "policies")):
                shutil.rmtree(os.path.join(self.path, "policies"))
                shutil.copytree(policies, os.path.join(self.path, "policies"))
            if os.path.isdir(files := os.path.join(source, "files")):
                shutil.copytree(files, self.path, dirs_exist_ok=True)
        with open(os.path.join(self.path, "upstream.jsonl"), "w", encoding="utf-8") as out:
            for source in reversed(sources):
                if os.path.exists(script := os.path.join(source, "upstream.jsonl")):
                    with open(script, encoding="utf-8") as file:
                        out.write(self.fill(file.read()).rstrip("\n") + "\n")
        self.sources = sources

    def configure(self):
        for source in reversed(self.sources):
            if os.path.exists(file := os.path.join(source, "config.yaml")):
                with open(file, encoding="utf-8") as text:
                    self.write("latticegate.yaml", self.fill(text.read()))
                return

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as file:
            file.write(text)

    def fill(self, text):
        return re.sub(r"\$\{([a-z]+)(?::([^}]*))?\}", lambda m: self.placeholder(m[1], m[2]), text)

    def placeholder(self, kind, name):
        if kind == "token":
            return hashlib.sha256(token(name).encode()).hexdigest()
        if kind == "secret":  # "escapes": as JSON within a JSON text may spell it
            return SECRET if name != "escapes" else "".join(f"\\\\u{ord(c):04x}" for c in SECRET)
        if kind == "http":
            if name not in self.upstreams:
                self.upstreams[name] = upstream.serve_http(upstream.Script(name, self.path))
            return f"http://127.0.0.1:{self.upstreams[name].server_address[1]}/mcp"
        if kind == "https":  # shows NAME.pem, made by a step before the start
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(self.path, f"{name}.pem"), os.path.join(self.path, f"{name}-key.pem"))
            server = self.upstreams[name] = upstream.serve_http(upstream.Script(name, self.path), context)
            return f"https://127.0.0.1:{server.server_address[1]}/mcp"
        if kind == "stdio":
            return json.dumps([sys.executable, os.path.join(HERE, "upstream.py"), name, self.path])
        if kind == "data":  # a file of tests/data
            return os.path.join(HERE, "..", "data", name)
        if kind == "table":  # what stands between the marks in a document of the guide, as inside of a JSON text
            with open(os.path.join(HERE, "..", "..", "docs", "guide", name), encoding="utf-8") as file:
                return json.dumps(re.search(r"<!-- table: begin -->\n(.*?)<!-- table: end -->", file.read(), re.S)[1])[1:-1]
        if kind in ("busy", "closed"):  # a port that is taken; one that nobody listens on
            taken = socket.socket()
            taken.bind(("127.0.0.1", 0))
            if kind == "busy":
                taken.listen()
            self.sockets.append(taken)
            return str(taken.getsockname()[1])
        raise ValueError(f"unknown placeholder {kind}")

    def remove(self):
        for server in self.upstreams.values():
            server.shutdown()
            server.server_close()
        for taken in self.sockets:
            taken.close()
        shutil.rmtree(self.path, ignore_errors=True)


class Gateway:
    """`latticegate run` in a folder."""

    def __init__(self, folder, environment=None):
        self.folder = folder
        self.environment = environment
        self.process = None
        self.text = ""       # everything that it wrote to standard error, over restarts
        self.address = None  # (scheme, port)

    def start(self):
        """Starts it; returns when it is ready or has ended."""
        begin = len(self.text)
        self.process = subprocess.Popen([BINARY, "run", "--config", "latticegate.yaml"], cwd=self.folder.path,
                                        env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr,), daemon=True)
        self.reader.start()

        def over():
            return ENDPOINT.search(self.text, begin) or self.process.poll() is not None

        if not upstream.wait_until(over):
            raise AssertionError(f"the gateway is neither ready nor ended:\n{self.text}")
        match = ENDPOINT.search(self.text, begin)
        if match:
            self.address = (match[1], int(match[2]))
        else:
            self.reader.join(LIMIT)
        return match is not None

    def read(self, pipe):
        for line in pipe:
            self.text += line.decode("utf-8", "backslashreplace")
        pipe.close()

    def signal(self, name):
        self.process.send_signal(getattr(signal, "SIG" + name))

    def limit_files(self, most):
        size = resource.RLIM_INFINITY if most is None else most
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def wait(self, limit=LIMIT):
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway has not ended within {limit:.0f} s") from None
        self.reader.join(limit)
        return code

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.wait()
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise

    def command(self, arguments):
        """Runs a subcommand on this gateway's configuration; its exit code and what it printed."""
        return self.program([*arguments, "--config", "latticegate.yaml"])

    def call(self, agent, server, arguments):
        """Our own client, `latticegate call`, as an agent to a server."""
        words = ["call", f"{self.address[0]}://localhost:{self.address[1]}/mcp/{server}", *arguments]
        if self.address[0] == "https":
            words += ["--ca", os.path.join("state", self.certificate())]
        return self.program(words, {"LATTICEGATE_TOKEN": token(agent)})

    def program(self, arguments, environment=None):
        """Runs the program; its exit code and what it printed."""
        done = subprocess.run([BINARY, *arguments], cwd=self.folder.path, env={**(self.environment or os.environ), **(environment or {})},
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
        return {"code": done.returncode, "stdout": done.stdout.decode("utf-8", "backslashreplace"),
                "stderr": done.stderr.decode("utf-8", "backslashreplace")}

    # Clients.
    def connect(self, timeout=LIMIT, certificate=None, curve=None):
        """A connection; with TLS a verified one, with FILE.pem as the client's certificate if a name is given, with a
        classical curve as the only key exchange if one is named."""
        raw = socket.create_connection(("127.0.0.1", self.address[1]), timeout)
        if self.address[0] == "http":
            return raw
        context = ssl.create_default_context(cafile=os.path.join(self.folder.path, "state", self.certificate()))
        if certificate:
            file = os.path.join(self.folder.path, certificate)
            context.load_cert_chain(f"{file}.pem", f"{file}-key.pem")
        if curve:
            context.set_ecdh_curve(curve)
        return context.wrap_socket(raw, server_hostname="localhost")

    def certificate(self):
        state = os.path.join(self.folder.path, "state")
        for name in sorted(os.listdir(state)):
            file = os.path.join(state, name)
            if os.path.isfile(file) and os.path.getsize(file) < 100_000:
                with open(file, "rb") as text:
                    data = text.read()
                if b"BEGIN CERTIFICATE" in data and b"PRIVATE KEY" not in data:
                    return name
        raise AssertionError("no certificate in the state directory")

    def request(self, method, path, headers, body, timeout=LIMIT, certificate=None, curve=None):
        """One request on its own connection; the http.client response, to be read by the caller."""
        connection = http.client.HTTPConnection("127.0.0.1", self.address[1])
        connection.sock = self.connect(timeout, certificate, curve)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {name.lower() for name, _ in headers}
        if "host" not in given:
            connection.putheader("Host", f"127.0.0.1:{self.address[1]}")
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None and "content-length" not in given and "transfer-encoding" not in given:
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the body was taken: the answer may be there
        response = connection.getresponse()
        response.owner = connection
        return response


def events(response):
    """The messages of an event stream as they come; ends with the stream."""
    data = []
    while True:
        line = response.readline()
        if not line:
            return
        text = line.decode("utf-8").rstrip("\r\n")
        if text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))
        elif text.startswith("id:"):
            response.last_event_id = text[3:].strip()
        elif not text and data:
            if any(data):  # the first event of a stream may bring nothing but its id
                yield "\n".join(data)
            data = []


def default_headers(agent, extra):
    """The headers of a proper client; `extra` replaces, None takes away."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if agent:
        headers["Authorization"] = f"Bearer {token(agent)}"
    for name, value in (extra or {}).items():
        for known in [key for key in headers if key.lower() == name.lower()]:
            del headers[known]
        if value is not None:
            headers[name] = value
    return list(headers.items())


def initialize(version="2025-11-25"):
    return {"method": "initialize", "params": {"protocolVersion": version, "capabilities": {"sampling": {}, "elicitation": {}},
                                              "clientInfo": {"name": "scenario", "version": "1"}}}


def now():
    return time.monotonic()
