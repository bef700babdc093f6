"""Trained networks at finer sampling steps, against their own delay equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.retiming import NETWORKS, retimed_study, trained
from ode2rnn.plotting import COLOURS, add_legend, new_axes, plot_errors

SECTION = "The Roots of RNN"
EQUATIONS = ("D11", "K3", "K4")
CLAIM = "Networks trained at one step run at finer ones, and converge to their own delay equations at order 1."
TOLERANCE = 1e-3  # a training adds up what rounding in another order changes
WORDS = {"VanillaLSTM": "LSTM", "CanonicalRNN": "canonical RNN"}
MARKED = (1, 4, 64)
CAPTION = (
    "Networks that learned to forecast the series at dT = 1 sample, run at dT' = dT / m with their delay kept (D11,"
    " K3). Left: the LSTM's forecasts, with its weights as they are, tend to the readout of its own delay equation"
    " (K1); at its own step it differs from it as backward Euler does. Right: the error at the times of the samples"
    " falls like dT' (K4), on the series and on a sine of eleven samples, for the LSTM and the canonical RNN. The"
    " input between the samples is joined by straight lines."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """Forecasts of the trained LSTM as a function of time and at several steps; errors of both networks."""
    experiment = experiment or sunspots(quick)
    study = retimed_study(experiment, "VanillaLSTM")
    readout = trained(experiment, "VanillaLSTM").readout
    weight, bias = readout.weight.detach().numpy()[0], float(readout.bias.detach())
    t = np.linspace(1e-6, study.times[-1], 1201)
    marked = {m: study.readouts[list(study.factors).index(m)] @ weight + bias for m in MARKED}
    studies = {
        f"{WORDS[name]}, {drive}": retimed_study(experiment, name, drive)
        for name in NETWORKS
        for drive in ("series", "sine")
    }
    return {
        "t": t,
        "continuous": study.solution(t) @ weight + bias,
        "times": study.times,
        "samples": {f"trained at dT = 1, run at {'1' if m == 1 else f'1/{m}'}": v for m, v in marked.items()},
        "dts": study.dts,
        "errors": {label: one.errors["readout"] for label, one in studies.items()},
        "orders": {label: one.order["readout"] for label, one in studies.items()},
        "used": {label: one.used["readout"] for label, one in studies.items()},
        "name": experiment.series.name,
        "unit": experiment.series.unit_of_time,
    }


def draw(data: dict[str, Any]) -> Any:
    """Left the LSTM's forecasts over time, right errors against the step."""
    figure, (left, right) = new_axes(13, 4.8, 1, 2, width_ratios=[1.35, 1])
    left.plot(data["t"], data["continuous"], color="0.15", lw=1.5, label="its delay equation (K1)")
    for k, (label, values) in enumerate(data["samples"].items()):
        size = 7.5 - 1.5 * k
        left.plot(data["times"], values, "osD"[k], color=COLOURS[k], ms=size, mfc="none", mew=1.4, label=label)
    left.set_xlabel(f"time, {data['unit']}s of the last stretch of the series")
    left.set_ylabel(f"forecast of {data['name']}\n(standardized)", parse_math=False)
    left.set_title("A trained LSTM at finer sampling steps", fontsize=10)
    left.margins(x=0.01)
    add_legend(left, below=True, ncols=2)
    plot_errors(right, data["dts"], data["errors"], data["orders"], data["used"])
    right.set_ylabel("largest error of the readout at the samples")
    right.set_title("Against the delay equation, input joined by lines", fontsize=10)
    add_legend(right, loc="upper left")
    right.set_ylim(top=12 * right.get_ylim()[1])
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The fitted orders."""
    orders = data["orders"]
    words = ", ".join(f"{name} {order:.2f}" for name, order in orders.items())
    return Finding("1 +- 0.2", words, float(np.abs(np.subtract(list(orders.values()), 1)).max()) <= 0.2)
