"""The rates of the LSTM in continuous time and its readout gate, each beside its tangent.

Uses: K1, K2, K3.  Directions (..., k, d) go with states (..., 1, d), or of one shape with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.core.arrays import Array, is_torch
from ode2rnn.core.systems.relaxation import Relaxation
from ode2rnn.gated.cell import G_c, G_d, peephole
from ode2rnn.gated.vanilla import VanillaLSTM

softplus = ACTIVATIONS["softplus"].value
MOST = 6.0  # e^6 is as far as e^(e^z) is asked for
LARGE = 36.0  # beyond it softplus(-a) is e^-a, and 1 - e^-a is 1, to rounding


class KnownInput(NamedTuple):
    """The part of each activation that the input and the bias give, (..., d)."""

    cu: Array
    cs: Array
    du: Array
    cr: Array


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
        rate_slope, gain_slope: the derivatives of the first two, as functions of log(dT kappa_s).
    """

    log_rate: Callable[[Array], Array]
    log_gain: Callable[[Array], Array]
    log_keep: Callable[[Array], Array]
    rate_slope: Callable[[Array], Array]
    gain_slope: Callable[[Array], Array]


def exponential_gain(z: Array) -> Array:
    """log((1 - e^-w) / w) for w = e^z."""
    w = exp(where(z > LARGE, 0.0 * z + LARGE, where(z < -LARGE, 0.0 * z - LARGE, z)))
    inside = (-(-w).expm1()).log() if is_torch(z) else np.log(-np.expm1(-w))
    return where(z < -LARGE, 0.0 * z, inside - z)


def exp(a: Array) -> Array:
    """e^a."""
    return a.exp() if is_torch(a) else np.exp(a)


def _softplus_slope(z: Array) -> Array:
    """d log softplus(-a) / d a = -(1 - e^-w) / w at w = softplus(-a) = e^z."""
    w = exp(z.clip(min=-LARGE, max=LARGE))
    return expm1(-w) / w


def _gain_slope(z: Array) -> Array:
    """d log((1 - e^-w) / w) / d z at w = e^z."""
    w = exp(z.clip(min=-LARGE, max=MOST))  # beyond, w / (e^w - 1) is 0 to rounding
    return w / expm1(w) - 1


def expm1(a: Array) -> Array:
    """e^a - 1."""
    return a.expm1() if is_torch(a) else np.expm1(a)


RULES = {
    "backward_euler": Rule(
        lambda a: -a, lambda z: -softplus(z), lambda z: -softplus(z), lambda z: 0.0 * z - 1.0, lambda z: -G_c(z)
    ),
    "exponential": Rule(lambda a: log_softplus(-a), exponential_gain, lambda z: -exp(z), _softplus_slope, _gain_slope),
}


def rates_of(cell: VanillaLSTM, rule: str, known: KnownInput, s: Array, v: Array) -> Relaxation:
    """K2 from the input and s(t - tau), v(t - tau), each (..., d)."""
    alpha_cu, alpha_cs = _alpha_cu(cell, known, s, v), known.cs + peephole(cell.W_scs, s) + v @ cell.W_vcs.T
    z = RULES[rule].log_rate(alpha_cs)
    shift = math.log(cell.dt)
    return Relaxation(
        z - shift, log_sigmoid(alpha_cu) - RULES[rule].log_gain(z) - shift, G_d(known.du + v @ cell.W_vdu.T)
    )


def rates_jvp(cell: VanillaLSTM, rule: str, known: KnownInput, s: Array, v: Array, ds: Array, dv: Array) -> Relaxation:
    """The tangents of :func:`rates_of` along directions of s(t - tau) and v(t - tau)."""
    rates = rates_of(cell, rule, known, s, v)
    z = rates.log_s + math.log(cell.dt)
    dz = RULES[rule].rate_slope(z) * (peephole(cell.W_scs, ds) + dv @ cell.W_vcs.T)
    # log g_cu has the slope 1 - g_cu in its activation
    moved = G_c(-_alpha_cu(cell, known, s, v)) * (peephole(cell.W_scu, ds) + dv @ cell.W_vcu.T)
    return Relaxation(dz, moved - RULES[rule].gain_slope(z) * dz, (1 - rates.u**2) * (dv @ cell.W_vdu.T))


def gated(cell: VanillaLSTM, known: KnownInput, s: Array, v: Array) -> Array:
    """v(t) = g_cr * G_d(s(t)) from s(t) and v(t - tau), each (..., d)   (K1)."""
    return G_c(known.cr + peephole(cell.W_scr, s) + v @ cell.W_vcr.T) * G_d(s)


def gated_jvp(cell: VanillaLSTM, known: KnownInput, s: Array, v: Array, ds: Array, dv: Array) -> Array:
    """The tangent of :func:`gated`."""
    g, r = G_c(known.cr + peephole(cell.W_scr, s) + v @ cell.W_vcr.T), G_d(s)
    return g * (1 - g) * r * (peephole(cell.W_scr, ds) + dv @ cell.W_vcr.T) + g * (1 - r**2) * ds


def _alpha_cu(cell: VanillaLSTM, known: KnownInput, s: Array, v: Array) -> Array:
    return known.cu + peephole(cell.W_scu, s) + v @ cell.W_vcu.T


def sampled_gates(rates: Relaxation, dt: float, scheme: str) -> tuple[Array, Array]:
    """g_cs and g_cu of a step dt by a rule of RULES (K2, K3)."""
    rule, shift = RULES[scheme], math.log(dt)
    z = rates.log_s + shift
    return exp(rule.log_keep(z)), exp(rates.log_u + shift + rule.log_gain(z))
