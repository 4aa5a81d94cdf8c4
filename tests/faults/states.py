#!/usr/bin/env python3
"""A call in each of its states, and what can happen to it there: states.py [state ...]. See README.md."""
import http.client
import json
import os
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True  # nothing is left in the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenarios"))
from gateway import BINARY, Folder, Gateway, default_headers, events, initialize  # noqa: E402
from upstream import MODERN, wait_until  # noqa: E402

COMMON = os.path.join(HERE, "..", "scenarios", "common")
PATIENCE = 15.0  # seconds until a call has its end, whatever happens

ASK = {"send": {"id": "$id", "method": "elicitation/create", "params": {"message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}}}
SAY = {"send": {"method": "notifications/message", "params": {"level": "info", "data": "on my way"}}}
LARGE = {"result": {"content": [{"type": "text", "text": {"$text": ["all work and no play ", 150_000]}}]}}  # 3 MiB: looked at beside the loop
DONE = {"result": {"content": [{"type": "text", "text": "done"}]}}

# What the server does before it waits for its cell's file, and what a client sees of it.
STATES = {
    "waiting": [],            # the server has the request and says nothing
    "streaming": [SAY],       # an event stream is open and has brought something
    "asking": [ASK],          # the server has asked the client something back
    "looking": [LARGE],       # the answer is being inspected
    "approval": None,         # the gateway waits for a person: the server knows nothing yet
}
# "stop" happens to one of each at once, at the end.
EVENTS = ("server", "client", "cancel", "delete", "kill", "nothing", "stop")
POLICIES = """
@id("all")
permit (principal, action, resource);
@id("payments") @obligation("step_up:2")
forbid (principal, action == Mcp::Action::"tools/approval", resource)
unless { context has approval && context.approval.level >= 2 };
"""


def possible(state, event, modern):
    if event == "server":
        return state in ("waiting", "streaming", "asking")
    if event == "delete":
        return not modern
    if event == "nothing":
        return state != "approval"
    return True


def cells(transport):
    number = 0
    for modern in (False, True):
        for state in STATES:
            for event in EVENTS:
                if possible(state, event, modern):
                    number += 1
                    yield Cell(f"{transport}-{number:02}", transport, state, event, modern)


def script(list_of):
    """The server's lines: a tool a state, an argument says which cell."""
    lines = [{"tools": [{"name": name, "inputSchema": {"type": "object", "properties": {"cell": {"type": "string"}}}} for name in (*STATES, "echo")]}]
    if not list_of:
        return lines
    for cell in list_of:
        steps = STATES[cell.state]
        if steps is None:
            continue
        if cell.state != "looking":
            end = {"close": True} if cell.event == "server" else DONE
            steps = [*({"send": {**step["send"], "id": f"q-{cell.name}"}} if step is ASK else step for step in steps), {"wait": cell.name}, end]
        lines.append({"match": {"method": "tools/call", "params.arguments.cell": cell.name}, "do": steps})
    lines.append({"match": {"method": "tools/call"}, "do": [DONE]})
    lines.append({"match": {"method": "server/discover"}, "do": [{"error": {"code": -32601, "message": "what?"}}]})
    lines.append({"match": {"method": "GET"}, "do": [{"sse": True}, {"wait": "never"}]})
    return lines


def config(transport, list_of):
    agents = [*(cell.name for cell in list_of), "bystander"]
    tokens = "".join(f'    - {{agent: {agent}, sha256: "${{token:{agent}}}", user: pat, segments: [lab]}}\n' for agent in agents)
    server = '{url: "${http:tools}", segment: lab, effects: [read]}' if transport == "http" else '{stdio: ${stdio:tools}, segment: lab, effects: [read]}'
    return f"""
listen: {{address: "127.0.0.1:0", tls: off, threads: 2}}
identity:
  tokens:
{tokens}
users:
  - {{name: pat}}
  - {{name: ana}}
servers:
  tools: {server}
policy: {{directory: policies}}
behaviour: {{kill: false}}
approvals: {{wait: 8s}}
limits: {{timeouts: {{drain: 2s}}}}
"""


class Bad(Exception):
    """What was not as it has to be."""


def expect(fine, words):
    if not fine:
        raise Bad(words)


class Request:
    """One request on its own connection and what comes back of it."""

    def __init__(self, gateway, agent, modern, session, message):
        params = message.setdefault("params", {})
        extra = {"Mcp-Session-Id": session} if session else {}
        if modern:
            prefix = "io.modelcontextprotocol/"
            params["_meta"] = {prefix + "protocolVersion": MODERN, prefix + "clientCapabilities": {"elicitation": {}},
                               prefix + "clientInfo": {"name": "states", "version": "1"}, prefix + "logLevel": "info"}
            extra = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
            if "name" in params:
                extra["Mcp-Name"] = params["name"]
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.id = message.get("id")
        self.status, self.messages, self.over, self.session = None, [], False, None
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.address[1])
        self.connection.sock = gateway.connect(PATIENCE)
        self.connection.request("POST", "/mcp/tools", body, dict(default_headers(agent, extra)))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            response = self.connection.getresponse()
            self.status, self.session = response.status, response.getheader("Mcp-Session-Id")
            if "event-stream" in (response.getheader("Content-Type") or ""):
                for text in events(response):
                    self.messages.append(json.loads(text))
            elif data := response.read():
                self.messages.append(json.loads(data))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.over = True

    def answers(self):
        return [m for m in list(self.messages) if m.get("id") == self.id and ("result" in m or "error" in m)]

    def leave(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)  # close alone would wait for the thread that reads
        self.connection.close()


class Cell:
    def __init__(self, name, transport, state, event, modern):
        self.name, self.transport, self.state, self.event, self.modern = name, transport, state, event, modern
        self.session, self.call = None, None

    def __str__(self):
        return f"{self.transport} {'modern' if self.modern else 'legacy'} {self.state}: {self.event}"

    def begin(self, gateway):
        """Brings a call into its state."""
        if not self.modern:
            self.session = self.opened(gateway)
            told = Request(gateway, self.name, False, self.session, {"method": "notifications/initialized"})
            expect(wait_until(lambda: told.over, PATIENCE) and told.status == 202, f"initialized: {told.status}")
        self.call = self.request(gateway, 1)
        if self.state == "approval":
            expect(wait_until(lambda: self.name in gateway.command(["approvals"])["stdout"], PATIENCE, 0.05), "nobody is asked to approve")
            return

        def reached():
            if self.call.over and self.call.status == 503:  # the child is not started again yet
                self.call = self.request(gateway, 1)
            return bool(self.calls(gateway))
        expect(wait_until(reached, PATIENCE, 0.05), f"the server never got the call: {self.call.status} {self.call.messages}")
        if self.state in ("streaming", "asking"):
            expect(wait_until(lambda: self.call.messages, PATIENCE), "the client hears nothing of it")

    def opened(self, gateway):
        """A session; a child that ended is not started again at once."""
        sessions = []

        def tried():
            hello = Request(gateway, self.name, False, None, {"id": 0, **initialize()})
            if wait_until(lambda: hello.over, PATIENCE) and hello.session:
                sessions.append(hello.session)
            return bool(sessions)
        expect(wait_until(tried, PATIENCE, 0.2), "no session")
        return sessions[0]

    def request(self, gateway, number, extra=None):
        return Request(gateway, self.name, self.modern, self.session,
                       {"id": number, "method": "tools/call", "params": {"name": self.state, "arguments": {"cell": self.name}, **(extra or {})}})

    def calls(self, gateway):
        """The ids under which the server knows this cell's calls."""
        return [m["id"] for m in server_log(gateway) if m.get("method") == "tools/call" and m["params"]["arguments"].get("cell") == self.name]

    def told(self, gateway):
        """Whether the server heard that nobody waits for the call any more."""
        ids = self.calls(gateway)
        return any(m.get("method") == "notifications/cancelled" and m["params"]["requestId"] in ids for m in server_log(gateway))

    def parked(self):
        return self.modern and self.state == "asking"

    def happen(self, gateway):
        if self.event == "server":
            gateway.folder.write(self.name, "")
        elif self.event == "client" or (self.event == "cancel" and self.modern):
            self.call.leave()
        elif self.event == "cancel":
            Request(gateway, self.name, False, self.session, {"method": "notifications/cancelled", "params": {"requestId": 1}})
        elif self.event == "delete":
            answer = gateway.request("DELETE", "/mcp/tools", default_headers(self.name, {"Mcp-Session-Id": self.session}), None)
            answer.read()
            expect(answer.status in (200, 202, 204), f"the session is not ended: {answer.status}")
        elif self.event == "kill":
            done = gateway.command(["kill", "--agent", self.name, "--reason", "a test"])
            expect(done["code"] == 0, f"kill: {done}")

    def check(self, gateway):
        """The client has one answer or, if it went away itself, none."""
        if self.parked():
            self.check_parked(gateway)
        elif self.event == "nothing" and self.state == "asking":
            gateway.folder.write(self.name, "")
            self.check_answer("result")
        elif self.event == "nothing":
            gateway.folder.write(self.name, "")
            self.check_answer("result")
        elif self.event in ("server", "delete"):
            self.check_answer("error" if self.state != "looking" and self.state != "approval" else None)
        elif self.event == "kill":
            self.check_answer("error" if self.state != "looking" else None)
        elif self.event == "cancel" and not self.modern:
            expect(wait_until(lambda: self.call.over, PATIENCE), f"a cancelled call never ends: {self.call.messages}")
            expect(len(self.call.answers()) <= 1, f"two answers: {self.call.messages}")
        if self.state in ("waiting", "streaming", "asking") and not self.parked() and (self.event == "cancel" or (self.event == "client" and self.modern)):
            expect(wait_until(lambda: self.told(gateway), PATIENCE), "the server was not told that the call is cancelled")
        gateway.folder.write(self.name, "")  # whatever the server waits for

    def check_answer(self, kind):
        expect(wait_until(lambda: self.call.over, PATIENCE), f"the call never ends: {self.call.status} {str(self.call.messages)[:300]}")
        found = self.call.answers()
        expect(len(found) == 1 or (not found and self.call.status not in (None, 200)),
               f"{len(found)} answers, status {self.call.status}: {str(self.call.messages)[:300]}")
        if not found or kind is None:
            return
        failed = "error" in found[0] or found[0]["result"].get("isError") is True
        expect(failed == (kind == "error"), f"expected an answer with {kind}: {str(found[0])[:300]}")

    def check_parked(self, gateway):
        """The client was told what is asked; what it says to that meets what has happened meanwhile."""
        found = self.call.answers()
        if self.event in ("client", "cancel"):
            gateway.folder.write(self.name, "")
            return  # it had its answer, and went
        expect(len(found) == 1 and found[0].get("result", {}).get("resultType") == "input_required", f"not parked: {found}")
        asked = found[0]["result"]
        again = self.request(gateway, 2, {"requestState": asked["requestState"],
                                          "inputResponses": {key: {"action": "accept", "content": {}} for key in asked["inputRequests"]}})
        if self.event == "nothing":
            gateway.folder.write(self.name, "")
        expect(wait_until(lambda: again.over, PATIENCE), "the call that goes on never ends")
        expect(len(again.answers()) == 1 or again.status != 200, f"it ended without an answer: {again.status} {again.messages}")
        failed = not again.answers() or "error" in again.answers()[0] or again.answers()[0]["result"].get("isError") is True
        expect(failed == (self.event != "nothing"), f"after {self.event}: {again.status} {again.messages}")


def server_log(gateway):
    try:
        with open(os.path.join(gateway.folder.path, "upstream.log"), encoding="utf-8") as file:
            return [json.loads(line)["message"] for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def bystander(gateway):
    """Somebody else's call on the same server; a child that has ended is started again meanwhile."""
    def served():
        call = Request(gateway, "bystander", True, None, {"id": 9, "method": "tools/call", "params": {"name": "echo", "arguments": {}}})
        return wait_until(lambda: call.over, PATIENCE) and bool(call.answers()) and "result" in call.answers()[0]
    expect(wait_until(served, PATIENCE, 0.2), "another client is not served any more")


def check_log(gateway, list_of):
    """What was allowed has one end, what was refused none."""
    done = gateway.command(["audit", "query", "--json", "method:tools/call"])
    if done["code"] != 0:
        return [f"audit query: {done}"]
    records = [json.loads(line) for line in done["stdout"].splitlines()]
    problems = []
    for cell in list_of:
        own = [record for record in records if cell.name in json.dumps(record.get("agent", {}))]
        decided = {r["call_uid"] for r in own if r["type"] == "call.decided" and r.get("decision") == "allow"}
        ended = [r["call_uid"] for r in own if r["type"] == "call.finished"]
        if sorted(decided) != sorted(ended):
            problems.append(f"{cell}: {len(decided)} calls were allowed, {len(ended)} ends recorded: "
                            f"{[(r['type'], r.get('decision'), r.get('outcome')) for r in own]}")
    return problems


def conversations(gateway):
    return json.loads(gateway.command(["conversations", "--json"])["stdout"])["conversations"]


def run(transport, chosen):
    list_of = [cell for cell in cells(transport) if not chosen or cell.state in chosen]
    folder = Folder([COMMON])
    folder.write("upstream.jsonl", "".join(json.dumps(line) + "\n" for line in script(list_of)))
    folder.write("policies/all.cedar", POLICIES)
    folder.write("latticegate.yaml", folder.fill(config(transport, list_of)))
    gateway = Gateway(folder)
    problems = []
    try:
        if not gateway.start():
            raise Bad(f"the gateway did not start:\n{gateway.text}")
        for cell in (cell for cell in list_of if cell.event != "stop"):
            begin = time.monotonic()
            try:
                cell.begin(gateway)
                cell.happen(gateway)
                cell.check(gateway)
                bystander(gateway)
                expect(gateway.process.poll() is None, f"the program ended with {gateway.process.poll()}")
                print(f"passed: {cell} ({time.monotonic() - begin:.1f} s)", flush=True)
            except Bad as bad:
                problems.append(f"{cell}: {bad}")
                print(f"FAILED: {cell} ({time.monotonic() - begin:.1f} s)\n      {bad}", flush=True)
        quiet = wait_until(lambda: not any(one.get("open") for one in conversations(gateway)), PATIENCE, 0.2)
        if not quiet:
            problems.append(f"{transport}: calls are still open: {[one for one in conversations(gateway) if one.get('open')]}")
        last = [cell for cell in list_of if cell.event == "stop"]
        for cell in last:
            cell.begin(gateway)
        gateway.stop()
        for cell in last:
            try:
                cell.check_answer("error" if cell.state in ("waiting", "streaming") else None)
            except Bad as bad:
                problems.append(f"{cell}: {bad}")
        problems += check_log(gateway, list_of)
        if gateway.process.returncode != 0 or "Sanitizer" in gateway.text:
            problems.append(f"{transport}: the gateway ended with {gateway.process.returncode}:\n{gateway.text[-3000:]}")
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.kill()
        folder.remove()
    return len(list_of), problems


def main():
    if not os.access(BINARY, os.X_OK):
        print(f"there is no program {BINARY}; build it, or name it in LATTICEGATE_BINARY", file=sys.stderr)
        return 2
    count, problems = 0, []
    for transport in ("http", "stdio"):
        ran, bad = run(transport, sys.argv[1:])
        count += ran
        problems += bad
    for problem in problems:
        print(problem)
    print(f"{count} cells, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
