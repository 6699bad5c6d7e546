"""The magics of ``%load_ext kymograph``: ``%%ky`` cells and ``%ky`` lines."""

from kymograph.notebook.magic import load

__all__ = ["load"]
