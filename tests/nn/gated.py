"""Gated layers of every kind for the tests, at sizes that are all different."""

from __future__ import annotations

from typing import Any

import torch

from ode2rnn.nn import GRU, AugmentedLSTM, VanillaLSTM

T, B, M, D, V = 9, 4, 3, 5, 2
OFF = {"external_gate": False, "peephole": None}
KINDS: dict[str, tuple[type, dict[str, Any]]] = {
    "plain": (VanillaLSTM, {"peephole": None}),
    "diagonal": (VanillaLSTM, {"peephole": "diagonal"}),
    "full": (VanillaLSTM, {}),
    "context": (AugmentedLSTM, OFF | {"context": 3}),
    "behind": (AugmentedLSTM, OFF | {"context": (1, 0)}),
    "behind and ahead": (AugmentedLSTM, {"context": (2, 3), "proj_size": V, "peephole": "diagonal"}),
    "external gate": (AugmentedLSTM, OFF | {"external_gate": True}),
    "projection": (AugmentedLSTM, OFF | {"proj_size": V}),
    "all extensions": (AugmentedLSTM, {"context": 4, "proj_size": V}),
    "all, diagonal": (AugmentedLSTM, {"context": 2, "proj_size": V, "peephole": "diagonal"}),
    "GRU": (GRU, {}),
    "GRU of 2014": (GRU, {"reset_after": False}),
}
LSTMS = [name for name in KINDS if not name.startswith("GRU")]
TORCH = {"plain": torch.nn.LSTM, "projection": torch.nn.LSTM, "GRU": torch.nn.GRU}


def make(name: str, **arguments: Any) -> Any:
    """A layer of this kind in double precision."""
    kind, own = KINDS[name]
    return kind(M, D, **{"dtype": torch.float64, **own, **arguments})


def reference(name: str, **arguments: Any) -> Any:
    """The layer of torch that computes the same."""
    own = {"proj_size": V} if name == "projection" else {}
    return TORCH[name](M, D, dtype=torch.float64, **own, **arguments)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def start(layer: Any, *batch: int, seed: int = 3) -> Any:
    """What a layer may start from, with gradients."""
    rows, widths = len(layer.places()), layer._widths()
    parts = [numbers(rows, *batch, width, seed=seed + k).requires_grad_() for k, width in enumerate(widths)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def parts(state: Any) -> tuple[torch.Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def close(got: torch.Tensor, want: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


def gradients(output: torch.Tensor, last: Any, wanted: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of an objective that weighs every number of a layer's results differently."""
    results = (output, *parts(last))
    objective = sum((value * numbers(*value.shape, seed=7 + k)).sum() for k, value in enumerate(results))
    return list(torch.autograd.grad(objective, wanted))
