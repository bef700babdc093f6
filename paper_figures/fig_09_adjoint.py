"""The adjoint equation, and back-propagation through time that samples it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.gradients import adjoint_problem, sampled_psi
from ode2rnn.plotting import add_legend, new_axes, plot_samples

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B1", "B2", "B6")
CLAIM = "Back-propagation through time samples the adjoint equation: the finer dT, the closer."
CAPTION = (
    "The adjoint equation in continuous time, and back-propagation through the recursions that sample the network (B6)."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """psi(t) of the adjoint equation, and psi[n] of back-propagation through time at several dT."""
    experiment = experiment or sunspots(quick)
    model, x, exact = adjoint_problem(experiment)
    t = np.linspace(exact.start, exact.end, 600)
    sampled = {}
    for dt in (1.0, 0.5, 0.125):
        at, psi = sampled_psi(model, x, dt)
        sampled[f"B1, B2 at dT = {dt:g}"] = (at, psi[:, 0])
    return {"t": t, "psi": exact(t)[:, 0], "sampled": sampled}


def draw(data: dict[str, Any]) -> Any:
    """One component over time."""
    figure, ax = new_axes(8, 4.2)
    plot_samples(ax, data["t"], data["psi"], data["sampled"])
    ax.lines[0].set_label("adjoint equation (B6)")
    ax.set_xlabel("time, in samples of the series")
    ax.set_ylabel(r"$\psi_1$ = dE / d$s_1$")
    ax.set_title("Back-propagation through time samples the adjoint equation", fontsize=10)
    add_legend(ax)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The largest distance of psi[n] from psi(t), for each dT, the coarsest first."""
    gaps = [float(np.abs(np.interp(t, data["t"], data["psi"]) - psi).max()) for t, psi in data["sampled"].values()]
    return Finding("falls with dT", ", ".join(f"{gap:.3f}" for gap in gaps), bool((np.diff(gaps) < 0).all()))
