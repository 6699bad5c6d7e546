"""The one door to the native error tree, opened only when there is an error to raise."""

from __future__ import annotations


def invalid(message: str) -> Exception:
    """An ``InvalidArgument`` (a ``ValueError``) with this message, to be raised by the caller."""
    from kymograph._core import InvalidArgument

    return InvalidArgument(message)


def shown(value: object) -> str:
    """``value`` as an error message shows it: its repr, cut at 80 characters, and its type."""
    text = repr(value)
    if len(text) > 80:
        text = text[:77] + "..."
    return f"{text} ({type(value).__name__})"
