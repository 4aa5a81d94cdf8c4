#!/usr/bin/env python3
"""Checks the tree for what the compiler cannot see: `path:line: reason`, exit 1 if there is anything. ctest runs it.

Four families of rules:
  sources   who may include which vendor, what we do not write (each with what to write instead), ASCII, first lines
  layers    the module list of CMakeLists.txt has its folder, each folder its line
  quotes    policies that the guide shows are those of the examples
  texts     no path of one machine, no host of a package registry, links between the documents lead somewhere

A line that has a reason to differ says it: `// tidy: <reason>` at its end or on the line above.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A vendor's headers are included by their owner only (docs/dependencies.md); the first match wins.
OWNERS = [
    (r"openssl/(ssl|bio)", {"net", "crypto"}),
    (r"openssl/", {"crypto", "net"}),
    (r"simdjson", {"json"}),
    (r"yaml-cpp/|yaml\.h", {"yaml"}),
    (r"hs\.h|hs/|hs_", {"inspect"}),
    (r"sqlite3|libpq|pqxx/", {"store"}),
    (r"zstd", {"audit"}),
    (r"zlib", {"inspect"}),
    (r"onnxruntime", {"onnx"}),
    (r"llhttp", {"net"}),
    (r"CLI/", {"apps"}),
]
LOW_LEVEL = {"crypto", "net", "store", "inspect", "json", "onnx", "fuzz"}  # speak to C interfaces: bytes come as other types there
INSTEAD = [  # pattern in code (comments and literals taken out), where it is allowed, what to write
    (r"\bstd::regex\b", set(), "a bounded matcher: std::regex can blow up on input"),
    (r"\bsystem_clock::now\(", {"base"}, "base::Clock, so that tests own the time"),
    (r"\b(steady|high_resolution)_clock::now\(", {"base", "tests", "bench"}, "base::Clock, so that tests own the time"),
    (r"\busing namespace std\s*;", set(), "the names, written out"),
    (r"\bstd::(cout|cerr|clog|endl)\b|(?<![\w.:>])f?printf\s*\(", {"onnx"}, "base::Log, or std::print in apps and bench"),
    (r"#\s*include <(iostream|regex)>", {"onnx"}, "std::print; a bounded matcher"),
    (r"^(?!.*_ptr<).*(?<![\w.>:])new [A-Za-z_:]|(?<![\w.>])delete(\[\])? [\w(*]", set(), "std::make_unique or a value"),
    (r"\bstd::thread\b(?!::)|\.detach\(\)", {"tests"}, "the event loop, or a std::jthread that somebody owns"),
    (r"\b(const|reinterpret)_cast\b", LOW_LEVEL, "a typed view"),
    (r"\b(std::)?(rand|srand|strtok|gets|sprintf|strcpy|strcat)\s*\(", set(), "something with a bound"),
    (r"\bgetenv\s*\(", {"apps", "tests", "bench", "config", "gateway"}, "an argument: only the program reads the environment"),
    (r"\bsleep_for\b|\busleep\s*\(", {"apps"}, "a timer of the loop, or a wait for the condition"),
]
PURE = {"base", "json", "yaml", "crypto", "mcp", "identity", "cedar", "temporal", "inspect", "behaviour", "policy", "audit", "pqc", "telemetry"}
SYSTEM_CALLS = r"#\s*include <(sys/socket|sys/epoll|netinet/.*|arpa/.*|unistd|fcntl|sys/stat|fstream|filesystem)(\.h)?>"
MARKS = r"\b(FIXME|XXX|HACK)\b"

MACHINE_PATHS = r"(?<![\w.~$}])/(?:home/\w+|work|Users/\w+|mnt/\w+)/"
REGISTRY_HOSTS = (
    r"registry\.(?:npmjs|yarnpkg)\.\w+|(?:deb|security|ftp\.?\w*|snapshot)\.debian\.org|files\.pythonhosted\.org|"
    r"pypi\.org/simple|(?:static\.|index\.)?crates\.io/api|proxy\.golang\.org|repo1?\.maven\.org|ghcr\.io|registry-1\.docker\.io"
)
TEXTS = {".md", ".yaml", ".yml", ".json", ".toml", ".cmake", ".txt", ".sh", ".py", ".mjs", ".js", ".ts", ".cc", ".h", ".cedar", ".lua", ""}


def tracked():
    """Every file of the tree that git knows or would add; without git, every file outside build folders."""
    try:
        out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
        names = [name for name in out.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
        names = [name for name in names if not re.search(r"(^|/)(build|node_modules|\.git)/", name)]
    return sorted(pathlib.PurePosixPath(name) for name in names if (ROOT / name).is_file())


def module_of(path):
    return path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else path.parts[0]


def code_of(line):
    """The line without // comments and without what stands in literals (one-line approximation; raw strings go too)."""
    line = re.sub(r'R"(\w*)\(.*', '""', line)
    line = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', '""', line)
    return line.split("//")[0]


def check_source(path, text):
    module = module_of(path)
    # A header with doctest in it is for tests only.
    is_test = path.stem.endswith("_test") or module == "tests" or "#include <doctest/doctest.h>" in text
    if not text.isascii():
        for n, line in enumerate(text.splitlines(), 1):
            if not line.isascii():
                yield n, "sources are ASCII (no look-alike characters); write an escape"
    lines = text.splitlines()
    if path.suffix == ".h" and not (lines and lines[0].startswith("// ")):
        yield 1, "the first line of a header says what it is for: // ..."
    inside_raw = None
    for n, line in enumerate(lines, 1):
        if inside_raw:  # the body of a raw literal is data
            if inside_raw in line:
                inside_raw = None
            continue
        opened = re.search(r'R"(\w*)\(', line)
        if opened and f'){opened[1]}"' not in line[opened.end():]:
            inside_raw = f'){opened[1]}"'
        if re.search(r"// tidy: \w", line) or (n > 1 and re.match(r"\s*// tidy: \w", lines[n - 2])):
            continue
        code = code_of(line)
        include = re.match(r'\s*#\s*include [<"]([^>"]+)[>"]', line)
        if include:
            for vendor, owners in OWNERS:
                if re.match(vendor, include[1]):
                    if module not in owners:
                        yield n, f"{include[1]} belongs to {' and '.join(sorted(owners))}"
                    break
            if line.lstrip().startswith('#include "../'):
                yield n, "include by module name, not by path"
            private = re.match(r"(\w+)/detail/", include[1])
            if private and private[1] != module:
                yield n, f"{private[1]}/detail/ is private to {private[1]}"
            if module in PURE and not is_test and re.search(SYSTEM_CALLS, line) and module != "base":
                yield n, f"{module} is pure: no system calls; take the value as an argument"
        for pattern, allowed, instead in INSTEAD:
            hit = re.search(pattern, code if not pattern.startswith("#") else line)
            if hit and module not in allowed and not (is_test and "tests" in allowed):
                yield n, f"{hit[0].strip()[-40:]}: write {instead}"
        if not is_test and re.search(r"\.value\(\)", code) and re.search(r"\bResult\b", code):
            yield n, ".value() on a Result throws: handle the error"
        if re.search(MARKS, line):
            yield n, "finish it before it lands"


def check_text(path, text):
    for n, line in enumerate(text.splitlines(), 1):
        if path != pathlib.PurePosixPath("tools/tidy.py"):
            hit = re.search(MACHINE_PATHS, line)
            if hit:
                yield n, f"{hit[0]}: a path of one machine"
            hit = re.search(REGISTRY_HOSTS, line)
            if hit:
                yield n, f"{hit[0]}: no host of a package registry; name the package"
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"`[^`]*`", "", line)):
                if not re.match(r"[a-z]+:", target) and not (ROOT / path.parent / target).exists():
                    yield n, f"the link to {target} leads nowhere"


def check_layers(paths):
    declared = re.findall(r"^#?module\((\w+)", (ROOT / "CMakeLists.txt").read_text(), re.M)
    active = set(re.findall(r"^module\((\w+)", (ROOT / "CMakeLists.txt").read_text(), re.M))
    folders = {path.parts[1] for path in paths if path.parts[0] == "src" and len(path.parts) > 2}
    for name in sorted(folders - set(declared)):
        yield f"src/{name}:1: the folder has no module() line in CMakeLists.txt"
    for name in sorted(active - folders):
        yield f"CMakeLists.txt:1: module({name}) has no folder"
    architecture = ROOT / "ARCHITECTURE.md"
    if architecture.exists():
        text = architecture.read_text()
        for name in sorted(active):
            if f"`{name}`" not in text:
                yield f"ARCHITECTURE.md:1: module {name} has no row"


def check_quotes():
    """A policy that the guide quotes by the id of an example is that policy."""
    one = re.compile(r'@id\("([^"]+)"\).*?;\n', re.S)
    known = {}
    for file in sorted((ROOT / "examples").rglob("*.cedar")):
        for policy in one.finditer(file.read_text()):
            known.setdefault(policy[1], set()).add("".join(policy[0].split()))
    guide = ROOT / "docs" / "guide" / "policies.md"
    text = guide.read_text()
    for block in re.finditer(r"```cedar\n(.*?)```", text, re.S):
        for policy in one.finditer(block[1]):
            if policy[1] in known and "".join(policy[0].split()) not in known[policy[1]]:
                yield f"docs/guide/policies.md:{text[:block.start()].count(chr(10)) + 2}: {policy[1]} differs from the example of that name"


def main():
    paths = tracked()
    found = list(check_layers(paths)) + list(check_quotes())
    for path in paths:
        if path.suffix not in TEXTS or "corpus" in path.parts:
            continue
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if path.suffix in {".h", ".cc"}:
            found += [f"{path}:{n}: {why}" for n, why in check_source(path, text)]
        found += [f"{path}:{n}: {why}" for n, why in check_text(path, text)]
    print("\n".join(found) or "tidy: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
