"""The tests of reliability in their long form, one after the other.

    python tests/torture.py [--share 1.0] [--only power,kill] [--list] [--keep]

Each part is a test of the repository with larger numbers. ``--share`` takes so much of each
number; ``--keep`` puts the figures into docs/reliability.md. Wants the package of this checkout in
the environment that runs it, and for the part ``fuzz`` cargo-fuzz. A part that fails does not keep
the others from running; the exit status says whether any did.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- the last long run -->", "<!-- its end -->"


@dataclass
class Part:
    """A test, the numbers of its long form, and which of its lines are its figures."""

    name: str
    command: list[str]
    figures: str
    numbers: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def rust(test: str, *more: str) -> list[str]:
    cargo = ["cargo", "test", "--locked", "--workspace", "--test", test, *more]
    return [*cargo, "--", "--nocapture", "--test-threads=2"]


def python(*tests: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *tests]


RACES = ["cargo", "test", "--locked", "--release", "--manifest-path", "races/Cargo.toml"]
PARTS = [
    Part("power", rust("power"), r"cuts in|Figures", {"KYMOGRAPH_POWER_CUTS": 100_000}),
    Part("kill", rust("kill"), r" kills in ", {"KYMOGRAPH_KILL_ROUNDS": 10_000}),
    Part(
        "planted",
        rust("planted", "--features", "kymograph/planted"),
        r"^\w+: by|NOT FOUND|planted|bugs, found",
        {"KYMOGRAPH_PLANTED_CLEAN": 100},
    ),
    Part(
        "faults",
        rust("io_faults"),
        r" failures, one call in",
        settings={"KYMOGRAPH_FAULT_STRIDE": "1", "KYMOGRAPH_EVERY_CALL": "1"},
    ),
    Part("full", rust("disk_full"), r"rounds:|^on a ", {"KYMOGRAPH_FULL_ROUNDS": 1_000}),
    Part(
        "damage",
        rust("corruption"),
        r"damaged copies|refused",
        {"KYMOGRAPH_DAMAGE_FLIPS": 100_000},
        {"KYMOGRAPH_DAMAGE_STEP": "1"},
    ),
    Part("writers", rust("remote_writers"), r"writers x", {"KYMOGRAPH_REMOTE_COMMITS": 1_000}),
    Part("policies", rust("policies"), r"histories", {"KYMOGRAPH_POLICY_CASES": 10_000}),
    Part(
        "equality",
        rust("equality"),
        r"random queries",
        {"KYMOGRAPH_EQUALITY_QUERIES": 1_000_000},
    ),
    Part(
        "duckdb",
        python("tests/python/sql/test_random.py"),
        r"queries|passed|failed",
        {"KYMOGRAPH_SQL_QUERIES": 1_000_000},
    ),
    Part(
        "states",
        python("tests/python/test_state_machine.py"),
        r"passed|failed",
        {"KYMOGRAPH_EXAMPLES": 10_000},
        {"KYMOGRAPH_STEPS": "100"},
    ),
    Part("races", [*RACES, "--", "--nocapture"], r"schedules in", {"RACES_SCHEDULES": 1_000_000}),
    Part("planted races", [sys.executable, "races/planted.py"], r"."),
    Part(
        "readers",
        python("tests/python/test_reader_processes.py"),
        r"readers:",
        {"KYMOGRAPH_READERS_SECONDS": 600},
        {"KYMOGRAPH_READERS": "16"},
    ),
    Part(
        "load",
        python("tests/python/test_load.py"),
        r"queries at once",
        {"KYMOGRAPH_LOAD_SECONDS": 600},
        {"KYMOGRAPH_LOAD_QUERIES": "1000"},
    ),
    Part("processes", python("tests/python/test_processes.py"), r"passed|failed"),
    Part(
        "kill from Python",
        python("tests/python/test_kill.py"),
        "passed",
        {"KYMOGRAPH_KILLS": 1_000},
    ),
]


def run(part: Part, share: float) -> tuple[bool, float, list[str]]:
    """Whether it passed, its seconds, and the lines that are its figures."""
    numbers = {name: str(max(1, round(count * share))) for name, count in part.numbers.items()}
    told = {**numbers, **part.settings}
    print(f"== {part.name}:", *(f"{name}={value}" for name, value in told.items()), flush=True)
    begin, lines = time.monotonic(), []
    child = subprocess.Popen(
        part.command,
        cwd=ROOT,
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        print(line, end="", flush=True)
        if re.search(part.figures, line):
            lines.append(line.strip())
    return child.wait() == 0, time.monotonic() - begin, lines


def machine() -> str:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE)
        name = found[1] if found else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return told.stdout.strip() or "not known"


def keep(share: float, outcomes: list[tuple[Part, bool, float, list[str]]]) -> None:
    """Puts the figures into the page, in place of those of the run before."""
    day = datetime.now(UTC).date().isoformat()
    out = [BEGIN, "", f"{day}, {machine()}, commit {commit()}, {share:g} of each number.", ""]
    for part, passed, seconds, lines in outcomes:
        out += [f"**{part.name}**, {seconds / 60:.1f} min{'' if passed else ', FAILED'}", ""]
        out += ["```text", *lines, "```", ""]
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + "\n".join([*out, END]) + rest.split(END)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", default="", help="names of parts, with commas between")
    parser.add_argument("--list", action="store_true", help="names the parts and ends")
    parser.add_argument("--keep", action="store_true", help="writes docs/reliability.md")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    unknown = set(only) - {part.name for part in PARTS}
    if unknown:
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    chosen = [part for part in PARTS if not only or part.name in only]
    if options.list:
        for part in chosen:
            print(part.name)
        return 0
    outcomes = [(part, *run(part, options.share)) for part in chosen]
    for part, passed, seconds, lines in outcomes:
        print(f"{'ok    ' if passed else 'FAILED'} {part.name}, {seconds:.0f} s")
        for line in lines:
            print(f"       {line}")
    if options.keep:
        keep(options.share, outcomes)
    return 0 if all(passed for _, passed, _, _ in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
