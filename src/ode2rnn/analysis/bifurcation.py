"""What becomes of a network as one of its numbers changes: attractors, equilibria, and where they change.

Uses: C10, D6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ode2rnn.analysis.attractors import Runs, motion
from ode2rnn.analysis.branches import SEEDS, Branch, branches
from ode2rnn.analysis.crossings import Crossing
from ode2rnn.analysis.families import Family, family
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.verdicts import compared, owners
from ode2rnn.core.arrays import check_array, check_count, check_positive, to_numpy

STEPS, TIME = 500, 200.0


@dataclass(frozen=True, eq=False)
class Bifurcation:
    """A bifurcation diagram.

    Attributes:
        name: of the parameter.
        values: of it, (K,), increasing.
        branches: of equilibria.
        points: where the stability of equilibria changes, by rising value.
        up, down: samples of the observed number of the state on the attractors, (K, N, M), on the way up and on the
            way down, lanes going on from value to value; NaN where they diverged or were not run.
        fresh: the same from fresh starts at every value.
        observe: which number of the state.
        discrete: whether the system is a map.
        handling: what becomes of the delays of samples, in words; "" of an equation.
        doubtful: (K,) of bool, by verify: where the attractors are not those at half the step (of an equation, at a
            hundredth of the tolerance); all False without it.
        verified: whether that was asked for.
        complete: False where an interrupt ended the work.
    """

    name: str
    values: np.ndarray
    branches: tuple[Branch, ...]
    points: tuple[Crossing, ...]
    up: np.ndarray
    down: np.ndarray
    fresh: np.ndarray
    observe: int
    discrete: bool
    handling: str
    doubtful: np.ndarray
    verified: bool = False
    complete: bool = True

    def attractors(self, k: int) -> Counter[str]:
        """What the lanes do at values[k], with how many of them."""
        lanes = np.concatenate([self.up[k], self.down[k], self.fresh[k]])
        # of the whole diagram: what has nearly died out is at rest
        known = [np.abs(all_[np.isfinite(all_)]).max(initial=0.0) for all_ in (self.up, self.down, self.fresh)]
        scale = float(max(known)) or 1.0
        return Counter(motion(lane, self.discrete, scale) for lane in lanes)

    @property
    def hysteresis(self) -> np.ndarray:
        """Where the way up and the way down end on different attractors, (K,) of bool."""
        return compared(self.up, self.down)

    def of(self, kind: str) -> list[Crossing]:
        """The points of a kind: "fold", "pitchfork", "transcritical", "Hopf", "flip", "Neimark-Sacker"."""
        return [point for point in self.points if point.kind == kind]

    def table(self) -> str:
        """A line per point, and what was found in all."""
        lines = [f"{'kind':<16}{self.name:>16}  {'root':>24}  state"]
        if self.verified:
            lines[0] = f"{'kind':<16}{self.name:>16}{'at dT/2':>14}{'equation':>14}  {'whose':<8}{'root':>24}  state"
        for p in self.points:
            root = f"{p.root.real:.6g}" if p.root.imag == 0 else f"{p.root.real:.6g} +- {p.root.imag:.6g}i"
            value = f"{p.value:.10g}"
            if p.between[0] != p.between[1]:
                value = f"{p.between[0]:.4g} .. {p.between[1]:.4g}"
            own = f"{p.half:>14.8g}{p.flow:>14.8g}  {p.owner:<8}" if self.verified else "  "
            state = np.array2string(p.s[:4], precision=4, suppress_small=True)
            lines.append(f"{p.kind:<16}{value:>16}{own}{root:>24}  {state}")
        lines.append(
            f"{len(self.branches)} branches of equilibria, {len(self.points)} points; {self.name} from"
            f" {self.values[0]:g} to {self.values[-1]:g}{'' if self.complete else ' (interrupted)'}"
        )
        if self.handling:
            lines.append(f"samples: {self.handling}")
        if self.verified:
            lines.append(f"attractors that are not the system's own: at {int(self.doubtful.sum())} values")
        return "\n".join(lines)

    __str__ = table


def bifurcation(
    model: Any,
    name: str,
    values: Sequence[float],
    scheme: str | None = None,
    *,
    dt: float | None = None,
    delay: str = "fixed",
    lag: int = 1,
    alpha: float | None = None,
    x: Any = None,
    starts: int = 8,
    transient: float | None = None,
    keep: float | None = None,
    observe: int = 0,
    spread: float = 2.0,
    seed: int = 0,
    attractors: bool = True,
    equilibria: bool = True,
    verify: bool = False,
) -> Bifurcation:
    """Attractors and equilibria over a parameter, with the points where the equilibria change.

    Attractors come from simulation, up and down the values and from fresh starts at each. Equilibria are followed by
    pseudo-arclength continuation, from many starts at five values, around folds, and from pitchforks onto the branches
    that leave them. Between two points of a branch with different numbers of unstable roots the place is located and
    named: a real root makes a "fold" where the branch turns, else a "pitchfork" or "transcritical"; a pair a "Hopf"; a
    multiplier -1 a "flip", a pair of multipliers a "Neimark-Sacker". A branch that no start found is not there.

    Samples of a model with a fixed delay exist only where dT divides it. Over dT or the delay, such a diagram knows
    the given values only: its points are told with the two values that they lie between.

    Verify compares with the same at half the step, the delays kept, and with the equation itself. A point is the
    system's own if the equation has one of the same kind (a Hopf for a Neimark-Sacker) that half the step comes nearer
    to; else it is the solver's.

    Args:
        model: an AdditiveModel or ContinuousLSTM; a cell; torch's RNN, LSTM, GRU or a layer of ode2rnn.nn in one
            direction; or a function that takes a value to one of them.
        name: of the parameter. Of a model "dT", "gain", "tau", "A[i, j]" and the others of :func:`parameter`; of a
            cell, a layer or a ContinuousLSTM (which has "dT" and "tau" too) "gain", a factor on what feeds its readout
            back, or an entry of an array by its own name, "weight_hh_l0[0, 1]"; of any "x[k]", a constant input. Of a
            function, how the axis is to be called.
        values: increasing; the branches are followed from the first to the last.
        scheme: samples of a model, as `discretize` takes it; None for the equation itself.
        dt: their step, where the parameter is not "dT".
        delay: "fixed", or "tied": tau = lag dT, for a model with tau = 0.
        lag: whole number of steps that a tied delay is long.
        alpha: for the scheme "gbt".
        x: the constant input (m,).
        starts: lanes of the simulation; four times as many for the equilibria.
        transient, keep: steps of a map (500, 128), time of an equation (200, 50) that are passed over, and kept.
        observe: which number of the state is kept.
        spread: of the starts.
        seed: of the starts.
        attractors, equilibria: whether to look for them.
        verify: see above; for models.

    At most 60 branches are followed. An interrupt (Ctrl-C) ends the work; what is done is returned.

    Raises:
        ValueError: an unknown name, values that do not increase, a dT without a scheme or the reverse.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> loop = ContinuousRNN(A=-1.0, B=1.0, C=None, phi=None)
        >>> found = bifurcation(loop, "gain", [0.5, 1.5], attractors=False)
        >>> [(point.kind, round(point.value, 9)) for point in found.points]
        [('pitchfork', 1.0)]
    """
    axis = to_numpy(check_array("values", values))
    if axis.ndim != 1 or len(axis) < 2 or (np.diff(axis) <= 0).any():
        raise ValueError(f"values: expected at least two increasing numbers, got shape {axis.shape}")
    own = family(model, name, scheme, dt=dt, delay=delay, lag=lag, alpha=alpha, x=x)
    if verify and own.flow is None:
        raise ValueError("verify: expected a model with an equation, got a map alone")
    own.rule(float(axis[0]))  # what does not fit is told before any work
    size = own.rule(float(axis[-1]))[1].size
    starts, spread = check_count("starts", starts), check_positive("spread", spread)
    observe = check_count("observe", observe, 0)
    if observe >= size:
        raise ValueError(f"observe: expected one of the {size} numbers of the state, from 0 on, got {observe}")
    kept = check_positive("keep", keep or (128 if own.discrete else 0.25 * TIME))
    passed = check_positive("transient", transient or (STEPS if own.discrete else TIME))
    runs = Runs(own, starts, passed, kept, observe, spread, seed)
    found: list[Branch] = []
    points: list[Crossing] = []
    up, down, fresh = (np.full((len(axis), starts, runs.width), np.nan) for _ in range(3))
    halves: list[Crossing] = []
    flows: list[Crossing] = []
    doubtful, complete = np.zeros(len(axis), dtype=bool), True
    total = (SEEDS * equilibria + 2 * len(axis) * attractors) * (1 + verify)
    try:
        with progress(total, "bifurcation", "part") as bar:

            def one(*_: Any) -> None:
                bar.update(1)

            if equilibria:
                branches(own, axis, 4 * starts, spread, seed, found, points, one)
            if attractors:
                runs.sweep(axis, up, fresh, one)
                runs.sweep(axis[::-1], down[::-1], None, one)
            if verify and equilibria:
                for other, into in ((own.half or own, halves), (own.flow, flows)):
                    if other is own:
                        into += points
                    elif other is not None:
                        branches(other, axis, 4 * starts, spread, seed, [], into, one)
            if verify and attractors:
                doubtful = _doubtful(runs, own, axis, up, down, one)
    except KeyboardInterrupt:
        complete = False
    if verify and equilibria and complete:
        points = owners(points, halves, flows, own)
    points = sorted(points, key=lambda point: point.value)
    return Bifurcation(
        name, axis, tuple(found), tuple(points), up, down, fresh, observe, own.discrete, own.handling, doubtful,
        verify, complete,
    )  # fmt: skip


def _doubtful(runs: Runs, own: Family, axis: np.ndarray, up: np.ndarray, down: np.ndarray, one: Any) -> np.ndarray:
    """Where the sweeps end elsewhere with half the step, or of an equation a finer tolerance."""
    finer = replace(runs, rtol=runs.rtol / 100)
    if own.half is not None:
        finer = replace(runs, family=own.half, transient=2 * runs.transient, every=2)
    again_up, again_down = np.full(up.shape, np.nan), np.full(down.shape, np.nan)
    finer.sweep(axis, again_up, None, one)
    finer.sweep(axis[::-1], again_down[::-1], None, one)
    return compared(np.concatenate([up, down], axis=1), np.concatenate([again_up, again_down], axis=1))
