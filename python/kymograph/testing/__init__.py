"""Checks on the data of a database for use in pytest, or in any script that should fail loudly."""

from kymograph.testing.checks import (
    assert_between,
    assert_fresh,
    assert_no_gaps,
    assert_no_nulls,
)

__all__ = ["assert_between", "assert_fresh", "assert_no_gaps", "assert_no_nulls"]
