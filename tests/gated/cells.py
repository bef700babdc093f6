"""Random gated cells, every dimension different."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from ode2rnn import AugmentedLSTM, VanillaLSTM
from ode2rnn.gated import augmented, vanilla

N, BATCH, M, D, D_V, L = 11, 2, 3, 5, 4, 6
PEEPHOLES = ("full", "diagonal", None)
# the switches of the Augmented LSTM: context, external gate, projection
EXTENSIONS = {
    "none": (1, False, False),
    "context": (L, False, False),
    "gate": (1, True, False),
    "projection": (1, False, True),
    "context and gate": (L, True, False),
    "all": (L, True, True),
}


def weights(
    letters: tuple[str, ...], peephole: str | None, context: int = 1, gate: bool = True, projection: bool = False
) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    v = D_V if projection else D
    shapes: dict[str, tuple[int, ...]] = {
        "W_x": (D, M) if context == 1 else (context, D, M),
        "W_s": (D, D) if peephole == "full" else (D,),
        "W_v": (D, v),
        "W_q": (v, D),
    }
    found: dict[str, Any] = {}
    for name in letters:
        value = 0.6 * rng.standard_normal(shapes.get(name[:3], (D,)))
        off = (
            (name.startswith("W_s") and peephole is None)
            or (name.endswith("cx") and not gate)
            or (name == "W_qdr" and not projection)
        )
        found[name] = None if off else value
    return found


def vanilla_cell(peephole: str | None = "full", dt: float = 0.5) -> VanillaLSTM:
    return VanillaLSTM(**weights(vanilla.LETTERS, peephole), dt=dt)


def augmented_cell(extension: str = "all", peephole: str | None = "full") -> AugmentedLSTM:
    return AugmentedLSTM(**weights(augmented.LETTERS, peephole, *EXTENSIONS[extension]), dt=0.5)


def cells() -> dict[str, Any]:
    """Every kind of cell by name."""
    found: dict[str, Any] = {f"vanilla, {p} peepholes": vanilla_cell(p) for p in PEEPHOLES}
    found |= {f"augmented, {name}": augmented_cell(name) for name in EXTENSIONS}
    found |= {f"augmented, all, {p} peepholes": augmented_cell("all", p) for p in PEEPHOLES[1:]}
    return found


def leaves(cell: Any) -> dict[str, Any]:
    """Every weight that is there, by letter."""
    return {f.name: value for f in fields(cell) if hasattr(value := getattr(cell, f.name), "shape")}


def in_torch(cell: Any, grad: bool = False, dtype: torch.dtype = torch.float64) -> Any:
    """The same cell, of tensors."""
    return replace(cell, **{name: torch.tensor(W, dtype=dtype, requires_grad=grad) for name, W in leaves(cell).items()})


def numbers(cell: Any, batch: tuple[int, ...] = (BATCH,), ticks: int = N, seed: int = 1) -> tuple[Any, Any, Any, Any]:
    """x, s0 = (s, v), and weights of v and of s in an objective."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((ticks, *batch, cell.input_width))
    s0 = cell.State(rng.standard_normal((*batch, cell.width)), rng.standard_normal((*batch, cell.readout_width)))
    of_v = rng.standard_normal((ticks, *batch, cell.readout_width))
    return x, s0, of_v, rng.standard_normal((ticks, *batch, cell.width))
