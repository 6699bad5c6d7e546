"""Keeps the inputs of a fuzz target that reach what no smaller one does, within the limits.

``python fuzz/keep.py BINARIES FOUND NAME...``: where the targets' binaries are, and a folder with
a folder of found inputs for each. What ``fuzz/corpus/NAME`` holds already competes with those; of
what remains some of every size stay.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
# As in tests/fuzz_corpus.rs, with room for inputs of crashes.
MOST_INPUTS = 180
MOST_BYTES = 180 << 10
MOST_OF_ONE = 8 << 10


def keep(binaries: Path, found: Path, name: str) -> None:
    """Minimises one target's inputs into its folder of the repository."""
    home = CORPUS / name
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        sources = [str(path) for path in (home, found / name) if path.is_dir()]
        limits = [f"-max_len={MOST_OF_ONE}", "-malloc_limit_mb=256"]
        command = [str(binaries / name), "-merge=1", *limits, work, *sources]
        subprocess.run(command, check=True, capture_output=True)
        merged = sorted(Path(work).iterdir(), key=lambda path: (path.stat().st_size, path.name))
        shutil.rmtree(home)
        home.mkdir()
        # Large ones reach deep, so that the limit takes out of all sizes alike.
        share = max(len(merged) / MOST_INPUTS, 1)
        kept = [merged[int(at * share)] for at in range(int(len(merged) / share))]
        while sum(path.stat().st_size for path in kept) > MOST_BYTES:
            kept.pop()
        for path in kept:
            shutil.copyfile(path, home / path.name)
        count, total = len(kept), sum(path.stat().st_size for path in kept)
    print(f"{name}: {count} of {len(merged)} inputs, {total} bytes")


if __name__ == "__main__":
    for target in sys.argv[3:]:
        keep(Path(sys.argv[1]), Path(sys.argv[2]), target)
