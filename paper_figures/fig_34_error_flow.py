"""The constant error carousel: how an error flows back through an RNN, a GRU and an LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from figure_cells import random_weights
from ode2rnn.analysis.memory.gradient_flow import gradient_flow
from ode2rnn.derivation.claim import Finding
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.vanilla import LETTERS as VANILLA_LETTERS
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.plotting import COLOURS, add_legend, new_axes

SECTION = "From RNN to Vanilla LSTM Network"
EQUATIONS = ("B4", "T2", "T7")
CLAIM = "An error vanishes in an RNN and stays in an LSTM or GRU with gates near 1; with gates at 0.73 it vanishes too."
SEED = 7


def data(quick: bool = False) -> dict[str, Any]:
    """log10 of |d s[n] / d s[l]| over the lag, each relative to lag 0, and the product of the gates alone."""
    flows = carousel_flows(60 if quick else 200)
    per = 1 / np.log(10)
    return {
        "lag": next(iter(flows.values())).lags,
        "flow": {name: per * (flow.log_norms - flow.log_norms[0]) for name, flow in flows.items()},
        "carousel": {
            name: per * (flow.log_carousel - flow.log_carousel[0])
            for name, flow in flows.items()
            if flow.log_carousel is not None
        },
    }


def draw(data: dict[str, Any]) -> Any:
    """Norms of the Jacobian products over the lag; dashed the product of the state gates."""
    figure, ax = new_axes(8.5, 5)
    for k, (name, flow) in enumerate(data["flow"].items()):
        ax.plot(data["lag"], flow, color=COLOURS[k], lw=1.8, label=name.replace("b_cs", "$b_{cs}$"))
        if name in data["carousel"]:
            ax.plot(data["lag"], data["carousel"][name], "--", color=COLOURS[k], lw=1.3)
    ax.plot([], [], "--", color="0.4", lw=1.3, label="dashed: the product of the gates alone (T7)")
    ax.set(xlabel="lag n - l", ylabel=r"$\log_{10}$ of the error flow, relative to lag 0", ylim=(-10, 1))
    ax.set_title("What is left of an error after so many samples")
    add_legend(ax, loc="lower left")
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """What is left of an error after 50 samples."""
    left = {name: float(flow[50]) for name, flow in data["flow"].items()}
    kept = all(abs(left[name]) < 0.5 for name in ("GRU", "LSTM"))
    lost = all(left[name] < -2 for name in left if name not in ("GRU", "LSTM"))
    words = ", ".join(f"{name} 10^{value:.1f}" for name, value in left.items())
    return Finding("after 50 samples: near 1 in GRU and LSTM, below 0.01 else", words, kept and lost)


def carousel_cells(d: int = 16, bias: float = 5.0) -> dict[str, Any]:
    """RNN, GRU and LSTMs over the same weak random weights; their gates are held by biases."""
    rng = np.random.default_rng(4)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    rnn = CanonicalRNN(np.zeros((d, d)), 0.9 * turn, rng.standard_normal((d, 1)) / 4, np.zeros(d))

    def lstm(forget: float) -> VanillaLSTM:
        own = random_weights(VANILLA_LETTERS, d, 1, seed=5)
        weak: dict[str, Any] = {name: 0.04 * W if name[0] == "W" else 0 * W for name, W in own.items()}
        return VanillaLSTM(**weak | {"b_cs": np.full(d, forget)})

    names = ("W_xz", "W_vz", "b_z", "W_xr", "W_vr", "b_r", "W_xh", "W_vh", "b_h", "b_vh")
    own = random_weights(names, d, 1, seed=6)
    weak: dict[str, Any] = {name: 0.04 * W if name[0] == "W" else 0 * W for name, W in own.items()}
    return {
        "standard RNN": rnn,
        "GRU": GRU(**weak | {"b_z": np.full(d, bias)}),
        "LSTM": lstm(bias),
        "LSTM, b_cs = 1": lstm(1.0),
    }


def carousel_flows(lags: int) -> dict[str, Any]:
    """The gradient flow through each of them, under a weak noise."""
    x = 0.5 * np.random.default_rng(7).standard_normal((lags + 1, 1))
    return {name: gradient_flow(cell, x, exponents=0) for name, cell in carousel_cells().items()}
