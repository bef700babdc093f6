"""One LSTM over a sequence: its written-out backward pass against automatic differentiation of a loop over ticks."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from ode2rnn.kernels import plain
from ode2rnn.nn.gated_recurrence import recur
from ode2rnn.nn.gated_weights import LETTERS

PEEPHOLES = (None, "diagonal", "full")
SWITCHES = list(product(PEEPHOLES, (True, False), (0, 3), (False, True), (False, True)))


def draw(
    m: int, d: int, peephole: str | None, bias: bool, context: int, external: bool, d_v: int, dtype: torch.dtype
) -> dict[str, Tensor | None]:
    """Weights of every letter; ``context`` 0 stands for W_x? without a window."""
    shapes = {"x": (context, d, m) if context else (d, m), "v": (d, d_v)}
    shapes["s"] = {None: None, "diagonal": (d,), "full": (d, d)}[peephole]
    weights: dict[str, Tensor | None] = {}
    for letter in LETTERS:
        if letter == "W_qdr":
            shape = (d_v, d) if d_v != d else None
        else:
            shape = ((d,) if bias else None) if letter[0] == "b" else shapes[letter[2]]
            shape = None if letter.endswith("cx") and not external else shape
        weights[letter] = None if shape is None else torch.randn(shape, dtype=dtype) * (0.8 / shape[-1] ** 0.5)
    return weights


def loop(x: Tensor, s: Tensor, v: Tensor, weights: dict[str, Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
    """The equations as they stand (L1 to L6, X1 to X3), one tick after the other, for automatic differentiation."""

    def term(letter: str, value: Tensor) -> Tensor | float:
        W = weights[letter]
        return 0.0 if W is None else W * value if W.ndim == 1 else value @ W.T

    def bias(letter: str) -> Tensor | float:
        return 0.0 if weights[letter] is None else weights[letter]

    def xi(gate: str, n: int) -> Tensor:
        W = weights[f"W_x{gate}"]
        W = W if W.ndim == 3 else W[None]
        return sum(x[n + j] @ W[j].T for j in range(len(W)) if n + j < len(x))

    def alpha(gate: str, n: int, s: Tensor) -> Tensor:
        return xi(gate, n) + term(f"W_s{gate}", s) + term(f"W_v{gate}", v) + bias(f"b_{gate}")

    V = []
    for n in range(len(x)):
        g_cu, g_cs = torch.sigmoid(alpha("cu", n, s)), torch.sigmoid(alpha("cs", n, s))
        g_cx = 1.0 if weights["W_xcx"] is None else torch.sigmoid(alpha("cx", n, s))
        u = torch.tanh(g_cx * xi("du", n) + term("W_vdu", v) + bias("b_du"))
        s = g_cs * s + g_cu * u
        v = torch.sigmoid(alpha("cr", n, s)) * torch.tanh(s)
        v = v if weights["W_qdr"] is None else v @ weights["W_qdr"].T
        V.append(v)
    return torch.stack(V), s, v


def outcome(run: object, x: Tensor, s: Tensor, v: Tensor, weights: dict[str, Tensor | None]) -> list[Tensor]:
    """The results and every gradient of an objective of all of them."""
    x, s, v = (t.detach().requires_grad_() for t in (x, s, v))
    weights = {letter: None if W is None else W.detach().requires_grad_() for letter, W in weights.items()}
    results = run(x, s, v, weights)
    objective = sum((r * torch.linspace(-1, 2, r.numel(), dtype=r.dtype).view_as(r)).sum() for r in results)
    return [
        *(r.detach() for r in results),
        *torch.autograd.grad(objective, [x, s, v, *(W for W in weights.values() if W is not None)]),
    ]


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The greatest difference, each measured by its tensor's greatest entry (by 1 where that is less)."""
    pairs = list(zip(found, expected, strict=True))
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1.0)) for a, b in pairs)


@pytest.mark.parametrize(("peephole", "bias", "context", "external", "projected"), SWITCHES, ids=str)
def test_the_plain_passes_are_those_of_automatic_differentiation(
    peephole: str | None, bias: bool, context: int, external: bool, projected: bool
) -> None:
    torch.manual_seed(1)
    ticks, batch, m, d = 7, 5, 3, 6
    d_v = 4 if projected else d
    weights = draw(m, d, peephole, bias, context, external, d_v, torch.float64)
    x, s, v = (torch.randn(shape, dtype=torch.float64) for shape in ((ticks, batch, m), (batch, d), (batch, d_v)))
    with plain():
        assert difference(outcome(recur, x, s, v, weights), outcome(loop, x, s, v, weights)) < 1e-12


def test_peepholes_of_mixed_kinds() -> None:
    torch.manual_seed(2)
    weights = draw(3, 6, "full", True, 0, False, 6, torch.float64)
    weights["W_scs"], weights["W_scu"] = torch.randn(6, dtype=torch.float64), None
    weights["b_cr"] = None
    x, s, v = (torch.randn(shape, dtype=torch.float64) for shape in ((4, 5, 3), (5, 6), (5, 6)))
    assert difference(outcome(recur, x, s, v, weights), outcome(loop, x, s, v, weights)) < 1e-12


def test_a_window_longer_than_the_sequence() -> None:
    torch.manual_seed(3)
    weights = draw(3, 6, None, True, 4, True, 5, torch.float64)
    x, s, v = (torch.randn(shape, dtype=torch.float64) for shape in ((2, 1, 3), (1, 6), (1, 5)))
    assert difference(outcome(recur, x, s, v, weights), outcome(loop, x, s, v, weights)) < 1e-12
