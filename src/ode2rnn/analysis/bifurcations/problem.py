"""A system with one of its numbers left open: what a bifurcation diagram is drawn over.

Uses: C10, D6.  Any System or Flow; of a flow with a Sampling its samples, of which the step dT is a parameter like any
other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.sampling import STEP, Sampling
from ode2rnn.analysis.spectra.linear import roots_at
from ode2rnn.analysis.subject import Subject, at_rest
from ode2rnn.core.arrays import brief, check_array, check_shape, to_numpy
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow
from ode2rnn.core.systems.parameters import INPUT

Build = Callable[[float], Subject]
KEPT = 4  # a step of a continuation asks for few values, each many times


@dataclass(frozen=True, eq=False)
class BranchProblem:
    """A system for every value of a number.

    Attributes:
        build: the system at a value.
        discrete: whether it is a map.
        inputs: the constant input at a value, or None.
        grid: whether it is known at some values only: a step that must divide a delay.
        half: the same with half the step and the same delays; None of what has no step.
        flow: the equation behind it; itself of an equation, None where there is none.
        handling: in words, what becomes of the delays.
    """

    build: Build
    discrete: bool
    inputs: Callable[[float], np.ndarray | None]
    grid: bool = False
    half: BranchProblem | None = None
    flow: BranchProblem | None = None
    handling: str = ""
    _known: dict[float, tuple[Subject, Flat, np.ndarray]] = field(default_factory=dict, repr=False)

    def at(self, p: float) -> tuple[Subject, Flat, np.ndarray]:
        """The system at ``p``, what rests where it does, and what the constant input says at every step."""
        if p not in self._known:
            if len(self._known) == KEPT:
                self._known.pop(next(iter(self._known)))
            system = self.build(p)
            flat = at_rest(system)
            self._known[p] = system, flat, flat.constant(self.inputs(p))
        return self._known[p]

    def residual(self, s: np.ndarray, p: float) -> np.ndarray:
        """The rate at s (n,), or how far a step takes it."""
        _, flat, u = self.at(p)
        return flat.residual(s[None], u)[0]

    def jacobian(self, s: np.ndarray, p: float) -> np.ndarray:
        """Its derivative, (n, n)."""
        _, flat, u = self.at(p)
        return flat.slope(s[None], u)[0]

    def roots(self, s: np.ndarray, p: float) -> np.ndarray:
        """Characteristic roots, eigenvalues or multipliers, the leading one first; the last of many is stable."""
        return roots_at(self.at(p)[0], s, self.inputs(p))

    def growth(self, roots: np.ndarray) -> np.ndarray:
        """How far each root is beyond the boundary of stability, falling."""
        return np.sort(np.abs(roots) - 1 if self.discrete else roots.real)[::-1]


def problem(subject: Subject, name: str, sampling: Sampling | None = None, x: ArrayLike | None = None) -> BranchProblem:
    """The problem of ``subject`` over its number ``name``, as :func:`bifurcation` describes them.

    Raises:
        ValueError: no such number, samples of what has ticks already.
    """
    if not isinstance(name, str):
        raise ValueError(f"name: expected the name of a number of the system, got {brief(name)}")
    inputs = _inputs(subject, name, x)
    if (sampling is not None and name == STEP) or INPUT.fullmatch(name):
        change: Build = lambda p: subject  # noqa: E731
    else:
        change = subject.parameter(name)
    if sampling is None:
        own = BranchProblem(change, subject.discrete, inputs)
        return own if own.discrete else replace(own, flow=own)
    delays = as_flow("system", subject, "what has ticks of its own is not sampled again: expected no sampling").delays

    flows = cast("Callable[[float], Flow]", change)  # a number of a flow makes flows

    def sampled(parts: int) -> Build:
        return lambda p: sampling.of(flows(p), step(p), parts)

    def step(p: float) -> float:
        return p if sampling.dt is None else sampling.dt

    fixed = sampling.delay == "fixed"
    grid = fixed and bool(delays) and (name == STEP or name.startswith("tau"))
    flow = BranchProblem(lambda p: sampling.equation(flows(p), step(p)), False, inputs)
    half = BranchProblem(sampled(2), True, inputs, grid)
    return BranchProblem(sampled(1), True, inputs, grid, half, flow, sampling.handling)


def _inputs(subject: Subject, name: str, x: ArrayLike | None) -> Callable[[float], np.ndarray | None]:
    held = None if x is None else to_numpy(check_array("x", x))
    entry = INPUT.fullmatch(name)
    if entry is None:
        return lambda p: held
    width, k = subject.input_width, int(entry[1])
    if k >= width:
        raise ValueError(f"name: expected an input that the system has, got {name!r} of {width}")
    start = np.zeros(width) if held is None else check_shape("x", held, (width,))

    def changed(p: float) -> np.ndarray:
        after = start.copy()
        after[k] = p
        return after

    return changed
