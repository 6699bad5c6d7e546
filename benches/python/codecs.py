"""The tables and the plot of docs/codecs.md, measured.

    python benches/python/codecs.py [JSON] [--data DATA_DIR] [--sizes JSON]

Without JSON runs `cargo bench --bench codec` first. `--sizes` takes what
`benches/compare/sizes.py --json` wrote; without it that table stays as it is. Wants matplotlib.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "codecs.md"
PLOT = CHECKOUT / "docs" / "images" / "codecs.png"
CODECS = ["HOT", "COLD", "gorilla", "pco 8", "pco 12", "zstd 3", "zstd 19"]
# Cycles a value that ALP's paper (SIGMOD 2023) gives for decoding: the mean over its datasets, but
# not the two of ALP for real doubles.
ALP_CYCLES = 0.47


def run(data: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kymograph-bench-") as folder:
        path = Path(folder) / "codecs.json"
        command = ["cargo", "bench", "--locked", "--bench", "codec", "--"]
        command += [str(data.resolve())] if data else []
        subprocess.run([*command, "--json", str(path)], cwd=CHECKOUT, check=True)
        return json.loads(path.read_text())


def cell(value: Any, decimals: int = 2) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return value if isinstance(value, str) else f"{value:,.{decimals}f}"


def table(heads: list[str], rows: list[list[str]], names: int = 1) -> str:
    """A table whose first columns are names, the others figures."""
    lines = [heads, ["---"] * names + ["---:"] * (len(heads) - names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def group(figures: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((g for g in figures["series"]["groups"] if g["name"] == name), None)


def kernel(figures: dict[str, Any], name: str) -> float | None:
    """Million values a second at the best level."""
    found = [line["decode"] for line in figures["kernels"] if line["name"] == name]
    return max(found, default=None)


def summed(figures: dict[str, Any], name: str, where: str) -> float | None:
    return next((line[where] for line in figures["sums"] if line["name"] == name), None)


def targets(figures: dict[str, Any]) -> str:
    """What is aimed at, and how much of it there is."""
    decimal = group(figures, "decimal")
    codecs = decimal["codecs"] if decimal else {}

    def of(codec: str, figure: str) -> float | None:
        return codecs.get(codec, {}).get(figure)

    def share(codec: str) -> float | None:
        own, rival = of(codec, "bits"), of("pco 12", "bits")
        return own / rival if own and rival else None

    regular = "times every 10 s"
    chunk = next((line["bytes"] for line in figures["times"] if line["name"] == regular), None)
    fused = "fused decimal, frames of 10 bits"
    # Name, target, measured, whether less is better, decimals.
    rows: list[tuple[str, float, float | None, bool, int]] = [
        ("HOT, bits a value, decimal series", 10.2, of("HOT", "bits"), True, 2),
        ("COLD, bits a value, decimal series", 8.0, of("COLD", "bits"), True, 2),
        ("HOT, share of pco 12's bits", 1.01, share("HOT"), True, 3),
        ("COLD, share of pco 12's bits", 0.79, share("COLD"), True, 3),
        (
            "HOT decode, frames of 10 bits, M values/s",
            4000,
            kernel(figures, "decimal, frames of 10 bits"),
            False,
            0,
        ),
        (
            "HOT decode, differences, M values/s",
            3000,
            kernel(figures, "decimal, differences of 6 bits"),
            False,
            0,
        ),
        (
            "HOT decode, dictionary, M values/s",
            3000,
            kernel(figures, "dictionary of 200"),
            False,
            0,
        ),
        (
            "COLD decode, decimal series, M values/s",
            260,
            of("COLD", "decode"),
            False,
            0,
        ),
        ("fused sum in L2, M values/s", 12000, summed(figures, fused, "cache"), False, 0),
        ("fused sum from memory, M values/s", 8000, summed(figures, fused, "memory"), False, 0),
        (
            "fused sum from memory, 2 threads, M values/s",
            15000,
            summed(figures, fused, "memory_2"),
            False,
            0,
        ),
        ("regular times, bytes a chunk", 16, chunk, True, 0),
    ]
    lines = []
    for name, target, measured, less, decimals in rows:
        bound = f"at most {target:,g}" if less else f"{target:,g}"
        if measured is None:
            lines.append([name, bound, "not measured", "-"])
            continue
        reached = target / measured if less else measured / target
        lines.append([name, bound, cell(measured, decimals), f"{reached:.0%}"])
    return table(["target", "aim", "measured", "reached"], lines)


def tables(figures: dict[str, Any]) -> str:
    groups = figures["series"]["groups"]
    each = figures["series"]["each"]
    parts = [f"Measured on {figures['machine']}, shared with other work.", ""]
    parts += ["### Targets", "", targets(figures), ""]

    rows = []
    for g in groups:
        published = g["published"]
        alp = f"{cell(published['alp'])} ({cell(published['hot'])})" if published else "-"
        bits = [cell(g["codecs"][codec]["bits"]) for codec in CODECS]
        rows.append([g["name"], str(g["series"]), *bits, alp])
    parts += ["### Bits a value", "", table(["mean of", "series", *CODECS, "ALP (HOT)"], rows), ""]

    speeds = ["HOT", "COLD", "gorilla"]
    heads = [
        "median of",
        *[f"{codec} encode" for codec in speeds],
        *[f"{codec} decode" for codec in CODECS],
    ]
    rows = [
        [
            g["name"],
            *[cell(g["codecs"][codec]["encode"], 0) for codec in speeds],
            *[cell(g["codecs"][codec]["decode"], 0) for codec in CODECS],
        ]
        for g in groups
    ]
    parts += ["### Million values a second, one thread", "", table(heads, rows), ""]

    levels = list(dict.fromkeys(line["level"] for line in figures["kernels"]))
    forms = dict.fromkeys((line["name"], line["bits"]) for line in figures["kernels"])
    speed = {(line["name"], line["level"]): line["decode"] for line in figures["kernels"]}
    rows = [
        [name, cell(bits), *[cell(speed[name, level], 0) for level in levels]]
        for name, bits in forms
    ]
    parts += ["### Forms in L2, million values a second", ""]
    parts += [table(["form", "bits", *levels], rows), ""]

    rows = [
        [
            line["name"].removeprefix("sum "),
            cell(line["bits"]),
            *[cell(line[key], 0) for key in ["cache", "memory", "memory_2"]],
        ]
        for line in figures["sums"]
    ]
    heads = ["sum over", "bits", "in L2", "from memory", "2 threads"]
    parts += ["### Sums, million values a second", "", table(heads, rows), ""]
    parts += ["### Times, bits each", "", times(figures["times"]), ""]

    rows = [
        [
            line["name"],
            f"{line['values']:,}",
            "+".join(line["hot"]),
            *[cell(line["codecs"][codec]["bits"]) for codec in CODECS],
            cell(line["published"]),
        ]
        for line in each
    ]
    parts += ["<details><summary>Every series, bits a value</summary>", ""]
    parts += [table(["series", "values", "HOT encoding", *CODECS, "ALP"], rows), "", "</details>"]
    return "\n".join(parts)


def times(lines: list[dict[str, Any]]) -> str:
    codecs = ["HOT", "COLD", "pco 12", "gorilla"]
    single = [line for line in lines if "/" not in line["name"]]
    many = [line for line in lines if "/" in line["name"]]

    def row(name: str, of: list[dict[str, Any]]) -> list[str]:
        def mean(figure: str, codec: str) -> float:
            return sum(line[figure][codec] for line in of) / len(of)

        decode = [cell(mean("decode", codec), 0) for codec in codecs[:3]]
        return [name, *[cell(mean("bits", codec), 3) for codec in codecs], *decode]

    rows = [row(line["name"].removeprefix("times "), [line]) for line in single]
    if many:
        rows.append(row(f"nab, mean of {len(many)}", many))
    return table(["times", *codecs, "HOT M/s", "COLD M/s", "pco M/s"], rows)


def sizes(found: dict[str, Any]) -> str:
    heads = ["case", "store", "bits, column", "bits, whole", "fetch", "sum", "ingest", "target"]
    rows = [
        [
            line["case"],
            line["store"],
            *[cell(line.get(name)) for name in ["bits", "file"]],
            *[cell(line.get(name), 0) for name in ["fetch", "sum"]],
            *[cell(line.get(name), 1) for name in ["ingest", "target"]],
        ]
        for line in found["lines"]
    ]
    rivals = found["rivals"]
    note = f"PyArrow {rivals['pyarrow']}, DuckDB {rivals['duckdb']}; speeds in million values/s."
    return f"{note}\n\n{table(heads, rows, names=2)}"


def points(figures: dict[str, Any]) -> Iterator[tuple[str, float, float, str, bool]]:
    """Label, million values a second, bits, colour, whether it was measured here."""
    # Of generated series alone there may be none that is decimal.
    chosen = group(figures, "decimal") or group(figures, "all")
    ours, xor, rival = "#c1440e", "#7a7a7a", "#2f6690"
    colours = {"HOT": ours, "COLD": ours, "gorilla": xor}
    labels = {"HOT": "kymograph HOT", "COLD": "kymograph COLD", "gorilla": "Gorilla"}
    for codec in CODECS:
        figure = chosen["codecs"][codec]
        label = labels.get(codec, codec)
        yield label, figure["decode"], figure["bits"], colours.get(codec, rival), True
    published, clock = chosen["published"], figures["megahertz"]
    if published and clock:
        yield "ALP (published)", clock / ALP_CYCLES, published["alp"], rival, False


def plot(figures: dict[str, Any], path: Path) -> None:
    """Bits a value against decode speed: the lower and the further right, the better."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = list(points(figures))
    chosen = group(figures, "decimal") or group(figures, "all")
    axes = plt.figure(figsize=(8, 5), layout="constrained").subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for _, speed, bits, colour, here in found:
        marker = {"color": colour} if here else {"facecolors": "white", "edgecolors": colour}
        axes.scatter(speed, bits, s=60, linewidths=1.6, zorder=3, **marker)
    low, high = min(p[1] for p in found) / 1.6, max(p[1] for p in found) * 3
    axes.set_xlim(low, high)
    axes.set_ylim(min(p[2] for p in found) / 1.2, max(p[2] for p in found) * 1.25)
    steps = [base * 10**power for power in range(5) for base in [1, 2, 5]]
    axes.set_xticks([speed for speed in steps if low < speed < high])
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.set_yticks(
        [
            y
            for y in [4, 6, 8, 10, 15, 20, 30, 40, 60]
            if axes.get_ylim()[0] < y < axes.get_ylim()[1]
        ]
    )
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.minorticks_off()
    write_labels(axes, found)
    axes.set_title(
        f"Size against decode speed, {chosen['series']} {chosen['name']} series, one thread",
        loc="left",
    )
    axes.set_xlabel("decode, million values a second (median, log scale)")
    axes.set_ylabel("bits a value (mean, log scale)")
    for side in ["top", "right"]:
        axes.spines[side].set_visible(False)
    if not found[-1][4]:
        n = chosen["published"]["series"]
        note = f"hollow: as published, for {n} of the series; {ALP_CYCLES} cycles a value"
        axes.text(
            0.99, 0.985, f"{note} at {figures['megahertz'] / 1000:.1f} GHz",
            transform=axes.transAxes, ha="right", va="top", fontsize=8, color="#555555",
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(path, dpi=130)


def write_labels(axes: Any, found: list[tuple[str, float, float, str, bool]]) -> None:
    """Puts each label on the first side of its point where it covers no other and no point."""
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    ends = [axes.transData.transform((speed, bits)) for _, speed, bits, _, _ in found]
    sides = [
        (9, 0, "left", "center"), (0, 9, "center", "bottom"), (0, -9, "center", "top"),
        (-9, 0, "right", "center"), (8, 8, "left", "bottom"), (8, -8, "left", "top"),
        (-8, 8, "right", "bottom"), (-8, -8, "right", "top"),
    ]  # fmt: skip
    taken: list[Any] = []
    for label, speed, bits, colour, _ in found:
        for last, (x, y, across, up) in enumerate(sides, 1 - len(sides)):
            text = axes.annotate(
                label, (speed, bits), (x, y), textcoords="offset points",
                ha=across, va=up, color=colour, fontsize=10,
            )  # fmt: skip
            box = text.get_window_extent(renderer).padded(1)
            free = not any(box.overlaps(other) for other in taken)
            free &= not any(box.padded(5).contains(*end) for end in ends)
            if free or not last:
                taken.append(box)
                break
            text.remove()


def replaced(text: str, name: str, body: str) -> str:
    """The text with what stands between a name's two marks replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{PAGE} wants one {begin} and one {end}")
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    return re.sub(pattern, lambda _: f"{begin}\n{body}\n{end}", text, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", nargs="?", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", type=Path)
    options = parser.parse_args()
    figures = json.loads(options.json.read_text()) if options.json else run(options.data)
    real = [line for line in figures["series"]["each"] if line["group"] != "generated"]
    if not (real and figures["kernels"] and figures["sums"] and figures["times"]):
        raise SystemExit("the page wants all figures, of real series: give --data and no filter")
    text = replaced(PAGE.read_text(), "codecs", tables(figures))
    if options.sizes:
        text = replaced(text, "sizes", sizes(json.loads(options.sizes.read_text())))
    plot(figures, PLOT)
    PAGE.write_text(text)
    print(f"wrote {PAGE} and {PLOT}")


if __name__ == "__main__":
    main()
