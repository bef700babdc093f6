"""The LSTM at another sampling step.

Home of: K3.  Uses: K1, K2, L1 to L6.  Source: our own.

K3  from dT to dT' = dT / m the delay stays tau = dT, so s and v are fed back from m samples ago; the forget
    activation shifts by -ln(dT'/dT), and g_cu' = (dT'/dT) g_cu g_cs' / g_cs

Its tangent and its cotangent are those of the LSTM, with other factors ds[n]/dalpha_?: g_cs' and g_cu' are functions of
alpha_cs and alpha_cu by way of the logarithms of the rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from ode2rnn.core.arrays import Array, as_like, brief, check_choice, check_divides, check_positive
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import Parts, System
from ode2rnn.discrete.schemes import continuous_of, discretize, retimed, sampled_of
from ode2rnn.gated.cell import G_c, G_d, Gates, LSTMState, check_state, refuse_other_warpings, seen
from ode2rnn.gated.continuous import ContinuousLSTM, check_model
from ode2rnn.gated.lstm import Factors
from ode2rnn.gated.rates import LARGE, RULES, exp, gated, log_sigmoid, sampled_gates
from ode2rnn.gated.vanilla import VanillaLSTM

LATE = "implicit_linear"


class LSTMMemory(NamedTuple):
    """The last lag states s and readouts v, each (..., d), the latest first."""

    s: tuple[Array, ...]
    v: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class SampledLSTM(System):
    """s[n] = g_cs' * s[n-1] + g_cu' * u,   v[n] = g_cr * G_d(s[n]),   gates of x[n], s[n-m], v[n-m]   (K3).

    `discretize(model, dt)` makes it, `run` steps it. At m = 1 and the step of the model's own cell it has the numbers
    of that cell.

    Args:
        model: a ContinuousLSTM.
        dt: sampling step dT', in the model's unit of time; it must divide tau.
        scheme: "backward_euler" or "exponential" (K2); with tau = 0 "implicit_linear": backward Euler with s and v of
            the gates taken one sample late.

    Raises:
        ValueError: a dt that does not divide tau (the message names the nearest that does), an unknown scheme, tau = 0
            with a scheme that would have to solve for the gates.
    """

    model: ContinuousLSTM
    dt: float
    scheme: str = "backward_euler"

    def __post_init__(self) -> None:
        model = check_model(self.model)
        refuse_other_warpings("model", model.cell, "a SampledLSTM")
        object.__setattr__(self, "dt", check_positive("dt", self.dt))
        check_choice("scheme", self.scheme, [*RULES, LATE])
        if model.delay == 0 and self.scheme != LATE:
            raise ValueError(
                f"scheme: expected {LATE!r} for tau = 0, which takes the gates one sample late, got {self.scheme!r}"
            )
        if model.delay > 0 and self.scheme == LATE:
            raise ValueError(f"scheme: expected one of {', '.join(RULES)} for tau > 0, got {LATE!r}")
        _ = self.lag

    @cached_property
    def lag(self) -> int:
        """The delay in samples, m."""
        return max(1, check_divides(self.dt, self.model.delay))

    @property
    def width(self) -> int:  # type: ignore[override]
        """Number of states d."""
        return self.model.width

    @property
    def input_width(self) -> int:  # type: ignore[override]
        """Number of inputs m."""
        return self.model.input_width

    @property
    def like(self) -> Array:
        """An array of the cell's kind."""
        return self.model.cell.like

    @property
    def State(self) -> type:
        """The type of the states that init and step return."""
        return LSTMMemory

    def init(self, s0: Array) -> LSTMMemory:
        """The memory of a cell that has been at s0 (..., d) for ever, with the readout v = 0."""
        return LSTMMemory((s0,) * self.lag, (as_like(np.zeros(s0.shape), self.like),) * self.lag)

    def remember(self, s: Callable[[int], Array], v: Callable[[int], Array]) -> LSTMMemory:
        """The memory of a cell whose past is known: s(n) and v(n) for n = -1, -2, ... as far back as it reaches."""
        past = range(-1, -self.lag - 1, -1)
        return LSTMMemory(tuple(s(n) for n in past), tuple(v(n) for n in past))

    def resume(self, state: LSTMMemory, batch: tuple[int, ...]) -> LSTMMemory:
        """The memory that a run over inputs of shape (N, *batch, m) starts from, checked and seen with its batch."""
        past = zip(state.s, state.v, strict=True)
        whole = [check_state(LSTMState(s, v), (self.width, self.width), batch, self.like) for s, v in past]
        return LSTMMemory(tuple(at.s for at in whole), tuple(at.v for at in whole))

    def step(self, state: LSTMMemory, x: Array | None) -> LSTMMemory:
        """One tick of K3: the memory after the input ``x`` (..., m)."""
        if (len(state.s), len(state.v)) != (self.lag, self.lag):
            raise ValueError(f"s0: expected a memory of {self.lag} samples, got one of {len(state.s)}, another cell's")
        known, v = self.model.known(x), state.v[-1]
        rates = self.model.rates(known, state.s[-1], v)
        g_cs, g_cu = sampled_gates(rates, self.dt, self._rule)
        s = g_cs * state.s[0] + g_cu * rates.u
        return LSTMMemory((s, *state.s[:-1]), (gated(self.model.cell, known, s, v), *state.v[:-1]))

    @property
    def _rule(self) -> str:
        return "backward_euler" if self.scheme == LATE else self.scheme

    def readout(self, state: LSTMMemory) -> tuple[Array, Array]:
        """s[n] and v[n]."""
        return state.s[0], state.v[0]

    def readout_jvp(self, state: LSTMMemory, d_state: LSTMMemory) -> tuple[Array, Array]:
        """The tangents of s[n] and v[n]."""
        return d_state.s[0], d_state.v[0]

    def readout_vjp(self, state: LSTMMemory, s_bar: Array | None, r_bar: Array) -> LSTMMemory:
        """The cotangent of the memory."""
        rest = (0 * r_bar,) * (self.lag - 1)
        return LSTMMemory((0 * r_bar if s_bar is None else s_bar, *rest), (r_bar, *rest))

    # -- the tangent and the cotangent of a tick

    def _factors(self, state: LSTMMemory, x: Array | None) -> tuple[Factors, Gates]:
        """What a tick makes of small changes, and everything at n."""
        cell, of_model, of_samples = self.model.cell, RULES[self.model.rule], RULES[self._rule]
        alpha, xi_du = cell.activations(LSTMState(state.s[-1], state.v[-1]), x)
        # log(dT kappa_s) at the step of the cell, and at this one
        shorter = math.log(self.dt / cell.dt)
        z = of_model.log_rate(alpha.cs)
        own = z + shorter
        g_cs, u = exp(of_samples.log_keep(own)), G_d(alpha.du)
        g_cu = exp(log_sigmoid(alpha.cu) - of_model.log_gain(z) + of_samples.log_gain(own) + shorter)
        s = g_cs * state.s[0] + g_cu * u
        r, g_cr = G_d(s), G_c(seen(cell.W_scr, s, alpha.cr))
        # d log g_cs and d log g_cu by log kappa_s; that of g_cs is -dT kappa_s, or -(1 - g_cs)
        keep_slope = of_samples.gain_slope(own) if self._rule == "backward_euler" else -exp(own.clip(max=LARGE))
        gain_slope = of_samples.gain_slope(own) - of_model.gain_slope(z)
        factors = Factors(
            keep=g_cs,
            cu=g_cu * u * G_c(-alpha.cu),
            cs=(keep_slope * g_cs * state.s[0] + gain_slope * g_cu * u) * of_model.rate_slope(z),
            du=g_cu * (1 - u * u),
            cr=r * g_cr * (1 - g_cr),
            s=g_cr * (1 - r * r),
        )
        return factors, Gates(g_cu, g_cs, g_cr, u, s, r, g_cr * r, g_cr * r, None, xi_du)

    def step_jvp(self, state: LSTMMemory, x: Array | None, d_state: LSTMMemory, d_x: Array | None = None) -> LSTMMemory:
        """The tangent of a tick: of s[n] and v[n], and the rest one place on."""
        late = LSTMState(d_state.s[-1], d_state.v[-1])
        s, v = self.model.cell.moved(self._factors(state, x)[0], d_state.s[0], late, d_x)
        return LSTMMemory((s, *d_state.s[:-1]), (v, *d_state.v[:-1]))

    def step_vjp(self, state: LSTMMemory, x: Array | None, bar: LSTMMemory) -> tuple[LSTMMemory, Array | None, Self]:
        """The cotangent of a tick: L7 to L11 with these factors; psi[n] goes back to s[n-1], the gates' to lag m."""
        (factors, now), cell = self._factors(state, x), self.model.cell
        e = cell.errors_of(factors, LSTMState(bar.s[0], bar.v[0]))
        late, x_bar, sums = cell.passed_back(factors, e, LSTMState(state.s[-1], state.v[-1]), now, x)
        s, v = [*bar.s[1:], late.s], [*bar.v[1:], late.v]
        s[0] = s[0] + factors.keep * e.psi
        return LSTMMemory(tuple(s), tuple(v)), x_bar, self.with_weights(sums)

    def errors(self, state: LSTMMemory, x: Array | None, bar: LSTMMemory) -> tuple[Array, Array]:
        """psi[n] and chi[n] (L7, L9)."""
        e = self.model.cell.errors_of(self._factors(state, x)[0], LSTMState(bar.s[0], bar.v[0]))
        return e.psi, e.chi

    def carousel(self, state: LSTMMemory, x: Array | None) -> Array:
        """g_cs'[n], by which the state alone is carried."""
        return self._factors(state, x)[0].keep

    def init_vjp(self, s0: Array, bar: LSTMMemory) -> Array:
        """The cotangent of s0, at which the cell has been for ever."""
        return sum(bar.s[1:], bar.s[0])

    # -- its weights, and what it is as a map on vectors: s[n-1], v[n-1], .., s[n-m], v[n-m]

    def weights(self) -> dict[str, Array]:
        """Those of the model's cell, by letter."""
        return self.model.cell.weights()

    def with_weights(self, values: dict[str, Array]) -> Self:
        """A copy whose model's cell has these arrays."""
        return states.with_weights(self, {f"model.cell.{name}": value for name, value in values.items()})

    @property
    def depth(self) -> int:
        """m, the ticks that the vector remembers."""
        return self.lag

    def parts(self) -> Parts:
        """s and v of each of the last m ticks, d numbers each."""
        late = [f"[n-{k}]" if self.lag > 1 else "" for k in range(1, self.lag + 1)]
        return tuple((letter + when, self.width) for when in late for letter in ("s", "v"))

    def flatten(self, state: LSTMMemory) -> Array:
        """The memory side by side, the latest tick first."""
        return states.joined(tuple(part for pair in zip(state.s, state.v, strict=True) for part in pair))

    def unflatten(
        self, vector: Array, direction: Array | None, x: Array | None
    ) -> tuple[LSTMMemory, LSTMMemory | None, Array | None]:
        """The memory of a vector (..., 2 m d), and the deviation of it that a direction is."""
        return self._parted(vector), None if direction is None else self._parted(direction), x

    def _parted(self, vector: Array) -> LSTMMemory:
        d = self.width
        parts = [vector[..., k : k + d] for k in range(0, 2 * d * self.lag, d)]
        return LSTMMemory(tuple(parts[::2]), tuple(parts[1::2]))

    def settled(self) -> SampledLSTM:
        """The samples of the equation whose delay is one of their steps, which rest where these do."""
        return self if self.lag == 1 else replace(self, model=replace(self.model, tau=self.dt))


@sampled_of.register
def _sampled(model: ContinuousLSTM, dt: Any, scheme: str, alpha: Any) -> VanillaLSTM | SampledLSTM:
    if alpha is not None:
        raise ValueError(f"alpha: expected none for a ContinuousLSTM, got {brief(alpha)}")
    cell = SampledLSTM(model, dt, scheme)
    own = cell.lag == 1 and cell.scheme == model.rule and abs(cell.dt - model.cell.dt) <= 1e-9 * cell.dt
    return model.cell if own else cell


@continuous_of.register
def _of_cell(cell: VanillaLSTM) -> ContinuousLSTM:
    refuse_other_warpings("cell", cell, "a ContinuousLSTM")
    return ContinuousLSTM(cell)


@continuous_of.register
def _of_sampled(cell: SampledLSTM) -> ContinuousLSTM:
    return cell.model


@retimed.register
def _retimed(cell: SampledLSTM, dt: float) -> VanillaLSTM | SampledLSTM:
    return discretize(cell.model, dt, cell.scheme)
