#!/usr/bin/env python3
"""How good inspection is, on the development rows of the shared detection data, through `latticegate inspect`.

Per surface and source: rows, share found at thresholds that 1 % and 0.1 % of the surface's benign rows reach, at the shipped
threshold (scores.max >= 2) and by any finding of medium severity; area under the curve; 95 % Wilson intervals. See README.md.

usage: evaluate.py BINARY DATA > report.md
"""
import bisect
import collections
import json
import lzma
import math
import pathlib
import subprocess
import sys

BINARY, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
SURFACES = ["user_text", "tool_result", "tool_metadata", "argument"]
SHIPPED = 2.0


def ask(surface, rows):
    given = "".join(json.dumps({"id": n, "text": row["text"]}) + "\n" for n, row in enumerate(rows))
    done = subprocess.run([BINARY, "inspect", "--surface", surface, "--jsonl"], input=given.encode(), capture_output=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows_of(name, split="dev"):
    return [json.loads(line) for line in lzma.open(DATA / f"{name}.{split}.jsonl.xz", "rt", encoding="utf-8")]


def kind(row):
    family = row["family"]
    for prefix in ("bipia", "markdown", "crs", "injection", "zoo", "obfuscated", "record"):
        if family.startswith(prefix):
            return prefix
    return family.split("(")[0].split("+")[0]


def wilson(hits, total):
    if not total:
        return "-"
    z, p = 1.96, hits / total
    middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    low, high = ((middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total))
    return f"{100 * p:.1f} ({100 * max(0, low):.0f}-{100 * min(1, high):.0f})"


def threshold(benign, share):
    """The least score that at most that share of the benign rows exceeds."""
    ordered = sorted(benign, reverse=True)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def area(attack, benign):
    ordered = sorted(benign)
    below = sum(bisect.bisect_left(ordered, s) + bisect.bisect_right(ordered, s) for s in attack)
    return below / (2 * len(attack) * len(ordered))


def report(surface):
    rows = rows_of(surface)
    answers = ask(surface, rows)
    errors = [row for row, answer in zip(rows, answers) if "error" in answer]
    whole = [(row, answer) for row, answer in zip(rows, answers) if "error" not in answer]
    score = lambda answer: answer["scores"]["max"]
    benign = [score(a) for r, a in whole if r["label"] == "benign"]
    attack = [score(a) for r, a in whole if r["label"] == "attack"]
    one, tenth = threshold(benign, 0.01), threshold(benign, 0.001)
    print(f"## {surface}\n")
    print(f"{len(attack)} attack and {len(benign)} benign rows, {len(errors)} not inspected; area under the curve {area(attack, benign):.3f}; "
          f"scores.max that 1 % of the benign rows exceed: {one:.2f}, 0.1 %: {tenth:.2f}.\n")
    print("| rows | source | kind | n | at 1 % | at 0.1 % | scores.max >= 2 | a finding |\n|---|---|---|---|---|---|---|---|")
    groups = collections.defaultdict(list)
    for row, answer in whole:
        groups[row["label"], "all", "all"].append(answer)
        groups[row["label"], row["source"], kind(row)].append(answer)
    for (label, source, what), found in sorted(groups.items()):
        n = len(found)
        count = lambda test: wilson(sum(map(test, found)), n)
        print(f"| {label} | {source} | {what} | {n} | {count(lambda a: score(a) > one)} | {count(lambda a: score(a) > tenth)} | "
              f"{count(lambda a: score(a) >= SHIPPED)} | {count(lambda a: a['verdict'] != 'clean')} |")
    print()


def secrets():
    print("## secrets\n\n| split | attack rows found | benign rows flagged |\n|---|---|---|")
    for split in ("train", "dev"):
        rows = rows_of("secrets", split)
        has = [any("secret" in f["labels"] for f in a.get("findings", [])) for a in ask("tool_result", rows)]
        count = lambda label: (sum(h for h, r in zip(has, rows) if r["label"] == label), sum(r["label"] == label for r in rows))
        print(f"| {split} | {wilson(*count('attack'))} of {count('attack')[1]} | {wilson(*count('benign'))} of {count('benign')[1]} |")
    print()


def personal():
    """Numbers and addresses of persons: how many findings lie on a marked place, how many marked places have one."""
    kinds = ["CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "PHONE_NUMBER", "US_SSN"]
    print("## personal data\n\n| split | findings that are right | " + " | ".join(kinds) + " |\n|---|---|" + "---|" * len(kinds))
    for split in ("train", "dev"):
        rows = rows_of("pii", split)
        right = findings = 0
        places = {kind: [0, 0] for kind in kinds}
        for row, answer in zip(rows, ask("tool_result", rows)):
            at = lambda n: len(row["text"][:n].encode())
            marked = [(mark["type"], at(mark["start"]), at(mark["end"])) for mark in row.get("spans", [])]
            found = [f["span"] for f in answer.get("findings", []) if "personal_data" in f["labels"]]
            findings += len(found)
            right += sum(any(begin < end2 and begin2 < end for _, begin2, end2 in marked) for begin, end in found)
            for kind, begin, end in marked:
                if kind in places:
                    places[kind][0] += any(begin < end2 and begin2 < end for begin2, end2 in found)
                    places[kind][1] += 1
        print(f"| {split} | {wilson(right, findings)} of {findings} | "
              + " | ".join(f"{wilson(*places[kind])} of {places[kind][1]}" for kind in kinds) + " |")
    print()


print("# Inspection on development rows\n\nMade by `./dev eval`; in per cent, 95 % Wilson intervals in brackets. What the numbers mean: "
      "[README.md](README.md).\n")
for surface in SURFACES:
    report(surface)
secrets()
personal()
