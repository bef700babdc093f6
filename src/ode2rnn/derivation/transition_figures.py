"""The figures of the way from the RNN to the LSTM: what bounds the state, and the error flow along the carousel.

Uses: T1 to T7, L7 to L10.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Experiment
from ode2rnn.derivation.discretization import DT, canonical
from ode2rnn.derivation.figures import Picture
from ode2rnn.derivation.transition import chain, computed, errors
from ode2rnn.training.bptt import bptt

STEPS = {
    "T1": "T1 the RNN in two terms",
    "T2": "T2 all of the state kept",
    "T3": "T3 gates on both terms",
    "T4": "T4 the update warped",
    "T5": "T5 the readout gated",
    "T6": "T6 gates computed: the LSTM",
}
SHOWN = 150  # samples of the series
FORGET_BIASES = (0.0, 2.0, 5.0)


def chain_data(experiment: Experiment) -> dict[str, Any]:
    """The first state of every step on the series, with the bound that its gates give."""
    x = experiment.x[:SHOWN]
    cells = chain(experiment) | {"T6": computed(experiment)}
    largest = float(np.abs(x).max())
    ticks = np.arange(1, len(x) + 1)
    return {
        "t": experiment.series.t[: len(x)],
        "s": {name: run(cell, x).s[:, 0] for name, cell in cells.items()},
        "v": {name: run(cells[name], x).r[:, 0] for name in ("T5", "T6")},
        "bound": {name: np.array([cells[name].bound(int(n), largest)[0] for n in ticks]) for name in list(cells)[1:]},
        "name": experiment.series.name,
        "unit": experiment.series.unit_of_time,
    }


def draw_chain(data: dict[str, Any]) -> Any:
    """A panel a step: the state, its bound, and the readout where it is gated."""
    from ode2rnn.plotting import COLOURS, new_axes

    figure, axes = new_axes(11, 6.2, 2, 3, sharex=True)
    for ax, (name, title) in zip(axes.flat, STEPS.items(), strict=True):
        s = data["s"][name]
        ax.plot(data["t"], s, color=COLOURS[0], lw=1.3, label="state $s_1$")
        if name in data["v"]:
            ax.plot(data["t"], data["v"][name], color=COLOURS[1], lw=1.1, label="readout $v_1$")
        reach = 1.25 * max(float(np.abs(s).max()), 1e-3)
        if name in data["bound"]:
            bound = data["bound"][name]
            ax.plot(data["t"], bound, "--", color="0.3", lw=1, label="its bound")
            ax.plot(data["t"], -bound, "--", color="0.3", lw=1)
            reach = max(reach, min(1.15 * float(bound[-1]), 3 * reach))
        ax.set_ylim(-reach, reach)
        ax.set_title(title, fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel(f"time ({data['unit']})")
    figure.legend(*axes[1, 1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"From the RNN to the LSTM, on the series {data['name']}", fontsize=11, parse_math=False)
    return figure


def carousel_data(experiment: Experiment) -> dict[str, Any]:
    """State gates along the series, and the error on its way back, for several biases b_cs."""
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


def draw_carousel(data: dict[str, Any]) -> Any:
    """Left the state gates over time, right |psi| against the lag: all of it, and along the carousel alone."""
    from ode2rnn.plotting import COLOURS, add_legend, new_axes

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


TRANSITION_PICTURES: tuple[Picture, ...] = (
    Picture(
        "chain",
        "From the canonical RNN to the LSTM, one idea at a time (T1 to T6): the first state on the series, and dashed"
        " the bound that its cell guarantees for inputs of this size. T2 has none that stays; gates give one (T3), a"
        " warped update makes it independent of the weights and the input (T4, T5).",
        chain_data,
        draw_chain,
    ),
    Picture(
        "carousel",
        "The error flow along the carousel (T7). Left: the state gates of an LSTM with random weights on the series,"
        " for three biases b_cs. Right: |psi[n]| for an error at the last sample; dashed the product of the state"
        " gates, what passes along the state alone. With gates near 1 the error arrives; with gates near 1/2 it is soon"
        " gone, as in the standard RNN of the same network.",
        carousel_data,
        draw_carousel,
    ),
)
