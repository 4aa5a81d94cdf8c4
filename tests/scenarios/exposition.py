"""Reads what collectors get (the Prometheus text format 0.0.4) as strictly as the strictest of them, for the scenarios."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}="(?:[^"\\\n]|\\["\\n])*",?)*)\}})? (\S+)')
PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
KINDS = {"counter", "gauge", "histogram"}


def number(text):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text.replace("Inf", "inf"))
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise ValueError(f"{text!r} is no number")
    return float(text)


def labels_of(text):
    out, rest = [], text
    while rest:
        match = PAIR.match(rest)
        if not match or (match[3] == "," and match.end() == len(rest)):
            raise ValueError(f"labels {text!r}")
        out.append((match[1], re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), match[2])))
        rest = rest[match.end():]
    if len({name for name, _ in out}) != len(out):
        raise ValueError(f"a label stands twice in {text!r}")
    return out


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.kind, self.samples = name, text, None, {}


def check_histogram(family):
    """Buckets ascend and add up, the last one has no bound and is the count."""
    series = {}
    for (name, labels), value in family.samples.items():
        bound = dict(labels).get("le")
        key = tuple(pair for pair in labels if pair[0] != "le")
        entry = series.setdefault(key, {"buckets": []})
        part = name[len(family.name):]
        if part == "_bucket":
            if bound is None:
                raise ValueError(f"{name}: a bucket without le")
            entry["buckets"].append((number(bound), value))
        elif bound is not None or part not in ("_sum", "_count"):
            raise ValueError(f"{name} in a histogram")
        else:
            entry[part] = value
    for key, entry in series.items():
        bounds = [bound for bound, _ in entry["buckets"]]
        counts = [count for _, count in entry["buckets"]]
        if bounds != sorted(set(bounds)) or not bounds or not math.isinf(bounds[-1]):
            raise ValueError(f"{family.name} {key}: bounds {bounds}")
        if counts != sorted(counts) or counts[-1] != entry.get("_count") or "_sum" not in entry:
            raise ValueError(f"{family.name} {key}: counts {counts}, {entry}")


def parse(text):
    """{family: Family}; ValueError with the line that is wrong."""
    families, current = {}, None
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    for line in text[:-1].split("\n"):
        try:
            if line.startswith("# HELP "):
                name, _, words = line[7:].partition(" ")
                if name in families:
                    raise ValueError("a family stands twice")
                if not re.fullmatch(NAME, name) or not words or re.search(r"\\[^\\n]", words):
                    raise ValueError("no help")
                current = families[name] = Family(name, words)
            elif line.startswith("# TYPE "):
                name, _, kind = line[7:].partition(" ")
                if current is None or name != current.name or current.kind or current.samples or kind not in KINDS:
                    raise ValueError("a type that is not below its help")
                if (kind == "counter") != name.endswith("_total"):
                    raise ValueError("counters, and nothing else, end in _total")
                current.kind = kind
            else:
                match = SAMPLE.fullmatch(line)
                if not match:
                    raise ValueError("no sample")
                suffixes = ("_bucket", "_sum", "_count") if current and current.kind == "histogram" else ("",)
                if current is None or current.kind is None or match[1] not in [current.name + suffix for suffix in suffixes]:
                    raise ValueError("a sample that is not below its family")
                labels = tuple(labels_of(match[2] or ""))
                if (match[1], labels) in current.samples:
                    raise ValueError("a series stands twice")
                value = number(match[3])
                if current.kind != "gauge" and not value >= 0:
                    raise ValueError("a count below zero")
                current.samples[(match[1], labels)] = value
        except ValueError as error:
            raise ValueError(f"{line!r}: {error}") from None
    for family in families.values():
        if family.kind is None:
            raise ValueError(f"{family.name} has no type")
        if family.kind == "histogram":
            check_histogram(family)
    return families


def as_values(families):
    """{"name": {"label=value,label=value": number}} for expectations; without labels the key is "all"."""
    out = {}
    for family in families.values():
        for (name, labels), value in family.samples.items():
            key = ",".join(f"{label}={text}" for label, text in labels) or "all"
            out.setdefault(name, {})[key] = int(value) if value == int(value) else value
    return out
