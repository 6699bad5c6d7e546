"""Which named parameters a query has."""

from __future__ import annotations

import re

# What may hold a dollar sign that is none of a parameter's comes first: text, quoted names,
# comments.
_TOKENS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?<![\w$])\$(?P<name>[^\W\d]\w*)""",
    re.DOTALL,
)


def parameters(text: str) -> list[str]:
    """The names of the ``$name`` parameters of a query, each once, in the order of the text."""
    found = (token["name"] for token in _TOKENS.finditer(text))
    return list(dict.fromkeys(name for name in found if name is not None))
