#!/usr/bin/env python3
"""policy authorize, one request and batches, against written answers and the Cedar project's. See README.md."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE / "authorize"
BINARY = os.environ.get("LATTICEGATE_BINARY") or str(HERE.parents[1] / "build/dev/latticegate")
DATA = pathlib.Path(os.environ.get("LATTICEGATE_SHARED_DATA") or HERE.parents[2] / "shared/data") / "cedar"
STAFF = ["--policies", "staff.cedar", "--entities", "staff.json"]
OF_STAFF = [*STAFF, "--schema", "staff.cedarschema"]
problems = []


def expect(fine, words):
    if not fine:
        problems.append(words)


def run(*arguments, given=b"", folder=CASES):
    return subprocess.run([BINARY, "policy", "authorize", *arguments], input=given, capture_output=True, cwd=folder)


def asked(principal, action, resource, *more):
    return ["--principal", principal, "--action", action, "--resource", resource, *more]


ADA_READS = asked('User::"ada"', 'Action::"read"', 'Doc::"plan"', "--context", '{"mfa": false}')
# What is given, the exit code, what is printed (a pattern for the whole).
SINGLE = [
    ([*OF_STAFF, *ADA_READS], 0, r"allow\ndetermining: policy0 \(staff\.cedar:2:1\)\n", ""),
    ([*OF_STAFF, *ADA_READS, "--json"], 0, r'\{"decision":"allow","reason":\["policy0"\],"errors":\[\]\}\n', ""),
    ([*OF_STAFF, *asked('User::"bob"', 'Action::"read"', 'Doc::"gold"', "--context", "mfa.json")], 1,
     r"deny\ndetermining: policy2 \(staff\.cedar:9:1\)\n", ""),
    ([*STAFF, *asked('User::"bob"', 'Action::"write"', 'Doc::"huge"', "--context", "mfa.json")], 0,
     r"allow\ndetermining: policy1 \(staff\.cedar:5:1\)\nerror: policy3 \(staff\.cedar:13:1\): [^\n]*overflow[^\n]*\n", ""),
    (["--policies", "staff.cedar", "named.cedar", *asked('User::"eve"', 'Action::"x"', 'Doc::"y"')], 0,
     r"allow\ndetermining: eve-all \(named\.cedar:1:1\)\n", ""),
    (["--policies", "named.cedar", *asked('User::"ada"', 'Action::"x"', 'Doc::"y"')], 1, r"deny\n", ""),
    (ADA_READS, 2, "", r"latticegate: authorize: [^\n]*--policies[^\n]*\n"),
    (["--policies", "absent.cedar", *ADA_READS], 2, "", r"[^\n]*cannot read absent\.cedar\n"),
    (["--policies", ".", *ADA_READS], 2, "", r"[^\n]*cannot read \.\n"),
    (["--policies", "/dev/zero", *ADA_READS], 2, "", r"[^\n]*/dev/zero: more than 16777216 bytes\n"),
    (["--policies", "broken.cedar", *ADA_READS], 2, "", r"[^\n]*broken\.cedar:1:49: [^\n]*\n"),
    ([*STAFF, *asked("ada", 'Action::"read"', 'Doc::"plan"')], 2, "", r"latticegate: --principal: [^\n]*\n"),
    ([*STAFF, *ADA_READS[:-1], "{"], 2, "", r"latticegate: --context: [^\n]*\n"),
    ([*STAFF, *ADA_READS[:-1], "staff.json"], 2, "", r"[^\n]*context: not an object\n"),
    ([*OF_STAFF, *ADA_READS[:-1], '{"mfa": 1}'], 2, "", r"[^\n]*at \.mfa: expected Bool[^\n]*\n"),
    (["--policies", "staff.cedar", "--schema", "staff.cedarschema", "--entities", "misfit.json", *ADA_READS], 2, "",
     r"[^\n]*misfit\.json: [^\n]*\n"),
    (["--batch", "tests.jsonl", *STAFF], 2, "", r"[^\n]*--batch[^\n]*\n"),
    (["--root", ".", *STAFF, *ADA_READS], 2, "", r"[^\n]*--batch[^\n]*\n"),
    (["--batch", "absent.jsonl"], 2, "", r"latticegate: batch: [^\n]*cannot read absent\.jsonl\n"),
    (["--batch", "."], 2, "", r"latticegate: batch: [^\n]*cannot read \.\n"),
]


def single_requests():
    for given, code, out, err in SINGLE:
        done = run(*given)
        seen = (done.returncode, done.stdout.decode(), done.stderr.decode())
        expect(seen[0] == code and re.fullmatch(out, seen[1]) and re.fullmatch(err, seen[2]), f"{given}: {seen}")


def written_batch():
    want = (CASES / "answers.jsonl").read_text().splitlines()
    tests = (CASES / "tests.jsonl").read_bytes()
    ways = {
        "file": (["--batch", "authorize/tests.jsonl"], b"", HERE),
        "standard input": (["--batch"], tests, CASES),
        "a dash": (["--batch", "-", "--root", "authorize"], tests, HERE),
    }
    for name, (arguments, given, folder) in ways.items():
        done = run(*arguments, given=given, folder=folder)
        have = done.stdout.decode().splitlines()
        expect(done.returncode == 2 and done.stderr == b"", f"{name}: exit {done.returncode}, {done.stderr.decode()}")
        expect(len(have) == len(want), f"{name}: {len(have)} lines for {len(want)}")
        for number, (seen, wanted) in enumerate(zip(have, want), 1):
            expect(seen == wanted, f"{name}:{number}: {seen}\n  expected {wanted}")


def long_lines_and_good_ones():
    good = tests_of(CASES / "tests.jsonl")[0] + b"\n"
    limit = 4 * 1024 * 1024
    done = run("--batch", given=b"x" * (limit + 1) + b"\n" + good + b" " * (limit - len(good) + 1) + good + b"y" * (limit + 9))
    have = done.stdout.splitlines()
    expect(done.returncode == 2 and len(have) == 4, f"long lines: exit {done.returncode}, {len(have)} lines")
    expect([b'{"error":"a line of more than 4194304 bytes"}' == line for line in have] == [True, False, False, True],
           f"long lines: {[line[:80] for line in have]}")
    expect(len(have) == 4 and have[1] == have[2] and b'"responses"' in have[1], "long lines: the good ones go on")
    done = run("--batch", given=good + good)
    expect(done.returncode == 0 and len(set(done.stdout.splitlines())) == 1, f"good lines: exit {done.returncode}")
    done = run("--batch")
    expect(done.returncode == 0 and done.stdout == b"", "no line: no answer")


def answered_at_once():
    """A program that waits for each answer before it asks on is not kept waiting."""
    good = tests_of(CASES / "tests.jsonl")[0] + b"\n"
    with subprocess.Popen([BINARY, "policy", "authorize", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          cwd=CASES) as program:
        for _ in range(3):
            program.stdin.write(good)
            program.stdin.flush()
            expect(program.stdout.readline().startswith(b'{"responses"'), "one line, one answer")
        program.stdin.close()
        expect(program.wait() == 0, "asked line by line")


def tests_of(path):
    return path.read_bytes().splitlines()


def public_tests(archive, differences, tests_expected, requests_expected):
    path = DATA / archive
    if not path.exists():
        print(f"SKIPPED: {path} is not here (LATTICEGATE_SHARED_DATA names its folder)")
        return
    began = time.monotonic()
    changed = set((DATA / differences).read_text().split()) if differences else set()
    with tarfile.open(path) as tar:
        files = {entry.name: tar.extractfile(entry).read().decode() for entry in tar if entry.isfile()}
    tests, lines = [], []
    with tempfile.TemporaryDirectory(prefix="latticegate-authorize-") as folder:
        for name in sorted(files):
            if not name.endswith(".json") or name.endswith(".entities.json"):
                continue
            test = json.loads(files[name])
            if not isinstance(test, dict) or "requests" not in test:
                continue
            names = [test[key] for key in ("policies", "schema", "entities")]
            text = files[name]
            for used in names:
                target = pathlib.Path(folder, used)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(files[used])
            # One line: between the tokens of JSON an end of line is white space, inside them there is none.
            lines.append(text.replace("\r", " ").replace("\n", " "))
            tests.append((name, test))
        unpacked = time.monotonic()
        done = run("--batch", "--root", folder, given="\n".join(lines).encode())
    answered = time.monotonic()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    expect(done.returncode == 0 and done.stderr == b"", f"{archive}: exit {done.returncode}, {done.stderr.decode()[:400]}")
    expect(len(answers) == len(tests) == tests_expected, f"{archive}: {len(answers)} answers to {len(tests)} tests")
    requests = 0
    for (name, test), answer in zip(tests, answers):
        responses = answer.get("responses", [])
        expect(len(responses) == len(test["requests"]), f"{name}: {str(answer)[:300]}")
        for ask, response in zip(test["requests"], responses):
            requests += 1
            same = (ask["decision"] == response.get("decision")
                    and all(sorted(ask[key]) == sorted(response.get(key, "?")) for key in ("reason", "errors")))
            expect(same, f"{name} {ask['description']}: {response}")
        valid = test["shouldValidate"] or pathlib.Path(name).stem in changed
        expect(answer.get("validation", {}).get("valid") == valid, f"{name}: validation: {answer.get('validation')}")
    expect(requests == requests_expected, f"{archive}: {requests} requests")
    print(f"{archive}: {len(tests)} tests, {requests} requests; "
          f"unpacked in {unpacked - began:.1f} s, answered in {answered - unpacked:.1f} s")


single_requests()
written_batch()
long_lines_and_good_ones()
answered_at_once()
public_tests("cedar-integration-handwritten.tar.xz", None, 22, 74)
public_tests("cedar-corpus-2026-03-13.tar.xz", "corpus-4.13-validation-differences.txt", 7809, 62472)
for problem in problems[:20]:
    print(problem)
print(f"{len(problems)} differences")
sys.exit(1 if problems else 0)
