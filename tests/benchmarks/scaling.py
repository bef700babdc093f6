"""Time and memory against the width d, the number of trajectories and the length of the run.

Each point is a process of its own. Tolerances are 1e-7; with a fixed number of samples kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Row

ROOT = Path(__file__).resolve().parents[2]

# panel -> (what varies, the unit of time that its cost is per, curves as (label, kind, points (d, count, length)))
PANELS: dict[str, dict[str, Any]] = {
    "width": {
        "x": "neurons d",
        "y": "ms",
        "curves": {
            "one ODE, T = 100": ("ode", [(d, 1, 100) for d in (2, 5, 10, 30, 100, 300, 1000)]),
            "one DDE, T = 100": ("dde", [(d, 1, 100) for d in (2, 5, 10, 30, 100, 300, 1000)]),
        },
    },
    "trajectories": {
        "x": "trajectories, d = 10, T = 10",
        "y": "ms",
        "curves": {
            "adaptive, 1e-7": ("batch", [(10, n, 10) for n in (1, 10, 100, 1000, 10_000)]),
            "RK4, 200 steps": ("rk4", [(10, n, 10) for n in (1, 10, 100, 1000, 10_000)]),
        },
    },
    "length": {
        "x": "length of the run, d = 10 (units of time; ticks)",
        "y": "ms",
        "curves": {
            "one ODE": ("ode", [(10, 1, n) for n in (100, 1000, 10_000, 100_000)]),
            "one DDE": ("dde", [(10, 1, n) for n in (100, 1000, 10_000, 100_000)]),
            "64 trajectories, RK4": ("rk4", [(10, 64, n) for n in (10, 100, 1000, 10_000)]),
            "run, ticks": ("ticks", [(10, 1, n) for n in (1000, 10_000, 100_000, 1_000_000)]),
        },
    },
}
GROWTH = 0.8  # the cost per unit of length of a short run over that of a long one, at least
ALLOWED = 90.0  # seconds for a point
AXIS = {"width": 0, "trajectories": 1, "length": 2}


def child(*arguments: Any, environment: dict[str, str] | None = None, timeout: float = ALLOWED) -> dict[str, float]:
    """The answer of child.py.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "tests.benchmarks.child", *map(str, arguments)]
    environment = os.environ | (environment or {})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(quick: bool, tell: Callable[[str], None]) -> tuple[list[Row], dict[str, Any]]:
    """Rows on the cost per step, and the curves: panel -> label -> {"x", "seconds", "MB"}."""
    curves: dict[str, Any] = {}
    rows = []
    for panel, plan in PANELS.items():
        curves[panel] = {}
        for label, (kind, points) in plan["curves"].items():
            found = []
            for point in points[:2] if quick else points:
                tell(f"  against {panel}: {label}, {plan['x'].split(',')[0]} = {point[AXIS[panel]]:,}")
                repeat = 5 if point[AXIS[panel]] > 1000 else 7
                try:
                    found.append(child(kind, *point, repeat))
                except (RuntimeError, subprocess.TimeoutExpired) as failure:
                    tell(f"  {label} at {point[AXIS[panel]]:,}: {str(failure)[-200:]}; left out, with what is longer")
                    break
            x = [point[AXIS[panel]] for point in points[: len(found)]]
            curves[panel][label] = {"x": x, **{key: [f[key] for f in found] for key in ("seconds", "MB", "steps")}}
            if panel == "length" and not quick and len(found) > 1:
                rows.append(_cost_row(label, [point[AXIS[panel]] for point in points], found))
    return rows, curves


def _cost_row(label: str, lengths: list[int], found: list[dict[str, float]]) -> Row:
    """The cost per unit of length, long against short. A run that did not end has no cost, and none is made up."""
    ended = len(found) == len(lengths)
    short, long = lengths[1], lengths[-1] if ended else lengths[len(found)]
    name = f"{label}, length {long:,} against {short:,}"
    before, after = found[1]["seconds"] / short, found[-1]["seconds"] / long if ended else None
    return Row(name, "cost per unit of length", after, before, None if after is None else before / after, GROWTH)


def startup(quick: bool, tell: Callable[[str], None]) -> list[Row]:
    """What the first call costs: with an empty cache of kernels, and in a second process."""
    import tempfile

    rows = []
    for kind, d, count in [("ode", 10, 1)] if quick else [("ode", 10, 1), ("dde", 10, 1), ("batch", 10, 64)]:
        tell(f"  first calls: {kind}")
        with tempfile.TemporaryDirectory() as folder:
            cold = child(kind, d, count, 10, 1, environment={"NUMBA_CACHE_DIR": folder})["first_s"]
            warm = min(child(kind, d, count, 10, 1, environment={"NUMBA_CACHE_DIR": folder})["first_s"] for _ in "12")
        name = {"ode": "ODE", "dde": "DDE", "batch": "ensemble"}[kind]
        rows.append(Row(f"first call ever, {name}", "the 8 s allowed", cold, 8.0, 8.0 / cold, 1.0))
        rows.append(Row(f"first call of a second process, {name}", "the 0.5 s allowed", warm, 0.5, 0.5 / warm, 1.0))
    return rows
