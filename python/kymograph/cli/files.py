"""The files to import: names and patterns to paths, paths to formats, formats to lazy frames."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import polars as pl

from kymograph.errors import invalid


class Format(StrEnum):
    """The formats that can be imported."""

    csv = "csv"
    tsv = "tsv"
    ndjson = "ndjson"
    parquet = "parquet"
    arrow = "arrow"


_SUFFIX = {
    ".csv": Format.csv,
    ".tsv": Format.tsv,
    ".ndjson": Format.ndjson,
    ".jsonl": Format.ndjson,
    ".parquet": Format.parquet,
    ".pq": Format.parquet,
    ".arrow": Format.arrow,
    ".ipc": Format.arrow,
    ".feather": Format.arrow,
}
_PACKED = {".gz", ".zst", ".zlib"}
_SMALL = 64 * 2**20


def expand(names: Sequence[str]) -> list[Path]:
    """The paths that ``names`` mean: files as they are, patterns (``*?[``) expanded and sorted.

    Raises ``InvalidArgument`` for a name that means no file.
    """
    paths: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_file():
            paths.append(path)
            continue
        found = sorted(Path(item) for item in glob.glob(str(path), recursive=True))
        found = [item for item in found if item.is_file()]
        if not found:
            hint = "; give its files, as in 'DIR/*.csv'" if path.is_dir() else ""
            raise invalid(f"no file {name!r}{hint}")
        paths += found
    return list(dict.fromkeys(paths))


def format_of(path: Path) -> Format:
    """The format that a file's name tells, ``.gz`` and ``.zst`` looked through."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    if suffixes and suffixes[-1] in _SUFFIX:
        return _SUFFIX[suffixes[-1]]
    known = ", ".join(_SUFFIX)
    raise invalid(
        f"the format of {str(path)!r} cannot be told from its name (known: {known}); use --format"
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Names the file where Polars says what is wrong with it; its advice on options is cut."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        text = " ".join(str(error).split()).split(" Consider setting ")[0]
        raise invalid(f"{path}: {text}") from error


def scan(path: Path, form: Format) -> pl.LazyFrame:
    """The file as a lazy frame; the columns of CSV and TSV are all text."""
    if form in {Format.csv, Format.tsv}:
        return pl.scan_csv(
            path, separator="\t" if form is Format.tsv else ",", infer_schema=False, glob=False
        )
    if form is Format.ndjson:
        return pl.scan_ndjson(path, infer_schema_length=_rows(path))
    if form is Format.parquet:
        return pl.scan_parquet(path, glob=False)
    return pl.scan_ipc(path, glob=False)


def sample(sources: Sequence[tuple[Path, Format]]) -> pl.DataFrame:
    """The rows to guess from, with the first file's columns.

    All rows of the first file where it is up to 64 MiB, else its first 100,000; and of other
    files all rows while those add up to 64 MiB, so that what is whole in one file and a fraction
    in the next is seen as what it is.
    """
    first, *others = sources
    rows = _rows(first[0])
    with reading(first[0]):
        lazy = scan(*first)
        parts = [(lazy if rows is None else lazy.head(rows)).collect()]
    if parts[0].is_empty():
        raise invalid(f"{first[0]}: there are no rows")
    room = _SMALL
    for path, form in others:
        room -= path.stat().st_size
        if room < 0 or form is not first[1]:
            break
        with reading(path):
            lazy = scan(path, form)
            there = set(lazy.collect_schema().names())
            parts.append(lazy.select(n for n in parts[0].columns if n in there).collect())
    return pl.concat(parts, how="diagonal_relaxed")


def _rows(path: Path) -> int | None:
    return None if path.stat().st_size <= _SMALL else 100_000
