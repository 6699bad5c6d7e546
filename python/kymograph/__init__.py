"""kymograph: an embedded time-series analytics engine.

Open a database, write frames of any library, ask::

    import kymograph as ky

    with ky.open("metrics.ky") as db:
        db.write("cpu", frame, time="time", tags=["host"])
        db.aggregate("cpu", {"usage": ["mean", "max"]}, every="1m", by=["host"])
"""

from typing import TYPE_CHECKING

from kymograph import analytics as analytics
from kymograph._core import (
    Cancelled,
    Conflict,
    Corrupt,
    DatabaseLocked,
    Internal,
    InvalidArgument,
    KymographError,
    LimitExceeded,
    NotFound,
    StorageError,
    __version__,
)
from kymograph.adapters import duration_ns, to_arrow_stream, to_pandas
from kymograph.database import Database, check, open
from kymograph.plot import plot as plot
from kymograph.results import (
    BadRow,
    CheckReport,
    Damage,
    Loss,
    Policy,
    Quarantined,
    Repair,
    Stats,
    TableSchema,
    WriteResult,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "BadRow",
    "Cancelled",
    "CheckReport",
    "Conflict",
    "Corrupt",
    "Damage",
    "Database",
    "DatabaseLocked",
    "Internal",
    "InvalidArgument",
    "KymographError",
    "LimitExceeded",
    "Loss",
    "NotFound",
    "Policy",
    "Quarantined",
    "Repair",
    "Stats",
    "StorageError",
    "TableSchema",
    "WriteResult",
    "__version__",
    "analytics",
    "check",
    "duration_ns",
    "load_ipython_extension",
    "open",
    "plot",
    "to_arrow_stream",
    "to_pandas",
]


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """What ``%load_ext kymograph`` calls: gives the notebook ``%%ky`` cells (see ``%ky?``)."""
    from kymograph.notebook import load

    load(shell)
