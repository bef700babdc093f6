"""The activations of the slides and their slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.derivation.claim import Experiment, Finding
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "RNN Training Difficulties"
EQUATIONS = ("B5",)
CLAIM = "The slope of the sigmoid is at most 1/4, of tanh and ReLU at most 1."
TAUGHT = ("sigmoid", "tanh", "relu")
CAPTION = "The activations and their slopes (S2)."


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Values and slopes of the three activations of the slides."""
    s = np.linspace(-4, 4, 801)
    return {
        "s": s,
        "value": {name: ACTIVATIONS[name].value(s) for name in TAUGHT},
        "slope": {name: ACTIVATIONS[name].slope(s) for name in TAUGHT},
    }


def draw(data: dict[str, Any]) -> Any:
    """Left G, right G'."""
    figure, (left, right) = new_axes(9, 3.8, 1, 2)
    for k, name in enumerate(TAUGHT):
        left.plot(data["s"], data["value"][name], color=COLOURS[k], lw=1.6, label=name)
        right.plot(data["s"], data["slope"][name], color=COLOURS[k], lw=1.6, label=name)
    left.set_ylim(-1.2, 2.2)
    left.set_ylabel("G(s)")
    right.set_ylabel("G'(s)")
    for ax in (left, right):
        ax.set_xlabel("s")
        add_legend(ax, loc="upper left")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The largest slopes."""
    largest = {name: float(slope.max()) for name, slope in data["slope"].items()}
    holds = np.allclose(list(largest.values()), [0.25, 1.0, 1.0])
    return Finding("1/4, 1, 1", ", ".join(f"{name} {value:.4f}" for name, value in largest.items()), bool(holds))
