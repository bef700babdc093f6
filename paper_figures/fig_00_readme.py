"""The picture on the first screen of the README: the equation, its samples, and the error against the step."""

from typing import Any

import numpy as np

from fig_01_trajectory import data as trajectory
from fig_02_convergence import limits
from ode2rnn.derivation.claim import Finding, sunspots
from ode2rnn.plotting import add_legend, new_axes, plot_errors, plot_samples

SECTION = "The Roots of RNN"
EQUATIONS = ("C9", "D5", "D9")
CLAIM = "The canonical RNN is a sampled delay equation, and converges to it at order 1."


def data(quick: bool = False) -> dict[str, Any]:
    """The arrays of both panels."""
    experiment = sunspots(quick)
    return {"trajectory": trajectory(experiment=experiment), "convergence": limits(experiment)}


def draw(data: dict[str, Any]) -> Any:
    """Left the solution and its samples, right the convergence."""
    seen, study = data["trajectory"], data["convergence"]
    figure, (left, right) = new_axes(12, 4.2, 1, 2, width_ratios=[1.7, 1])
    plot_samples(left, seen["t"], seen["s"], seen["samples"])
    left.set_title("A network driven by the yearly sunspot numbers: delay equation and canonical RNN", fontsize=10)
    left.set_xlabel(f"time ({seen['unit']})")
    left.set_ylabel("state $s_1$")
    add_legend(left, ncols=2, loc="upper left")
    left.set_ylim(top=left.get_ylim()[1] * 1.35)
    plot_errors(right, study["dts"], study["errors"], study["orders"])
    right.set_title("The RNN converges to the differential equation", fontsize=10)
    right.set_ylabel("largest error")
    right.set_ylim(top=25 * right.get_ylim()[1])
    add_legend(right, loc="upper left")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The fitted orders: both limits, and the trapezoidal rule."""
    orders = list(data["convergence"]["orders"].values())
    holds = float(np.abs(np.subtract(orders, [1, 1, 2])).max()) <= 0.1
    return Finding("1, 1, 2 +- 0.1", ", ".join(f"{order:.3f}" for order in orders), holds)
