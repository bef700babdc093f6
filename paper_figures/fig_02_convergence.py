"""Orders of convergence: the two limits of the canonical RNN, and every scheme."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn import SCHEMES
from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.discretization import fixed_study, tied_study
from ode2rnn.plotting import add_legend, new_axes, plot_errors

SECTION = "The Roots of RNN"
EQUATIONS = ("D9", "D10")
CLAIM = "The canonical RNN converges at order 1, to the ODE with tau = dT and to the delay equation with tau fixed."
CAPTION = (
    "Error against dT with fitted slopes. Left: both limits of D9, and the trapezoidal rule. Right: every scheme (D10)."
)


def limits(experiment: Experiment) -> dict[str, Any]:
    """Errors of both limits of D9, and of the trapezoidal rule, against dT."""
    studies = {
        "tau = dT -> 0, to the ODE": tied_study(experiment),
        "tau fixed, to the delay equation": fixed_study(experiment),
        "tau fixed, trapezoidal rule": fixed_study(experiment, "tustin"),
    }
    first = next(iter(studies.values()))
    return {
        "dts": first.dts,
        "errors": {k: v.errors["maximum"] for k, v in studies.items()},
        "orders": {k: v.order["maximum"] for k, v in studies.items()},
    }


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Errors against dT of both limits of D9, and of every scheme with the delay fixed."""
    experiment = experiment or sunspots(quick)
    studies = {name: fixed_study(experiment, name) for name in SCHEMES if name != "gbt"}
    schemes = {
        "dts": next(iter(studies.values())).dts,
        "errors": {name: study.errors["maximum"] for name, study in studies.items()},
        "orders": {name: study.order["maximum"] for name, study in studies.items()},
    }
    return limits(experiment) | {"schemes": schemes}


def draw(data: dict[str, Any]) -> Any:
    """Left the limits, right the schemes, with fitted slopes."""
    figure, (left, right) = new_axes(12.5, 5, 1, 2, sharey=True)
    for ax, part in ((left, data), (right, data["schemes"])):
        plot_errors(ax, part["dts"], part["errors"], part["orders"])
        add_legend(ax, loc="upper left")
    left.set_ylim(top=200 * left.get_ylim()[1])
    left.set_ylabel("largest error over the samples")
    left.set_title("The canonical RNN: both limits dT to 0")
    right.set_title(r"Every scheme, $\tau$ fixed")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The fitted orders beside the declared ones; delays allow 0.2."""
    tied_and_fixed = list(data["orders"].values())
    orders = data["schemes"]["orders"]
    gaps = [*np.subtract(tied_and_fixed, [1, 1, 2]), *(order - SCHEMES[name].order for name, order in orders.items())]
    words = ", ".join(f"{name} {order:.2f}" for name, order in orders.items())
    measured = f"limits {tied_and_fixed[0]:.2f} and {tied_and_fixed[1]:.2f}; {words}"
    return Finding("the declared orders +- 0.2", measured, float(np.abs(gaps).max()) <= 0.2)
