"""The LSTM and the GRU in continuous time.

Home of: K1, K2, K5, K6.  Source: our own; the gates are those of "The Vanilla LSTM Network Mechanism in Detail".

K1  ds/dt = -kappa_s * s(t) + kappa_u * u        rates and drive depend on x(t), s(t - tau), v(t - tau)
    v(t) = g_cr * G_d(s(t))                      g_cr depends on x(t), s(t), v(t - tau)
K2  backward Euler with tau = dT is the LSTM: g_cs = 1 / (1 + dT kappa_s), g_cu = dT kappa_u g_cs, so that
    kappa_s = e^(-alpha_cs) / dT,  kappa_u = g_cu / (dT g_cs).  By the exponential rule g_cs = e^(-dT kappa_s) and
    g_cu = kappa_u (1 - g_cs) / kappa_s, so that kappa_s = softplus(-alpha_cs) / dT, kappa_u = g_cu kappa_s / (1 - g_cs)

K5  this is an equation behind the LSTM, not the only one: the two rules of K2 give two that differ, of the same samples
    at tau = dT. And v obeys a difference equation in t: its jumps come back every tau, ever smaller.

K6  the GRU, whose state is its readout: ds/dt = kappa (h - s), gates and candidate h from x(t) and s(t - tau). Of h a
    step lets in 1 - z = dT kappa / (1 + dT kappa) by backward Euler, 1 - e^(-dT kappa) by the exponential rule, so that
    kappa = e^(-alpha_z) / dT or softplus(-alpha_z) / dT

A forget gate near 0 is a rate beyond all numbers, so rates are kept by their logarithms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.arrays import Array, as_like, brief, brief_cell, check_choice, check_nonnegative, is_torch
from ode2rnn.core.newton import solve_readout
from ode2rnn.core.systems import states
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.parameters import entry, feeds_back
from ode2rnn.gated.cell import G_c, G_d, peephole
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.rates import RULES, KnownInput, Relaxation, exp, gated, gated_jvp, rates_jvp, rates_of
from ode2rnn.gated.vanilla import LETTERS, VanillaLSTM


@dataclass(frozen=True, eq=False)
class ContinuousLSTM(Flow):
    """ds/dt = -kappa_s * s(t) + kappa_u * u,   v(t) = g_cr * G_d(s(t))   (K1).

    A leaky integrator for every unit, whose rates, drive and readout gate are set by the activations of an LSTM:
    those of x(t), s(t - tau) and v(t - tau), where the LSTM has x[n], s[n-1] and v[n-1].

    Args:
        cell: a VanillaLSTM: the weights by the paper's letters, and its dt, the sampling step at which they are gates.
        tau: delay, in the unit of time of cell.dt; by default cell.dt, as K2 has it. With tau = 0 the gates see the
            present, and v solves v = g_cr(x, s, v) * G_d(s).
        rule: what the forget gate is at the cell's own step: "backward_euler", 1 / (1 + dT kappa_s), or "exponential",
            e^(-dT kappa_s) (K2).

    ``integrate`` solves it, ``discretize(model, dt)`` samples it, ``undiscretize(cell)`` makes it.

    Raises:
        ValueError: no VanillaLSTM, tau < 0, an unknown rule.

    Example:
        >>> from ode2rnn import discretize, undiscretize
        >>> zero = dict.fromkeys(["W_vcu", "W_vcs", "W_vdu", "W_vcr", "W_xcu", "W_xcs", "W_xcr", "b_cu", "b_du"], 0.0)
        >>> cell = VanillaLSTM(**zero, W_xdu=1.0, b_cs=0.0, b_cr=40.0, dt=0.5)
        >>> model = undiscretize(cell)
        >>> model.tau, float(np.exp(model.rates(model.known(np.ones(1)), np.zeros(1), np.zeros(1)).log_s[0]))
        (0.5, 2.0)
        >>> discretize(model, dt=0.5) is cell, discretize(model, dt=0.125).lag
        (True, 4)
    """

    cell: VanillaLSTM
    tau: float | None = None
    rule: str = "backward_euler"

    def __post_init__(self) -> None:
        if not isinstance(self.cell, VanillaLSTM):
            raise ValueError(f"cell: expected a VanillaLSTM, got {brief_cell(self.cell)}")
        tau = self.cell.dt if self.tau is None else check_nonnegative("tau", self.tau)
        check_choice("rule", self.rule, RULES)
        object.__setattr__(self, "tau", tau)

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return self.cell.width

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return self.cell.input_width

    @property
    def feedback_width(self) -> int:  # type: ignore[override]
        """Number of readouts v, d."""
        return self.cell.width

    @property
    def delays(self) -> tuple[float, ...]:  # type: ignore[override]
        """tau, where it is not 0."""
        return (self.delay,) if self.delay else ()

    @property
    def parameters(self) -> dict[str, float]:  # type: ignore[override]
        """None: its numbers are entries of arrays, see :meth:`parameter`."""
        return {}

    @property
    def delay(self) -> float:
        """tau as a number."""
        return float(self.cell.dt if self.tau is None else self.tau)

    def like(self, array: Array) -> ContinuousLSTM:
        """The same model with weights of the kind of ``array``."""
        if is_torch(array) == is_torch(self.cell.like) and array.dtype == self.cell.like.dtype:
            return self
        letters = {name: getattr(self.cell, name) for name in LETTERS}
        moved: dict[str, Any] = {name: None if W is None else as_like(W, array) for name, W in letters.items()}
        return replace(self, cell=replace(self.cell, **moved))

    # -- the rate, v, and their tangents

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """ds/dt = -kappa_s s + kappa_u u at s (..., d), past[0] = (s, v)(t - tau) side by side, (..., 2 d)."""
        rates = self.relaxation(s, past, x)
        return exp(rates.log_u) * rates.u - exp(rates.log_s) * s

    def relaxation(self, s: Array, past: Sequence[Array], x: Array | None) -> Relaxation:
        """log kappa_s, log kappa_u and u; with tau > 0 from the past and the input alone."""
        known = self.known(x)
        return self.rates(known, *self._late(known, s, past))

    def rate_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """The tangent of the rate."""
        known = self.known(x)
        late = self._late(known, s, past)
        rates = self.rates(known, *late)
        leak = exp(rates.log_s)
        if self.delays and not d_past:
            return -leak * ds
        d_rates = rates_jvp(self.cell, self.rule, known, *late, *self._d_late(known, s, late[1], ds, d_past))
        return exp(rates.log_u) * (d_rates.log_u * rates.u + d_rates.u) - leak * (d_rates.log_s * s + ds)

    def feedback(self, t: float, s: Array, past: Sequence[Array], x: Array | None) -> Array:
        """v(t) = g_cr * G_d(s(t)), (..., d)."""
        known = self.known(x)
        late = self._late(known, s, past)
        return gated(self.cell, known, s, late[1]) if self.delays else late[1]

    def feedback_jvp(
        self, t: float, s: Array, past: Sequence[Array], x: Array | None, ds: Array, d_past: Sequence[Array] = ()
    ) -> Array:
        """The tangent of v(t)."""
        known = self.known(x)
        v = self._late(known, s, past)[1]
        if not self.delays:
            return self._present_jvp(known, s, v, ds)
        dv = d_past[0][..., self.width :] if d_past else 0.0 * v
        return gated_jvp(self.cell, known, s, v, ds, dv)

    def _late(self, known: KnownInput, s: Array, past: Sequence[Array]) -> tuple[Array, Array]:
        """s and v that the gates see: a delay before, or now."""
        if len(past) != len(self.delays):
            raise ValueError(f"past: expected (s, v)(t - tau) for the delays {self.delays}, got {len(past)} arrays")
        if not past:
            return s, self.present_readout(known, s)
        return past[0][..., : self.width], past[0][..., self.width :]

    def _d_late(self, known: KnownInput, s: Array, v: Array, ds: Array, d_past: Sequence[Array]) -> tuple[Array, Array]:
        """The deviations of what the gates see."""
        if not self.delays:
            return ds, self._present_jvp(known, s, v, ds)
        return d_past[0][..., : self.width], d_past[0][..., self.width :]

    def _present_jvp(self, known: KnownInput, s: Array, v: Array, ds: Array) -> Array:
        """dv of v = g_cr(x, s, v) * G_d(s): the solution of dv = R_s ds + R_v dv."""
        g = G_c(known.cr + peephole(self.cell.W_scr, s) + v @ self.cell.W_vcr.T)
        right = gated_jvp(self.cell, known, s, v, ds, 0.0 * v)
        matrix = as_like(np.eye(self.width), v) - (g * (1 - g) * G_d(s))[..., None] * self.cell.W_vcr
        solve: Any = sys.modules["torch"].linalg.solve if is_torch(right) else np.linalg.solve
        return solve(matrix, right[..., None])[..., 0]

    # -- what an analysis wants to know

    def readout(self, s: Array) -> Array:
        """r = G_d(s), v without its gate; v itself sees the input and the past, see :meth:`feedback`."""
        return G_d(s)

    @property
    def depends_on_time(self) -> bool:
        """False: time enters by the input alone."""
        return False

    def tensors(self) -> tuple[Array, ...]:
        """The weights, where they are tensors."""
        return tuple(W for W in (getattr(self.cell, name) for name in LETTERS) if is_torch(W))

    def settled(self) -> ContinuousLSTM:
        """The model with tau = 0, which rests where this one does."""
        return replace(self, tau=0.0) if self.delays else self

    def tied(self, tau: float) -> ContinuousLSTM:
        """The model whose gates see s and v tau late."""
        return replace(self, tau=tau)

    def parameter(self, name: str) -> Callable[[float], ContinuousLSTM]:
        """The function that takes a value to the model in which the number ``name`` has it.

        "tau"; "gain", a factor on all W_v?; or an entry of the cell, as "W_vcu[0, 1]".

        Raises:
            ValueError: no such number.
        """
        if name == "tau":
            return lambda p: replace(self, tau=p)
        cell = states.plain(self.cell)
        held = states.weights_of(cell)
        back = [key for key in held if feeds_back(key)]
        if name == "gain":
            return lambda p: replace(self, cell=states.with_weights(cell, {key: p * held[key] for key in back}))
        key, place = entry(name, held)

        def changed(p: float) -> ContinuousLSTM:
            array = held[key].copy()
            array[place] = p
            return replace(self, cell=states.with_weights(cell, {key: array}))

        return changed

    def value_of(self, name: str) -> float:
        """The number ``name`` as it is, named as for :meth:`parameter`; for "gain" 1."""
        if name in ("tau", "gain"):
            return self.delay if name == "tau" else 1.0
        held = states.weights_of(states.plain(self.cell))
        key, place = entry(name, held)
        return float(held[key][place])

    # -- the equation by its parts

    def known(self, x: Array | None) -> KnownInput:
        """W_x x + b of each activation for inputs x (..., m), or None for zero input."""
        c = self.cell
        parts = ((c.W_xcu, c.b_cu), (c.W_xcs, c.b_cs), (c.W_xdu, c.b_du), (c.W_xcr, c.b_cr))
        return KnownInput(*(b if x is None else x @ W.T + b for W, b in parts))

    def rates(self, known: KnownInput, s: Array, v: Array) -> Relaxation:
        """K2 from the input and s(t - tau), v(t - tau), each (..., d)."""
        return rates_of(self.cell, self.rule, known, s, v)

    def present_readout(self, known: KnownInput, s: Array) -> Array:
        """v(t) of tau = 0, where it depends on itself: the solution that Newton's method finds from v = 0.

        Raises:
            SimulationError: there is none that it finds.
        """
        r, c = G_d(s), self.cell
        others = known.cr + peephole(c.W_scr, s)
        alpha = solve_readout(others, c.W_vcr * r[..., None, :], ACTIVATIONS["sigmoid"], others)
        return G_c(alpha) * r


@dataclass(frozen=True, eq=False)
class ContinuousGRU(Flow):
    """ds/dt = kappa * (h - s(t)), kappa and h from x(t) and s(t - tau), where the GRU has x[n] and v[n-1]   (K6).

    Args:
        cell: a GRU whose gates are logistic sigmoids; its dt is the sampling step at which they are gates.
        tau: delay, by default cell.dt: a step of backward Euler is then a tick of the GRU. With 0 they see the present.
        rule: what the gate z is at the cell's own step: "backward_euler" or "exponential".

    Raises:
        ValueError: no GRU, other gates, tau < 0, an unknown rule.

    Example:
        >>> from ode2rnn import Sampled, run
        >>> zero = dict.fromkeys(["W_xz", "W_vz", "W_xr", "W_vr", "b_r", "W_vh", "b_h", "b_vh"], 0.0)
        >>> cell = GRU(**zero, b_z=1.0, W_xh=1.0, dt=0.5)
        >>> one, other = run(cell, [1.0, 0.0]).s, run(Sampled(ContinuousGRU(cell), 0.5), [1.0, 0.0]).s
        >>> bool(np.abs(one - other).max() < 1e-15)
        True
    """

    cell: GRU
    tau: float | None = None
    rule: str = "backward_euler"

    def __post_init__(self) -> None:
        if not isinstance(self.cell, GRU):
            raise ValueError(f"cell: expected a GRU, got {brief_cell(self.cell)}")
        if self.cell.recurrent_activation not in ("sigmoid", ACTIVATIONS["sigmoid"]):
            raise ValueError("cell: expected the recurrent activation 'sigmoid', whose gates are rates (K6)")
        tau = self.cell.dt if self.tau is None else check_nonnegative("tau", self.tau)
        check_choice("rule", self.rule, RULES)
        for name, value in (("tau", tau), ("width", self.cell.width), ("input_width", self.cell.input_width)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "delays", (tau,) if tau else ())
        object.__setattr__(self, "parameters", {})  # its numbers are entries of arrays, see `parameter`

    def rate(self, t: float, s: Array, past: Sequence[Array] = (), x: Array | None = None) -> Array:
        """ds/dt at s (..., d), past[0] = s(t - tau) and x (..., m)."""
        now, (alpha_z, _, _), _ = self.cell.activated(past[0] if self.delays else s, x)
        return exp(RULES[self.rule].log_rate(alpha_z)) / self.cell.dt * (now.h - s)

    @property
    def depends_on_time(self) -> bool:
        """False: time enters by the input alone."""
        return False

    def like(self, array: Array) -> ContinuousGRU:
        """The same model with weights of the kind of ``array``."""
        return self.with_weights({name: as_like(W, array) for name, W in self.weights().items()})

    def tensors(self) -> tuple[Array, ...]:
        """The weights, where they are tensors."""
        return tuple(W for W in self.weights().values() if is_torch(W))

    def weights(self) -> dict[str, Array]:
        """Those of the cell."""
        return self.cell.weights()

    def with_weights(self, values: Mapping[str, Any]) -> ContinuousGRU:
        """The same model of the cell with these weights."""
        return replace(self, cell=self.cell.with_weights(dict(values)))

    def settled(self) -> ContinuousGRU:
        """The model with tau = 0, which rests where this one does."""
        return replace(self, tau=0.0)

    def parameter(self, name: str) -> Callable[[float], ContinuousGRU]:
        """The function that takes a value of "tau", "gain" or an entry, as "W_vz[0, 1]", to the model that has it."""
        if name == "tau":
            return lambda p: replace(self, tau=p)
        change: Callable[[float], Any] = self.cell.parameter(name)
        return lambda p: replace(self, cell=change(p))

    def value_of(self, name: str) -> float:
        """The number ``name`` as it is, named as for :meth:`parameter`."""
        return sum(self.delays) if name == "tau" else self.cell.value_of(name)


def check_model(value: Any) -> ContinuousLSTM:
    """``value`` if it is a ContinuousLSTM."""
    if not isinstance(value, ContinuousLSTM):
        raise ValueError(f"model: expected a ContinuousLSTM, got {brief(value)}")
    return value
