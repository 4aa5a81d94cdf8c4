#!/usr/bin/env python3
"""Whose rules of inspection are in force: signed bundles that were changed, brought back, or signed by others; see README.md."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenarios"))
from gateway import BINARY, Folder, Gateway  # noqa: E402

COMMON = os.path.join(HERE, "..", "scenarios", "common")
CONFIG = """
listen: {address: "127.0.0.1:0", tls: off, threads: 1}
identity:
  tokens: [{agent: tester, sha256: "${token:tester}", groups: [testers], segments: [lab]}]
servers: {tools: {url: "${http:tools}", segment: lab}}
inspect: {rules: rules, rules_keys: author/rules.pub}
"""
RULES = """rules:
  - {id: project-name, description: The project that nobody speaks of, kind: instruction, anchors: [%s], pattern: %s, match: ["x %s y"]}
"""


def rules(word):
    return RULES % (word, word, word)


class Bundle:
    """A gateway's folder with a directory of rules and the author's keys."""

    def __init__(self):
        self.folder = Folder([COMMON])
        self.folder.write("upstream.jsonl", '{"tools": []}\n')
        self.folder.write("latticegate.yaml", self.folder.fill(CONFIG))
        os.mkdir(self.path("rules"))
        self.write("zebra")
        self.gateway = Gateway(self.folder)

    def path(self, *names):
        return os.path.join(self.folder.path, *names)

    def write(self, word, name="own.yaml"):
        with open(self.path("rules", name), "w") as file:
            file.write(rules(word))

    def sign(self, *more, state="author", name="acme.example/rules"):
        return subprocess.run([BINARY, "inspect", "sign", "rules", "--name", name, "--state", state, *more], cwd=self.folder.path,
                              capture_output=True, text=True, timeout=60)

    def verify(self, key="author/rules.pub"):
        return subprocess.run([BINARY, "inspect", "verify", "rules", "--key", key], cwd=self.folder.path, capture_output=True,
                              text=True, timeout=60)

    def starts(self):
        begin = len(self.gateway.text)
        ready = self.gateway.start()
        if ready:
            self.gateway.stop()
        return ready, self.gateway.text[begin:]


def check(condition, words):
    if not condition:
        raise AssertionError(words)


def signed_and_changed():
    bundle = Bundle()
    made = bundle.sign()
    check(made.returncode == 0 and "version 1" in made.stdout, made.stderr)
    check(bundle.verify().returncode == 0, "a fresh bundle does not verify")
    ready, text = bundle.starts()
    check(ready and "acme.example/rules" in text, f"a signed bundle is not taken: {text}")

    def refused(why, what):
        ready, text = bundle.starts()
        check(not ready and re.search(why, text), f"{what}: {text}")
        check(bundle.verify().returncode == 1, f"{what}: verify says nothing")

    bundle.write("horse")
    refused("not those that were signed as acme.example/rules version 1", "a changed file is taken")
    bundle.write("zebra")
    bundle.write("quagga", "more.yaml")
    refused("not those that were signed", "an added file is taken")
    os.rename(bundle.path("rules", "own.yaml"), bundle.path("rules", "other.yaml"))
    os.remove(bundle.path("rules", "more.yaml"))
    refused("not those that were signed", "a renamed file is taken")
    os.rename(bundle.path("rules", "other.yaml"), bundle.path("rules", "own.yaml"))
    check(bundle.starts()[0], "what is as it was is refused")

    with open(bundle.path("rules", "rules.note")) as file:
        lines = file.read()
    for kind, line in enumerate([line for line in lines.splitlines() if line.startswith("\u2014")]):
        with open(bundle.path("rules", "rules.note"), "w") as file:
            file.write(lines.replace(line + "\n", ""))
        refused("signed it", f"one signature is enough (without number {kind})")
    os.remove(bundle.path("rules", "rules.note"))
    refused("are not signed", "no signature is enough")


def a_name_that_holds_another_file():
    """Two files are signed; one is taken away, and the other's name says what stood in the list in its place."""
    bundle = Bundle()
    with open(bundle.path("rules", "second.yaml"), "w") as file:
        file.write(rules("horse").replace("project-name", "second-name"))
    check(bundle.sign().returncode == 0, "cannot sign")
    with open(bundle.path("rules", "second.yaml"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    os.remove(bundle.path("rules", "second.yaml"))
    for between in (f"{digest} ", f"{digest} 11 "):
        name = bundle.path("rules", f"own.yaml\n{between}second.yaml")
        os.rename(bundle.path("rules", "own.yaml"), name)
        check(bundle.verify().returncode == 1, f"a file is taken away unseen behind {between!r}")
        os.rename(name, bundle.path("rules", "own.yaml"))


def others_keys():
    bundle = Bundle()
    check(bundle.sign().returncode == 0, "cannot sign")
    os.remove(bundle.path("rules", "rules.note"))
    check(bundle.sign(state="mallory").returncode == 0, "cannot sign with other keys")
    ready, text = bundle.starts()
    check(not ready and "rules.note" in text, f"others' signatures are taken: {text}")


def never_back():
    bundle = Bundle()
    check(bundle.sign("--version", "4").returncode == 0, "cannot sign")
    shutil.copytree(bundle.path("rules"), bundle.path("old"))
    check(bundle.starts()[0], "version 4 is refused")
    bundle.write("horse")
    check("version 5" in bundle.sign().stdout, "the next version is not the default")
    check(bundle.sign("--version", "5").returncode != 0, "a version is signed twice")
    check(bundle.starts()[0], "version 5 is refused")
    shutil.rmtree(bundle.path("rules"))
    shutil.copytree(bundle.path("old"), bundle.path("rules"))
    check(bundle.verify().returncode == 0, "what was signed once does not verify any more")
    ready, text = bundle.starts()
    check(not ready and "never goes back" in text, f"the older bundle is taken after a restart: {text}")


def reload_keeps_the_old():
    bundle = Bundle()
    check(bundle.sign().returncode == 0, "cannot sign")
    check(bundle.gateway.start(), "does not start")
    bundle.write("horse")
    bundle.gateway.signal("HUP")
    end = time.monotonic() + 20
    while "reload failed" not in bundle.gateway.text and time.monotonic() < end:
        time.sleep(0.05)
    check("reload failed" in bundle.gateway.text and bundle.gateway.process.poll() is None,
          f"a changed bundle is taken by a reload: {bundle.gateway.text}")
    bundle.gateway.stop()


def bad_rules_are_not_signed():
    bundle = Bundle()
    with open(bundle.path("rules", "own.yaml"), "w") as file:
        file.write(rules("zebra").replace('"x zebra y"', '"x horse y"'))
    made = bundle.sign()
    check(made.returncode != 0 and "does not match" in made.stderr, f"rules that do not match are signed: {made.stdout}")


def main():
    bad = 0
    for case in (signed_and_changed, a_name_that_holds_another_file, others_keys, never_back, reload_keeps_the_old, bad_rules_are_not_signed):
        try:
            case()
            print(f"passed: {case.__name__}")
        except AssertionError as problem:
            bad += 1
            print(f"FAILED: {case.__name__}: {problem}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
