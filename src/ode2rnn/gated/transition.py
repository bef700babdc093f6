"""From the canonical RNN to the Vanilla LSTM, one idea at a time; every step is a cell that runs.

Home of: T1, T2, T3, T4, T5, T6.  Source: "From RNN to Vanilla LSTM Network".

T1  SplitRNN       s[n] = F_s(s[n-1]) + F_u(r[n-1], x[n]),  F_s = W_s s[n-1],  F_u = W_r r[n-1] + W_x x[n] + theta_s
T2  Carousel       keep all of the state: s[n] = s[n-1] + F_u                   nothing is forgotten; unbounded
T3  GatedCarousel  s[n] = g_cs * s[n-1] + g_cu * F_u, gates in [0, 1]           bounded where the gates say so
T4  WarpedUpdate   u[n] = G_d(F_u) in place of F_u                              bounded whatever the weights and inputs
T5  GatedReadout   v[n] = g_cr * r[n] in place of r[n] = G_d(s[n])              the state can be kept and not shown
T6  ComputedGates  the gates come from x[n], v[n-1] and s[n-1] (g_cr: s[n])     the Vanilla LSTM

Every cell but the first has `of`, which makes it of the cell before it and of the new part; by default the new part
is switched off, and both cells are the same recursion. Every `step` is written out; the tangent and the cotangent are
those of `chain.py`, to which each cell says what it keeps and how it warps, and for T6 those of the Vanilla LSTM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.core.arrays import Array, brief, check_choice, is_torch
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.gated.cell import G_c, G_d, LSTMState, outer, peephole, total
from ode2rnn.gated.chain import ChainCell, ConstantGates, parts
from ode2rnn.gated.vanilla import VanillaLSTM


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitRNN(ChainCell):
    """The canonical RNN in two terms, the state's and the update's (T1); W_s is (d, d), r = tanh(s).

    Example:
        >>> from ode2rnn import CanonicalRNN, run
        >>> canonical = CanonicalRNN(0.5, 0.25, 1.0, 0.0)
        >>> bool((run(SplitRNN.of(canonical), [1.0, 0.0]).s == run(canonical, [1.0, 0.0]).s).all())
        True
    """

    W_s: Array

    @staticmethod
    def of(cell: CanonicalRNN) -> SplitRNN:
        """The canonical RNN ``cell``, with a lag of one sample and tanh as its warping, which the LSTM keeps."""
        if not isinstance(cell, CanonicalRNN) or cell.lag != 1 or cell.activation is not ACTIVATIONS["tanh"]:
            raise ValueError(f"cell: expected a CanonicalRNN with lag = 1 and activation 'tanh', got {brief(cell)}")
        if cell.W_x is None:
            raise ValueError("cell: expected one with an input, got W_x = None")
        return SplitRNN(W_s=cell.W_s, W_r=cell.W_r, W_x=cell.W_x, theta_s=cell.theta_s, dt=cell.dt)

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """s[n] = F_s(s[n-1]) + F_u(r[n-1], x[n]) (T1)."""
        s = self.carried(state.s) + self.F_u(state, x)
        return LSTMState(s, self.show(s))

    def carried(self, ds: Array) -> Array:
        """F_s = W_s s."""
        return ds @ self.W_s.T

    def carried_back(self, psi: Array) -> Array:
        """W_s^T psi."""
        return psi @ self.W_s

    def update_slope(self, F: Array) -> Array:
        """1: the update is added as it is."""
        return 0 * F + 1

    def own_sums(self, state: LSTMState, F: Array, after: LSTMState, e: LSTMState) -> dict[str, Array]:
        """dE/dW_s."""
        return {"W_s": outer(e.s, state.s)}

    def _gains(self, x: float) -> tuple[Array, Array]:
        # in the largest norm of all states
        kept, added = abs(self.W_s).sum(1).max(), self._largest_update(x).max()
        return 0 * self.theta_s + kept, 0 * self.theta_s + added


@dataclass(frozen=True, eq=False, kw_only=True)
class Carousel(ChainCell):
    """s[n] = s[n-1] + F_u: all of the state is kept, W_s = I (T2).

    The constant error carousel: along the state d s[n] / d s[l] = 1 for every lag, so that no error is lost; but
    what is added stays, and the state has no bound.
    """

    @staticmethod
    def of(cell: SplitRNN) -> Carousel:
        """The split RNN ``cell`` with I in place of its W_s."""
        shared = parts(cell, SplitRNN)
        del shared["W_s"]
        return Carousel(**shared)

    def split(self) -> SplitRNN:
        """The same recursion as a split RNN, whose W_s is I."""
        return SplitRNN(W_s=np.eye(self.width), **parts(self, Carousel))

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """s[n] = s[n-1] + F_u (T2)."""
        s = state.s + self.F_u(state, x)
        return LSTMState(s, self.show(s))

    def carried(self, ds: Array) -> Array:
        """All of it."""
        return ds

    def update_slope(self, F: Array) -> Array:
        """1: the update is added as it is."""
        return 0 * F + 1

    def carousel(self, state: LSTMState, x: Array | None) -> Array:
        """1: no gate, and nothing lost."""
        return 0 * state.s + 1

    def _gains(self, x: float) -> tuple[Array, Array]:
        return 0 * self.theta_s + 1, self._largest_update(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedCarousel(ConstantGates):
    """s[n] = g_cs * s[n-1] + g_cu * F_u, a state gate and an update gate in [0, 1] (T3); each (d,) or one number.

    With g_cs < 1 the state is bounded by g_cu max|F_u| / (1 - g_cs); with g_cs + g_cu = 1 it lies between what it was
    and the update. With both gates at 1 it is the carousel.
    """

    @staticmethod
    def of(cell: Carousel, g_cs: Any = 1.0, g_cu: Any = 1.0) -> GatedCarousel:
        """The carousel ``cell`` with gates."""
        return GatedCarousel(**parts(cell, Carousel), g_cs=g_cs, g_cu=g_cu)

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """s[n] = g_cs * s[n-1] + g_cu * F_u (T3)."""
        s = self.g_cs * state.s + self.g_cu * self.F_u(state, x)
        return LSTMState(s, self.show(s))

    @property
    def warping(self) -> Activation:
        """None, the identity."""
        return ACTIVATIONS["identity"]

    def _gains(self, x: float) -> tuple[Array, Array]:
        return self.g_cs, self.g_cu * self._largest_update(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class WarpedUpdate(ConstantGates):
    """s[n] = g_cs * s[n-1] + g_cu * u[n],  u[n] = G_d(F_u), the data update candidate (T4).

    |u| <= 1, so |s[n]| grows by g_cu <= 1 a tick at most, whatever the weights and the input. ``warp="identity"``
    switches the warping off.
    """

    warp: str = "tanh"

    def __post_init__(self) -> None:
        check_choice("warp", self.warp, ("tanh", "identity"))
        super().__post_init__()

    @staticmethod
    def of(cell: GatedCarousel, warp: str = "identity") -> WarpedUpdate:
        """The gated carousel ``cell`` with its update warped."""
        return WarpedUpdate(**parts(cell, GatedCarousel), warp=warp)

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """u[n] = G_d(F_u),  s[n] = g_cs * s[n-1] + g_cu * u[n] (T4)."""
        u = self.warping.value(self.F_u(state, x))
        s = self.g_cs * state.s + self.g_cu * u
        return LSTMState(s, self.show(s))

    @property
    def warping(self) -> Activation:
        """G_d, or the identity."""
        return ACTIVATIONS[self.warp]

    def _gains(self, x: float) -> tuple[Array, Array]:
        return self.g_cs, self.g_cu * (1.0 if self.warp == "tanh" else self._largest_update(x))


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedReadout(ConstantGates):
    """v[n] = g_cr * G_d(s[n]) is what is shown and fed back, in place of r[n] (T5); the rest is the cell before.

    With g_cr = 0 the state is kept and nobody sees it, with g_cr = 1 it is the cell before.
    """

    g_cr: Array = 1.0

    @staticmethod
    def of(cell: WarpedUpdate, g_cr: Any = 1.0) -> GatedReadout:
        """The cell of T4, its update warped, with a readout gate."""
        shared = parts(cell, WarpedUpdate)
        if shared.pop("warp") != "tanh":
            raise ValueError("cell: expected one with warp = 'tanh', got 'identity'")
        return GatedReadout(**shared, g_cr=g_cr)

    def show(self, s: Array) -> Array:
        """The readout of the state ``s``, v = g_cr * G_d(s)."""
        return self.g_cr * G_d(s)

    def show_slope(self, s: Array) -> Array:
        """g_cr * (1 - G_d(s)^2), the derivative of :meth:`show`."""
        return self.g_cr * super().show_slope(s)

    def own_sums(self, state: LSTMState, F: Array, after: LSTMState, e: LSTMState) -> dict[str, Array]:
        """dE by the gates, the readout gate among them."""
        return {**super().own_sums(state, F, after, e), "g_cr": total(e.v * G_d(after.s))}

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """s[n] as in T4, fed by v[n-1];  v[n] = g_cr * G_d(s[n]) (T5)."""
        s = self.g_cs * state.s + self.g_cu * G_d(self.F_u(state, x))
        return LSTMState(s, self.show(s))

    def _gains(self, x: float) -> tuple[Array, Array]:
        return self.g_cs, self.g_cu


@dataclass(frozen=True, eq=False)
class Gate:
    """g = G_c(W_x x[n] + W_s s + W_v v[n-1] + b), a gate that is computed (T6).

    Args:
        W_x: (d, m).
        W_s: peephole, (d, d), (d,) or None.
        W_v: (d, d).
        b: (d,).
    """

    W_x: Array
    W_s: Array | None
    W_v: Array
    b: Array

    def __call__(self, x: Array, s: Array, v: Array) -> Array:
        """The gate, (..., d)."""
        return G_c(x @ self.W_x.T + peephole(self.W_s, s) + v @ self.W_v.T + self.b)


@dataclass(frozen=True, eq=False, kw_only=True)
class ComputedGates(ChainCell):
    """The cell of T5 whose gates are computed from x[n], v[n-1] and s[n-1] (s[n] for the readout gate) (T6).

    It is the Vanilla LSTM, in which W_r is called W_vdu, W_x W_xdu and theta_s b_du: see :meth:`vanilla`.
    """

    g_cs: Gate
    g_cu: Gate
    g_cr: Gate

    def __post_init__(self) -> None:
        for name in ("g_cs", "g_cu", "g_cr"):
            if not isinstance(getattr(self, name), Gate):
                raise ValueError(f"{name}: expected a Gate, got {brief(getattr(self, name))}")
        lstm = self.vanilla()  # checks everything
        settled = {"W_r": lstm.W_vdu, "W_x": lstm.W_xdu, "theta_s": lstm.b_du, "dt": lstm.dt}
        for kind in ("cs", "cu", "cr"):
            settled[f"g_{kind}"] = Gate(*(getattr(lstm, f"{letter}{kind}") for letter in ("W_x", "W_s", "W_v", "b_")))
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def of(cell: GatedReadout) -> ComputedGates:
        """The cell of T5, its constant gates as biases G_c^-1(g): they must lie strictly between 0 and 1."""
        shared = parts(cell, GatedReadout)
        zero_x, zero_v = 0 * cell.W_x, 0 * cell.W_r
        for name in ("g_cs", "g_cu", "g_cr"):
            g = shared[name]
            if not ((g > 0) & (g < 1)).all():
                raise ValueError(f"cell: expected {name} in (0, 1), which a sigmoid reaches, got 0 or 1 among it")
            b = (g / (1 - g)).log() if is_torch(g) else np.log(g / (1 - g))
            shared[name] = Gate(zero_x, None, zero_v, b)
        return ComputedGates(**shared)

    def vanilla(self) -> VanillaLSTM:
        """The Vanilla LSTM that this is, by its letters."""
        letters = {"W_xdu": self.W_x, "W_vdu": self.W_r, "b_du": self.theta_s, "dt": self.dt}
        for kind, gate in (("cs", self.g_cs), ("cu", self.g_cu), ("cr", self.g_cr)):
            letters |= {f"W_x{kind}": gate.W_x, f"W_s{kind}": gate.W_s, f"W_v{kind}": gate.W_v, f"b_{kind}": gate.b}
        return VanillaLSTM(**letters)

    @cached_property
    def _lstm(self) -> VanillaLSTM:
        return self.vanilla()

    def init(self, s0: Array) -> LSTMState:
        """s[-1] = s0 with v[-1] = 0: there is no input yet of which the readout gate could be computed."""
        return LSTMState(s0, 0 * s0)

    def init_vjp(self, s0: Array, bar: LSTMState) -> Array:
        """The cotangent of s0."""
        return bar.s

    def step(self, state: LSTMState, x: Array) -> LSTMState:
        """The tick of T5 with g_cs, g_cu of x[n], s[n-1], v[n-1], and g_cr of x[n], s[n], v[n-1] (T6)."""
        s = self.g_cs(x, *state) * state.s + self.g_cu(x, *state) * G_d(self.F_u(state, x))
        return LSTMState(s, self.g_cr(x, s, state.v) * G_d(s))

    def step_jvp(self, state: LSTMState, x: Array | None, d_state: LSTMState, d_x: Array | None = None) -> LSTMState:
        """The tangent of a tick, that of the Vanilla LSTM."""
        return self._lstm.step_jvp(state, x, d_state, d_x)

    def step_vjp(
        self, state: LSTMState, x: Array | None, bar: LSTMState
    ) -> tuple[LSTMState, Array | None, ComputedGates]:
        """The cotangent of a tick, that of the Vanilla LSTM with the weights under the names of this cell."""
        before, x_bar, record = self._lstm.step_vjp(state, x, bar)
        shared = {"W_xdu": "W_x", "W_vdu": "W_r", "b_du": "theta_s"}
        sums = {shared.get(name, f"g_{name[-2:]}.{name[:-2].rstrip('_')}"): W for name, W in record.weights().items()}
        return before, x_bar, self.with_weights(sums)

    def errors(self, state: LSTMState, x: Array | None, bar: LSTMState) -> tuple[Array, Array]:
        """psi[n] and chi[n] (L7, L9)."""
        return self._lstm.errors(state, x, bar)

    def carousel(self, state: LSTMState, x: Array | None) -> Array:
        """g_cs[n], by which the state alone is carried (T7)."""
        return self.g_cs(x, *state)

    def _gains(self, x: float) -> tuple[Array, Array]:
        return 0 * self.theta_s + 1, 0 * self.theta_s + 1  # a gate is below 1, and no more is known of it
