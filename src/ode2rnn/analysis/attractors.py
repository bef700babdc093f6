"""Where a system ends up, by simulation from many starts, over the values of a parameter, upwards and downwards.

Uses: C7, D5.  At each value some lanes go on from where they were at the value before, with a small push, so that
hysteresis shows; others start afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.as_rule import moving_rule
from ode2rnn.analysis.families import Family
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.signals import Constant
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.solvers.integrate import integrate

PUSH = 1e-3
LEFT = 1e8
SAMPLES = 240  # kept of a flow
REPEATS = 1e-6  # as near as this, of its range, an orbit has come back


@dataclass(frozen=True, eq=False)
class Runs:
    """How the runs are made.

    Attributes:
        family: of systems.
        lanes: starts at each value, and lanes that go on.
        transient, kept: steps of a map, time of a flow.
        observe: the number of the state that is recorded.
        spread: of the starts.
        seed: of starts and pushes.
        every: steps between two that are kept.
        rtol: of the solver of a flow.
    """

    family: Family
    lanes: int
    transient: float
    kept: float
    observe: int
    spread: float
    seed: int
    every: int = 1
    rtol: float = 1e-6

    @property
    def width(self) -> int:
        """How many samples a lane leaves at a value."""
        return int(self.kept) if self.family.discrete else SAMPLES

    def sweep(
        self, values: np.ndarray, up: np.ndarray, fresh: np.ndarray | None, on_value: Callable[[], object]
    ) -> None:
        """Fill ``up``, (K, lanes, width), going through the values in their order, and ``fresh`` likewise."""
        rng = np.random.default_rng(self.seed)
        run = self._map if self.family.discrete else self._flow
        state: Any = None
        for k, p in enumerate(map(float, values)):
            up[k], state = run(p, state, rng)
            if fresh is not None:
                fresh[k] = run(p, None, rng)[0]
            on_value()

    def _start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        widths = self.spread * 2.0 ** -(np.arange(self.lanes) % 4)
        return widths[:, None] * rng.standard_normal((self.lanes, size))

    def _map(self, p: float, state: Any, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        rule = moving_rule(self.family.build(p))
        u = rule.constant(self.family.inputs(p))
        depth = rule.depth
        d = rule.size // depth
        push = PUSH * rng.standard_normal((self.lanes, d))
        S = self._start(d, rng) if state is None else state[:, :d] + push
        # a start is a past at rest; so is what goes on where the length of the past changes
        S = np.tile(S, depth) if state is None or state.shape[1] != rule.size else np.hstack([S, state[:, d:]])
        out = np.full((self.lanes, self.width), np.nan)
        with np.errstate(all="ignore"):
            for _ in range(int(self.transient)):
                S = rule.advance(S, None, u)[0]
            for n in range(self.width):
                for _ in range(self.every):
                    S = rule.advance(S, None, u)[0]
                out[:, n] = S[:, self.observe]
        gone = ~(np.abs(S).max(axis=1) < LEFT)
        out[gone] = np.nan
        if gone.any():
            S = np.where(gone[:, None], np.tile(self._start(d, rng), depth), S)
        return out, S

    def _flow(self, p: float, state: Any, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
        model, x = self.family.build(p), self.family.inputs(p)
        push = PUSH * rng.standard_normal((self.lanes, model.width))
        times = self.transient + np.linspace(0.0, self.kept, SAMPLES)
        t0 = 0.0 if state is None else state.end
        fresh = self._start(model.width, rng)
        history = fresh if state is None else state
        s0 = fresh if state is None else to_numpy(state.s[-1]) + push
        try:
            run = integrate(
                model,
                None if x is None else Constant(x),
                t=np.concatenate([[t0], t0 + times]),
                history=history if model.delays else s0,
                s0=s0,
                rtol=self.rtol,
                atol=1e-3 * self.rtol,
            )
        except SimulationError:
            return np.full((self.lanes, SAMPLES), np.nan), None
        return to_numpy(run.s)[1:, :, self.observe].T, run


def motion(samples: np.ndarray, discrete: bool, scale: float) -> str:
    """What a lane (M,) does: "rest", "period q" of a map, "motion", or "diverges".

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
