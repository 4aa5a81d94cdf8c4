#!/usr/bin/env python3
"""Plays attacks, and the same flows without the attack, through the real gateway: run.py [-v] [--report FILE] [case ...].

Exit 0 when every case came out as it says. See README.md.
"""
import argparse
import collections
import glob
import json
import math
import os
import re
import shutil
import sys
import threading
import time
import types

sys.dont_write_bytecode = True  # nothing is left in the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenarios"))
import upstream  # noqa: E402
from gateway import BINARY, Folder, Gateway, token  # noqa: E402
from run import Reply, default_headers, initialize, short  # noqa: E402

WORLD = os.path.join(HERE, "world")
EXAMPLE = os.path.join(HERE, "..", "..", "examples", "policies", "baseline")
PREFIX = "io.modelcontextprotocol/"
STOPPED = {  # what the client is told, by kind of containment
    "denied": r"Latticegate denied|denied by policy|is not allowed",
    "step_up": r"approval of level \d",
    "withheld": r"Latticegate withheld the answer",
    "killed": r"stays refused until|was ended by|is stopped|has been killed|operator releases",
    "refused": r"",
}


STEPS = ("call", "list", "hello", "read", "prompt", "http", "cli", "config", "tamper", "program")


class Wrong(Exception):
    """A case cannot be played as it is written; the words say why."""


# --- servers --------------------------------------------------------------------------------------


class Desk(upstream.Script):
    """A server of the world: lists its tools, and answers what the step under way says."""

    def __init__(self, name, world):
        self.server, self.world = name, world
        self.stubborn, self.cancelled, self.answers = False, set(), {}
        self.received_now = []

    def received(self, record):
        self.received_now.append(record)

    def tools(self):
        return self.world.step.get("tools") if self.world.step.get("of") == self.server and "tools" in self.world.step else self.world.tools[self.server]

    def usual(self, message):
        answer = super().usual(message)
        if answer and message.get("method") in ("initialize", "server/discover"):
            capabilities = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}}
            answer["result"]["capabilities"] = capabilities
            if self.world.step.get("of") == self.server and "instructions" in self.world.step:
                answer["result"]["instructions"] = self.world.step["instructions"]
        if message.get("method") == "tools/list":
            answer["result"].update({"ttlMs": 0, "cacheScope": "private", "resultType": "complete"})
        return answer

    def find(self, message):
        step = self.world.step
        if step.get("of") != self.server or message.get("method") not in ("tools/call", "resources/read", "prompts/get", "resources/list", "prompts/list"):
            return None
        steps = [{"send": {"id": f"q{number}", **asked}} for number, asked in enumerate(step.get("asks", []))]
        steps += [{"send": told} for told in step.get("tells", [])]
        return [*steps, self.world.answer(message["method"], step.get("gives", "ok"))]


class Dispatch(upstream.Handler):
    """All servers of the world behind one port: the path says which."""

    def work(self, message):
        self.server = self.server.desks[self.path.strip("/")]
        super().work(message)


class Rooms(Folder):
    """The folder of the gateway; every server of its configuration is a desk behind one port."""

    def __init__(self, world):
        self.world = world
        self.door = upstream.Server(("127.0.0.1", 0), Dispatch)
        self.door.daemon_threads, self.door.block_on_close = True, False
        self.door.handle_error = lambda *_: None
        self.door.desks = {}
        threading.Thread(target=self.door.serve_forever, args=(0.05,), daemon=True).start()
        super().__init__([])

    def placeholder(self, kind, name):
        if kind != "http":
            return super().placeholder(kind, name)
        self.door.desks[name] = types.SimpleNamespace(script=Desk(name, self.world), sessions=set(), desks=self.door.desks)
        return f"http://127.0.0.1:{self.door.server_address[1]}/{name}"

    def remove(self):
        self.door.shutdown()
        self.door.server_close()
        super().remove()


class World:
    """All servers of all cases in one gateway, and the step that is played."""

    def __init__(self):
        with open(os.path.join(WORLD, "tools.json"), encoding="utf-8") as file:
            self.tools = json.load(file)
        self.step = {}
        self.gateway = None

    @staticmethod
    def answer(method, given):
        if isinstance(given, dict) and ("error" in given or "result" in given):
            return given
        if method == "resources/read":
            return {"result": given if isinstance(given, dict) else {"contents": [{"uri": "doc://x", "text": given}], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"}}
        if method == "prompts/get" and isinstance(given, str):
            given = {"messages": [{"role": "user", "content": {"type": "text", "text": given}}]}
        if isinstance(given, str):
            given = {"content": [{"type": "text", "text": given}]}
        elif isinstance(given, list):  # records
            given = {"content": [{"type": "text", "text": json.dumps(given)}]}
        elif set(given) == {"rows"}:
            given = {"content": [{"type": "text", "text": json.dumps([{"id": n, "name": f"record {n}"} for n in range(given["rows"])])}]}
        return {"result": {"resultType": "complete", **given}}

    def start(self, cases, tls=False):
        """One gateway for all: an agent for each flow, so that no flow sees what another left behind."""
        with open(os.path.join(WORLD, "config.yaml"), encoding="utf-8") as file:
            config = file.read()
        own = []
        for case in cases:
            for flow in "ab" if "own" in case else "":
                name = f"{case['id']}-{flow}"
                facts = dict(case["own"])
                self.tools[name] = facts.pop("tools", [])
                given = {"url": "${http:" + name + "}", "segment": "lab", "protocol": "modern", "effects": ["read"], **facts}
                own.append(f"  {name}: {json.dumps(given)}\n")
        agents = [agent for case in cases for agent in agents_of(case)]
        who = [f'    - {{agent: {agent}, sha256: "${{token:{agent}}}", groups: [bots], segments: [lab], tenant: {agent.split("-")[-1]}}}\n' for agent in agents]
        config = config.replace("#agents\n", "".join(who)).replace("#servers\n", "".join(own))
        if tls:
            config = config.replace("tls: off", "tls: {profile: required}")
        folder = Rooms(self)
        for source in (EXAMPLE, os.path.join(WORLD, "policies")):
            for file in sorted(glob.glob(os.path.join(source, "*.cedar"))):
                shutil.copy(file, os.path.join(folder.path, "policies"))
        folder.write("latticegate.yaml", folder.fill(config))
        self.gateway = Gateway(folder)
        if not self.gateway.start():
            raise Wrong(f"the gateway did not start:\n{self.gateway.text}")

    def stop(self):
        if self.gateway:
            try:
                self.gateway.stop()
            finally:
                self.gateway.folder.remove()

    def received(self):
        """Calls and reads that servers got since the last look."""
        desks = [room.script for room in self.gateway.folder.door.desks.values()]
        all_of = [record for desk in desks for record in desk.received_now]
        for desk in desks:
            desk.received_now = []
        return [record for record in all_of if record["message"].get("method") in ("tools/call", "resources/read", "prompts/get")]


# --- the client -----------------------------------------------------------------------------------


class Client:
    """One flow: its agents, their sessions, what came back."""

    def __init__(self, world, agent):
        self.world, self.agent = world, agent
        self.sessions = {}
        self.serial = 0

    def post(self, path, headers, body, agent=None):
        reply = Reply()
        response = self.world.gateway.request("POST", path, default_headers(agent or self.agent, headers), body)
        reply.read(response)
        return reply.value

    def modern(self, server, method, params, agent):
        self.serial += 1
        meta = {PREFIX + "protocolVersion": upstream.MODERN, PREFIX + "clientCapabilities": {}, PREFIX + "clientInfo": {"name": "case", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": self.serial, "method": method, "params": {**params, "_meta": meta}}
        headers = {"MCP-Protocol-Version": upstream.MODERN, "Mcp-Method": method}
        named = params.get("name", params.get("uri"))
        if named is not None:
            headers["Mcp-Name"] = named
        return self.post(f"/mcp/{server}", headers, json.dumps(message).encode(), agent)

    def legacy(self, server, method, params, agent):
        key = (agent, server)
        if key not in self.sessions:
            hello = initialize()
            hello["params"]["capabilities"]["elicitation"] = {"form": {}, "url": {}}
            opened = self.post(f"/mcp/{server}", {}, json.dumps({"jsonrpc": "2.0", "id": 0, **hello}).encode(), agent)
            self.sessions[key] = opened.get("headers", {}).get("mcp-session-id")
            if method == "initialize":
                return opened
            self.post(f"/mcp/{server}", self.session(key), json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode(), agent)
        self.serial += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.serial, "method": method, "params": params}).encode()
        return self.post(f"/mcp/{server}", self.session(key), body, agent)

    def session(self, key):
        return {"Mcp-Session-Id": self.sessions[key], "MCP-Protocol-Version": "2025-11-25"}

    def play(self, step):
        """Plays one step; what came of it."""
        if isinstance(step, list):
            step = dict(zip(("call", "with", "gives"), step))
        agent = f"{self.agent}-{step['agent']}" if "agent" in step else self.agent
        world = self.world
        target = next(step[kind] for kind in STEPS if kind in step)
        if isinstance(target, str) and target.startswith("$own"):  # a server of this flow alone
            target = self.agent + target[4:]
        server = target.split(".")[0] if isinstance(target, str) else step.get("server", "crm")
        world.step = {**step, "of": server}
        world.received()
        ask = self.legacy if step.get("era") == "legacy" or "asks" in step or "tells" in step or "hello" in step else self.modern
        if "call" in step:
            name = target.split(".", 1)[1]
            for number in range(1, step.get("times", 1) + 1):
                world.received()
                given = {key: number if value == "$n" else value for key, value in step.get("with", {}).items()}
                reply = ask(server, "tools/call", {"name": name, "arguments": given}, agent)
        elif "list" in step:
            reply = ask(server, "tools/list", {}, agent)
        elif "hello" in step:
            self.sessions.pop((agent, server), None)
            reply = ask(server, "initialize", {}, agent)
        elif "read" in step:
            reply = ask(server, "resources/read", {"uri": step["uri"]}, agent)
        elif "prompt" in step:
            reply = ask(server, "prompts/get", {"name": step["name"]}, agent)
        elif "http" in step:
            reply = self.http(step["http"], agent, step.get("curve"))
        else:
            done = self.run(step)
            reply = {"messages": [], "code": done["code"], "body": done["stdout"] + done["stderr"]}
        reply["step"] = step
        reply["agent"] = agent
        records = world.received()
        reply["reached"] = [record["message"]["params"] for record in records]
        reply["headers_there"] = [record.get("headers") for record in records]
        return reply

    def run(self, step):
        """What is played with the program itself."""
        gateway = self.world.gateway
        if "cli" in step:
            return gateway.command(step["cli"])
        if "program" in step:  # our own client
            return gateway.call(self.agent, step.get("server", "crm"), step["program"])
        if "config" in step:
            gateway.folder.write("case.yaml", step["config"])
            return gateway.program(["config", "show", "--config", "case.yaml"])
        return self.tamper(step["tamper"])

    def tamper(self, how):
        """Changes a copy of the audit log, and has it verified."""
        folder = self.world.gateway.folder.path
        copy = os.path.join(folder, "copy")

        def verified():
            shutil.rmtree(copy, ignore_errors=True)
            try:
                shutil.copytree(os.path.join(folder, "state", "audit"), copy)
            except shutil.Error:  # a part of a tile gave way to a longer one meanwhile: once more
                return {"code": None}
            return self.world.gateway.program(["audit", "verify", "--directory", copy, "--no-memory"])

        upstream.wait_until(lambda: verified()["code"] in (0, 4), 10, 0.2)  # what was written is signed soon
        log = max((path for path in glob.glob(os.path.join(copy, "**"), recursive=True) if os.path.isfile(path)), key=os.path.getsize)
        with open(log, "rb") as file:
            data = bytearray(file.read())
        middle = len(data) // 2
        if how == "flip":
            data[middle] ^= 1
        elif how == "truncate":
            del data[middle:]
        elif how == "reorder":
            data[middle : middle + 64], data[middle + 64 : middle + 128] = data[middle + 64 : middle + 128], data[middle : middle + 64]
        elif how == "insert":
            data[middle:middle] = data[middle : middle + 64]
        with open(log, "wb") as file:
            file.write(data)
        done = self.world.gateway.program(["audit", "verify", "--directory", copy, "--no-memory"])
        if done["code"] == 4:  # all holds together; nobody outside was asked
            done["code"] = 0
        return done

    def http(self, given, agent, curve=None):
        headers = {name: self.filled(value) for name, value in given.get("headers", {}).items()}
        body = given.get("body", "")
        reply = Reply()
        try:
            response = self.world.gateway.request(given.get("method", "POST"), given.get("path", "/mcp/crm"), default_headers(agent, headers),
                                                  (body if isinstance(body, str) else json.dumps(body)).encode(), curve=curve)
        except OSError as error:  # no handshake
            return {"messages": [], "status": 599, "body": f"{error}"}
        reply.read(response)
        return reply.value

    def filled(self, value):
        """"$session.SERVER.AGENT": the id of a session that an agent of this flow opened."""
        if isinstance(value, str) and value.startswith("$session."):
            _, server, who = value.split(".")
            return self.sessions[f"{self.agent}-{who}", server]
        return value


# --- judging --------------------------------------------------------------------------------------


def agents_of(case):
    """The names of all agents of a case: of the attack and of its twin, the main one and those that its steps name."""
    out = []
    for flow, steps in (("a", case["steps"]), ("b", twin_steps(case))):
        if steps is None:
            continue
        names = {step["agent"] for step in steps if isinstance(step, dict) and "agent" in step}
        out += [f"{case['id']}-{flow}"] + [f"{case['id']}-{flow}-{name}" for name in sorted(names)]
    return out


def twin_steps(case):
    """The steps of the benign twin: those of the attack, but for what `twin` replaces (null takes away) and puts in front."""
    twin = case.get("twin")
    if twin is None:
        return None
    steps = list(twin.get("steps") or case["steps"])
    for number, step in twin.get("replace", {}).items():
        steps[int(number)] = step
    return [*twin.get("first", []), *(step for step in steps if step is not None)]


def words_of(reply):
    """All text that a client got."""
    return reply.get("body", "") + json.dumps(reply["messages"], ensure_ascii=False)


def stopped_as(reply):
    """How the gateway kept a step from happening; None if it did not."""
    text = words_of(reply)
    step = reply["step"]
    if "code" in reply:
        return "refused" if reply["code"] != 0 else None
    result, error = reply.get("result", {}), reply.get("error")
    if isinstance(result, dict) and result.get("isError") or error or reply.get("status", 200) >= 400:
        for kind in ("step_up", "withheld", "killed", "denied"):
            if re.search(STOPPED[kind], text):
                return kind
        return "refused" if not reply["reached"] else None
    return None


def effect_of(case, reply, step):
    """What the attack wanted from this step came about: in words; None if it did not."""
    text = words_of(reply)
    if "hides" in case:
        there = text + json.dumps([reply["reached"], reply["headers_there"]], ensure_ascii=False)
        shown = [word for word in case["hides"] if word.replace("$token", token(reply["agent"])) in there]
        return f"{shown[0]!r} came through" if shown else None
    if "list" in step:
        listed = [tool["name"] for tool in (reply.get("result") or {}).get("tools", [])]
        return f"{case['tool']} is listed" if case.get("tool") in listed else None
    if "hello" in step:
        return "the instructions came through" if (reply.get("result") or {}).get("instructions") else None
    if "asks" in step:
        methods = [message.get("method") for message in reply["messages"] if isinstance(message, dict)]
        return "the client was asked" if step["asks"][0]["method"] in methods else None
    if "code" in reply:
        return "it was accepted" if reply["code"] == 0 else None
    if "http" in step:
        bad = reply.get("error") or (reply.get("result") or {}).get("isError")
        return f"it was answered with {reply.get('status')}" if reply.get("status", 0) < 400 and not bad else None
    if stopped_as(reply) in ("withheld", "killed"):
        return None
    return "the call reached its server" if reply["reached"] else None


def how_contained(case, reply, step):
    """The kind of containment of the step that does the harm."""
    kind = stopped_as(reply)
    if kind:
        return kind
    if "list" in step or "hello" in step:
        return "held"
    return "redacted" if case.get("hides") else "refused"


def disturbances(replies):
    """What a benign flow suffered."""
    out = []
    for number, reply in enumerate(replies, 1):
        step = reply["step"]
        text = words_of(reply)
        expected = step.get("refused", False)  # a benign flow may meet a wall that is meant for it
        if (kind := stopped_as(reply)) and not expected:
            out.append(f"step {number} was {kind}: {short(text, 300)}")
            continue
        if "list" in step:
            listed = {tool["name"] for tool in (reply.get("result") or {}).get("tools", [])}
            if missing := [tool["name"] for tool in step.get("tools", []) if tool["name"] not in listed]:
                out.append(f"step {number} does not list {missing}")
        elif "hello" in step and step.get("instructions") and not (reply.get("result") or {}).get("instructions"):
            out.append(f"step {number}: the instructions were held back")
        elif "asks" in step:
            if step["asks"][0]["method"] not in [m.get("method") for m in reply["messages"] if isinstance(m, dict)]:
                out.append(f"step {number}: the client was not asked")
        elif isinstance(step.get("gives"), str) and "call" in step and not expected:
            given = [part.get("text") for part in (reply.get("result") or {}).get("content", [])]
            if given != [step["gives"]]:
                out.append(f"step {number}: the answer was changed: {short(given, 200)}")
    return out


class Outcome:
    def __init__(self, case):
        self.case = case
        self.problems = []
        self.contained = None  # of the attack: how, or None
        self.by = None
        self.disturbed = []


def play(world, case):
    out = Outcome(case)
    expected = case["expect"]
    if expected != "undisturbed":
        client = Client(world, f"{case['id']}-a")
        replies = [client.play(step) for step in case["steps"]]
        harm = case.get("harm", len(replies)) - 1
        reply = replies[harm]
        step = reply["step"]
        effect = effect_of(case, reply, step)
        # What ends a flow earlier contains it, too: then the harmful step finds everything closed.
        kind = None if effect else how_contained(case, reply, step)
        out.contained = kind
        if expected == "not_contained":
            if not effect:
                out.problems.append(f"is contained now ({kind}): {short(words_of(reply), 300)}")
        elif effect:
            out.problems.append(f"NOT CONTAINED: {effect}; answer {short(words_of(reply), 300)}")
        elif kind != expected and kind not in expected:  # several: which one comes first is a matter of chance
            out.problems.append(f"expected {expected}, was {kind}: {short(words_of(reply), 300)}")
        elif case.get("by") and not re.search(case["by"], words_of(reply)):
            out.by = case["by"]  # to be found in the record
        for number in case.get("ok", []):
            if stopped_as(replies[number - 1]):
                out.problems.append(f"step {number} was stopped already: {short(words_of(replies[number - 1]), 300)}")
    steps = case["steps"] if expected == "undisturbed" else twin_steps(case)
    if steps is not None:
        client = Client(world, f"{case['id']}-{'a' if expected == 'undisturbed' else 'b'}")
        out.disturbed = disturbances([client.play(step) for step in steps])
        known = case.get("disturbed")
        if out.disturbed and not known:
            out.problems += [f"twin: {words}" for words in out.disturbed]
        elif known and not out.disturbed:
            out.problems.append(f"the twin passes now, and the case says that it does not: {known}")
    return out


def look_into_record(world, outcomes):
    """Controls that the client is not told of stand in the audit record of the agent."""
    wanted = [outcome for outcome in outcomes if outcome.by]
    if not wanted:
        return
    done = world.gateway.command(["audit", "query", "--json"])
    by_agent = collections.defaultdict(str)
    for line in done["stdout"].splitlines():
        record = json.loads(line)
        text = json.dumps(record)
        agent = (record.get("principal") or {}).get("agent") or record.get("agent") or ""
        by_agent[agent if isinstance(agent, str) else json.dumps(agent)] += text
        by_agent["*"] += text
    for outcome in wanted:
        agent = f"{outcome.case['id']}-a"
        seen = by_agent.get(agent) or by_agent["*"] + world.gateway.text
        if not re.search(outcome.by, seen) and not re.search(outcome.by, world.gateway.text):
            outcome.problems.append(f"contained, but not by {outcome.by}: nothing of it in the answer or the record")


# --- the report -----------------------------------------------------------------------------------


def wilson(hits, total):
    if not total:
        return "-"
    z, p = 1.96, hits / total
    middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    low, high = (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)
    return f"{100 * p:.1f} % ({100 * max(0, low):.0f}-{100 * min(1, high):.0f})"


def table(outcomes):
    with open(os.path.join(HERE, "threats.json"), encoding="utf-8") as file:
        names = json.load(file)
    lines = []
    attacks = [o for o in outcomes if o.case["expect"] != "undisturbed"]
    benign = [o for o in outcomes if o.case["expect"] == "undisturbed" or o.case.get("twin")]
    chains = [o for o in attacks if o.case.get("chain")]
    benign_chains = [o for o in benign if o.case.get("chain")]
    share = lambda some: f"{sum(o.contained is not None for o in some)} of {len(some)}: {wilson(sum(o.contained is not None for o in some), len(some))}"
    hurt = lambda some: f"{sum(bool(o.disturbed) for o in some)} of {len(some)}: {wilson(sum(bool(o.disturbed) for o in some), len(some))}"
    lines.append("| | attacks contained | benign flows disturbed |\n|---|---|---|")
    lines.append(f"| all cases | {share(attacks)} | {hurt(benign)} |")
    lines.append(f"| chains of several calls | {share(chains)} | {hurt(benign_chains)} |\n")
    lines.append("| threat | attacks | contained | how | benign flows | disturbed |\n|---|---|---|---|---|---|")
    for number, name in sorted(names.items(), key=lambda item: int(item[0])):
        mine = [o for o in attacks if str(o.case["threat"]) == number]
        fine = [o for o in benign if str(o.case["threat"]) == number]
        kinds = collections.Counter(o.contained for o in mine if o.contained)
        how = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        lines.append(f"| {number} {name} | {len(mine)} | {sum(kinds.values())} | {how} | {len(fine)} | {sum(bool(o.disturbed) for o in fine)} |")
    lines.append("\n| not contained | threat | why |\n|---|---|---|")
    for outcome in attacks:
        if outcome.contained is None:
            lines.append(f"| {outcome.case['what']} | {outcome.case['threat']} | {outcome.case.get('reason', '?')} |")
    lines.append("\n| benign and disturbed | threat | why |\n|---|---|---|")
    for outcome in benign:
        if outcome.disturbed:
            lines.append(f"| {outcome.case['what']} | {outcome.case['threat']} | {outcome.case.get('disturbed', '?')} |")
    return "\n".join(lines)


def load(names):
    cases = []
    for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.jsonl"))):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    case = json.loads(line)
                    case["place"] = f"{os.path.basename(path)}:{number}"
                except ValueError as error:
                    raise SystemExit(f"{path}:{number}: {error}") from None
                cases.append(case)
    ids = collections.Counter(case["id"] for case in cases)
    if twice := [name for name, count in ids.items() if count > 1]:
        raise SystemExit(f"ids that stand twice: {twice}")
    if names:
        cases = [case for case in cases if any(name in (case["id"], str(case["threat"])) for name in names)]
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help="ids of cases or numbers of threats; all without")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--report", help="write the tables as Markdown to this file")
    options = parser.parse_args()
    if not os.access(BINARY, os.X_OK):
        raise SystemExit(f"no program at {BINARY} (LATTICEGATE_BINARY)")
    began = time.monotonic()
    outcomes = []
    cases = load(options.case)
    for tls in (False, True):
        mine = [case for case in cases if case.get("tls", False) == tls]
        if not mine:
            continue
        world = World()
        try:
            world.start(mine, tls)
            for case in mine:
                try:
                    outcomes.append(play(world, case))
                except Exception as error:  # the case, not the runner: the others go on
                    outcomes.append(Outcome(case))
                    outcomes[-1].problems.append(f"{type(error).__name__}: {error}")
                if options.verbose:
                    print(f"{case['place']} {case['id']}: {outcomes[-1].contained or '-'} {'; '.join(outcomes[-1].problems) or 'as expected'}", flush=True)
            look_into_record(world, outcomes)
        finally:
            world.stop()
    text = table(outcomes)
    print(text)
    bad = [outcome for outcome in outcomes if outcome.problems]
    for outcome in bad:
        print(f"{outcome.case['place']} {outcome.case['id']} ({outcome.case['what']}):")
        for problem in outcome.problems:
            print(f"    {problem}")
    print(f"\n{len(outcomes)} cases, {len(bad)} not as they say, {time.monotonic() - began:.0f} s")
    if options.report:
        with open(os.path.join(HERE, "report_head.txt"), encoding="utf-8") as head, open(options.report, "w", encoding="utf-8") as out:
            out.write(head.read().rstrip() + "\n\n" + text + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
