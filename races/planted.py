"""Plants races in the sources that the models include, and wants each found.

    python3 races/planted.py [SCHEDULES]

Each is one change of one line or two, made in a copy of the sources. Ends with 1 when a model does
not fail, or when a change no longer applies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WAL, COLLECT = "src/storage/wal/writer.rs", "src/db/collect.rs"
PINS, STATE, MEMORY = "src/db/pins.rs", "src/db/state.rs", "src/db/memory.rs"
# Seconds; a model runs for a few.
PATIENCE = 300

# What it does, the model that finds it, the file, what is there, what is put there instead.
PLANTED = [
    (
        "an fsync counts for what was appended beside it",
        "what_is_acknowledged",
        WAL,
        "Ok(Ok(())) => state.durable = state.durable.max(covered),",
        "Ok(Ok(())) => { let _ = covered; state.durable = state.end }",
    ),
    (
        "whoever waits for an fsync is not woken",
        "what_is_acknowledged",
        WAL,
        "            }\n            self.changed.notify_all();\n        }\n    }\n",
        "            }\n        }\n    }\n",
    ),
    (
        "the interval's thread is not woken by an append",
        "interval",
        WAL,
        "state.waiting_since = Some(Instant::now());\n            shared.changed.notify_all();",
        "state.waiting_since = Some(Instant::now());",
    ),
    (
        "a failed fsync is tried again",
        "failed_sync",
        WAL,
        "Ok(Err(e)) => {\n                    self.poison(state, &e);\n                }",
        "Ok(Err(_)) => {}",
    ),
    (
        "leases are read only before manifests are removed",
        "leases",
        COLLECT,
        "let oldest = oldest.min(again);",
        "let _ = again;",
    ),
    (
        "a lease follows the newest version that its reader holds",
        "leases",
        PINS,
        "let oldest = held.versions.keys().next().copied();",
        "let oldest = held.versions.keys().next_back().copied();",
    ),
    (
        "the first pin of a version is not told",
        "leases",
        PINS,
        "if held.versions.first_key_value() == Some((&version, &1)) {",
        "if held.versions.first_key_value() == Some((&version, &2)) {",
    ),
    (
        "a flush drops heads that were frozen beside it",
        "swap",
        STATE,
        "filter(|frozen| !covered.contains(&frozen.order));",
        "filter(|_| covered.is_empty());",
    ),
    (
        "a reservation that was given up while it was served is lost",
        "share",
        MEMORY,
        "line.free += ticket.bytes as isize;\n        }\n        line.serve();",
        "}\n        line.serve();",
    ),
    (
        "a reservation grows past what is free",
        "share",
        MEMORY,
        ".find(|bytes| line.has(*bytes))?;",
        ".find(|_| true)?;",
    ),
]


def found(copy: Path, model: str, schedules: str) -> bool:
    """Whether a model fails or hangs; that it no longer compiles is no find."""
    command = ["cargo", "test", "--release", "--manifest-path", str(copy / "races/Cargo.toml")]
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "races" / "target"))
    environment = {**os.environ, "CARGO_TARGET_DIR": target, "RACES_SCHEDULES": schedules}
    built = subprocess.run([*command, "--no-run"], env=environment, capture_output=True, text=True)
    if built.returncode:
        raise SystemExit(built.stderr)
    command += ["--", model]
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0 and "panicked" in run.stdout + run.stderr


def main() -> int:
    """Plants each race in turn."""
    schedules = sys.argv[1] if len(sys.argv) > 1 else "3000"
    missed = 0
    with tempfile.TemporaryDirectory(prefix="kymograph-planted-") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "src", copy / "src")
        ignored = shutil.ignore_patterns("target")
        shutil.copytree(ROOT / "races", copy / "races", ignore=ignored)
        for what, model, path, there, instead in PLANTED:
            text = (ROOT / path).read_text()
            if text.count(there) != 1:
                print(f"does not apply: {what} ({path})")
                missed += 1
                continue
            (copy / path).write_text(text.replace(there, instead))
            hit = found(copy, model, schedules)
            (copy / path).write_text(text)
            print(f"{'found' if hit else 'MISSED'}: {what}", flush=True)
            missed += not hit
    print(f"{len(PLANTED) - missed} of {len(PLANTED)} planted races found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
