"""Where a line must break: where points are missing, not only where they are null."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kymograph import duration_ns


def breaks(x: npt.NDArray[Any], gaps: Any = "auto") -> npt.NDArray[np.bool_]:
    """Whether the line breaks between each point and the next, of the shape ``(n - 1,)``.

    ``x`` (ascending) is int64 nanoseconds or float64. ``gaps="auto"`` breaks where the step is
    more than three times the median step (of those above 0); a duration or, for a float ``x``, a
    number breaks at longer steps; None never breaks. Raises ``InvalidArgument`` for anything else.
    """
    steps = np.diff(x)
    if gaps is None or len(steps) == 0:
        return np.zeros(len(steps), dtype=np.bool_)
    if isinstance(gaps, str) and gaps == "auto":
        forward = steps[steps > 0]
        limit = 3 * float(np.median(forward)) if len(forward) else np.inf
    elif x.dtype.kind == "f" and isinstance(gaps, int | float):
        limit = float(gaps)
    else:
        limit = duration_ns(gaps, "gaps")
    return np.asarray(steps > limit, dtype=np.bool_)
