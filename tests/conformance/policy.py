#!/usr/bin/env python3
"""The policy commands of the built program: what they print and their exit codes. See README.md."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE / "policy"
MODEL = HERE.parent / "data/mcp-model"
BINARY = os.environ.get("LATTICEGATE_BINARY") or str(HERE.parents[1] / "build/dev/latticegate")
problems = []


def expect(fine, words):
    if not fine:
        problems.append(words)


def run(*arguments, folder=CASES):
    done = subprocess.run([BINARY, "policy", *arguments], capture_output=True, cwd=folder)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


CRM = ["--tools", "crm=crm.json"]
# What is given, the exit code, and patterns for the whole of what is printed and said.
COMMANDS = [
    (["check", "--directory", "good", *CRM], 0, r"1 policy in 1 file is good\n", ""),
    (["check", "--directory", "good"], 0, r"1 policy in 1 file is good\n", r"note: not held to types: 1 policy about tools [^\n]*\n"),
    (["check", "--directory", "wrong", *CRM], 1,
     r"error: wrong/a\.cedar:3:8: policy `read`: the attribute `limit` may be absent[^\n]*\n"
     r"    when \{ context\.input\.limit <= 100 \};\n           \^~{18}\n", ""),
    (["validate", "--directory", "wrong", *CRM], 1, r"error: wrong/a\.cedar:3:8: (.|\n)*", ""),
    (["check", "--directory", "warned", *CRM], 0, r"warning: warned/a\.cedar:1:1: policy `never`: (.|\n)*(is|are) good\n", ""),
    (["check", "--directory", "warned", *CRM, "--strict"], 1, r"warning: warned/a\.cedar:1:1: (.|\n)*", ""),
    (["check", "--directory", "absent"], 2, "", r"latticegate: policies: [^\n]*absent[^\n]*\n"),
    (["check", "--directory", "good", "--tools", "crm"], 2, "", r"latticegate: tools: [^\n]*SERVER=FILE[^\n]*\n"),
    (["check", "--directory", "good", "--tools", "crm=absent.json"], 2, "", r"latticegate: tools: [^\n]*absent\.json\n"),
    (["check", "--directory", "good", "--schema", "tests.json"], 2, "", r"latticegate: schema: [^\n]*\n"),
    (["check", "--directory", "good", "-o", "xml"], 2, "", r"latticegate policy check: --output: [^\n]*\n"),
    (["test", "--directory", "good", "tests.json"], 0,
     r"2 passed, 0 failed\ncoverage: 75\.0 % \(6 of 8 outcomes of policies and clauses\)\n", ""),
    (["test", "--directory", "good", "tests.json", "--coverage"], 0,
     r"policy +true +false failed  covered\nread +1 +1 +0  6 of 8\n"
     r"  good/a\.cedar:2:20: never false: action == [^\n]*\n  good/a\.cedar:3:8: never false: context\.input has limit\n"
     r"2 passed, 0 failed\ncoverage: [^\n]*\n", ""),
    (["test", "--directory", "good", "tests.json", "--coverage-min", "80"], 1, r"2 passed(.|\n)*",
     r"coverage is below 80 %\n"),
    (["test", "--directory", "warned", "tests.json"], 1, r"failed: few: (.|\n)*1 passed, 1 failed\n[^\n]*\n", ""),
    (["test", "--directory", "good", "absent.json"], 2, "", r"latticegate: tests: [^\n]*\n"),
    (["schema"], 0, r"namespace Mcp \{\n(.|\n)*action \"get_prompt\"(.|\n)*\}\n", ""),
    (["schema", *CRM], 0, r"(.|\n)*action \"crm/search\" in \[\"read\"\] appliesTo \{\n[^\n]*\n    context: \{ input: "
     r"\{ \"limit\"\?: Long, \"query\": String \},(.|\n)*", ""),
    (["schema", "--tools", "absent.json"], 2, "", r"latticegate: schema: [^\n]*\n"),
    (["schema", "--compatible", "stub.cedarschema", "--tools", "crm.json"], 0,
     r"(.|\n)*type searchInput = \{(.|\n)*action \"?search\"? in (.|\n)*", ""),
    (["schema", "--compatible", "stub.cedarschema"], 2, "", r"latticegate: schema: [^\n]*--tools[^\n]*\n"),
    (["schema", "--compatible", "crm.json", "--tools", "crm.json"], 2, "", r"latticegate: schema: [^\n]*crm\.json:1:1[^\n]*\n"),
    (["schema", "--objects-as-records"], 2, "", r"latticegate policy schema: [^\n]*\n"),
    (["analyse", "--directory", "good", *CRM], 0, r"1 policy, (\d+) questions: 0 proved, \1 refuted by an example, 0 unknown\n", ""),
    (["analyse", "--directory", "warned", *CRM], 1,
     r"warning: warned/a\.cedar:1:1: policy `never`: never holds, whatever the request\n(.|\n)*: 1 proved, 0 refuted [^\n]*\n", ""),
    (["analyze", "--directory", "good", *CRM, "--all"], 0, r"not so: good/a\.cedar:1:1: policy `read`: never holds[^\n]*\n"
     r"    \{\"request\":\{\"principal\":\"Mcp::Agent::[^\n]*\n(.|\n)*", ""),
    (["analyse", "--directory", "good", *CRM, "--against", "good"], 0, r"both sets allow the same\n", ""),
    (["analyse", "--directory", "good", *CRM, "--against", "warned"], 1,
     r"gained: good/a\.cedar:1:1: policy `read`: allows what was not allowed\n    \{\"request\":[^\n]*\npermits: 1 make a "
     r"difference, 1 make none, 0 unknown\n", ""),
    (["analyse", "--directory", "warned", *CRM, "--against", "good", "-o", "json"], 1,
     r'\{"same":false,"differ":1,"unknown":0,"findings":\[\{"change":"lost",[^\n]*\}\]\}\n', ""),
    (["analyse", "--directory", "good", "--prover", "absent-prover"], 2, "", r"latticegate: prover: absent-prover: [^\n]*\n"),
    (["analyse", "--directory", "good", "--prover", "/bin/cat"], 2, "", r"latticegate: prover: /bin/cat does not answer [^\n]*\n"),
    (["analyse", "--directory", "good", "--prover", "/bin/false"], 2, "", r"latticegate: prover: /bin/false does not answer [^\n]*\n"),
    (["analyse", "--directory", "good", "--against", "absent"], 2, "", r"latticegate: policies: [^\n]*absent[^\n]*\n"),
    (["analyse", "--directory", "absent"], 2, "", r"latticegate: policies: [^\n]*absent[^\n]*\n"),
    (["translate", "--from", "toolhive", "toolhive.yaml", "--server", "weather"], 0,
     r'(.|\n)*@id\("toolhive-1"\)\npermit \((.|\n)*// not carried over: rule 2: [^\n]*claim_level(.|\n)*',
     r"note: put the agents with roles = admin [^\n]*\nnot carried over: rule 2: [^\n]*\n"),
    (["translate", "--from", "toolhive", "toolhive.yaml", "--server", "weather", "--strict"], 1, r"(.|\n)*", r"(.|\n)*"),
    (["translate", "--from", "agentgateway", "agentgateway.yaml", "--strict"], 0, r'(.|\n)*@id\("agentgateway-2"\)(.|\n)*', ""),
    (["translate", "--from", "agentgateway", "toolhive.yaml"], 2, "", r"latticegate: rules: [^\n]*no rules of agentgateway[^\n]*\n"),
    (["translate", "--from", "pomerium", "absent.yaml"], 2, "", r"latticegate: rules: [^\n]*\n"),
    (["translate", "--from", "somebody", "toolhive.yaml"], 2, "", r"latticegate policy translate: --from: [^\n]*\n"),
    (["test", "--directory", "good", "crm.json"], 2, "", r"latticegate: tests: [^\n]*not an array\n"),
]


def nobody_reads():
    """A pipe whose reader is gone ends a command quietly, as Unix users expect of `| head`."""
    for given in (["policy", "schema"], ["policy", "check", "--directory", "wrong", *CRM], ["policy", "authorize", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([BINARY, *given], stdout=writing, stderr=subprocess.PIPE, cwd=CASES)
        os.close(writing)
        expect(done.returncode in (0, 1, 141) and done.stderr == b"", f"{given} into a closed pipe: {done}")


def commands():
    for given, code, out, err in COMMANDS:
        seen = run(*given)
        expect(seen[0] == code and re.fullmatch(out, seen[1]) and re.fullmatch(err, seen[2]), f"{given}: {seen}")


def check_for_programs():
    code, out, _ = run("check", "--directory", "wrong", *CRM, "-o", "json")
    report = json.loads(out)
    expect(code == 1 and report["valid"] is False and report["errors"] == 1, f"check -o json: {out}")
    finding = report["findings"][0]
    expect([finding[key] for key in ("severity", "rule", "policy", "file", "line", "column", "endColumn")] ==
           ["error", "optional_attribute", "read", "wrong/a.cedar", 3, 8, 27], f"check -o json: {out}")
    expect(finding["excerpt"] == "when { context.input.limit <= 100 };", f"check -o json: {out}")
    code, out, _ = run("check", "--directory", "wrong", *CRM, "-o", "sarif")
    run_ = json.loads(out)["runs"][0]
    result = run_["results"][0]
    expect(code == 1 and result["ruleId"] == run_["tool"]["driver"]["rules"][result["ruleIndex"]]["id"], f"sarif: {out}")
    place = result["locations"][0]["physicalLocation"]
    expect(place["artifactLocation"]["uri"] == "wrong/a.cedar", f"sarif: {out}")
    expect(place["region"] == {"startLine": 3, "startColumn": 8, "endLine": 3, "endColumn": 27}, f"sarif: {out}")


def analysis_for_programs():
    """The examples of the analysis are tests that pass."""
    code, out, _ = run("analyse", "--directory", ".", "-o", "json", "--all", folder=MODEL)
    report = json.loads(out)
    expect(code == 1 and report["policies"] == 19 and report["unknown"] <= 5, f"analyse: {out[:300]}")
    found = {(one["claim"], one["finding"]["policy"], one.get("other")) for one in report["findings"] if one["verdict"] == "proved"}
    expect(("redundant", "rug-pull", "latticegate-unpinned-tool") in found, f"analyse: {found}")
    expect(("redundant", "quarantined-agent", "latticegate-quarantined-agent") in found, f"analyse: {found}")
    tests = []
    for one in report["findings"]:
        # Refuted: the forbid that overrides the permit. It permits, if nothing else forbids.
        if one["claim"] == "never_permits" and one["verdict"] == "refuted":
            tests.append({"name": one["finding"]["policy"], "decision": "allow", **one["example"]})
    with tempfile.TemporaryDirectory(prefix="latticegate-policy-") as folder:
        path = pathlib.Path(folder) / "tests.json"
        path.write_text(json.dumps(tests))
        ran = run("test", "--directory", ".", str(path), folder=MODEL)
    expect(len(tests) > 0 and ran[0] == 0, f"{len(tests)} examples: {ran}")
    code, out, _ = run("analyse", "--directory", "warned", *CRM, "-o", "sarif")
    expect(code == 1 and json.loads(out)["runs"][0]["results"][0]["ruleId"] == "impossible", f"analyse -o sarif: {out}")


def a_prover_says_more():
    """Arithmetic, attributes compared with each other, sets within sets, groups of groups."""
    if shutil.which("cvc5") is None:
        print("policy.py: cvc5 is not installed: what it proves was not looked at")
        return
    given = ["analyse", "--directory", "provable", "--schema", "provable.cedarschema", "-o", "json"]
    alone = json.loads(run(*given)[1])
    code, out, err = run(*given, "--prover", "cvc5")
    report = json.loads(out)
    found = {(one["claim"], one["finding"]["policy"]) for one in report["findings"]}
    expect(alone["proved"] == 0 and code == 1 and err == "", f"analyse --prover: {alone['proved']}, {code}, {err}")
    expect(found == {("impossible", policy) for policy in ("sum", "up", "sets", "time", "opt", "same")}
           | {("overridden", "above"), ("redundant", "fails2")}, f"analyse --prover: {found}")


def translations_hold():
    """What is translated is loaded and has no errors of types."""
    for source, *given in (("toolhive", "toolhive.yaml", "--server", "weather"), ("agentgateway", "agentgateway.yaml"),
                           ("envoy-ai-gateway", "envoy.yaml"), ("pomerium", "pomerium.yaml")):
        code, out, err = run("translate", "--from", source, *given)
        with tempfile.TemporaryDirectory(prefix="latticegate-policy-") as folder:
            (pathlib.Path(folder) / "a.cedar").write_text(out)
            checked = run("check", "--directory", folder, "--strict")
            formatted = run("format", "--check", str(pathlib.Path(folder) / "a.cedar"))
        expect(code == 0 and checked[0] == 0 and formatted[0] == 0, f"{source}: {code} {err} {checked} {formatted}")


def schema_as_json():
    """What is printed is a schema again, in both forms, and the policies hold under it."""
    for form in ("cedar", "json"):
        code, out, err = run("schema", *CRM, "-o", form)
        with tempfile.TemporaryDirectory(prefix="latticegate-policy-") as folder:
            path = pathlib.Path(folder) / "schema"
            path.write_text(out)
            checked = run("check", "--directory", "good", "--schema", str(path))
        expect(code == 0 and checked[0] == 0, f"schema -o {form}: {code} {err} {checked}")


def model_coverage():
    code, out, _ = run("test", "--directory", ".", "--entities", "entities.json", "--schema", "mcp.cedarschema",
                       "tests.json", "-o", "json", folder=MODEL)
    report = json.loads(out)
    expect(code == 0 and report["passed"] == 40 and report["failed"] == 0 and report["undecided"] == [], f"model: {out[:500]}")
    policies = report["coverage"]["policies"]
    expect(len(policies) == 19 and all(one["true"] > 0 and one["false"] > 0 for one in policies), "model: every policy both ways")


for step in (commands, nobody_reads, check_for_programs, schema_as_json, analysis_for_programs, a_prover_says_more, translations_hold,
             model_coverage):
    step()
for words in problems:
    print(words)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
