"""Discretization: from the differential equation C9 to a recursion, and back.

Home of: D1, D2, D3, D4, D11.  Uses: D10.  Source: "The Roots of RNN".

D1   backward Euler at t = n dT: (s[n] - s[n-1]) / dT = A s[n] + B r(n dT - tau_0) + C x[n] + phi
D2   with tau_0 = dT the readout term is B r[n-1] and the recursion is explicit
D3   (I - dT A) s[n] = s[n-1] + dT (B r[n-1] + C x[n] + phi)
D4   W_s = (I - dT A)^-1,  W_r = dT W_s B,  W_x = dT W_s C,  theta_s = dT W_s phi
D11  the inverse of D4: A = (I - W_s^-1) / dT, B = W_s^-1 W_r / dT, C = W_s^-1 W_x / dT, phi = W_s^-1 theta_s / dT
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import singledispatch
from typing import Any, overload

import numpy as np

from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.continuous.terms import Term
from ode2rnn.core.arrays import (
    MOST_STEPS,
    Array,
    all_finite,
    as_like,
    brief,
    brief_cell,
    check_choice,
    check_divides,
    check_number,
    check_positive,
    to_numpy,
)
from ode2rnn.core.resolvent import WORST_ERROR, inverse_error, solve
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.canonical import CanonicalRNN, TappedRNN
from ode2rnn.discrete.rules import ALIASES, SCHEMES
from ode2rnn.discrete.standard import StandardRNN

Taps = dict[int, Array]


@overload
def discretize(
    model: AdditiveModel, dt: float, scheme: str = "backward_euler", alpha: float | None = None
) -> CanonicalRNN | TappedRNN: ...


@overload
def discretize(model: object, dt: float, scheme: str = "backward_euler", alpha: float | None = None) -> Any: ...


def discretize(model: object, dt: float, scheme: str = "backward_euler", alpha: float | None = None) -> Any:
    """The recursion that samples ``model`` with step dt (D4; D10 for the other schemes; K2 and K3 for an LSTM).

    Args:
        model: a ContinuousRNN or any AdditiveModel; a ContinuousLSTM, which takes "backward_euler", "exponential" and,
            where tau = 0, "implicit_linear"; or a Flow of your own, which takes "backward_euler" and "forward_euler".
        dt: sampling step, in the model's unit of time; it must divide every delay.
        scheme: "backward_euler" (the paper's), "implicit_linear", "forward_euler", "gbt" (with alpha), "tustin",
            "exponential", "foh"; scipy.signal's names "backward_diff", "euler", "forward_diff", "bilinear", "zoh".
            x[n] is the input on (t[n-1], t[n]]: a held input goes into "exponential" at the end of its interval,
            where scipy's zoh has it at the start.
        alpha: the weight of the new sample in "gbt": 0 forward Euler, 1/2 tustin, 1 backward Euler.

    With an undelayed readout (tau = 0) "implicit_linear" and "exponential" take it one sample late; the others
    solve for it at every tick ("forward_euler" needs none).

    Returns:
        A CanonicalRNN where there is one tap of each kind, else a TappedRNN with matrices by lag. Of a ContinuousLSTM
        its own VanillaLSTM at that cell's step, else a SampledLSTM. Of another Flow a Sampled, whose ticks hold x[n].

    Raises:
        ValueError: dt <= 0, a dt that does not divide a delay (the message names the nearest that does), an input
            delay < 0, an unknown scheme, a missing alpha, a singular I - dT A, weights that overflow.

    Example:
        >>> cell = discretize(ContinuousRNN(A=-1.0, B=2.0, C=4.0, phi=6.0, tau=1.0), dt=1.0)
        >>> [float(W.squeeze()) for W in (cell.W_s, cell.W_r, cell.W_x, cell.theta_s)]
        [0.5, 1.0, 2.0, 3.0]
    """
    return sampled_of(model, dt, scheme, alpha)


@singledispatch
def sampled_of(model: object, dt: float, scheme: str, alpha: float | None) -> Any:
    """What `discretize` does with a model, by its type; later packages register theirs."""
    hint = ""
    if isinstance(model, System):
        hint = ", which has ticks already; retime(cell, dt) gives it other ones"
    elif callable(model) and not isinstance(model, type):
        hint = "; of a right-hand side of your own say Flow(f, width)"
    raise ValueError(f"model: expected an AdditiveModel, ContinuousRNN or ContinuousLSTM, got {brief(model)}{hint}")


@sampled_of.register
def _sampled(model: AdditiveModel, dt: float, scheme: str, alpha: float | None) -> CanonicalRNN | TappedRNN:
    dt = check_positive("dt", dt)
    name, weight = rule_name(scheme, alpha)
    lags = _delays_in_ticks(model, dt)
    undelayed = model.undelayed("state")
    zero = as_like(np.zeros((model.width, model.width)), model.phi)
    A = zero if undelayed is None else undelayed.dense()
    taps: dict[str, Taps] = {"state": {}, "readout": {}, "input": {}}
    with np.errstate(all="ignore"):  # overflow is told below
        try:
            taps["state"][1], P_0, P_1 = SCHEMES[name].rule(A, dt, weight)
        except ValueError as error:
            raise ValueError(f"dt: {error}, or the scheme 'exponential'") from None
        shifts = [(shift, P) for shift, P in ((0, P_0), (1, P_1)) if P is not None]
        for kind, by_lag in taps.items():
            for term in getattr(model, kind):
                if kind == "state" and term.delay == 0:
                    continue
                lag = lags[term.delay]
                if kind == "readout" and SCHEMES[name].late:
                    lag = max(lag, 1)
                for shift, P in shifts:
                    product = P @ term.dense()
                    by_lag[lag + shift] = by_lag[lag + shift] + product if lag + shift in by_lag else product
        theta = sum(P @ model.phi for _, P in shifts)
    if not all(all_finite(W) for W in (theta, *(W for by_lag in taps.values() for W in by_lag.values()))):
        raise ValueError(f"dt: the weights of {name!r} overflow at dt = {dt:g}; try a smaller dt")
    return _cell(taps, theta, dt, model)


@overload
def undiscretize(cell: CanonicalRNN | TappedRNN) -> ContinuousRNN: ...


@overload
def undiscretize(cell: object) -> Any: ...


def undiscretize(cell: object) -> Any:
    """The delay equation whose backward-Euler samples are ``cell`` (D11; K2 for a VanillaLSTM), with tau = lag dt.

    It is the exact inverse of ``discretize(model, dt)``. A cell that "implicit_linear" made of a model with
    tau = 0 comes back as the model with tau = dt, which has the same samples.

    Raises:
        ValueError: no CanonicalRNN, VanillaLSTM or SampledLSTM; a singular W_s (such as that of a standard RNN).

    Example:
        >>> model = ContinuousRNN(A=-1.0, B=2.0, C=4.0, phi=6.0, tau=1.0)
        >>> undiscretize(discretize(model, dt=0.5)).A
        array([[-1.]])
    """
    return continuous_of(cell)


@singledispatch
def continuous_of(cell: object) -> Any:
    """What `undiscretize` does with a cell, by its type; later packages register theirs."""
    got = brief_cell(cell) if callable(getattr(cell, "cell", None)) else type(cell).__name__
    hint = ""
    if isinstance(cell, TappedRNN):
        hint = "; of the recursions with taps only the one-tap form of D4 has the inverse D11"
    elif isinstance(cell, StandardRNN):
        hint = "; a standard RNN has no W_s to invert: it is the limit of long steps (D7)"
    elif isinstance(cell, System) and got == type(cell).__name__:
        hint = "; no other recursion is known to be the samples of a differential equation"
    raise ValueError(f"cell: expected a CanonicalRNN or VanillaLSTM, got {got}{hint}")


@continuous_of.register
def _continuous(cell: CanonicalRNN) -> ContinuousRNN:
    W_s, eye = to_numpy(cell.W_s), as_like(np.eye(cell.width), cell.W_s)
    if inverse_error(W_s, np.abs(W_s), cell.W_s) > WORST_ERROR:
        raise ValueError(
            "W_s: expected an invertible matrix, got a singular one: this cell is no sampled delay equation"
        )
    with np.errstate(all="ignore"):  # overflow is told by ContinuousRNN
        A = (eye - solve(cell.W_s, eye)) / cell.dt
        B = solve(cell.W_s, cell.W_r) / cell.dt
        C = None if cell.W_x is None else solve(cell.W_s, cell.W_x) / cell.dt
        phi = solve(cell.W_s, cell.theta_s[:, None])[:, 0] / cell.dt
    return ContinuousRNN(A, B, C, phi, tau=cell.lag * cell.dt, activation=cell.activation)


@overload
def retime(cell: CanonicalRNN | TappedRNN, dt: float) -> CanonicalRNN: ...


@overload
def retime(cell: object, dt: float) -> Any: ...


def retime(cell: object, dt: float) -> Any:
    """The cell for another sampling step: the same delay equation, sampled with step dt (D11; K3 for an LSTM).

    The delay stays lag * cell.dt, so the new cell has the lag lag * cell.dt / dt, which must be whole.

    Args:
        cell: a CanonicalRNN, VanillaLSTM or SampledLSTM; or a layer of ``ode2rnn.nn``, which gives a torch module of
            the layer's call that has its weights and takes inputs dt apart.
        dt: the new step, in the unit of time of cell.dt.

    Raises:
        ValueError: as `undiscretize` and `discretize`.

    Example:
        >>> cell = CanonicalRNN(W_s=0.5, W_r=1.0, W_x=2.0, theta_s=3.0, dt=1.0)
        >>> retime(cell, 0.25).lag
        4
    """
    return retimed(cell, dt)


@singledispatch
def retimed(cell: object, dt: float) -> Any:
    """What `retime` does with a cell or a layer, by its type; later packages register theirs."""
    return discretize(undiscretize(cell), dt)


def _cell(taps: dict[str, Taps], theta: Array, dt: float, model: AdditiveModel) -> CanonicalRNN | TappedRNN:
    state, readout, inputs = taps["state"], taps["readout"], taps["input"]
    one_tap = set(state) == {1} and len(readout) == 1 and 0 not in readout and set(inputs) <= {0}
    if not one_tap:
        return TappedRNN(state, readout, inputs, theta, dt, model.activation)
    ((lag, W_r),) = readout.items()
    return CanonicalRNN(state[1], W_r, inputs.get(0), theta, dt, model.activation, lag)


def rule_name(scheme: str, alpha: float | None) -> tuple[str, float]:
    """The name in SCHEMES that ``scheme`` stands for, and the weight of the new sample in "gbt".

    Raises:
        ValueError: an unknown scheme, an alpha that is missing, not wanted, or outside [0, 1].
    """
    name = check_choice("scheme", scheme, [*SCHEMES, *ALIASES])
    name = ALIASES.get(name, name)
    return name, _check_alpha(name, alpha)


def _check_alpha(name: str, alpha: float | None) -> float:
    if (name == "gbt") != (alpha is not None):
        wanted = "a number in [0, 1] with scheme 'gbt'" if name == "gbt" else f"none with scheme {name!r}"
        raise ValueError(f"alpha: expected {wanted}, got {brief(alpha)}")
    if alpha is None:
        return 0.5
    weight = check_number("alpha", alpha)
    if not 0 <= weight <= 1:
        raise ValueError(f"alpha: expected a number in [0, 1], got {weight:g}")
    return weight


def _delays_in_ticks(model: AdditiveModel, dt: float) -> dict[float, int]:
    ahead = -min(model.input_delays, default=0.0)
    if ahead > 0:
        raise ValueError(
            f"model: expected input delays >= 0, since a tick knows no later input, got {-ahead:g}; add {ahead:g} to"
            f" every input delay, and shift the input series: x(t + {ahead:g}) in place of x(t)"
        )
    terms: tuple[Term, ...] = (*model.state, *model.readout, *model.input)
    delays = sorted({term.delay for term in terms})
    try:
        return {delay: check_divides(dt, delay) for delay in delays}
    except ValueError as error:
        positive = [delay for delay in delays if delay > 0]
        if len(positive) == 1:
            raise
        step = _common_step(positive, dt)
        hint = "no step divides all the delays" if step is None else f"{step:.12g} divides all the delays"
        raise ValueError(f"{error}; {hint}: {', '.join(f'{delay:g}' for delay in positive)}") from None


def _common_step(delays: list[float], dt: float) -> float | None:
    """The step nearest to dt that divides all of ``delays``; None where their ratios are no simple fractions."""
    ratios = [delay / delays[0] for delay in delays]
    if max(ratios) > MOST_STEPS:
        return None
    fractions = [Fraction(ratio).limit_denominator(10_000) for ratio in ratios]
    if any(abs(float(f) - ratio) > 1e-9 * ratio for f, ratio in zip(fractions, ratios, strict=True)):
        return None
    longest = delays[0] * math.gcd(*(f.numerator for f in fractions)) / math.lcm(*(f.denominator for f in fractions))
    steps = min(longest / dt, float(MOST_STEPS))
    around = max(1, math.floor(steps)), max(1, math.ceil(steps))
    return min((longest / n for n in around), key=lambda step: abs(step - dt))
