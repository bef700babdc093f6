"""Where a system ends up, by simulation from many starts, over the values of a parameter, upwards and downwards.

Uses: C7, D5.  At each value some runs go on from where they were at the value before, with a small push, so that
hysteresis shows; others start afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode2rnn.analysis.bifurcations.problem import BranchProblem
from ode2rnn.core.arrays import check_count, check_positive, to_numpy
from ode2rnn.core.signals import Constant
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.trajectory import SimulationError, Trajectory
from ode2rnn.solvers.integrate import integrate

PUSH = 1e-3
LEFT = 1e8
SAMPLES = 240  # kept of a flow
REPEATS = 1e-6  # as near as this, of its range, an orbit has come back


@dataclass(frozen=True)
class Attractors:
    """How attractors are looked for: by simulation, up and down the values and from fresh starts at each.

    Args:
        starts: runs at each value that start afresh, and as many that go on from value to value.
        transient: steps of a map, by default 500, or time of a flow, 200, before samples are kept.
        keep: samples kept of each run of a map, 128, or the time over which 240 of a flow are, 50.
        observe: which number of the state is kept, from 0 on.
        spread: the largest width of the normal distributions of the starts.
        seed: of starts and pushes.

    Raises:
        ValueError: a number out of range.
    """

    starts: int = 8
    transient: float | None = None
    keep: float | None = None
    observe: int = 0
    spread: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("starts", self.starts)
        check_count("observe", self.observe, 0)
        check_positive("spread", self.spread)
        for name in ("transient", "keep"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class SampledRuns:
    """The runs of a problem.

    Attributes:
        problem: the system over a number.
        search: how attractors are looked for.
        transient, kept: steps of a map, time of a flow.
        every: steps between two that are kept.
        rtol: of the solver of a flow.
    """

    problem: BranchProblem
    search: Attractors
    transient: float
    kept: float
    every: int = 1
    rtol: float = 1e-6

    @property
    def starts(self) -> int:
        """How many runs there are at a value."""
        return self.search.starts

    @property
    def width(self) -> int:
        """How many samples a run leaves at a value."""
        return int(self.kept) if self.problem.discrete else SAMPLES

    def sweep(
        self, values: np.ndarray, up: np.ndarray, fresh: np.ndarray | None, on_value: Callable[[], object]
    ) -> None:
        """Fill ``up``, (K, starts, width), going through the values in their order, and ``fresh`` likewise."""
        rng = np.random.default_rng(self.search.seed)
        state: np.ndarray | Trajectory | None = None
        for k, p in enumerate(map(float, values)):
            up[k], state = self._run(p, state, rng)
            if fresh is not None:
                fresh[k] = self._run(p, None, rng)[0]
            on_value()

    def _run(
        self, p: float, state: np.ndarray | Trajectory | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | Trajectory | None]:
        """The kept samples (starts, width) at ``p``, and where the runs end."""
        if not self.problem.build(p).inner()[0].discrete:
            return self._flow(p, state if isinstance(state, Trajectory) else None, rng)
        return self._map(p, state if isinstance(state, np.ndarray) else None, rng)

    def _start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        widths = self.search.spread * 2.0 ** -(np.arange(self.starts) % 4)
        return widths[:, None] * rng.standard_normal((self.starts, size))

    def _map(self, p: float, state: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        inner, ticks = self.problem.build(p).inner()
        flat = Flat(inner)
        u, depth, steps = flat.constant(self.problem.inputs(p)), flat.depth, int(ticks)
        d = flat.size // depth
        push = PUSH * rng.standard_normal((self.starts, d))
        S = self._start(d, rng) if state is None else state[:, :d] + push
        # a start is a past at rest; so is what goes on where the length of the past changes
        S = np.tile(S, depth) if state is None or state.shape[1] != flat.size else np.hstack([S, state[:, d:]])
        out = np.full((self.starts, self.width), np.nan)
        with np.errstate(all="ignore"):
            for _ in range(int(self.transient) * steps):
                S = flat.advance(S, u)
            for n in range(self.width):
                for _ in range(self.every * steps):
                    S = flat.advance(S, u)
                out[:, n] = S[:, self.search.observe]
        gone = ~(np.abs(S).max(axis=1) < LEFT)
        out[gone] = np.nan
        if gone.any():
            S = np.where(gone[:, None], np.tile(self._start(d, rng), depth), S)
        return out, S

    def _flow(
        self, p: float, state: Trajectory | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, Trajectory | None]:
        system, x = self.problem.build(p), self.problem.inputs(p)
        flow, tick = system.inner()
        push = PUSH * rng.standard_normal((self.starts, flow.width))
        times: np.ndarray = self.transient + np.linspace(0.0, self.kept, SAMPLES)
        if system.discrete:  # the ticks of an exact method are those of the equation
            times = tick * (self.transient + self.every * np.arange(1, self.width + 1))
        t0 = 0.0 if state is None else state.end
        fresh = self._start(flow.width, rng)
        s0 = fresh if state is None else to_numpy(state.s[-1]) + push
        try:
            run = integrate(
                flow,
                None if x is None else Constant(x),
                t=np.concatenate([[t0], t0 + times]),
                history=s0 if state is None or not flow.delays else state,
                s0=s0,
                rtol=self.rtol,
                atol=1e-3 * self.rtol,
            )
        except SimulationError:
            return np.full((self.starts, self.width), np.nan), None
        return to_numpy(run.s)[1:, :, self.search.observe].T, run


def motion(samples: np.ndarray, discrete: bool, scale: float) -> str:
    """What a run (M,) does: "rest", "period q" of a map, "motion", or "diverges".

    Example:
        >>> motion(np.array([1.0, -1.0] * 32), True, 1.0)
        'period 2'
    """
    if not np.isfinite(samples).all():
        return "diverges"
    near = REPEATS * max(scale, 1e-12)
    if np.ptp(samples[len(samples) // 2 :]) <= (near if discrete else 1e3 * near):
        return "rest"
    for q in range(2, min(33, len(samples) // 3)) if discrete else ():
        if np.abs(samples[q:] - samples[:-q]).max() <= 10 * near:
            return f"period {q}"
    return "motion"


def extremes(samples: np.ndarray) -> np.ndarray:
    """The local maxima and minima of samples (M,) in time, by parabolas through three of them.

    Example:
        >>> extremes(np.sin(np.linspace(0, 12, 200))).round(4)
        array([ 1., -1.,  1., -1.])
    """
    a, b, c = samples[:-2], samples[1:-1], samples[2:]
    at = np.flatnonzero((b - a) * (c - b) < 0)
    a, b, c = a[at], b[at], c[at]
    return b - (c - a) ** 2 / (8 * (a - 2 * b + c))
