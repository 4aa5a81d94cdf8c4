#!/usr/bin/env python3
"""Hostile clients against the running gateway: run.py [name ...]. See README.md."""
import fcntl
import json
import os
import random
import re
import resource
import select
import socket
import ssl
import sys
import termios
import threading
import time
import traceback

sys.dont_write_bytecode = True  # nothing is left in the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenarios"))
from gateway import BINARY, Folder, Gateway, default_headers, initialize, token  # noqa: E402

COMMON = os.path.join(HERE, "..", "scenarios", "common")
PROMPT = 5.0        # seconds within which a well-behaved client is answered, whatever others do (shared cores are slow at times)
CONNECTIONS = 300   # limits.connections_per_address
CONFIG = """
listen: {address: "127.0.0.1:0", tls: %s, threads: 2}
identity:
  tokens:
    - {agent: tester, sha256: "${token:tester}", groups: [testers], segments: [lab]}
servers:
  tools: {url: "${http:tools}", segment: lab, effects: [read]}
behaviour: {kill: false}
limits:
  connections_per_address: 300
  streams: 4
  timeouts: {handshake: 1s, header: 1s, body: 1s, write: 1s, idle: 2s}
"""
SCRIPT = """
{"tools": [{"name": "echo", "inputSchema": {"type": "object"}}, {"name": "large", "inputSchema": {"type": "object"}}]}
{"match": {"method": "tools/call", "params.name": "large"}, "do": [{"result": {"content": [{"type": "text", "text": {"$text": ["0123456789abcdef", 786432]}}]}}]}
{"match": {"method": "tools/call", "params.name": "echo"}, "do": [{"result": {"content": [{"type": "text", "text": "hello"}]}}]}
{"match": {"method": "GET"}, "do": [{"sse": true}, {"wait": "never"}]}
"""


class Bad(Exception):
    """What was not as it has to be."""


def started(tls):
    folder = Folder([COMMON])
    folder.write("upstream.jsonl", SCRIPT)
    folder.write("latticegate.yaml", folder.fill(CONFIG % ("{}" if tls else "off")))
    gateway = Gateway(folder)
    if not gateway.start():
        raise Bad(f"the gateway did not start:\n{gateway.text}")
    return gateway


def raw(gateway, source="127.0.0.1", timeout=10.0):
    """A TCP connection, without TLS."""
    return socket.create_connection(("127.0.0.1", gateway.address[1]), timeout, (source, 0))


def secured(gateway, connection):
    """The connection, with TLS if the gateway has it."""
    if gateway.address[0] == "http":
        return connection
    context = ssl.create_default_context(cafile=os.path.join(gateway.folder.path, "state", gateway.certificate()))
    return context.wrap_socket(connection, server_hostname="localhost")


def message(method="initialize", identifier=1, **params):
    given = initialize() if method == "initialize" else {"method": method, "params": params}
    return json.dumps({"jsonrpc": "2.0", "id": identifier, **given}).encode()


def proper(gateway, session=None):
    lines = [f"{name}: {value}" for name, value in default_headers("tester", {"Mcp-Session-Id": session})]
    return "".join(f"{line}\r\n" for line in lines)


def post(gateway, body, session=None, extra=""):
    return (f"POST /mcp/tools HTTP/1.1\r\nHost: 127.0.0.1:{gateway.address[1]}\r\n{proper(gateway, session)}{extra}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def everything(connection, limit):
    """All bytes until the peer ends the connection, and whether it did in time."""
    data = b""
    end = time.monotonic() + limit
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(1 << 16)
        except TimeoutError:
            return data, False
        except OSError:  # reset: it is gone
            return data, True
        if not piece:
            return data, True
        data += piece
    return data, False


def unread(connection):
    """How many bytes have come that nobody took yet."""
    count = bytearray(4)
    fcntl.ioctl(connection, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def statuses(data):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", data)]


def expect(fine, words):
    if not fine:
        raise Bad(words)


def well_behaved(gateway, source="127.0.0.2"):
    """One call of a proper client from another address; seconds that it took."""
    begin = time.monotonic()
    with secured(gateway, raw(gateway, source)) as connection:
        connection.sendall(post(gateway, message(), extra="Connection: close\r\n"))
        data, ended = everything(connection, 5)
    expect(ended and statuses(data) == [200], f"a proper client got {data[:200]!r}")
    return time.monotonic() - begin


def opened(gateway):
    """The id of a new session."""
    with secured(gateway, raw(gateway, "127.0.0.2")) as connection:
        connection.sendall(post(gateway, message(), extra="Connection: close\r\n"))
        data, _ = everything(connection, 5)
    match = re.search(rb"(?i)mcp-session-id: (\S+)", data)
    expect(match, f"no session: {data[:300]!r}")
    return match[1].decode()


def memory(gateway):
    """Resident kilobytes of the program."""
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


# --- faults; each gets the plain and the TLS gateway ------------------------------------------------------------------


def half_a_hello(plain, tls):
    """The first bytes of a TLS hello and then nothing: gone after the handshake's time."""
    connections = [raw(tls) for _ in range(50)]
    for connection in connections:
        connection.sendall(bytes.fromhex("160301020001000 1fc0303".replace(" ", "")))
    well_behaved(tls)
    for connection in connections:
        expect(everything(connection, 4)[1], "half a hello was kept for longer than limits.timeouts.handshake")
        connection.close()


def no_tls(plain, tls):
    """Plain HTTP, garbage and an old hello on the TLS port."""
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 100, b"SSH-2.0-x\r\n", bytes.fromhex("160300002f0100002b0300") + b"\x11" * 40):
        with raw(tls) as connection:
            connection.sendall(data)
            answer, ended = everything(connection, 4)
            expect(ended and len(answer) < 100, f"{data[:20]!r}: answered {answer[:60]!r}, ended {ended}")


def slow_head(plain, tls):
    """A head that trickles, a byte every 50 ms: its time is not extended by that."""
    connections = [raw(plain) for _ in range(20)]
    begin = time.monotonic()
    left = list(connections)
    head = b"POST /mcp/tools HTTP/1.1\r\nX-Slow: " + b"a" * 200
    for index in range(100):
        for connection in list(left):
            readable, _, _ = select.select([connection], [], [], 0)
            if readable:
                left.remove(connection)
                continue
            try:
                connection.send(head[index:index + 1])
            except OSError:
                left.remove(connection)
        if not left or time.monotonic() - begin > 5:
            break
        time.sleep(0.05)  # the fault itself, no wait for anything
    took = time.monotonic() - begin
    expect(not left, f"{len(left)} slow heads are still there after {took:.1f} s (limit 1 s)")
    for connection in connections:
        data, _ = everything(connection, 1)
        expect(statuses(data) in ([408], []), f"a slow head is answered {data[:80]!r}")
        connection.close()


def slow_body(plain, tls):
    """A body that is announced and does not come."""
    connections = [raw(plain) for _ in range(20)]
    for connection in connections:
        connection.sendall(post(plain, message())[:-20])
    well_behaved(plain)
    for connection in connections:
        data, ended = everything(connection, 4)
        expect(ended and statuses(data) in ([408], []), f"half a body: answered {data[:80]!r}, ended {ended}")
        connection.close()


def many_headers(plain, tls):
    """10,000 header fields, 200 of them (limits.header_fields is 64), one of 100 KB."""
    for count, size in ((10_000, 1), (200, 1), (1, 100_000)):
        with raw(plain) as connection:
            extra = "".join(f"X-{i}: {'a' * size}\r\n" for i in range(count))
            try:
                connection.sendall(post(plain, message(), extra=extra))
            except OSError:
                pass  # refused before it was all sent
            data, ended = everything(connection, 4)
            expect(ended and statuses(data) == [431], f"{count} fields of {size}: answered {data[:80]!r}, ended {ended}")


def gigabyte(plain, tls):
    """A body of 1 GB, announced: refused at once, nothing of it is kept. Chunked: refused at the limit."""
    before = memory(plain)
    with raw(plain) as connection:
        connection.sendall(f"POST /mcp/tools HTTP/1.1\r\nHost: 127.0.0.1:{plain.address[1]}\r\n{proper(plain)}Content-Length: 1073741824\r\n\r\n".encode())
        data, ended = everything(connection, 4)
        expect(ended and statuses(data) == [413], f"announced: answered {data[:80]!r}, ended {ended}")
    with raw(plain) as connection:
        connection.sendall(f"POST /mcp/tools HTTP/1.1\r\nHost: 127.0.0.1:{plain.address[1]}\r\n{proper(plain)}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        sent = 0
        try:
            for _ in range(16384):
                connection.sendall(piece)
                sent += 65536
                if select.select([connection], [], [], 0)[0]:
                    break
        except OSError:
            pass
        data, ended = everything(connection, 4)
        expect(sent < 64 << 20, f"chunked: {sent >> 20} MiB were taken")
        expect(ended and (statuses(data) == [413] or not data), f"chunked: answered {data[:80]!r}, ended {ended}")
    grown = memory(plain) - before
    expect(grown < 64 << 10, f"the program grew by {grown >> 10} MiB")


def stops_reading(plain, tls):
    """A client asks for a large answer and takes nothing of it: it is cut off, others do not notice."""
    body = message("tools/call", 2, name="large", arguments={})
    connections = []
    for gateway in (plain, tls):
        session = opened(gateway)
        with secured(gateway, raw(gateway, "127.0.0.2")) as connection:  # the tools are learnt, the answer's size is real
            connection.sendall(post(gateway, body, session, "Connection: close\r\n"))
            data, _ = everything(connection, 60)
            whole = len(data)
            expect(statuses(data)[:1] == [200] and whole > 12 << 20, f"the large answer has {whole} bytes: {data[:200]!r}")
        for _ in range(2):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", gateway.address[1]))
            connection = secured(gateway, connection)
            connection.sendall(post(gateway, body, session))
            connections.append(connection)
    slowest = 0.0
    waiting, end = list(connections), 0
    patience = time.monotonic() + 60
    while waiting or time.monotonic() < end:
        slowest = max(slowest, well_behaved(plain), well_behaved(tls))
        if waiting:  # looking at so much text takes its time before anything is sent
            expect(time.monotonic() < patience, "no answer within a minute")
            waiting = [connection for connection in waiting if unread(connection) < 1000]
            end = time.monotonic() + 3.5  # then nothing is read for longer than limits.timeouts.write
        time.sleep(0.05)
    expect(slowest < PROMPT, f"meanwhile another client waited {slowest:.2f} s")
    for connection in connections:
        data, ended = everything(connection, 4)
        expect(ended and len(data) < whole, f"{len(data)} of {whole} bytes were still delivered, ended {ended}")
        connection.close()


def too_many_connections(plain, tls):
    """More connections than one address may have: those above are closed, another address is served."""
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100) if hard != resource.RLIM_INFINITY else count + 100, hard))
        count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
        if count < 2000:
            print(f"    only {count} connections: that is how many files may be open here")
    connections = []
    for _ in range(count):
        try:
            connections.append(raw(plain, timeout=2))
        except OSError:
            break
    waited = well_behaved(plain)
    expect(waited < PROMPT, f"a client of another address waited {waited:.2f} s")
    poller = select.poll()
    for connection in connections:
        poller.register(connection, select.POLLIN | select.POLLHUP)
    end = time.monotonic() + 1
    while len(closed := poller.poll(0)) < len(connections) - CONNECTIONS and time.monotonic() < end:
        time.sleep(0.01)
    open_now = len(connections) - len(closed)
    expect(open_now <= CONNECTIONS, f"{open_now} connections are open, {CONNECTIONS} are allowed")
    for connection in connections:
        connection.close()
    end = time.monotonic() + 3
    while True:
        try:
            well_behaved(plain, "127.0.0.1")
            break
        except (Bad, OSError):
            expect(time.monotonic() < end, "the address is not served again after it closed its connections")


def idle_connections(plain, tls):
    """Connections that say nothing are closed after the idle time."""
    connections = [raw(plain) for _ in range(100)]
    for connection in connections:
        expect(everything(connection, 5)[1], "an idle connection was kept for longer than limits.timeouts.idle")
        connection.close()


def garbage(plain, tls):
    """Random bytes, always the same: every connection gets at most one refusal and ends."""
    random.seed(20)
    for _ in range(200):
        with raw(plain) as connection:
            try:
                connection.sendall(random.randbytes(random.randrange(1, 2000)))
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            data, ended = everything(connection, 4)
            expect(ended and all(code // 100 in (4, 5) for code in statuses(data)) and len(statuses(data)) <= 1,
                   f"garbage is answered {data[:80]!r}, ended {ended}")


def aborted_calls(plain, tls):
    """Clients that reset their connection in the middle of everything."""
    session = opened(plain)
    body = message("tools/call", 3, name="large", arguments={})
    whole = post(plain, body, session)
    for cut in range(1, len(whole) + 1, 7):
        connection = raw(plain)
        connection.sendall(whole[:cut])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    for _ in range(20):  # whole requests, gone before the answer
        connection = raw(plain)
        connection.sendall(whole)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


def aborted_handshakes(plain, tls):
    """TLS clients that are gone at every point of the handshake and right after it."""
    class Recorder(threading.Thread):
        """Takes one real hello, so that pieces of it can be sent."""
        def __init__(self):
            super().__init__(daemon=True)
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.hello = b""

        def run(self):
            taken, _ = self.listener.accept()
            self.hello = taken.recv(1 << 16)
            taken.close()

    recorder = Recorder()
    recorder.start()
    context = ssl.create_default_context()
    try:
        with socket.create_connection(recorder.listener.getsockname(), 5) as connection:
            context.wrap_socket(connection, server_hostname="localhost")
    except OSError:
        pass
    recorder.join(5)
    recorder.listener.close()
    expect(len(recorder.hello) > 100, "no hello was recorded")
    for cut in range(1, len(recorder.hello) + 1, 8):
        connection = raw(tls)
        connection.sendall(recorder.hello[:cut])
        if cut % 16 == 1:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    body = post(tls, message())
    for cut in range(0, len(body), 40):
        connection = secured(tls, raw(tls))
        connection.sendall(body[:cut])
        connection.close()


def too_many_streams(plain, tls):
    """More event streams than a conversation may have."""
    session = opened(plain)
    head = (f"GET /mcp/tools HTTP/1.1\r\nHost: 127.0.0.1:{plain.address[1]}\r\nAuthorization: Bearer {token('tester')}\r\n"
            f"Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n").encode()
    connections = []
    codes = []
    for _ in range(8):
        connection = raw(plain)  # each when its turn has come: one that says nothing is answered 408
        connections.append(connection)
        connection.sendall(head)
        connection.settimeout(4)
        codes += statuses(connection.recv(4096))
    expect(codes == [200] * 4 + [429] * 4, f"8 streams are answered {codes}")
    for connection in connections:
        connection.close()


def pipelined(plain, tls):
    """500 requests in one piece: answered in order, one after the other."""
    with raw(plain) as connection:
        sender = threading.Thread(target=lambda: connection.sendall(b"".join(post(plain, message(identifier=i)) for i in range(500))
                                                                    + post(plain, message(identifier=500), extra="Connection: close\r\n")), daemon=True)
        sender.start()
        data, ended = everything(connection, 10)
        sender.join(5)
    ids = [int(number) for number in re.findall(rb'"id": ?(\d+)', data)]
    expect(ended and ids == list(range(501)), f"{len(ids)} answers, in order: {ids == sorted(ids)}, ended {ended}; {data[-200:]!r}")


def smuggling(plain, tls):
    """smuggling.jsonl: requests that two programs may read differently."""
    body = message().decode()
    words = {"host": f"127.0.0.1:{plain.address[1]}", "proper": proper(plain), "body": body, "length": str(len(body)),
             "hex": f"{len(body):x}", "chunked": f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"}
    problems = []
    with open(os.path.join(HERE, "smuggling.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        data = line["raw"]
        for name, value in words.items():
            data = data.replace("{" + name + "}", value)
        with raw(plain) as connection:
            connection.sendall(data.encode("latin-1"))
            if "statuses" in line:  # a control: the connection stays, so it is ended from here
                connection.shutdown(socket.SHUT_WR)
            answer, ended = everything(connection, 4)
        seen = statuses(answer)
        if not ended:
            problems.append(f"{line['name']}: the connection is not ended; answered {seen}")
        elif "statuses" in line and seen != line["statuses"]:
            problems.append(f"{line['name']}: expected {line['statuses']}, seen {seen} {answer[-120:]!r}")
        elif "one_of" in line and (len(seen) != 1 or seen[0] not in line["one_of"]):
            problems.append(f"{line['name']}: expected one of {line['one_of']}, seen {seen}")
    expect(not problems, "\n      ".join(problems))
    # What the server saw is of our own making: one length, no framing or connection header of a client.
    with open(os.path.join(plain.folder.path, "upstream.log"), encoding="utf-8") as file:
        for text in file:
            headers = json.loads(text)["headers"]
            expect(headers.keys() <= {"host", "content-length", "content-type", "accept", "connection", "user-agent", "mcp-session-id", "mcp-protocol-version"},
                   f"the server saw {sorted(headers)}")


FAULTS = [smuggling, half_a_hello, no_tls, slow_head, slow_body, many_headers, gigabyte, stops_reading, too_many_connections,
          idle_connections, garbage, aborted_calls, aborted_handshakes, too_many_streams, pipelined]


def main():
    if not os.access(BINARY, os.X_OK):
        print(f"there is no program {BINARY}; build it, or name it in LATTICEGATE_BINARY", file=sys.stderr)
        return 2
    chosen = [fault for fault in FAULTS if not sys.argv[1:] or fault.__name__ in sys.argv[1:]]
    gateways = []
    failed = 0
    try:
        gateways = [started(False), started(True)]
        for fault in chosen:
            begin = time.monotonic()
            try:
                fault(*gateways)
                for gateway in gateways:
                    expect(gateway.process.poll() is None, f"the program ended with {gateway.process.poll()}:\n{gateway.text[-2000:]}")
                    took = well_behaved(gateway)
                    expect(took < PROMPT, f"after it a proper client waited {took:.2f} s")
                print(f"passed: {fault.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED: {fault.__name__} ({time.monotonic() - begin:.1f} s)\n      {error}", flush=True)
                if not isinstance(error, Bad):
                    traceback.print_exc()
    finally:
        for gateway in gateways:
            try:
                gateway.stop()
                if gateway.process.returncode != 0 or "exception" in gateway.text or "Sanitizer" in gateway.text:
                    failed += 1
                    print(f"FAILED: the program ended with {gateway.process.returncode}:\n{gateway.text[-3000:]}")
            except AssertionError as error:
                failed += 1
                print(f"FAILED: {error}")
            gateway.folder.remove()
    print(f"{len(chosen)} faults, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
