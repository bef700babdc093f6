"""The networks that the figures of the paper are drawn from, and what is computed of them.

Uses: C10, D5, D6, D10, T1 to T7, L1 to L6, X1 to X3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ode2rnn.analysis.cell_graph import CellGraph
from ode2rnn.analysis.gradient_flow import gradient_flow
from ode2rnn.analysis.radius import spectral_radius
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.derivation.claim import Finding
from ode2rnn.discrete.canonical import CanonicalRNN, as_tapped
from ode2rnn.discrete.schemes import discretize
from ode2rnn.gated.augmented import LETTERS as AUGMENTED_LETTERS
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.transition import (
    Carousel,
    ComputedGates,
    Gate,
    GatedCarousel,
    GatedReadout,
    SplitRNN,
    WarpedUpdate,
)
from ode2rnn.gated.vanilla import LETTERS as VANILLA_LETTERS
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.training.bptt import bptt

STEPS = ("T1", "T2", "T3", "T4", "T5", "T6")


def random_weights(letters: Any, d: int, m: int, seed: int, context: int = 0, d_v: int = 0) -> dict[str, Any]:
    """Normal weights by letter, of the shapes that the gated cells take; W_x? are (L, d, m) where ``context`` = L."""
    rng = np.random.default_rng(seed)
    inputs = (context, d, m) if context else (d, m)
    shapes = {"W_x": inputs, "W_s": (d, d), "W_v": (d, d_v or d), "W_q": (d_v or d, d)}
    return {name: rng.standard_normal(shapes.get(name[:3], (d,))) / np.sqrt(d) for name in letters}


def vanilla_cell() -> VanillaLSTM:
    """A Vanilla LSTM with all fifteen groups of weights."""
    return VanillaLSTM(**random_weights(VANILLA_LETTERS, 3, 2, seed=0))


def augmented_cell(context: int = 3) -> AugmentedLSTM:
    """An Augmented LSTM with all of its weights."""
    return AugmentedLSTM(**random_weights(AUGMENTED_LETTERS, 3, 2, seed=0, context=context, d_v=2))


def canonical_cell() -> CanonicalRNN:
    """A canonical RNN of three units."""
    rng = np.random.default_rng(0)
    W_s, W_r = 0.5 * np.eye(3), rng.standard_normal((3, 3)) / np.sqrt(3)
    return CanonicalRNN(W_s, W_r, rng.standard_normal((3, 2)), np.zeros(3))


def chain_cells() -> dict[str, Any]:
    """The steps from the canonical RNN to the Vanilla LSTM (T1 to T6), each made of the one before."""
    split = SplitRNN.of(canonical_cell())
    gated = GatedCarousel.of(Carousel.of(split), g_cs=0.9, g_cu=0.5)
    warped = WarpedUpdate.of(gated, warp="tanh")
    shown = GatedReadout.of(warped, g_cr=0.7)
    lstm = vanilla_cell()
    gates: dict[str, Any] = {
        f"g_{kind}": Gate(*(getattr(lstm, f"{letter}{kind}") for letter in ("W_x", "W_s", "W_v", "b_")))
        for kind in ("cs", "cu", "cr")
    }
    common = {name: getattr(shown, name) for name in ("W_r", "W_x", "theta_s", "dt")}
    cells = (split, Carousel.of(split), gated, warped, shown, ComputedGates(**common, **gates))
    return dict(zip(STEPS, cells, strict=True))


def delayed_neuron(w: float, tau: float) -> ContinuousRNN:
    """ds/dt = -s + w tanh(s(t - tau))."""
    return ContinuousRNN(A=-1.0, B=w, C=None, phi=None, tau=tau)


def hopf_delay(w: Any) -> np.ndarray:
    """The delay arccos(1/w) / sqrt(w^2 - 1) at which the neuron with w < -1 begins to oscillate (C10)."""
    w = np.asarray(w, dtype=float)
    return np.arccos(1 / w) / np.sqrt(w**2 - 1)


def largest_delay(w: float, m: int, most: float = 100.0) -> float:
    """The delay tau = m dT up to which the canonical RNN that samples the neuron is stable at rest (D6)."""
    from scipy.optimize import brentq

    def excess(tau: float) -> float:
        return spectral_radius(discretize(delayed_neuron(w, tau), tau / m)) - 1

    return float(brentq(excess, 1e-3, most, xtol=1e-12))


def pole_images(points: np.ndarray, scheme: str, together: int = 16) -> np.ndarray:
    """Where sampling takes every lambda dT in ``points`` (D6, D10), as `pole_image` but many at once.

    A real 2 x 2 block has an eigenvalue and its conjugate; a scheme takes a block-diagonal A block by block.
    """
    found = []
    for first in range(0, points.size, together):
        part = points.ravel()[first : first + together]
        A = np.zeros((2 * len(part), 2 * len(part)))
        k = 2 * np.arange(len(part))
        A[k, k] = A[k + 1, k + 1] = part.real
        A[k + 1, k], A[k, k + 1] = part.imag, -part.imag
        cell = discretize(ContinuousRNN(A, np.zeros_like(A), None, None, tau=1.0), 1.0, scheme)
        W = as_tapped(cell).W_s[1]
        found.append(W[k, k] + 1j * W[k + 1, k])
    return np.concatenate(found).reshape(points.shape)


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


def extended_cells() -> dict[str, AugmentedLSTM]:
    """A Vanilla LSTM, and the same with one extension of the Augmented LSTM at a time."""
    letters = random_weights(VANILLA_LETTERS, 6, 1, seed=1)
    base = AugmentedLSTM(**letters | {"b_cs": np.full(6, 2.0)})
    rng = np.random.default_rng(2)
    inputs = [field.name for field in fields(base) if field.name.startswith("W_x")]
    windows: dict[str, Any] = {
        name: np.stack([getattr(base, name), *(0.25 * rng.standard_normal((2, 6, 1)))])
        for name in inputs
        if getattr(base, name) is not None
    }
    external = random_weights(("W_xcx", "W_scx", "W_vcx", "b_cx"), 6, 1, seed=3)
    narrow: dict[str, Any] = {name: getattr(base, name)[:, :2] for name in ("W_vcu", "W_vcs", "W_vdu", "W_vcr")}
    return {
        "none: Vanilla LSTM": base,
        "context window, L = 3": replace(base, **windows),
        "external gate": replace(base, **external | {"b_cx": external["b_cx"] - 1.0}),
        "projection, d_v = 2": replace(base, **narrow, W_qdr=rng.standard_normal((2, 6)) / 2),
    }


def input_sensitivity(cell: Any, x: np.ndarray, n: int) -> np.ndarray:
    """|d v[n] / d x[l]| for every l, (N,), by back-propagation through time of every readout at n."""
    width = cell.readout_width
    rows: list[Any] = []
    for k in range(width):
        v_bar = np.zeros((len(x), width))
        v_bar[n, k] = 1.0
        rows.append(bptt(cell, x, v_bar).x_bar)
    return np.sqrt(np.sum(np.square(rows), axis=(0, 2)))


def response_difference(cell: Any, x: np.ndarray, at: int, size: float) -> Mapping[str, np.ndarray]:
    """What a pulse of ``size`` in x[at] changes in |s[n]| and |v[n]|, each (N,)."""
    moved = x.copy()
    moved[at] += size
    before, after = cell.gates(x), cell.gates(moved)
    return {name: np.linalg.norm(getattr(after, name) - getattr(before, name), axis=-1) for name in ("s", "v")}


def same_letters(cell: Any, graph: CellGraph) -> Finding:
    """Whether a graph has every weight of its cell by letter, and no other."""
    own = {field.name for field in fields(cell) if getattr(cell, field.name) is not None}
    own = {name for name in own if name.startswith(("W_", "b_", "theta"))}
    return Finding(f"{len(own)} groups of weights", f"{len(graph.letters & own)} in the picture", graph.letters == own)


def fitted_slope(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of a line through (log x, log y)."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
