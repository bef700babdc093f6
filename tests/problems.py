"""Reference problems: equations with a closed form, or with values that two methods agree on.

Each function returns a :class:`Case`. The closed forms are written from the mathematics (method of steps,
variation of constants, or an input chosen so that a given s(t) is the solution), not taken from a solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import comb, factorial
from typing import Any

import numpy as np

from ode2rnn import Activation, AdditiveModel, ContinuousRNN, Trajectory, integrate
from ode2rnn.core.signals import Analytic, Held


@dataclass(frozen=True)
class Case:
    """An initial value problem and its solution ``exact``: times (T,) -> states (T, d)."""

    model: AdditiveModel
    t: tuple[float, float]
    history: Any
    x: Any = None
    s0: Any = None
    exact: Callable[[np.ndarray], np.ndarray] | None = None

    def solve(self, method: str = "auto", **options: Any) -> Trajectory:
        """integrate() on this problem; ``options`` replace or add arguments."""
        given = {"t": self.t, "history": self.history, "s0": self.s0, "x": self.x, "method": method}
        return integrate(self.model, **(given | options))

    def error(self, solution: Trajectory, times: Any) -> float:
        """The largest error at ``times``."""
        assert self.exact is not None
        return float(np.abs(solution(np.atleast_1d(times)) - self.exact(np.atleast_1d(times))).max())


def fitted_order(sizes: Any, errors: Any, floor: float = 1e-12) -> float:
    """Slope of log error against log size over the points above round-off; there must be five of them."""
    sizes, errors = np.asarray(sizes), np.asarray(errors)
    used = errors > floor
    assert used.sum() >= 5, f"four halvings need five points above {floor:g}, got errors {errors}"
    return float(np.polyfit(np.log(sizes[used]), np.log(errors[used]), 1)[0])


# R1, R2: u' = -sum_k u(t - tau_k)


def fundamental(t: np.ndarray, delays: tuple[float, ...], integrals: int = 0) -> np.ndarray:
    """u of u' = -sum_k u(t - tau_k) with u = 0 before 0 and u(0) = 1 (its integral, for ``integrals`` = 1)."""
    total = np.zeros_like(t)
    most = int(t.max() / min(delays)) + 1
    for powers in product(range(most + 1), repeat=len(delays)):
        n, past = sum(powers), t - np.dot(powers, delays)
        ways, left = 1, n
        for p in powers:
            ways, left = ways * comb(left, p), left - p
        term = (-1) ** n * ways * np.maximum(past, 0.0) ** (n + integrals) / factorial(n + integrals)
        total += np.where(past >= 0, term, 0.0)
    return total


def pure_delay(delays: tuple[float, ...] = (1.0,), history: float = 1.0, end: float = 10.0) -> Case:
    """R1 (one delay of 1) and R2 (1/3, 1/5): u(0) = 1 and a constant history, 0 or 1."""

    def exact(t: np.ndarray) -> np.ndarray:
        u = fundamental(t, delays)
        for tau in delays:  # variation of constants
            u = u - history * (fundamental(t, delays, 1) - fundamental(np.maximum(t - tau, 0.0), delays, 1))
        return u[:, None]

    model = AdditiveModel(state=[(-1.0, tau) for tau in delays])
    return Case(model, (0.0, end), history, s0=1.0, exact=exact)


def cosine() -> Case:
    """R3: u' = -(pi/2) u(t - 1), u = cos(pi t / 2)."""
    model = AdditiveModel(state=[(-np.pi / 2, 1.0)])
    return Case(
        model,
        (0.0, 10.0),
        lambda t: np.cos(np.pi * np.asarray(t) / 2)[..., None],
        exact=lambda t: np.cos(np.pi * t / 2)[:, None],
    )


def exponential() -> Case:
    """R3: u' = -u + u(t - 1) / 2, u = exp(lambda t)."""
    rate = -0.3149230578454061
    model = AdditiveModel(state=[(-1.0, 0.0), (0.5, 1.0)])
    return Case(
        model, (0.0, 10.0), lambda t: np.exp(rate * np.asarray(t))[..., None], exact=lambda t: np.exp(rate * t)[:, None]
    )


def hopf(tau: float, w: float = -2.0, end: float = 10.0) -> Case:
    """R8: s' = -s + w tanh(s(t - tau)), history 0.5."""
    return Case(ContinuousRNN(-1.0, w, None, None, tau), (0.0, end), 0.5)


HOPF_AT_10 = {1.0: -0.02660295035, 2.0: 1.042134042713}


def oscillator(transposed: bool = False) -> Case:
    """R13: Beer's two neurons, y' = -y + W sigma(y + theta), in the variable s = y + theta."""
    W = np.array([[4.5, 1.0], [-1.0, 4.5]])
    theta = np.array([-2.75, -1.75])
    model = ContinuousRNN(-np.eye(2), W.T if transposed else W, None, theta, activation="sigmoid")
    return Case(model, (0.0, 100.0), np.array([0.1, -0.1]))


def mackey_glass(end: float = 100.0) -> Case:
    """R14: x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x, history 1.2."""
    G = Activation("mackey_glass", lambda s: s / (1 + s**10), lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2)
    return Case(ContinuousRNN(-0.1, 0.2, None, None, 17.0, G), (0.0, end), 1.2)


MACKEY_GLASS_AT_100 = 1.0137240165


def pulse(signal: str = "held", delay: float = 0.0) -> Case:
    """R16: s' = -s + x(t - delay), s(0) = 0, the pulse arriving on [50, 50.5)."""
    first, last = 50.0 - delay, 50.5 - delay
    x = (
        Held([-delay, first, last, 52.0], [0.0, 0.0, 1.0, 0.0])
        if signal == "held"
        else Analytic(lambda t: 1.0 * ((t >= first) & (t < last)), knots=[first, last])
    )

    def exact(t: np.ndarray) -> np.ndarray:
        rise = 1 - np.exp(-np.maximum(t - 50.0, 0.0))
        return (rise - (1 - np.exp(-np.maximum(t - 50.5, 0.0))))[:, None]

    return Case(AdditiveModel(state=[(-1.0, 0.0)], input=[(1.0, delay)]), (0.0, 52.0), 0.0, x, exact=exact)


PULSE_AT_52 = 0.0877948768

# Networks driven so that a chosen smooth s(t) is the solution: x = s' - (everything else), C = 1.

A = np.array([[-1.0, 0.3, 0.0], [-0.4, -0.8, 0.2], [0.1, 0.0, -1.3]])
B = np.array([[0.9, -1.1, 0.3], [1.2, 0.5, -0.4], [-0.6, 0.8, 0.7]])
B_LATE = np.array([[0.3, 0.4, -0.5], [-0.7, 0.2, 0.6], [0.5, -0.3, 0.1]])
PHI = np.array([0.1, -0.2, 0.3])


def wave(t: Any) -> np.ndarray:
    """A smooth s(t), (T, 3)."""
    t = np.asarray(t, dtype=float)
    return np.stack([np.sin(1.3 * t), 0.8 * np.cos(0.9 * t + 0.4), 0.6 * np.sin(0.7 * t) * np.cos(1.1 * t)], axis=-1)


def wave_slope(t: Any) -> np.ndarray:
    """Its derivative."""
    t = np.asarray(t, dtype=float)
    third = 0.42 * np.cos(0.7 * t) * np.cos(1.1 * t) - 0.66 * np.sin(0.7 * t) * np.sin(1.1 * t)
    return np.stack([1.3 * np.cos(1.3 * t), -0.72 * np.sin(0.9 * t + 0.4), third], axis=-1)


def driven(readout: list[tuple[np.ndarray, float]], end: float = 4.0, speed: float = 1.0) -> Case:
    """s' = A s + sum_k B_k tanh(s(t - tau_k)) + x(t) + phi, whose solution is wave(speed t)."""

    def exact(t: Any) -> np.ndarray:
        return wave(speed * np.asarray(t, dtype=float))

    def x(t: Any) -> np.ndarray:
        t = np.asarray(t, dtype=float)
        known = sum(np.tanh(exact(t - tau)) @ matrix.T for matrix, tau in readout)
        return speed * wave_slope(speed * t) - exact(t) @ A.T - known - PHI

    model = AdditiveModel(state=[(A, 0.0)], readout=readout, input=[(np.eye(3), 0.0)], phi=PHI)
    return Case(model, (0.0, end), exact, x, exact=exact)


def driven_ode(end: float = 4.0, speed: float = 1.0) -> Case:
    """A smooth nonlinear network without delay."""
    return driven([(B, 0.0)], end, speed)


def driven_dde(tau: float = 0.5, end: float = 4.0, speed: float = 1.0) -> Case:
    """A smooth nonlinear network with a delayed readout."""
    return driven([(B, tau)], end, speed)


def driven_two_delays(taus: tuple[float, float] = (0.5, 0.75), end: float = 4.0, speed: float = 1.0) -> Case:
    """Two delays and an undelayed readout."""
    return driven([(B, 0.0), (B_LATE, taus[0]), (B_LATE.T, taus[1])], end, speed)
