"""Solvers against each other: equal error, interleaved rounds, CPU time, medians. The first call is told apart."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Solve = Callable[[float], Any]  # a tolerance -> the outputs
OURS = "ode2rnn"

ENOUGH = 0.7  # an error this near to the target is equal error
STEPS_OF_SEARCH = 5  # bisections between a tolerance that is good and ten times as much
TOLERANCES = (1e-14, 1e-1)


@dataclass(frozen=True)
class Contender:
    """A solver in a job: ``build`` imports what it needs and returns the solve; ImportError means not installed."""

    name: str
    build: Callable[[], Solve]
    start: float = 0.1  # the first tolerance tried, over the target


@dataclass(frozen=True)
class Job:
    """One problem, who solves it, and what is asked of us.

    Attributes:
        name: what the table calls it.
        contenders: ours (named OURS) first.
        target: the largest error allowed, or None where a run has no tolerance (fixed steps, recursions).
        error: the error of what a solve returned.
        asks: for a contender, how many times our time it must take at least.
        limit: seconds that the products and activations of our run alone must take; None without such a count.
        limit_ask: the part of the limit that we must reach.
    """

    name: str
    contenders: Sequence[Contender]
    error: Callable[[Any], float]
    target: float | None = None
    asks: Mapping[str, float] = field(default_factory=dict)
    limit: Callable[[float], float] | None = None
    limit_ask: float | None = None
    allowed: float = 1e-9  # without a tolerance, the error that all must keep


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one contender: the median of its rounds, and the first call with imports and compilation."""

    name: str
    seconds: float
    first: float
    tolerance: float
    error: float
    rounds: int


@dataclass(frozen=True)
class Row:
    """A line of the table; ``ratio`` is the time of the peer over ours. Both are None where our run did not end."""

    job: str
    peer: str
    ours_s: float | None
    peer_s: float
    ratio: float | None
    ask: float | None = None
    ours_error: float | None = None
    peer_error: float | None = None
    ours_first_s: float | None = None
    peer_first_s: float | None = None
    of_limit: float | None = None
    percent: bool = False

    @property
    def met(self) -> bool | None:
        """Whether what is asked is reached; None where nothing is asked."""
        return None if self.ask is None else self.ratio is not None and self.ratio >= self.ask


def tune(solve: Solve, error: Callable[[Any], float], target: float, start: float) -> tuple[float, float]:
    """The largest tolerance found whose error is just under ``target``, and that error.

    Raises:
        RuntimeError: no tolerance reaches the target.
    """
    known: dict[float, float] = {}

    def at(tolerance: float) -> float:
        if tolerance not in known:
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    found = error(solve(tolerance))
            except Exception as failure:  # each solver has errors of its own
                print(f"    (tolerance {tolerance:.1e} fails: {' '.join(str(failure).split()):.90})")
                found = np.inf
            known[tolerance] = found if np.isfinite(found) else np.inf
        return known[tolerance]

    good = start * target
    while at(good) > target:
        good /= 10**0.5
        if good < TOLERANCES[0]:
            best = min(known, key=known.__getitem__)
            raise RuntimeError(f"the least error is {known[best]:.1e}, at the tolerance {best:.1e}")
    bad = min((tolerance for tolerance in known if tolerance > good), default=10 * good)
    while at(bad) <= target and bad < TOLERANCES[1]:
        good, bad = bad, 10 * bad
    for _ in range(STEPS_OF_SEARCH):
        if known[good] >= ENOUGH * target:
            break
        middle = (good * bad) ** 0.5
        if at(middle) <= target:
            good = middle
        else:
            bad = middle
    return good, known[good]


def cpu_with_children() -> float:
    """CPU seconds of this process and of those it waited for, such as a C compiler."""
    return time.process_time() + os.times().children_user + os.times().children_system


def compare(job: Job, rounds: int = 7, budget: float = 6.0, tell: Callable[[str], None] = print) -> list[Timing]:
    """Time the contenders of ``job`` at equal error, round by round; those that are not there are told and left out.

    ``budget`` is the CPU time that one contender may take for its rounds, of which it gets three in any case.
    """
    ready: list[tuple[Contender, Solve, float, float, float]] = []
    for contender in job.contenders:
        tell(f"  {contender.name}: the first call, then its tolerance")
        try:
            began = cpu_with_children()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                solve = contender.build()
                outputs = solve(contender.start * (job.target or 1.0))
            first = cpu_with_children() - began
            if job.target is None:
                tolerance, error = np.nan, job.error(outputs)
                if not error <= job.allowed:
                    raise RuntimeError(f"an error of {error:.1e}, where {job.allowed:.1e} is allowed")
            else:
                tolerance, error = tune(solve, job.error, job.target, contender.start)
        except ImportError as missing:
            tell(f"  {contender.name}: not installed ({missing}); left out")
            continue
        except Exception as failure:  # each solver has errors of its own
            if contender.name == OURS:
                raise
            tell(f"  {contender.name}: {' '.join(str(failure).split()):.150}; left out")
            continue
        ready.append((contender, solve, first, tolerance, error))
    samples = _interleaved(ready, rounds, budget)
    return [
        Timing(
            contender.name, float(np.median(times)), max(first - float(np.median(times)), 0.0), tol, error, len(times)
        )
        for (contender, _, first, tol, error), times in zip(ready, samples, strict=True)
    ]


def _interleaved(ready: Sequence[Any], rounds: int, budget: float) -> list[list[float]]:
    samples: list[list[float]] = [[] for _ in ready]
    repeats = [1 for _ in ready]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(rounds + 1):  # round 0 finds the repeats
            for k, (_, solve, _, tolerance, _) in enumerate(ready):
                if len(samples[k]) >= 3 and sum(samples[k]) * repeats[k] > budget:
                    continue
                if n == 0 or repeats[k] > 1:
                    solve(tolerance)  # untimed: nobody pays for the caches that another has filled
                began = time.process_time()
                for _ in range(repeats[k]):
                    solve(tolerance)
                seconds = (time.process_time() - began) / repeats[k]
                if n:
                    samples[k].append(seconds)
                else:
                    repeats[k] = max(1, min(200, round(0.02 / max(seconds, 1e-6))))
    return samples


def rows(job: Job, timings: Sequence[Timing]) -> list[Row]:
    """The lines of the table for one job."""
    ours = next(t for t in timings if t.name == OURS)
    share = None if job.limit is None else job.limit(ours.tolerance) / ours.seconds
    out = []
    if job.limit_ask is not None and share is not None:
        seconds = share * ours.seconds
        out.append(
            Row(job.name, "the limit", ours.seconds, seconds, share, job.limit_ask, of_limit=share, percent=True)
        )
    for t in timings:
        if t is not ours:
            times = ours.seconds, t.seconds, t.seconds / ours.seconds
            errors = ours.error, t.error
            out.append(Row(job.name, t.name, *times, job.asks.get(t.name), *errors, ours.first, t.first, share))
    return out
