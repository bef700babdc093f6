"""Gated cells of every kind, with every dimension different, to differentiate."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from ode2rnn import GRU, AugmentedLSTM, VanillaLSTM

D, D_V, M, L = 4, 3, 2, 3


def weights(seed: int, projected: bool, windows: bool, external: bool, size: float = 0.7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    kinds = ["cu", "cs", "du", "cr"] + ["cx"] * external
    shapes: dict[str, tuple[int, ...]] = {}
    for kind in kinds:
        shapes[f"W_x{kind}"] = (L, D, M) if windows else (D, M)
        shapes[f"W_v{kind}"] = (D, D_V if projected else D)
        shapes[f"b_{kind}"] = (D,)
        if kind != "du":
            shapes[f"W_s{kind}"] = (D, D)
    if projected:
        shapes["W_qdr"] = (D_V, D)
    return {name: size * rng.standard_normal(shape) for name, shape in shapes.items()}


def gru_weights(seed: int, after: bool, size: float = 0.7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {}
    for kind in "zrh":
        shapes |= {f"W_x{kind}": (D, M), f"W_v{kind}": (D, D), f"b_{kind}": (D,)}
    if after:
        shapes["b_vh"] = (D,)
    return {name: size * rng.standard_normal(shape) for name, shape in shapes.items()}


def cells(seed: int = 0) -> dict[str, Any]:
    full = weights(seed, False, False, False)
    peepholes = ("W_scu", "W_scs", "W_scr")
    return {
        "full": VanillaLSTM(**full),
        "diagonal": VanillaLSTM(**full | {name: np.diag(full[name]) for name in peepholes}),
        "none": VanillaLSTM(**{name: W for name, W in full.items() if name not in peepholes}),
        "augmented": AugmentedLSTM(**weights(seed, True, True, True)),
        "external gate": AugmentedLSTM(**weights(seed, False, False, True)),
        "projection": AugmentedLSTM(**weights(seed, True, False, False)),
        "GRU": GRU(**gru_weights(seed, True)),
        "GRU, reset before": GRU(**gru_weights(seed, False), reset_after=False),
    }


def in_torch(cell: Any) -> Any:
    """The same cell with tensors."""
    tensors = {f.name: torch.tensor(v) for f in fields(cell) if isinstance(v := getattr(cell, f.name), np.ndarray)}
    return replace(cell, **tensors)
