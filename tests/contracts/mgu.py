"""A cell that the package does not know: a minimal gated unit, with its tick, its tangent and its cotangent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ode2rnn import System


class Shown(NamedTuple):
    """What the unit remembers."""

    h: Any


def sigmoid(z: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def outer(a: Any, b: Any) -> Any:
    return a.reshape(-1, a.shape[-1]).T @ np.broadcast_to(b, (*a.shape[:-1], b.shape[-1])).reshape(-1, b.shape[-1])


@dataclass(frozen=True, eq=False)
class MGU(System[Shown]):
    """f = sigmoid(W_f x + W_rf h + b_f),  c = tanh(W_h x + W_r (f * h) + b_h),  h' = (1 - f) * h + f * c."""

    W_f: Any
    W_rf: Any
    b_f: Any
    W_h: Any
    W_r: Any
    b_h: Any
    dt: float = 1.0

    @property
    def width(self) -> int:  # type: ignore[override]
        return len(self.b_f)

    @property
    def input_width(self) -> int:  # type: ignore[override]
        return self.W_f.shape[1]

    def init(self, s0: Any) -> Shown:
        return Shown(s0)

    def readout(self, state: Shown) -> tuple[Any, Any]:
        return state.h, state.h

    def gates(self, h: Any, x: Any) -> tuple[Any, Any]:
        f = sigmoid(x @ self.W_f.T + h @ self.W_rf.T + self.b_f)
        return f, np.tanh(x @ self.W_h.T + (f * h) @ self.W_r.T + self.b_h)

    def step(self, state: Shown, x: Any) -> Shown:
        f, c = self.gates(state.h, x)
        return Shown((1 - f) * state.h + f * c)

    def step_jvp(self, state: Shown, x: Any, d_state: Shown, d_x: Any = None) -> Shown:
        h, dh, d_x = state.h, d_state.h, np.zeros(self.input_width) if d_x is None else d_x
        f, c = self.gates(h, x)
        df = f * (1 - f) * (d_x @ self.W_f.T + dh @ self.W_rf.T)
        dc = (1 - c**2) * (d_x @ self.W_h.T + (df * h + f * dh) @ self.W_r.T)
        return Shown((1 - f) * dh + df * (c - h) + f * dc)

    def step_vjp(self, state: Shown, x: Any, bar: Shown) -> tuple[Shown, Any, MGU]:
        h, (f, c) = state.h, self.gates(state.h, x)
        of_c = bar.h * f * (1 - c**2)
        of_fh = of_c @ self.W_r
        of_f = (bar.h * (c - h) + of_fh * h) * f * (1 - f)
        before = bar.h * (1 - f) + of_fh * f + of_f @ self.W_rf
        total = lambda e: e.reshape(-1, e.shape[-1]).sum(0)  # noqa: E731
        sums = {"W_f": outer(of_f, x), "W_rf": outer(of_f, h), "b_f": total(of_f)}
        sums |= {"W_h": outer(of_c, x), "W_r": outer(of_c, f * h), "b_h": total(of_c)}
        return Shown(before), of_f @ self.W_f + of_c @ self.W_h, self.with_weights(sums)


def random(d: int = 3, m: int = 1, seed: int = 0) -> MGU:
    rng = np.random.default_rng(seed)
    return MGU(*(0.8 * rng.standard_normal(shape) for _ in range(2) for shape in ((d, m), (d, d), d)), dt=0.5)


cell = random()
