"""What a fork does to a process that holds databases, and to Polars' threads in it.

A forked child has its parent's handles and descriptors, and none of its parent's threads.
"""

from __future__ import annotations

import os
import re
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from kymograph.errors import invalid

if TYPE_CHECKING:
    from kymograph.database import Database

_handles: weakref.WeakSet[Database] = weakref.WeakSet()
_started = False
_lost = False


def remember(handle: Database) -> None:
    """Sees to it that a forked child lets go of the handle's locks, which end with the parent."""
    _handles.add(handle)


def require_polars(doing: str) -> None:
    """Raises ``InvalidArgument`` where Polars would wait for threads that a fork left behind."""
    if _lost:
        raise invalid(
            f"{doing} needs Polars' threads, which ran in the process that this one was forked "
            'from and are not here; start processes with "spawn" or "forkserver", or fork before '
            "the first query; read, aggregate, last, sum and SQL that one table answers work here"
        )


def _polars_runs() -> bool:
    """Whether Polars has started its threads; where that cannot be told, no."""
    try:
        tasks = list(Path("/proc/self/task").iterdir())
    except OSError:
        return False
    # Of its pool; its other threads come with the import, and a child does without them.
    return any(re.fullmatch(r"polars-\d+\n", _name(task)) for task in tasks)


def _name(task: Path) -> str:
    try:
        return (task / "comm").read_text()
    except OSError:
        return ""


def _before() -> None:
    global _started
    _started = _polars_runs()


def _in_child() -> None:
    global _lost
    _lost = _lost or _started
    for handle in list(_handles):
        handle._native.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
