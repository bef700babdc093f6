"""One tick of a trained layer, with its derivative, in NumPy; of any other cell by torch's forward differentiation.

Uses: D8, L4, L6.  torch's own RNN, LSTM and GRU and this package's layers, stacks of them too, in one direction.
"""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from ode2rnn.analysis.rules import Moved, Rule
from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.arrays import brief, is_torch, to_numpy

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def sigmoid(z: np.ndarray) -> np.ndarray:
    """The logistic function; it never overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


class LayerStack(Rule):
    """A stack of recursions, each fed by the new readout of the one below.

    The state is what torch calls hx: h of every layer, after it c of every layer of an LSTM. A layer of this
    package's CanonicalRNN has its state s there.
    """

    discrete = True

    def __init__(
        self, kind: str, weights: list[tuple[np.ndarray, ...]], activation: Activation, dt: float = 1.0
    ) -> None:
        self._kind, self._G, self.dt = kind, activation, dt
        self._layers = [tuple(np.ascontiguousarray(W.T) for W in layer) for layer in weights]
        self._d = weights[0][1].shape[1]
        self.input_width = weights[0][0].shape[1]
        count = len(weights)
        self._whole = count * self._d
        letters = ("h", "c") if kind == "LSTM" else ("s" if kind == "canonical" else "h",)
        self.names = tuple((f"{a} of layer {k}" if count > 1 else a, self._d) for a in letters for k in range(count))
        self.size = self._d * len(self.names)

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        x = np.zeros((1, self.input_width)) if x is None else x
        return x @ self._layers[0][0] + self._layers[0][2]

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d, states, directions = self._d, [], []
        above: Any = 0.0
        readout: Any = None
        slope: Any = None
        for k, (W_x, *rest) in enumerate(self._layers):
            if k:
                u = readout @ W_x + rest[1]
                above = 0.0 if V is None else slope @ W_x
            parts = [slice(i + k * d, i + (k + 1) * d) for i in range(0, self.size, self._whole)]
            now = [S[..., part] for part in parts]
            along = None if V is None else [V[..., part] for part in parts]
            after, moved, readout, slope = getattr(self, f"_{self._kind.lower()}")(now, along, u, above, rest)
            states.append(after)
            directions.append(moved)
        S = np.concatenate([part for kind in zip(*states, strict=True) for part in kind], axis=-1)
        if V is None:
            return S, None
        return S, np.concatenate([part for kind in zip(*directions, strict=True) for part in kind], axis=-1)

    def _rnn(self, S: Any, V: Any, u: Any, du: Any, weights: Any) -> Any:
        z = u + S[0] @ weights[0]
        h = self._G.value(z)
        if V is None:
            return [h], None, h, None
        v = (V[0] @ weights[0] + du) * self._G.slope(z)[..., None, :]
        return [h], [v], h, v

    def _canonical(self, S: Any, V: Any, u: Any, du: Any, weights: Any) -> Any:
        W_r, _, W_s = weights
        s = u + S[0] @ W_s + self._G.value(S[0]) @ W_r
        if V is None:
            return [s], None, self._G.value(s), None
        v = V[0] @ W_s + (V[0] * self._G.slope(S[0])[..., None, :]) @ W_r + du
        return [s], [v], self._G.value(s), v * self._G.slope(s)[..., None, :]

    def _lstm(self, S: Any, V: Any, u: Any, du: Any, weights: Any) -> Any:
        d, (h, c) = self._d, S
        z = u + h @ weights[0]
        gates = sigmoid(z)
        i, f, o, g = gates[..., :d], gates[..., d : 2 * d], gates[..., 3 * d :], np.tanh(z[..., 2 * d : 3 * d])
        c_new = f * c + i * g
        r = np.tanh(c_new)
        h_new = o * r
        if V is None:
            return [h_new, c_new], None, h_new, None
        slopes = gates * (1 - gates)
        factor = np.concatenate([slopes[..., :d] * g, slopes[..., d : 2 * d] * c, i * (1 - g * g)], axis=-1)
        dz = V[0] @ weights[0] + du
        part = dz[..., : 3 * d] * factor[..., None, :]
        v_c = V[1] * f[..., None, :] + part[..., :d] + part[..., d : 2 * d] + part[..., 2 * d :]
        v_h = dz[..., 3 * d :] * (slopes[..., 3 * d :] * r)[..., None, :] + v_c * (o * (1 - r * r))[..., None, :]
        return [h_new, c_new], [v_h, v_c], h_new, v_h

    def _gru(self, S: Any, V: Any, u: Any, du: Any, weights: Any) -> Any:
        d, (h,), (W, _, b) = self._d, S, weights
        own = h @ W + b
        gates = sigmoid(u[..., : 2 * d] + own[..., : 2 * d])
        r, z = gates[..., :d], gates[..., d:]
        n = np.tanh(u[..., 2 * d :] + r * own[..., 2 * d :])
        h_new = n + z * (h - n)
        if V is None:
            return [h_new], None, h_new, None
        slopes = (gates * (1 - gates))[..., None, :]
        dv = V[0] @ W
        turn = dv[..., : 2 * d] + (du[..., : 2 * d] if isinstance(du, np.ndarray) else 0.0)
        turn = turn * slopes
        dn = dv[..., 2 * d :] * r[..., None, :] + turn[..., :d] * own[..., None, 2 * d :]
        dn = (dn + (du[..., 2 * d :] if isinstance(du, np.ndarray) else 0.0)) * (1 - n * n)[..., None, :]
        v = dn * (1 - z)[..., None, :] + V[0] * z[..., None, :] + turn[..., d:] * (h - n)[..., None, :]
        return [h_new], [v], h_new, v


def one_cell(module: Any) -> Any:
    """The only cell of a gated layer of ode2rnn.nn in one direction; None of other modules."""
    if not (hasattr(module, "cell") and hasattr(module, "places")) or hasattr(module, "W_r_l0"):
        return None
    return module.cell() if module.num_layers == 1 and not module.bidirectional else None


def layer_rule(module: Any) -> Rule:
    """The map of a layer.

    Raises:
        ValueError: a layer in two directions, an LSTM with projection, another module.
    """
    if getattr(module, "bidirectional", False):
        raise ValueError("system: expected a layer in one direction; one that also runs backwards is no map")
    kind = type(module).__name__
    if kind in GATES and isinstance(module, torch.nn.RNNBase):
        if getattr(module, "proj_size", 0):
            raise ValueError("system: expected an LSTM without projection, got proj_size > 0")
        activation = ACTIVATIONS[getattr(module, "nonlinearity", "tanh")]
        return LayerStack(kind, [_torch_weights(module, k, kind) for k in range(module.num_layers)], activation)
    if kind in ("StandardRNN", "CanonicalRNN") and hasattr(module, "places"):
        standard = kind == "StandardRNN"
        weights = [_own_weights(module, suffix, standard) for suffix, _ in module.places()]
        return LayerStack("RNN" if standard else "canonical", weights, module.activation, getattr(module, "dt", 1.0))
    raise ValueError(
        "system: expected torch's RNN, LSTM or GRU, or a layer of ode2rnn.nn (of gated ones, a stack of one), got"
        f" {brief(module)}"
    )


def _torch_weights(module: Any, k: int, kind: str) -> tuple[np.ndarray, ...]:
    W_x, W_h = (to_numpy(getattr(module, f"{name}_l{k}")) for name in ("weight_ih", "weight_hh"))
    zero = np.zeros(len(W_x))
    b_x, b_h = (to_numpy(getattr(module, f"{n}_l{k}")) if module.bias else zero for n in ("bias_ih", "bias_hh"))
    return (W_x, W_h, b_x, b_h) if kind == "GRU" else (W_x, W_h, b_x + b_h)


def _own_weights(module: Any, suffix: str, standard: bool) -> tuple[np.ndarray, ...]:
    W_x, W_r = (to_numpy(getattr(module, letter + suffix)) for letter in ("W_x", "W_r"))
    theta = getattr(module, "theta_s" + suffix)
    theta = np.zeros(len(W_r)) if theta is None else to_numpy(theta)
    return (W_x, W_r, theta) if standard else (W_x, W_r, theta, to_numpy(getattr(module, "W_s" + suffix)))


class CellRule(Rule):
    """One step of any System whose state is a tuple of arrays, its arithmetic torch's: derivatives by duals.

    A cell of NumPy arrays that is a dataclass is rebuilt with tensors.
    """

    discrete = True

    def __init__(self, cell: Any) -> None:
        self._cell = _with_tensors(cell)
        self._windowed = any(getattr(cell, "reach", ()))
        self.dt, self.input_width = float(cell.dt), int(cell.input_width)
        state = self._cell.init(torch.zeros(cell.width, dtype=torch.float64))
        parts = list(state) if isinstance(state, tuple) else [state]
        if not all(is_torch(part) and part.ndim == 1 for part in parts):
            raise ValueError(f"system: expected a cell whose state is a tuple of vectors, got {brief(cell)}")
        self._sizes = [len(part) for part in parts]
        self._build: Any = None
        if isinstance(state, tuple):
            self._build = getattr(type(state), "_make", type(state))
        self.size = sum(self._sizes)
        letters = getattr(type(state), "_fields", [f"s_{k}" for k in range(len(parts))])
        self.names = tuple(zip(letters, self._sizes, strict=True))

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        """The inputs x (N, m) as the ticks see them, with a window (X1) (N, L, m), 0 outside the sequence."""
        x = np.zeros((1, self.input_width)) if x is None else x
        return to_numpy(self._cell.prepare(torch.as_tensor(x))) if self._windowed else x

    def constant(self, x: Any) -> np.ndarray:
        """The drive of an input that is ``x`` (m,) for ever: every place of the window has it."""
        held = super().constant(x)
        return np.broadcast_to(held[self._cell.behind], held.shape) if self._windowed else held

    def _step(self, S: torch.Tensor, u: np.ndarray) -> torch.Tensor:
        parts = S.split(self._sizes, dim=-1)
        state = parts[0] if self._build is None else self._build(parts)
        x = None
        if self.input_width:
            seen = torch.as_tensor(np.array(u))
            x = seen.expand((*S.shape[:-1], *seen.shape))
        after = self._cell.step(state, x)
        return after if self._build is None else torch.cat(list(after), dim=-1)

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        states = torch.as_tensor(np.array(S))
        if V is None:
            with torch.no_grad():
                return self._step(states, u).numpy(), None
        forward_ad = _duals()
        with torch.no_grad(), forward_ad.dual_level():
            # the state itself is the first row, at rest
            each = states[..., None, :].expand((*V.shape[:-2], V.shape[-2] + 1, self.size)).contiguous()
            along = torch.zeros_like(each)
            along[..., 1:, :] = torch.as_tensor(np.array(V))
            after, moved = forward_ad.unpack_dual(self._step(forward_ad.make_dual(each, along), u))
        still = np.zeros(V.shape) if moved is None else moved[..., 1:, :].numpy()
        return after[..., 0, :].numpy(), still


@cache
def _duals() -> Any:
    """torch's forward differentiation; what it loads on first use warns of itself."""
    from torch.autograd import forward_ad

    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.tanh(forward_ad.make_dual(torch.zeros(1), torch.ones(1)))
    return forward_ad


def _with_tensors(cell: Any) -> Any:
    if not is_dataclass(cell):
        return cell

    def tensor(value: Any) -> Any:
        if isinstance(value, np.ndarray) or is_torch(value):
            return torch.as_tensor(to_numpy(value).copy())
        return value

    return replace(cell, **{f.name: tensor(getattr(cell, f.name)) for f in fields(cell) if f.init})  # type: ignore[type-var]
