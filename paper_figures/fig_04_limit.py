"""The limit of long steps: the canonical RNN becomes the standard RNN."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.discretization import limit_distances, standard_distances
from ode2rnn.plotting import add_legend, new_axes, plot_errors

SECTION = "The Roots of RNN"
EQUATIONS = ("D7", "D8")
CLAIM = "As dT grows the canonical RNN becomes the standard RNN, like 1 / dT."
CAPTION = "The limit dT to infinity: the weights reach those of the standard RNN like 1 / dT (D7, D8)."


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Distances from the limit dT -> infinity."""
    experiment = experiment or sunspots(quick)
    dts = np.geomspace(1e-1, 1e5, 25)
    weights = limit_distances(experiment, dts)
    names = ("W_s to 0", "W_r to -A^-1 B", "W_x to -A^-1 C", "theta_s to -A^-1 phi")
    distances = {name: weights[:, k] for k, name in enumerate(names)}
    return {
        "dts": dts,
        "distances": distances | {"run to the standard RNN": standard_distances(experiment, dts)},
    }


def draw(data: dict[str, Any]) -> Any:
    """Log-log against dT."""
    figure, ax = new_axes(7, 4.6)
    plot_errors(ax, data["dts"], data["distances"])
    ax.plot(data["dts"][12:], 1 / data["dts"][12:], color="0.5", lw=1, ls="--", label="slope -1")
    ax.set_ylabel("largest difference")
    ax.set_title("dT to infinity: the canonical RNN becomes the standard RNN")
    add_legend(ax, loc="lower left")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The slopes over the longest steps."""
    slopes = [fitted_slope(data["dts"][-6:], gaps[-6:]) for gaps in data["distances"].values()]
    worst = float(np.abs(np.add(slopes, 1)).max())
    return Finding("slope -1 +- 0.01", ", ".join(f"{slope:.3f}" for slope in slopes), worst <= 0.01)


def fitted_slope(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of a line through (log x, log y)."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
