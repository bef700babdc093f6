"""The cells that the diagrams are drawn from, and whether a diagram has all of its cell.

Uses: D5, T1 to T6, L1 to L6, X1 to X3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from ode2rnn.analysis.cells.graph import CellGraph
from ode2rnn.core.systems.system import System
from ode2rnn.derivation.claim import Finding
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.gated.augmented import LETTERS as AUGMENTED_LETTERS
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.lstm import LSTMCell
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

STEPS = ("T1", "T2", "T3", "T4", "T5", "T6")


def random_weights(letters: Iterable[str], d: int, m: int, seed: int, context: int = 0, d_v: int = 0) -> dict[str, Any]:
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


def chain_cells() -> dict[str, System]:
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


def same_letters(cell: CanonicalRNN | LSTMCell, graph: CellGraph) -> Finding:
    """Whether a graph has every weight of its cell by letter, and no other."""
    own = {field.name for field in fields(cell) if getattr(cell, field.name) is not None}
    own = {name for name in own if name.startswith(("W_", "b_", "theta"))}
    return Finding(f"{len(own)} groups of weights", f"{len(graph.letters & own)} in the picture", graph.letters == own)
