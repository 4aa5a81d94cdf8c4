#!/usr/bin/env python3
"""Runs scenarios: run.py [-v] [-k] [name ...]. Exit 0 when all pass, 77 when the only one was skipped. See README.md."""
import argparse
import base64
import concurrent.futures
import http.client
import json
import os
import re
import sys
import threading
import traceback

sys.dont_write_bytecode = True  # nothing is left in the source tree

import certificate
import exposition
from gateway import BINARY, HERE, LIMIT, SECRET, Folder, Gateway, default_headers, events, initialize
from upstream import MODERN, at_path, wait_until

COMMON = os.path.join(HERE, "common")


class Failed(Exception):
    """The scenario cannot go on, or differs; the words say how."""


class Skipped(Exception):
    """This machine cannot do it; the words say why."""


def short(value, most=400):
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def differs(expected, seen):
    """Why `seen` is not what is expected, or None. An object with one $key is a condition; others are compared whole."""
    if isinstance(expected, dict) and expected and all(key.startswith("$") for key in expected):
        for key, value in expected.items():
            text = seen if isinstance(seen, str) else json.dumps(seen)
            fine = {
                "$re": lambda: seen is not None and re.search(value, text) is not None,
                "$not_re": lambda: seen is None or re.search(value, text) is None,
                "$absent": lambda: (seen is None) == value,
                "$size": lambda: isinstance(seen, (list, str, dict)) and len(seen) == value,
                "$least": lambda: isinstance(seen, (int, float)) and seen >= value,
                "$most": lambda: isinstance(seen, (int, float)) and seen <= value,
                "$has": lambda: isinstance(seen, list) and any(differs(value, element) is None for element in seen),
                "$one_of": lambda: seen in value,
                "$fields": lambda: all(differs(want, at_path(seen, path)) is None for path, want in value.items()),
            }[key]()
            if not fine:
                return f"expected {key} {short(value)}"
        return None
    if type(expected) is not type(seen) and not (isinstance(expected, (int, float)) and isinstance(seen, (int, float))):
        return f"expected {short(expected)}"
    return None if expected == seen else f"expected {short(expected)}"


def fields_differ(expected, seen):
    """The paths at which `seen` differs, in words."""
    out = []
    for path, want in expected.items():
        have = at_path(seen, path)
        if (why := differs(want, have)) is not None:
            out.append(f"{path}: {why}, seen {short(have)}")
    return out


class Reply:
    """What a client got: status, headers, the bytes, the messages in order; the last response's members are its own."""

    def __init__(self):
        self.value = {"messages": []}
        self.done = threading.Event()

    def take(self, text):
        try:
            message = json.loads(text)
        except ValueError:
            return
        self.value["messages"].append(message)
        if isinstance(message, dict) and ("result" in message or "error" in message):
            for name in ("id", "result", "error"):
                if name in message:
                    self.value[name] = message[name]

    def read(self, response):
        try:
            self.value["status"] = response.status
            self.value["headers"] = {name.lower(): value for name, value in response.getheaders()}
            if self.value["headers"].get("content-type", "").startswith("text/event-stream"):
                self.value["body"] = ""
                for data in events(response):
                    self.value["body"] += data + "\n"
                    self.value["last_event_id"] = getattr(response, "last_event_id", None)
                    self.take(data)
            else:
                self.value["body"] = response.read().decode("utf-8", "backslashreplace")
                self.take(self.value["body"])
        except OSError as error:
            self.value["broken"] = str(error)
        except Exception as error:  # http.client: an answer that is cut off
            self.value["broken"] = f"{type(error).__name__}: {error}"
        finally:
            response.owner.close()
            self.value["ended"] = True
            self.done.set()


class Scenario:
    def __init__(self, name, verbose=False):
        self.name = name
        self.source = os.path.join(HERE, name)
        self.verbose = verbose
        self.folder = Folder([COMMON, self.source])
        self.gateway = Gateway(self.folder)
        self.replies = {}
        self.sessions = {}
        self.next_id = 1
        self.problems = []
        self.configured = False
        self.started = False
        self.pending = []

    def say(self, text):
        if self.verbose:
            print(f"    {text}", flush=True)

    # --- the client's steps ---
    def run(self):
        with open(os.path.join(self.source, "expect.json"), encoding="utf-8") as file:
            expected = json.loads(self.folder.fill(file.read()))
        with open(os.path.join(self.source, "client.jsonl"), encoding="utf-8") as file:
            steps = [(number, json.loads(re.sub(r"\$\{secret\}", SECRET, line))) for number, line in enumerate(file, 1) if line.strip()]
        environment = dict(os.environ)
        environment.pop("LATTICEGATE_TOKEN", None)
        environment.update(expected.get("environment", {}))
        self.gateway.environment = environment
        try:
            if not any("start" in step for _, step in steps):
                self.start({})
            for number, step in steps:
                self.say(f"step {number}: {short(step, 160)}")
                try:
                    self.step(step)
                except Failed as error:
                    self.problems.append(f"client.jsonl:{number}: {error}")
                    break
                except (OSError, AssertionError) as error:
                    self.problems.append(f"client.jsonl:{number}: {type(error).__name__}: {error}")
                    break
            self.check(expected)
        finally:
            try:
                self.gateway.stop()
            except AssertionError as error:
                self.problems.append(str(error))
            self.check_end(expected)
            for process in self.left_over():
                os.kill(process, 9)
            self.folder.remove()
        return self.problems

    def step(self, step):
        kinds = ("start", "open", "rpc", "modern", "http", "listen", "wait", "touch", "write", "cli", "call", "signal", "stop", "restart",
                 "limit_files", "answer", "hang_up", "certificate", "metrics", "needs")
        kind = next((kind for kind in kinds if kind in step), None)
        if kind is None:
            raise Failed(f"no such step: {short(step)}")
        if "until" not in step:
            getattr(self, kind)(step)
            return
        # Again and again until the reply has these fields.
        def fine():
            getattr(self, kind)(step)
            return not fields_differ(step["until"], self.replies[step["name"]])

        if not wait_until(fine, step.get("limit", LIMIT), 0.1):
            raise Failed(f"never came about: {short(step['until'])}; seen {short(self.replies[step['name']])}")

    def keep(self, step, value):
        if "name" in step:
            self.replies[step["name"]] = value

    def start(self, step):
        if not self.configured:
            self.folder.configure()
            self.configured = True
        before = len(self.gateway.text)
        ready = self.gateway.start()
        self.started = ready
        value = {"ready": ready, "stderr": self.gateway.text[before:]}
        if not ready:
            value["code"] = self.gateway.wait()
            if "start" not in step:
                raise Failed(f"the gateway ended with {value['code']}:\n{value['stderr']}")
        self.keep(step, value)

    def stop(self, step):
        self.gateway.signal("TERM")
        self.keep(step, {"code": self.gateway.wait()})

    def restart(self, step):
        self.gateway.stop()
        self.start({})

    def signal(self, step):
        self.gateway.signal(step["signal"])

    def limit_files(self, step):
        try:
            self.gateway.limit_files(step["limit_files"])
        except (PermissionError, AttributeError) as error:
            raise Skipped(f"the limit of file sizes cannot be changed here: {error}") from None

    def touch(self, step):
        self.folder.write(step["touch"], "")

    def write(self, step):
        self.folder.write(step["write"], self.folder.fill(step["text"]))

    def certificate(self, step):
        """Makes one: a file's name, alternative names, first and last day from now, the authority (see certificate.py)."""
        try:
            certificate.make(self.folder.path, *step["certificate"])
        except FileNotFoundError as error:
            raise Skipped(f"openssl is not installed: {error}") from None

    def needs(self, step):
        """A subcommand that says whether this machine has what the scenario is about."""
        value = self.gateway.program([self.folder.fill(word) for word in step["needs"]])
        if value["code"] != 0:
            raise Skipped(value["stderr"].strip())

    def cli(self, step):
        words = [self.folder.fill(word) for word in step["cli"]]
        words = [self.value_of(word) if word.startswith("$") else word for word in words]
        value = self.gateway.command(words)
        if value["stdout"].lstrip().startswith("{") and ("--json" in words or "json" in words):
            lines = value["stdout"].splitlines()
            value["json"] = [json.loads(line) for line in lines] if len(lines) > 1 else json.loads(lines[0])
        self.keep(step, value)

    def call(self, step):
        """Our own client: its words after the address."""
        self.keep(step, self.gateway.call(step.get("agent", "tester"), step.get("server", "tools"), step["call"]))

    def metrics(self, step):
        """What collectors get: from `listen.metrics` (GET of the path given), or true: by the command."""
        if step["metrics"] is True:
            done = self.gateway.command(["metrics"])
            status, kind, text = (200 if done["code"] == 0 else done["code"]), "", done["stdout"]
        else:
            port = re.search(r"metrics are served.*?address=\S*?:(\d+)", self.gateway.text)
            if not port:
                raise Failed("nothing says where metrics are served")
            connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=LIMIT)
            connection.request(step.get("method", "GET"), step["metrics"], headers=step.get("headers", {}))
            response = connection.getresponse()
            status, kind, text = response.status, response.getheader("Content-Type"), response.read().decode()
            connection.close()
        value = {"status": status, "type": kind, "text": text}
        if status == 200:
            try:
                value["values"] = exposition.as_values(exposition.parse(text))
            except ValueError as error:
                raise Failed(f"a collector refuses it: {error}") from None
        self.keep(step, value)

    def value_of(self, word):
        """$reply.path: a value out of an earlier reply."""
        name, _, path = word[1:].partition(".")
        return str(at_path(self.replies.get(name, {}), path))

    def send(self, step, method, path, headers, body, background=False):
        reply = Reply()
        self.keep(step, reply.value)

        def work():
            try:
                response = self.gateway.request(method, path, headers, body, certificate=step.get("with"), curve=step.get("curve"))
                reply.response = response
            except Exception as error:
                reply.value["broken"] = f"{type(error).__name__}: {error}"
                reply.value["ended"] = True
                reply.done.set()
                return
            reply.read(response)

        if background or step.get("background"):
            threading.Thread(target=work, daemon=True).start()
            if method != "GET":  # a stream may stay open
                self.pending.append(reply)
        else:
            work()
            if "broken" in reply.value and "name" not in step:
                raise Failed(f"no whole answer: {reply.value['broken']}")
        reply_of = self.__dict__.setdefault("by_name", {})
        reply_of[step.get("name")] = reply
        return reply

    def message(self, given):
        message = {"jsonrpc": "2.0"}
        if "id" in given:
            message["id"] = given["id"]
        elif not given["method"].startswith("notifications/"):
            message["id"] = self.next_id
            self.next_id += 1
        message.update(given)
        return self.filled(message)

    def filled(self, value):
        """The same with "$reply.path" anywhere in it, as long as there is a reply of that name."""
        if isinstance(value, dict):
            return {key: self.filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        if isinstance(value, str) and value.startswith("$") and value[1:].partition(".")[0] in self.replies:
            return self.value_of(value)
        return value

    def open(self, step):
        """initialize and initialized; the session's name is the step's."""
        agent, server = step.get("agent", "tester"), step.get("server", "tools")
        body = json.dumps(self.message(initialize(step.get("version", "2025-11-25")))).encode()
        reply = self.send({**step, "name": step.get("name", step["open"] + ".open"), "background": False}, "POST", f"/mcp/{server}",
                          default_headers(agent, step.get("headers")), body)
        identifier = reply.value.get("headers", {}).get("mcp-session-id")
        self.sessions[step["open"]] = (agent, server, identifier, step.get("with"))
        if identifier is None:
            if "name" in step:
                return
            raise Failed(f"no session was opened: {short(reply.value)}")
        self.rpc({"rpc": {"method": "notifications/initialized"}, "session": step["open"], "with": step.get("with")})

    def session(self, step):
        name = step.get("session", "s")
        if name not in self.sessions:
            raise Failed(f"no session {name}")
        return self.sessions[name]

    def rpc(self, step):
        agent, server, identifier, shown = self.session(step)
        extra = {"Mcp-Session-Id": identifier, "MCP-Protocol-Version": "2025-11-25", **step.get("headers", {})}
        step = {"with": shown, **step}
        body = json.dumps(self.message(step["rpc"])).encode()
        self.send(step, "POST", f"/mcp/{server}", default_headers(step.get("agent", agent), extra), body)

    def modern(self, step):
        """A request of the modern era; "meta" and "headers" replace what belongs there."""
        message = self.message(step["modern"])
        params = message.setdefault("params", {})
        prefix = "io.modelcontextprotocol/"
        meta = {prefix + "protocolVersion": MODERN, prefix + "clientCapabilities": {},
                prefix + "clientInfo": {"name": "scenario", "version": "1"}, **step.get("meta", {})}
        params["_meta"] = {**{k: v for k, v in meta.items() if v is not None}, **params.get("_meta", {})}
        extra = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
        for named in ("name", "taskId"):
            if named in params:
                extra["Mcp-Name"] = params[named]
        extra.update(step.get("headers", {}))
        self.send(step, "POST", f"/mcp/{step.get('server', 'tools')}", default_headers(step.get("agent", "tester"), extra),
                  json.dumps(message).encode())

    def answer(self, step):
        """The client's answer to a request of the server, found by its method in a reply's messages."""
        source = self.replies[step["of"]]
        wanted = step["method"]

        def asked():
            return next((m for m in list(source["messages"]) if m.get("method") == wanted), None)

        if not wait_until(asked):
            raise Failed(f"no {wanted} arrived in {step['of']}: {short(source)}")
        body = {"jsonrpc": "2.0", "id": asked()["id"], **self.filled(step["answer"])}
        agent, server, identifier, _ = self.session(step)
        extra = {"Mcp-Session-Id": identifier, "MCP-Protocol-Version": "2025-11-25"}
        self.send(step, "POST", f"/mcp/{server}", default_headers(step.get("agent", agent), extra), json.dumps(body).encode())

    def http(self, step):
        """A request as given: method, path, headers (null takes a usual one away), body, body_hex or body_repeat."""
        given = step["http"]
        extra = {name: self.value_of(value) if isinstance(value, str) and value.startswith("$") else value
                 for name, value in given.get("headers", {}).items()}
        body = None
        if "body" in given:
            body = (given["body"] if isinstance(given["body"], str) else json.dumps(given["body"])).encode()
        elif "body_hex" in given:
            body = bytes.fromhex(given["body_hex"])
        elif "body_base64" in given:
            body = base64.b64decode(given["body_base64"])
        elif "body_repeat" in given:
            body = b"".join(text.encode() * count for text, count in given["body_repeat"])
        if "session" in step:
            extra = {"Mcp-Session-Id": self.session(step)[2], **extra}
        headers = default_headers(step.get("agent", "tester"), extra)
        self.send(step, given.get("method", "POST"), given.get("path", "/mcp/tools"), headers, body)

    def listen(self, step):
        agent, server, identifier, _ = self.session(step)
        extra = {"Mcp-Session-Id": identifier, "Content-Type": None, "Accept": "text/event-stream"}
        reply = self.send({**step, "name": step["listen"]}, "GET", f"/mcp/{server}", default_headers(agent, extra), None, True)
        if not wait_until(lambda: "status" in reply.value or "ended" in reply.value):
            raise Failed("the stream was not opened")

    def hang_up(self, step):
        """The client goes away while its request is under way."""
        reply = self.__dict__["by_name"][step["hang_up"]]
        wait_until(lambda: hasattr(reply, "response") or "ended" in reply.value)
        if hasattr(reply, "response"):
            import socket
            try:
                reply.response.owner.sock.shutdown(socket.SHUT_RDWR)
            except (OSError, AttributeError):
                pass

    def wait(self, step):
        """Until a condition holds: reply (has ended, or has fields), log, upstream, audit, conversation."""
        wanted = step["wait"]
        limit = step.get("limit", LIMIT)
        holds = {
            "reply": lambda: at_path(self.replies, f"{wanted['reply']}.ended") if "fields" not in wanted
            else not fields_differ(wanted["fields"], self.replies.get(wanted["reply"], {})),
            "log": lambda: re.search(wanted["log"], self.gateway.text),
            "upstream": lambda: self.in_upstream(wanted["upstream"]) >= wanted.get("count", 1),
            "audit": lambda: len(self.audit(wanted["audit"])) >= wanted.get("count", 1),
            "file": lambda: os.path.exists(os.path.join(self.folder.path, wanted["file"])),
            "gone": lambda: self.gateway.process.poll() is not None,
        }
        kind = next(kind for kind in holds if kind in wanted)
        if not wait_until(holds[kind], limit):
            raise Failed(f"did not come about within {limit:.0f} s: {short(wanted)}; "
                         f"seen {short(self.replies.get(wanted.get('reply'), ''))}")

    # --- what is checked ---
    def upstream_log(self):
        try:
            with open(os.path.join(self.folder.path, "upstream.log"), encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def in_upstream(self, fields):
        return sum(1 for record in self.upstream_log() if not fields_differ(fields, record))

    def audit(self, words):
        out = self.gateway.command(["audit", "query", "--json", *words.split()])
        if out["code"] != 0:
            raise Failed(f"audit query {words}: exit {out['code']}: {out['stderr']}")
        return [json.loads(line) for line in out["stdout"].splitlines()]

    def check(self, expected):
        for reply in self.pending:
            if not reply.done.wait(LIMIT if not self.problems else 0.1) and not self.problems:
                self.problems.append(f"a request is still unanswered: {short(reply.value)}")
        for name, fields in expected.get("replies", {}).items():
            if name not in self.replies:
                self.problems.append(f"reply {name}: there is none")
                continue
            self.problems += [f"reply {name}: {words}" for words in fields_differ(fields, self.replies[name])]
        for same in expected.get("same", []):
            self.check_same(same)
        for one in expected.get("audit", []):
            self.check_audit(one)
        for one in expected.get("upstream", []):
            count = one.get("count", 1)
            if not wait_until(lambda: self.in_upstream(one["fields"]) >= count, 5 if count else 0) or self.in_upstream(one["fields"]) != count:
                self.problems.append(f"upstream: expected {count} messages with {short(one['fields'])}, seen {self.in_upstream(one['fields'])}")
        if "counters" in expected:
            status = self.gateway.command(["status", "--json"])
            if status["code"] != 0:
                self.problems.append(f"status: exit {status['code']}: {status['stderr']}")
            else:
                self.problems += [f"status: {words}" for words in fields_differ(expected["counters"], json.loads(status["stdout"]))]
        for pattern in expected.get("log", []):
            if not wait_until(lambda: re.search(pattern, self.gateway.text), 5):
                self.problems.append(f"log: nothing like {pattern}")

    def check_end(self, expected):
        """After the gateway has ended: what must be nowhere; that it ended well."""
        for pattern in expected.get("no_log", []):
            if found := re.search(pattern, self.gateway.text):
                self.problems.append(f"log: has {short(found[0])}, which {pattern} must not find")
        if re.search(r"Sanitizer|runtime error:|terminate called|ended by an exception", self.gateway.text):
            self.problems.append("log: the program itself is in trouble, see below")
        for text in expected.get("nowhere", []):
            for name, reply in self.replies.items():
                if text in json.dumps(reply, ensure_ascii=False):
                    self.problems.append(f"reply {name}: contains {text!r}")
            if text in self.gateway.text:
                self.problems.append(f"log: contains {text!r}")
            for root, _, files in os.walk(os.path.join(self.folder.path, "state", "audit")):
                for file in files:
                    with open(os.path.join(root, file), "rb") as data:
                        if text.encode() in data.read():
                            self.problems.append(f"audit log: contains {text!r}")
        for text in expected.get("not_on_disk", []):
            for root, _, files in os.walk(os.path.join(self.folder.path, "state")):
                for file in filter(lambda name: os.path.isfile(os.path.join(root, name)), files):  # no sockets
                    with open(os.path.join(root, file), "rb") as data:
                        if text.encode() in data.read():
                            self.problems.append(f"state: {file} contains {text!r}")
        for text in expected.get("not_to_client", []):
            for name, reply in self.replies.items():
                if "status" in reply and text in json.dumps(reply, ensure_ascii=False):
                    self.problems.append(f"reply {name}: contains {text!r}, which is not for clients")
        if not wait_until(lambda: not self.left_over(), 5):
            self.problems.append(f"processes are left: {self.left_over()}")
        if self.started and self.gateway.process is not None and (code := self.gateway.process.poll()) not in expected.get("exit", [0]):
            self.problems.append(f"the gateway ended with {code}")

    def left_over(self):
        """Children of the gateway that outlived it."""
        left = []
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if self.folder.path.encode() in words and b"upstream.py" in b" ".join(words):
                    left.append(int(process))
            except OSError:
                pass  # ended meanwhile
        return left

    def check_same(self, same):
        """Replies that nobody may be able to tell apart, but for the words in `ignore`."""
        shapes = []
        for name in same["replies"]:
            reply = self.replies.get(name, {})
            headers = {key: value for key, value in reply.get("headers", {}).items() if key not in ("date", "content-length")}
            messages = reply.get("messages") or [reply.get("body")]
            last = messages[-1]
            shape = json.dumps([reply.get("status"), headers, {k: v for k, v in last.items() if k != "id"} if isinstance(last, dict) else last])
            for word in same.get("ignore", []):
                shape = shape.replace(word, "...")
            shapes.append(shape)
        if len(set(shapes)) != 1:
            self.problems.append("these replies can be told apart:\n      " + "\n      ".join(shapes))

    def check_audit(self, one):
        """Records of a query: how many, and the fields of each (or of the one at `index`)."""
        def differences():
            records = self.audit(one.get("query", ""))
            out = []
            if "count" in one and (why := differs(one["count"], len(records))):
                out.append(f"{why} records, seen {len(records)}: " + short([[r.get("type"), r.get("outcome"), r.get("why")] for r in records]))
            chosen = records if "index" not in one else records[one["index"]:][:1]
            if not chosen and one.get("fields"):
                out.append("no record")
            for record in chosen:
                out += fields_differ(one.get("fields", {}), record)
            return out

        if not wait_until(lambda: not differences(), 5):
            self.problems += [f"audit {one.get('query', '(all)')}: {words}" for words in differences()]


def run(name, verbose):
    """One scenario; its outcome and the words to print."""
    scenario = None
    try:
        scenario = Scenario(name, verbose)
        problems = scenario.run()
    except Skipped as why:
        return "skipped", str(why)
    except Exception as error:
        problems = [f"{type(error).__name__}: {error}"]
        if not isinstance(error, Failed):
            problems.append(traceback.format_exc())
    if not problems:
        return "passed", ""
    words = "\n".join(f"    {problem}" for problem in problems)
    if scenario is not None:
        tail = scenario.gateway.text[-3000:]
        words += "\n  the gateway's log:\n" + "".join(f"    | {line}\n" for line in tail.splitlines())
    return "failed", words


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; without any: all")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell every step")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    given = parser.parse_args()
    names = given.names or sorted(name for name in os.listdir(HERE) if os.path.exists(os.path.join(HERE, name, "client.jsonl")))
    if not os.access(BINARY, os.X_OK):
        print(f"there is no program {BINARY}; build it, or name it in LATTICEGATE_BINARY", file=sys.stderr)
        return 2
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for name, (outcome, words) in zip(names, pool.map(lambda name: run(name, given.verbose), names)):
            counts[outcome] += 1
            print(f"{outcome.upper() if outcome != 'passed' else outcome}: {name}{': ' + words if outcome == 'skipped' else ''}", flush=True)
            if outcome == "failed":
                print(words, flush=True)
    if len(names) > 1:
        print(", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
    if counts["failed"]:
        return 1
    return 77 if counts["skipped"] and not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
