"""A delay equation driven by a series, and the canonical RNN that samples it at several steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.discrete.schemes import discretize, retime
from ode2rnn.plotting import add_legend, new_axes, plot_samples

SECTION = "The Roots of RNN"
EQUATIONS = ("C9", "D5")
CLAIM = "The canonical RNN samples the delay equation: the finer dT, the closer."
STEPS = (1.0, 0.5, 0.125)
SHOWN = 60  # samples of the series in the picture of the trajectory
CAPTION = "The delay equation driven by the series, and the canonical RNN that samples it at several dT."


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """The solution of the delay equation, and the canonical RNN at several dT, over the last samples."""
    experiment = experiment or sunspots(quick)
    last = experiment.samples - 1
    first = max(0, last - SHOWN)
    t = np.linspace(first, last, 20 * (last - first) + 1)
    samples = {}
    for dt in STEPS:
        cell = retime(discretize(experiment.model, 1.0), dt)
        ticks = dt * np.arange(1, round(last / dt) + 1)
        s = run(cell, experiment.signal(ticks)).s[:, 0]
        samples[f"canonical RNN, dT = {dt:g}"] = (ticks[ticks >= first], s[ticks >= first])
    series = experiment.series
    at = np.interp(t, np.arange(len(series.t)), series.t)
    moved = {k: (np.interp(n, np.arange(len(series.t)), series.t), v) for k, (n, v) in samples.items()}
    raw = np.interp(t, np.arange(len(series.t)), series.x[:, 0])
    unit = series.unit_of_time
    return {
        "t": at,
        "x": raw,
        "s": experiment.solution(t)[:, 0],
        "samples": moved,
        "name": series.name,
        "unit": unit,
    }


def draw(data: dict[str, Any]) -> Any:
    """Above the series, below the first state and its samples."""
    figure, (top, bottom) = new_axes(9, 5, 2, 1, sharex=True, height_ratios=[1, 2.2])
    top.plot(data["t"], data["x"], color="0.35", lw=1.3)
    top.margins(x=0.01)
    top.set_ylabel(f"input x\n({data['name']})", parse_math=False)  # a name may hold a dollar
    plot_samples(bottom, data["t"], data["s"], data["samples"])
    bottom.set_ylabel("state $s_1$")
    bottom.set_xlabel(f"time ({data['unit']})")
    add_legend(bottom, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The largest distance of the samples from the solution, for each dT, the coarsest first."""
    gaps = [float(np.abs(np.interp(t, data["t"], data["s"]) - s).max()) for t, s in data["samples"].values()]
    falls = bool((np.diff(gaps) < 0).all())
    return Finding("falls with dT", ", ".join(f"{gap:.3f}" for gap in gaps), falls)
