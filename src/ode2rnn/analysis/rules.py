"""What moves a state: the rate of a flow or one step of a map, with its derivative, on flat vectors.

Uses: C7, D5, B4.  Every analysis of motion takes its system from here, so that a differential equation, its samples and
a trained layer look alike: ``advance`` takes a state (..., n), directions (..., k, n) and a drive, what the input
adds, to the rate or the next state and to the directions that the derivative makes of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.activations import as_activation
from ode2rnn.core.arrays import check_array, check_shape, to_numpy
from ode2rnn.core.newton import solve_readout
from ode2rnn.discrete.canonical import TappedRNN

Moved = tuple[np.ndarray, np.ndarray | None]


class Rule(ABC):
    """A flow or a map on vectors of ``size`` numbers.

    Attributes:
        size: n.
        discrete: whether ``advance`` gives the next state, not the rate.
        dt: the unit of time that a step takes; of a flow 1.
        input_width: m; 0 without input.
        depth: of a map, how many ticks the vector remembers, each of size / depth numbers, the latest first.
        names: what the parts of the vector are, with their lengths.
    """

    size: int
    discrete: bool
    dt: float = 1.0
    input_width: int = 0
    depth: int = 1
    names: tuple[tuple[str, int], ...]

    @abstractmethod
    def drive(self, x: np.ndarray | None) -> np.ndarray:
        """What the inputs x (N, m), or none, add at every step, (N, q); (1, q) without input."""

    @abstractmethod
    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        """The rate or the next state for states (..., n) and a drive (q,), and directions (..., k, n) or None."""

    def jacobian(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The derivative at the states S (K, n), (K, n, n)."""
        eye = np.broadcast_to(np.eye(self.size), (*S.shape, self.size))
        moved = self.advance(S, eye, u)[1]
        assert moved is not None
        return moved.swapaxes(-1, -2)

    def constant(self, x: Any) -> np.ndarray:
        """The drive of the constant input ``x`` (m,), by default zero."""
        if x is None:
            return self.drive(np.zeros((1, self.input_width)) if self.input_width else None)[-1]
        held = check_shape("x", to_numpy(check_array("x", x)), (self.input_width,))
        return self.drive(held[None])[-1]


class NetworkFlow(Rule):
    """ds/dt of an AdditiveModel (C7), its delays forgotten: its motion where it has none, else where it rests."""

    discrete = False

    def __init__(self, model: AdditiveModel) -> None:
        model = model.like(np.zeros(1))
        self.size, self.input_width = model.width, model.input_width
        self.names = (("s", self.size),)
        zero = np.zeros((self.size, self.size))
        self._AT = np.ascontiguousarray(sum((to_numpy(t.dense()).T for t in model.state), zero))
        self._BT = np.ascontiguousarray(sum((to_numpy(t.dense()).T for t in model.readout), zero))
        self._inputs = [to_numpy(t.dense()) for t in model.input]
        self._phi, self._G = to_numpy(model.phi), model.activation

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        total = self._phi[None]
        for C in self._inputs if x is not None else []:
            total = total + x @ C.T
        return total

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        rate = S @ self._AT + self._G.value(S) @ self._BT + u
        if V is None:
            return rate, None
        return rate, V @ self._AT + (V * self._G.slope(S)[..., None, :]) @ self._BT


class FunctionFlow(Rule):
    """ds/dt = f(s) of a plain function of one state (n,), with its Jacobian (n, n)."""

    discrete = False

    def __init__(self, f: Callable[[np.ndarray], Any], jacobian: Callable[[np.ndarray], Any], size: int) -> None:
        self._f, self._jacobian, self.size = f, jacobian, size
        self.names = (("s", size),)
        zero = np.zeros(size)
        check_shape("system, its value at 0", to_numpy(check_array("system, its value at 0", f(zero))), (size,))
        check_shape("jacobian, at 0", to_numpy(check_array("jacobian, at 0", jacobian(zero))), (size, size))

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return np.zeros((1, 0))

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        if S.ndim == 1:
            rate = np.asarray(self._f(S), dtype=float)
            return rate, None if V is None else V @ np.asarray(self._jacobian(S), dtype=float).T
        parts = [self.advance(s, None if V is None else V[k], u) for k, s in enumerate(S)]
        return np.array([rate for rate, _ in parts]), None if V is None else np.array([v for _, v in parts])


class Taps(Rule):
    """One step of a recursion (D5, D10) on all that it remembers: (s[n-1], .., s[n-L]), the latest first.

    With ``settled`` one step of it at rest, where the past is the present: a fixed point of that on d numbers is one
    of the recursion.
    """

    discrete = True

    def __init__(self, cell: TappedRNN, settled: bool = False) -> None:
        self.dt, self.input_width, d = cell.dt, cell.input_width, cell.width
        self._d, self._settled = d, settled
        self._theta, self._G = to_numpy(cell.theta_s), as_activation(cell.activation)
        W_s, W_r, W_x = ({lag: to_numpy(W) for lag, W in taps.items()} for taps in (cell.W_s, cell.W_r, cell.W_x))
        self._W_x = W_x
        if settled:
            self._W_s = {1: np.ascontiguousarray(sum(W_s.values(), np.zeros((d, d))).T)}
            self._W_r = {1: np.ascontiguousarray(sum(W_r.values(), np.zeros((d, d))).T)}
            self._now = None
        else:
            self._now = W_r.pop(0, None)
            self._W_s = {lag: np.ascontiguousarray(W.T) for lag, W in W_s.items()}
            self._W_r = {lag: np.ascontiguousarray(W.T) for lag, W in W_r.items()}
        self.depth = max([1, *self._W_s, *self._W_r])
        self.size = d * self.depth
        self.names = tuple((f"s[n-{lag}]" if self.depth > 1 else "s", d) for lag in range(1, self.depth + 1))

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        if x is None:
            return self._theta[None]
        total = np.tile(self._theta, (len(x), 1))
        for lag, W in self._W_x.items():
            if self._settled:
                total += x @ W.T
            elif lag < len(x):
                total[lag:] += x[: len(x) - lag] @ W.T
        return total

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d = self._d
        s: Any = u
        v: Any = 0.0
        for lag, W in self._W_s.items():
            past = slice((lag - 1) * d, lag * d)
            s = s + S[..., past] @ W
            v = v if V is None else v + V[..., past] @ W
        for lag, W in self._W_r.items():
            past = slice((lag - 1) * d, lag * d)
            s = s + self._G.value(S[..., past]) @ W
            v = v if V is None else v + (V[..., past] * self._G.slope(S[..., past])[..., None, :]) @ W
        if self._now is not None:
            s = solve_readout(s, self._now, self._G, guess=S[..., :d])
            if V is not None:
                implicit = np.eye(d) - self._now * self._G.slope(s)[..., None, :]
                v = np.linalg.solve(implicit, np.swapaxes(v, -1, -2)).swapaxes(-1, -2)
        if self.depth == 1:
            return s, None if V is None else v
        rest = self.size - d
        shifted = np.concatenate([s, S[..., :rest]], axis=-1)
        return shifted, None if V is None else np.concatenate([v, V[..., :rest]], axis=-1)


class Numerical(Rule):
    """A map known by its values only; its derivative is taken by central differences."""

    discrete = True

    def __init__(
        self, step: Callable[[np.ndarray, np.ndarray | None], np.ndarray], size: int, dt: float, m: int
    ) -> None:
        self._step, self.size, self.dt, self.input_width = step, size, dt, m
        self.names = (("s", size),)

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return np.zeros((1, 0)) if x is None else x

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        x = u if self.input_width else None
        after = self._step(S, x)
        if V is None:
            return after, None
        eps = np.finfo(float).eps ** (1 / 3) * (1 + np.abs(S).max(axis=-1))[..., None, None]
        length = np.maximum(np.linalg.norm(V, axis=-1, keepdims=True), 1e-300)
        around = [self._step(S[..., None, :] + sign * eps * V / length, x) for sign in (1, -1)]
        return after, (around[0] - around[1]) * length / (2 * eps)
