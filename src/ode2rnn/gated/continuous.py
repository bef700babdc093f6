"""The LSTM in continuous time.

Home of: K1, K2.  Source: our own; the gates are those of "The Vanilla LSTM Network Mechanism in Detail".

K1  ds/dt = -kappa_s * s(t) + kappa_u * u        rates and drive depend on x(t), s(t - tau), v(t - tau)
    v(t) = g_cr * G_d(s(t))                      g_cr depends on x(t), s(t), v(t - tau)
K2  backward Euler with tau = dT is the LSTM: g_cs = 1 / (1 + dT kappa_s), g_cu = dT kappa_u g_cs, so that
    kappa_s = e^(-alpha_cs) / dT,  kappa_u = g_cu / (dT g_cs).  By the exponential rule g_cs = e^(-dT kappa_s) and
    g_cu = kappa_u (1 - g_cs) / kappa_s, so that kappa_s = softplus(-alpha_cs) / dT, kappa_u = g_cu kappa_s / (1 - g_cs)

A forget gate near 0 is a rate beyond all numbers, so rates are kept by their logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.arrays import Array, as_like, brief, brief_cell, check_choice, check_nonnegative, is_torch
from ode2rnn.core.newton import solve_readout
from ode2rnn.gated.cell import G_c, G_d, peephole
from ode2rnn.gated.vanilla import LETTERS, VanillaLSTM

softplus = ACTIVATIONS["softplus"].value
LARGE = 36.0  # beyond it softplus(-a) is e^-a, and 1 - e^-a is 1, to rounding


class Known(NamedTuple):
    """The part of each activation that the input and the bias give, (..., d)."""

    cu: Array
    cs: Array
    du: Array
    cr: Array


class Rates(NamedTuple):
    """K1 at one time or at many: log kappa_s, log kappa_u and the drive u, each (..., d)."""

    log_s: Array
    log_u: Array
    u: Array


def log_sigmoid(a: Array) -> Array:
    """The logarithm of the logistic sigmoid, for activations of any size."""
    return -softplus(-a)


def log_softplus(a: Array) -> Array:
    """The logarithm of softplus, for activations of any size."""
    small = a < -LARGE
    safe = softplus(where(small, 0.0 * a, a))
    return where(small, a, safe.log() if is_torch(a) else np.log(safe))


def where(mask: Array, a: Array, b: Array) -> Array:
    """a where the mask holds, else b."""
    return a.where(mask, b) if is_torch(a) else np.where(mask, a, b)


class Rule(NamedTuple):
    """A sampling rule for ds/dt = -kappa_s s + kappa_u u (K2).

    Attributes:
        log_rate: alpha_cs -> log(dT kappa_s), from the forget gate of the rule.
        log_gain: log(dT kappa_s) -> log(g_cu / (dT kappa_u)), what a step makes of the drive.
        log_keep: log(dT kappa_s) -> log g_cs.
    """

    log_rate: Callable[[Array], Array]
    log_gain: Callable[[Array], Array]
    log_keep: Callable[[Array], Array]


def exponential_gain(z: Array) -> Array:
    """log((1 - e^-w) / w) for w = e^z."""
    w = exp(where(z > LARGE, 0.0 * z + LARGE, where(z < -LARGE, 0.0 * z - LARGE, z)))
    inside = (-(-w).expm1()).log() if is_torch(z) else np.log(-np.expm1(-w))
    return where(z < -LARGE, 0.0 * z, inside - z)


def exp(a: Array) -> Array:
    """e^a."""
    return a.exp() if is_torch(a) else np.exp(a)


RULES = {
    "backward_euler": Rule(lambda a: -a, lambda z: -softplus(z), lambda z: -softplus(z)),
    "exponential": Rule(lambda a: log_softplus(-a), exponential_gain, lambda z: -exp(z)),
}


@dataclass(frozen=True, eq=False)
class ContinuousLSTM:
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
        object.__setattr__(self, "tau", tau)
        check_choice("rule", self.rule, RULES)

    @property
    def delays(self) -> tuple[float, ...]:
        """The positive delays: tau, or none."""
        return (self.delay,) if self.delay else ()

    @property
    def delay(self) -> float:
        """tau as a number."""
        return float(self.cell.dt if self.tau is None else self.tau)

    @property
    def width(self) -> int:
        """Number of states d."""
        return self.cell.width

    @property
    def input_width(self) -> int:
        """Number of inputs m."""
        return self.cell.input_width

    def like(self, array: Array) -> ContinuousLSTM:
        """The same model with weights of the kind of ``array``."""
        if is_torch(array) == is_torch(self.cell.like) and array.dtype == self.cell.like.dtype:
            return self
        letters = {name: getattr(self.cell, name) for name in LETTERS}
        moved: dict[str, Any] = {name: None if W is None else as_like(W, array) for name, W in letters.items()}
        return replace(self, cell=replace(self.cell, **moved))

    def known(self, x: Array | None) -> Known:
        """W_x x + b of each activation for inputs x (..., m), or None for zero input."""
        c = self.cell
        parts = ((c.W_xcu, c.b_cu), (c.W_xcs, c.b_cs), (c.W_xdu, c.b_du), (c.W_xcr, c.b_cr))
        return Known(*(b if x is None else x @ W.T + b for W, b in parts))

    def rates(self, known: Known, s: Array, v: Array) -> Rates:
        """K2 from the input and s(t - tau), v(t - tau), each (..., d)."""
        c, rule = self.cell, RULES[self.rule]
        alpha_cu = known.cu + peephole(c.W_scu, s) + v @ c.W_vcu.T
        alpha_cs = known.cs + peephole(c.W_scs, s) + v @ c.W_vcs.T
        z = rule.log_rate(alpha_cs)
        shift = math.log(c.dt)
        return Rates(z - shift, log_sigmoid(alpha_cu) - rule.log_gain(z) - shift, G_d(known.du + v @ c.W_vdu.T))

    def readout(self, known: Known, s: Array, v: Array) -> Array:
        """v(t) from s(t) and v(t - tau), each (..., d)."""
        c = self.cell
        return G_c(known.cr + peephole(c.W_scr, s) + v @ c.W_vcr.T) * G_d(s)

    def present_readout(self, known: Known, s: Array) -> Array:
        """v(t) of tau = 0, where it depends on itself: the solution that Newton's method finds from v = 0.

        Raises:
            SimulationError: there is none that it finds.
        """
        r, c = G_d(s), self.cell
        others = known.cr + peephole(c.W_scr, s)
        alpha = solve_readout(others, c.W_vcr * r[..., None, :], ACTIVATIONS["sigmoid"], others)
        return G_c(alpha) * r


def sampled_gates(rates: Rates, dt: float, scheme: str) -> tuple[Array, Array]:
    """g_cs and g_cu of a step dt by a rule of RULES (K2, K3)."""
    rule, shift = RULES[scheme], math.log(dt)
    z = rates.log_s + shift
    return exp(rule.log_keep(z)), exp(rates.log_u + shift + rule.log_gain(z))


def check_model(value: Any) -> ContinuousLSTM:
    """``value`` if it is a ContinuousLSTM."""
    if not isinstance(value, ContinuousLSTM):
        raise ValueError(f"model: expected a ContinuousLSTM, got {brief(value)}")
    return value
