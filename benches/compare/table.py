"""The table of a comparison."""

from __future__ import annotations

from typing import Any

NAME, CELL = 23, 10


def show(report: dict[str, Any]) -> None:
    """Prints what `queries.py` found, milliseconds unless said otherwise."""
    engines = list(report["versions"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(f"{report['machine']}; {report['bandwidth'] / 1e9:.1f} GB/s")
    print(versions)
    print(
        f"TSBS cpu-only, {report['variant']}: {report['hosts']} hosts, {report['hours']:g} h, "
        f"{report['rows']:,} rows, seed {report['seed']}; ms, median of {report['rounds']} rounds"
    )
    print(row("query", [*engines, "ratio", "least", "x least"]))
    for line in report["queries"]:
        mine = line["seconds"].get("kymograph")
        least = line["least"]
        cells = [milliseconds(line["seconds"].get(engine)) for engine in engines]
        cells.append("-" if line["ratio"] is None else f"{line['ratio']:.2f}")
        cells.append("-" if least is None else f"{least * 1e3:.4f}")
        cells.append("-" if mine is None or least is None else f"{mine / least:,.0f}")
        print(row(line["name"], cells))
    ingest = [report["ingest"].get(engine) for engine in engines]
    print(
        row("ingest", [milliseconds(seconds) for seconds in ingest] + [against(report, "ingest")])
    )
    sizes = [report["bytes"].get(engine) for engine in engines]
    cells = ["-" if size is None else f"{size / 1e6:.1f}" for size in sizes]
    print(row("megabytes on disk", [*cells, against(report, "bytes")]))
    if report["others"] is not None:
        print(f"other processes took {report['others']:.0%} of the cores")
    if "empty call" in report:
        print(f"a call of kymograph that finds nothing: {report['empty call'] * 1e3:.3f} ms")
    summary = report["summary"]
    if summary["geometric mean"] is not None:
        print(f"best peer / kymograph, geometric mean: {summary['geometric mean']:.2f}")
        print(f"kymograph is slower on: {', '.join(summary['slower']) or 'none'}")
    for mismatch in report["mismatches"]:
        print(f"MISMATCH, not counted: {mismatch}")


def against(report: dict[str, Any], name: str) -> str:
    """The best peer's figure over that of kymograph."""
    found = {engine: value for engine, value in report[name].items() if value is not None}
    mine = found.pop("kymograph", None)
    return "-" if mine is None or not found else f"{min(found.values()) / mine:.2f}"


def milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.2f}"


def row(name: str, cells: list[str]) -> str:
    return f"{name:{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells)
