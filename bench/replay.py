#!/usr/bin/env python3
"""How fast recorded calls are decided again.

    ./dev bench replay [--calls N] [--rounds N] [--folder FOLDER]

A log of N calls, all different (bench/replay_bench.cc), is replayed under policies that decide a few per cent otherwise: with
plain and with packed segments, on one thread and on all processors, and once the slow way (--whole), of which the report has to
be the same, byte for byte. The times are of the whole command as it says them, medians of rounds; the log is in the page cache. The
processor time of the command, all threads, is what stays usable when neighbours are busy.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="where latticegate and bench.replay are")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="keep the log there, and take it when it is there")
    given = parser.parse_args()
    build = ROOT / given.build
    with tempfile.TemporaryDirectory(prefix="latticegate-replay-") as temporary:
        folder = pathlib.Path(given.folder or temporary)
        if not (folder / "audit").exists():
            print(run(build / "bench.replay", "make", folder, given.calls)[1].strip(), file=sys.stderr)
        measure(build, folder, given.rounds)


def measure(build, folder, rounds):
    def replay(*more):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out, err = run(build / "latticegate", "policy", "replay", "-c", folder / "latticegate.yaml",
                       "--policies", folder / "next", "-o", "json", *more)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return out, float(re.search(r" in ([0-9.]+) s, ", err)[1]), cpu

    def show(name, seconds, cpu):
        print(f"{name:<28} {seconds:>8.2f} {report['calls'] / seconds:>12,.0f} {report['records'] / seconds:>12,.0f} "
              f"{cpu / report['calls'] * 1e6:>12.2f} {size / cpu / 1e6:>12.0f}", flush=True)

    def row(name, *more, times=rounds):
        runs = [replay(*more) for _ in range(times)]
        if any(out != whole for out, _, _ in runs):
            sys.exit(f"{name}: another report than the slow way gives")
        show(name, statistics.median(seconds for _, seconds, _ in runs), statistics.median(cpu for _, _, cpu in runs))

    size = sum(file.stat().st_size for file in (folder / "audit" / "seg").glob("*.log"))
    whole, seconds, cpu = replay("--whole", "--threads", 1)
    report = json.loads(whole)
    processors = os.cpu_count()
    print(f"{report['calls']:,} calls in {report['records']:,} records, {size / 1e6:,.0f} MB plain; {report['flips']:,} would be "
          f"decided otherwise, by {len(report['groups'])} groups; {processors} processors")
    print(f"{'segments, way, threads':<28} {'seconds':>8} {'calls/s':>12} {'records/s':>12} {'CPU us/call':>12} {'MB/CPU s':>12}")
    show("plain, whole, 1", seconds, cpu)
    row(f"plain, whole, {processors}", "--whole", times=1)
    row("plain, quick, 1", "--threads", 1)
    row(f"plain, quick, {processors}")
    run(build / "bench.replay", "pack", folder)
    row("packed, quick, 1", "--threads", 1)
    row(f"packed, quick, {processors}")


if __name__ == "__main__":
    main()
