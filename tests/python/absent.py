"""Packages that a child process is to find missing, whatever is installed."""

_FINDER = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def without(package: str) -> str:
    """Code after which the import of a package fails as that of a missing one does."""
    return _FINDER.format(package=package)
