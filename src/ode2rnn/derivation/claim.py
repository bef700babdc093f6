"""A claim of the paper, what it is checked on, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.series import Series, load_series
from ode2rnn.core.signals import Linear
from ode2rnn.core.trajectory import Trajectory
from ode2rnn.solvers.integrate import integrate

# The studies of the step size run on this many samples; the trajectory itself takes the whole series.
WINDOW = 24
LONGEST_SERIES = 2000


@dataclass(frozen=True)
class Finding:
    """The outcome of a check: what should come, what came, and whether the claim holds."""

    expected: str
    measured: str
    holds: bool


@dataclass(frozen=True)
class Claim:
    """One claim: the id of its equation, the statement in words, and the check that decides it."""

    id: str
    statement: str
    check: Callable[[Experiment], Finding]


@dataclass(frozen=True)
class Experiment:
    """A network of three units driven by a real series (C9), one sample of the series being the unit of time.

    The series is standardized and joined by straight lines. Two units form a damped oscillation, the third is a
    slow integrator; the readout comes back after one sample, tau = dT = 1.
    """

    series: Series

    @cached_property
    def model(self) -> ContinuousRNN:
        """The network: A has eigenvalues -0.5 +- 0.6 i and -0.25 per sample."""
        return ContinuousRNN(
            A=[[-0.5, -0.6, 0.0], [0.6, -0.5, 0.0], [0.1, 0.0, -0.25]],
            B=[[0.4, -0.5, 0.2], [0.3, 0.2, -0.4], [-0.2, 0.3, 0.1]],
            C=[[0.8], [0.0], [0.3]],
            phi=[0.05, -0.05, 0.0],
            tau=1.0,
        )

    @cached_property
    def ordinary(self) -> ContinuousRNN:
        """The same network with tau_0 = 0."""
        m = self.model
        return ContinuousRNN(m.A, m.B, m.C, m.phi, tau=0.0)

    @cached_property
    def samples(self) -> int:
        """How many samples are used."""
        return min(len(self.series.t), LONGEST_SERIES)

    @cached_property
    def x(self) -> np.ndarray:
        """The standardized series, (N, 1)."""
        return self.series.standardized().x[: self.samples]

    @cached_property
    def signal(self) -> Linear:
        """The series as a function of time, in samples."""
        return Linear(np.arange(self.samples, dtype=float), self.x)

    @property
    def window(self) -> tuple[float, float]:
        """The range of time of the step-size studies."""
        return 0.0, float(min(WINDOW, self.samples - 1))

    @property
    def rest(self) -> np.ndarray:
        """The history: at rest before the series begins."""
        return np.zeros(self.model.width)

    @cached_property
    def solution(self) -> Trajectory:
        """The delay equation over the whole series, to 1e-10."""
        span = (0.0, float(self.samples - 1))
        return integrate(self.model, self.signal, t=span, history=self.rest, rtol=1e-10, atol=1e-12)


def sunspots(quick: bool = False) -> Experiment:
    """The experiment on the yearly sunspot numbers, or on the last 90 of them."""
    series = load_series("sunspots")
    return Experiment(replace(series, t=series.t[-90:], x=series.x[-90:]) if quick else series)


def within(measured: float, bound: float, what: str = "") -> Finding:
    """The finding that ``measured`` is at most ``bound``."""
    return Finding(f"<= {bound:.0e}", f"{measured:.1e}{what}", bool(measured <= bound))


def close(measured: float, expected: float, tolerance: float, what: str = "") -> Finding:
    """The finding that ``measured`` is ``expected`` within ``tolerance``."""
    return Finding(
        f"{expected:g} +- {tolerance:g}", f"{measured:.6g}{what}", bool(abs(measured - expected) <= tolerance)
    )
