"""The table as text and Markdown, the numbers as JSON, the block of the README; each written whole or not at all."""

from __future__ import annotations

import datetime
import importlib.metadata as metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Row

from ode2rnn.core.trajectory import write_whole

BEGIN, END = "<!-- speed: written by python -m tests.benchmarks -->", "<!-- end of speed -->"
PACKAGES = ("numpy", "numba", "scipy", "torch", "torchdiffeq", "torchode", "jax", "diffrax", "jitcdde", "symengine")


def machine() -> dict[str, Any]:
    """Processor, system, versions, load, and the day."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load": load,
        "day": datetime.date.today().isoformat(),
        "versions": versions,
    }


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return "did not end"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}" if seconds * factor < 1000 else f"{seconds * factor:.0f} {unit}"
    return f"{seconds * 1e9:.2g} ns"


def number(ratio: float | None, percent: bool = False) -> str:
    """A ratio, or a part of a limit."""
    if ratio is None:
        return "-"
    if percent:
        return f"{100 * ratio:.0f} %"
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


HEADS = (
    "job",
    "peer",
    "ode2rnn",
    "peer takes",
    "ratio",
    "target",
    "met",
    "of limit",
    "errors",
    "first call, ours / peer",
)


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a line."""
    errors = f"{row.ours_error:.1e} / {row.peer_error:.1e}" if row.ours_error is not None else ""
    first = f"{duration(row.ours_first_s)} / {duration(row.peer_first_s)}" if row.ours_first_s is not None else ""
    return (
        row.job,
        row.peer,
        duration(row.ours_s),
        duration(row.peer_s),
        number(row.ratio, row.percent),
        "" if row.ask is None else number(row.ask, row.percent),
        {None: "", True: "yes", False: "no"}[row.met],
        "" if row.of_limit is None else f"{100 * row.of_limit:.0f} %",
        errors,
        first,
    )


def text_table(rows: Sequence[Row], columns: int = 8) -> str:
    """Aligned columns, for the terminal."""
    lines = [HEADS[:columns], *(cells(row)[:columns] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(columns)]
    return "\n".join("  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def markdown_table(rows: Sequence[Row], columns: Sequence[int] = range(10)) -> str:
    """The same in Markdown."""
    lines = [[HEADS[k] for k in columns], ["---"] * len(columns)]
    lines += [[cells(row)[k] for k in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


HOW = """One thread, CPU time, medians of interleaved rounds in one process. Every solver's tolerance is tuned until
its largest error over the samples is just under the error named by the job. The ratio is the peer's time over ours;
"first call" is what the first call takes longer than a later one: imports, compilation, loading. "Of limit" is the time
that the products and activations of our run alone would take at the rates measured here, over our time."""


def markdown(rows: Sequence[Row], about: dict[str, Any], limits: dict[str, float]) -> str:
    """The whole report."""
    asked = [row for row in rows if row.ask is not None]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    rates = ", ".join(f"{name}: {value:.3g}" for name, value in limits.items())
    return "\n\n".join(
        [
            "# Speed",
            f"Written by `python -m tests.benchmarks` on {about['day']}. {HOW}",
            f"Of {len(asked)} targets, {sum(bool(row.met) for row in asked)} are met.",
            markdown_table(rows),
            f"Limits measured in this process: {rates}.",
            f"Machine: {about['processor']}; {about['system']}; load at the start {about['load']}.",
            f"Versions: {versions}.\n",
        ]
    )


def brief(rows: Sequence[Row]) -> list[Row]:
    """Of the flows, which are many, those at one error with samples: the others go as they do."""
    return [row for row in rows if not row.job.startswith("Flow") or ("1e-06" in row.job and "samples" in row.job)]


def readme_block(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """The excerpt that the README shows: what has an ask, but for the first calls and the cost per step."""
    chosen = [row for row in brief(rows) if row.ask is not None and (row.ours_error is not None or row.percent)]
    asked = [row for row in rows if row.ask is not None]
    met = f"{sum(bool(row.met) for row in asked)} of {len(asked)} targets met"
    lines = f"Measured on {about['day']}, {about['processor']}; {met}:"
    return f"{BEGIN}\n{lines}\n\n{markdown_table(chosen, (0, 1, 2, 3, 4, 5, 7))}\n{END}"


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` to ``path``, whole or not at all."""
    write_whole(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return path


def write_readme(path: Path, block: str) -> bool:
    """Put ``block`` between the two marks of the README; False where it has none."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        return False
    before, rest = text.split(BEGIN, 1)
    write_text(path, before + block + rest.split(END, 1)[1])
    return True


def as_json(rows: Sequence[Row], about: dict[str, Any], limits: dict[str, float], scaling: dict[str, Any]) -> str:
    """All numbers."""
    lines = [asdict(row) | {"met": row.met} for row in rows]
    return json.dumps({"machine": about, "limits": limits, "rows": lines, "scaling": scaling}, indent=1) + "\n"
