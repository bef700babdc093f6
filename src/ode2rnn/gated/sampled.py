"""The LSTM at another sampling step.

Home of: K3.  Uses: K1, K2, L1 to L6.  Source: our own.

K3  from dT to dT' = dT / m the delay stays tau = dT, so s and v are fed back from m samples ago; the forget
    activation shifts by -ln(dT'/dT), and g_cu' = (dT'/dT) g_cu g_cs' / g_cs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.arrays import Array, as_like, brief, check_choice, check_divides, check_positive
from ode2rnn.discrete.schemes import continuous_of, sampled_of
from ode2rnn.gated.cell import LSTMState, check_state
from ode2rnn.gated.continuous import ContinuousLSTM, check_model
from ode2rnn.gated.rates import RULES, gated, sampled_gates
from ode2rnn.gated.vanilla import VanillaLSTM

LATE = "implicit_linear"


class LSTMMemory(NamedTuple):
    """The last lag states s and readouts v, each (..., d), the latest first."""

    s: tuple[Array, ...]
    v: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class SampledLSTM:
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
    def width(self) -> int:
        """Number of states d."""
        return self.model.width

    @property
    def input_width(self) -> int:
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
        rule = "backward_euler" if self.scheme == LATE else self.scheme
        g_cs, g_cu = sampled_gates(rates, self.dt, rule)
        s = g_cs * state.s[0] + g_cu * rates.u
        return LSTMMemory((s, *state.s[:-1]), (gated(self.model.cell, known, s, v), *state.v[:-1]))

    def readout(self, state: LSTMMemory) -> tuple[Array, Array]:
        """s[n] and v[n]."""
        return state.s[0], state.v[0]


@sampled_of.register
def _sampled(model: ContinuousLSTM, dt: Any, scheme: str, alpha: Any) -> VanillaLSTM | SampledLSTM:
    if alpha is not None:
        raise ValueError(f"alpha: expected none for a ContinuousLSTM, got {brief(alpha)}")
    cell = SampledLSTM(model, dt, scheme)
    own = cell.lag == 1 and cell.scheme == model.rule and abs(cell.dt - model.cell.dt) <= 1e-9 * cell.dt
    return model.cell if own else cell


@continuous_of.register
def _of_cell(cell: VanillaLSTM) -> ContinuousLSTM:
    return ContinuousLSTM(cell)


@continuous_of.register
def _of_sampled(cell: SampledLSTM) -> ContinuousLSTM:
    return cell.model
