#!/usr/bin/env python3
"""inspect, line by line: each line one answer, whatever it holds. See README.md and docs/formats/inspect.md."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("LATTICEGATE_BINARY") or str(HERE.parents[1] / "build/dev/latticegate")
SURFACES = ["tool_metadata", "tool_result", "user_text", "argument", "descriptor_set"]
TOKEN = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
# A line; None when it must be answered by an error, else the verdict and the rules.
LINES = [
    (b'{"id": 1, "text": "hello"}', ("clean", [])),
    (b'{"id": "two", "json": {"a": ["b", 1, null]}}', ("clean", [])),
    (json.dumps({"id": 3, "text": f"use {TOKEN} now"}).encode(), ("suspicious", ["stripe-secret-key"])),
    (json.dumps({"id": [4], "json": {"k": TOKEN}}).encode(), ("suspicious", ["stripe-secret-key"])),
    (json.dumps({"text": "a\U000E0041b"}).encode(), ("malicious", ["hidden-tag-characters"])),
    (b'{"id": 6, "text": ""}', ("clean", [])),
    (b'{"id": 7, "json": null}', ("clean", [])),
    (b'{"id": 8, "text": "nul \\u0000 in it"}', ("*", ["control-character"])),
    (b"", None),
    (b"rubbish", None),
    (b"[1]", None),
    (b'{"id": 9}', None),
    (b'{"id": 10, "text": 5}', None),
    (b'{"id": 11, "text": "a", "json": "b"}', None),
    (b'{"id": 12, "text": "\\ud800"}', None),
    (b'{"id": 13, "text": "\xff\xfe"}', None),
    (b'{"id": 14, "text": "' + b"[" * 100000 + b'"}', ("clean", [])),
    (b'{"id": 15, "json": ' + b"[" * 100000 + b"]" * 100000 + b"}", None),
    (b'{"id": 16, "text": "last, without a line feed"}', ("clean", [])),
]
problems = []


def expect(fine, words):
    if not fine:
        problems.append(words)


def ask(given, *arguments):
    return subprocess.run([BINARY, "inspect", *arguments], input=given, capture_output=True, timeout=120)


for surface in SURFACES:
    done = ask(b"\n".join(line for line, _ in LINES), "--surface", surface, "--jsonl")
    expect(done.returncode == 2, f"{surface}: exit code {done.returncode}")
    expect(done.stderr == b"", f"{surface}: {done.stderr!r}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expect(len(answers) == len(LINES), f"{surface}: {len(answers)} answers to {len(LINES)} lines")
    for (line, wanted), answer in zip(LINES, answers):
        what = f"{surface}: {line[:60]!r}: {answer}"
        if wanted is None or (surface == "descriptor_set" and b'"text"' in line):
            expect(set(answer) == {"id", "error"} and answer["error"], what)
            continue
        expect(answer["id"] == json.loads(line).get("id"), what)
        expect(set(answer) == {"id", "findings", "scores", "verdict"}, what)
        expect(all(isinstance(score, (int, float)) for score in answer["scores"].values()), what)
        if surface == "descriptor_set":  # looks at names and relations only
            continue
        expect(set(wanted[1]) <= {finding["rule"] for finding in answer["findings"]}, what)
        expect(wanted[0] in ("*", answer["verdict"]), what)
        for finding in answer["findings"]:
            expect({"rule", "surface", "severity", "confidence", "span", "labels"} <= set(finding), what)
            expect(finding["surface"] == surface and len(finding["span"]) == 2 and finding["labels"], what)
            expect(TOKEN not in json.dumps(finding), what)

expect(ask(b'{"id": 1, "text": "x"}\n', "--surface", "tool_result", "--jsonl").returncode == 0, "a good line is no error")
expect(ask(b"", "--surface", "argument", "--jsonl").returncode == 0, "no line is no error")
for arguments in (["--jsonl"], ["--surface", "other", "--jsonl"], ["--surface", "argument"]):
    done = ask(b"", *arguments)
    expect(done.returncode == 2 and done.stderr.count(b"\n") == 1, f"{arguments}: {done.returncode} {done.stderr!r}")

# Every rule that a finding names is explained; rules of one's own are, with their examples checked.
CANARY = """rules:
  - {id: canary-row, description: A row, kind: canary, anchors: [zelda.quonset], pattern: "zelda\\\\.quonset", match: [%s]}
"""
listed = ask(b"", "explain").stdout.decode()
for wanted in [rule for _, wanted in LINES if wanted for rule in wanted[1]]:
    expect(f"\n{wanted} " in "\n" + listed, f"{wanted} is not listed")
    expect(f"{wanted}: ".encode() in ask(b"", "explain", wanted).stdout, f"{wanted} is not explained")
with tempfile.TemporaryDirectory() as folder:
    for example, code in (("zelda.quonset", 0), ("somebody else", 1)):
        with open(f"{folder}/own.yaml", "w", encoding="utf-8") as file:
            file.write(CANARY % example)
        done = ask(b"", "explain", "canary-row", "--rules", folder)
        expect(done.returncode == code and b"kind        canary" in done.stdout, f"own rules: {done}")
for arguments in (["explain", "no-such-rule"], ["explain", "--rules", "/nonexistent"]):
    done = ask(b"", *arguments)
    expect(done.returncode == 2 and done.stderr.count(b"\n") == 1, f"{arguments}: {done.returncode} {done.stderr!r}")

# A program may ask over pipes: each answer comes before the next line is sent.
with subprocess.Popen([BINARY, "inspect", "--surface", "argument", "--jsonl"], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE) as child:
    for number in range(3):
        child.stdin.write(json.dumps({"id": number, "text": "x"}).encode() + b"\n")
        child.stdin.flush()
        expect(json.loads(child.stdout.readline())["id"] == number, f"over pipes: {number}")
    child.stdin.close()
for problem in problems:
    print(problem)
print(f"inspect: {len(problems)} problems")
sys.exit(1 if problems else 0)
