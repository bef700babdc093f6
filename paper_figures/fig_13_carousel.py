"""The error flow along the carousel for several biases of the state gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.derivation.claim import Experiment, Finding, sunspots
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.derivation.transition import computed, errors
from ode2rnn.plotting import COLOURS, add_legend, new_axes
from ode2rnn.training.gradients.bptt import bptt

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("T7", "L9")
CLAIM = "With state gates near 1 the error arrives; with gates near 1/2 it is soon gone, as in the standard RNN."
SHOWN = 150  # samples of the series
FORGET_BIASES = (0.0, 2.0, 5.0)
CAPTION = (
    "The error flow along the carousel (T7). Left: the state gates of an LSTM with random weights on the series,"
    " for three biases b_cs. Right: |psi[n]| for an error at the last sample; dashed the product of the state"
    " gates, what passes along the state alone. With gates near 1 the error arrives; with gates near 1/2 it is soon"
    " gone, as in the standard RNN of the same network."
)


def data(quick: bool = False, experiment: Experiment | None = None) -> dict[str, Any]:
    """State gates along the series, and the error on its way back, for several biases b_cs."""
    experiment = experiment or sunspots(quick)
    x = experiment.x[:SHOWN]
    gates, whole, alone = {}, {}, {}
    for bias in FORGET_BIASES:
        cell = computed(experiment, listening=0.4, forget_bias=bias).vanilla()
        psi, flow = errors(cell, x)
        gates[bias] = cell.gates(x).g_cs
        whole[bias], alone[bias] = (np.linalg.norm(value, axis=-1) / np.sqrt(3) for value in (psi, flow))
    rnn = canonical(experiment.model, DT)
    s_bar = np.zeros((len(x), 3))
    s_bar[-1] = 1.0
    standard = bptt(rnn.standard(), x, np.zeros_like(s_bar), s_bar=s_bar).psi
    return {
        "t": experiment.series.t[: len(x)],
        "lag": np.arange(len(x))[::-1],
        "gates": gates,
        "whole": whole,
        "alone": alone,
        "standard": np.linalg.norm(standard, axis=-1) / np.sqrt(3),
        "name": experiment.series.name,
        "unit": experiment.series.unit_of_time,
    }


def draw(data: dict[str, Any]) -> Any:
    """Left the state gates over time, right |psi| against the lag: all of it, and along the carousel alone."""
    figure, (left, right) = new_axes(11, 5, 1, 2, width_ratios=[1, 1.15])
    for k, (bias, g) in enumerate(data["gates"].items()):
        left.fill_between(data["t"], g.min(1), g.max(1), color=COLOURS[k], alpha=0.2, lw=0)
        left.plot(data["t"], g.mean(1), color=COLOURS[k], lw=1.4, label=f"b_cs near {bias:g}")
    left.set_ylim(0, 1.03)
    left.set_xlabel(f"time ({data['unit']})")
    left.set_ylabel("state gates g_cs: mean and range over the units")
    left.set_title(f"An LSTM of three units on the series {data['name']}", fontsize=10, parse_math=False)
    add_legend(left, below=True, ncols=3)
    floor = 1e-16
    for k, bias in enumerate(data["whole"]):
        for name, style, label in (("whole", "-", f"b_cs near {bias:g}"), ("alone", "--", None)):
            values = data[name][bias]
            seen = values > floor
            right.semilogy(data["lag"][seen], values[seen], style, color=COLOURS[k], lw=1.5, label=label)
    seen = data["standard"] > floor
    right.semilogy(data["lag"][seen], data["standard"][seen], color="0.35", lw=1.5, label="standard RNN")
    right.plot([], [], "--", color="0.3", label="carousel alone: prod g_cs")
    right.set_ylim(bottom=floor)
    right.set_xlabel("lag, samples back from the error")
    right.set_ylabel("|psi[n]|, error at the last sample alone")
    right.set_title("The error on its way back", fontsize=10)
    add_legend(right, below=True, ncols=3)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """What is left of an error after 40 samples, for every bias of the state gate and in the standard RNN."""
    at = int(np.flatnonzero(data["lag"] == 40)[0])
    left = [float(psi[at]) for psi in data["whole"].values()]
    words = ", ".join(f"b_cs near {bias:g}: {value:.0e}" for bias, value in zip(data["whole"], left, strict=True))
    measured = f"{words}; standard RNN {data['standard'][at]:.0e}"
    return Finding("above 0.1 with gates near 1, below 1e-3 with 1/2", measured, left[-1] > 0.1 and left[0] < 1e-3)
