"""What becomes of a network as one of its numbers changes: attractors, equilibria, and where they change.

Uses: C10, D6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.bifurcations.attractors import Attractors, SampledRuns, motion
from ode2rnn.analysis.bifurcations.branches import SEEDS, Branch, Equilibria, branches
from ode2rnn.analysis.bifurcations.points import BifurcationPoint
from ode2rnn.analysis.bifurcations.problem import BranchProblem, problem
from ode2rnn.analysis.bifurcations.verification import compared, owners
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.sampling import Sampling, check_sampling
from ode2rnn.analysis.subject import as_subject
from ode2rnn.core.arrays import brief, check_array, to_numpy

STEPS, TIME = 500, 200.0
Record = TypeVar("Record", Attractors, Equilibria)


@dataclass(frozen=True, eq=False)
class Bifurcation:
    """A bifurcation diagram.

    Attributes:
        name: of the parameter.
        values: of it, (K,), increasing.
        branches: of equilibria.
        points: where the stability of equilibria changes, by rising value.
        up, down: samples of the observed number of the state on the attractors, (K, N, M), on the way up and on the
            way down, runs going on from value to value; NaN where they diverged or were not run.
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
    points: tuple[BifurcationPoint, ...]
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
        """What the runs do at values[k], with how many of them."""
        runs = np.concatenate([self.up[k], self.down[k], self.fresh[k]])
        # of the whole diagram: what has nearly died out is at rest
        known = [np.abs(all_[np.isfinite(all_)]).max(initial=0.0) for all_ in (self.up, self.down, self.fresh)]
        scale = float(max(known)) or 1.0
        return Counter(motion(run, self.discrete, scale) for run in runs)

    @property
    def hysteresis(self) -> np.ndarray:
        """Where the way up and the way down end on different attractors, (K,) of bool."""
        return compared(self.up, self.down)

    def of(self, kind: str) -> list[BifurcationPoint]:
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
    system: object,
    name: str,
    values: ArrayLike,
    sampling: Sampling | str | None = None,
    *,
    x: ArrayLike | None = None,
    attractors: Attractors | bool = True,
    equilibria: Equilibria | bool = True,
    verify: bool = False,
) -> Bifurcation:
    """Return attractors and equilibria over a parameter, with the points where the equilibria change.

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
        system: a Flow, a System, torch's RNN, LSTM, GRU, their cells, or a layer of ode2rnn.nn in one direction.
        name: of the parameter, as the system's ``parameter`` takes it: "dT" with a Sampling, or of a Sampled; of a
            network "gain", a factor on what feeds its readout back, "tau" or "tau[k]", or an entry of an array by its
            own name, "A[0, 1]", "W_r[0, 1]", "weight_hh_l0[0, 1]"; of a Flow or Map of your own one of its parameters;
            of any "x[k]", a constant input.
        values: increasing, (K,); the branches are followed from the first to the last.
        sampling: how the samples of a Flow are made, or the name of a scheme; None for the equation itself.
        x: the constant input (m,).
        attractors, equilibria: how they are looked for, by records; True for the usual way, False for not at all.
        verify: see above; for flows and their samples.

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
    subject = as_subject(system)
    own = problem(subject, name, check_sampling(sampling, (name,), subject.discrete), x)
    if verify and own.flow is None:
        raise ValueError("verify: expected a flow, or samples of one by `sampling`, got a map alone")
    own.at(float(axis[0]))  # what does not fit is told before any work
    size = own.at(float(axis[-1]))[1].size
    runs_wanted, search = _record("attractors", attractors, Attractors), _record("equilibria", equilibria, Equilibria)
    settings = runs_wanted or Attractors()
    if settings.observe >= size:
        raise ValueError(f"observe: expected one of the {size} numbers of the state, from 0 on, got {settings.observe}")
    kept = settings.keep or (128 if own.discrete else 0.25 * TIME)
    if own.discrete and kept < 1:
        raise ValueError(f"keep: expected at least one step of a map, got {kept:g}")
    runs = SampledRuns(own, settings, settings.transient or (STEPS if own.discrete else TIME), kept)
    found: list[Branch] = []
    points: list[BifurcationPoint] = []
    up, down, fresh = (np.full((len(axis), settings.starts, runs.width), np.nan) for _ in range(3))
    halves: list[BifurcationPoint] = []
    flows: list[BifurcationPoint] = []
    doubtful, complete = np.zeros(len(axis), dtype=bool), True
    total = (SEEDS * (search is not None) + 2 * len(axis) * (runs_wanted is not None)) * (1 + verify)
    try:
        with progress(total, "bifurcation", "part") as bar:

            def one(*_: object) -> None:
                bar.update(1)

            if search is not None:
                branches(own, axis, search, found, points, one)
            if runs_wanted is not None:
                runs.sweep(axis, up, fresh, one)
                runs.sweep(axis[::-1], down[::-1], None, one)
            if verify and search is not None:
                for other, into in ((own.half or own, halves), (own.flow, flows)):
                    if other is own:
                        into += points
                    elif other is not None:
                        branches(other, axis, search, [], into, one)
            if verify and runs_wanted is not None:
                doubtful = _doubtful(runs, own, axis, up, down, one)
    except KeyboardInterrupt:
        complete = False
    if verify and search is not None and complete:
        points = owners(points, halves, flows, own)
    points = sorted(points, key=lambda point: point.value)
    return Bifurcation(
        name, axis, tuple(found), tuple(points), up, down, fresh, settings.observe, own.discrete, own.handling,
        doubtful, verify, complete,
    )  # fmt: skip


def _record(name: str, given: Record | bool, kind: type[Record]) -> Record | None:
    if given is False or given is None:
        return None
    if given is True:
        return kind()
    if not isinstance(given, kind):
        raise ValueError(f"{name}: expected {kind.__name__}(...), True or False, got {brief(given)}")
    return given


def _doubtful(
    runs: SampledRuns, own: BranchProblem, axis: np.ndarray, up: np.ndarray, down: np.ndarray, one: Callable[[], object]
) -> np.ndarray:
    """Where the sweeps end elsewhere with half the step, or of an equation a finer tolerance."""
    finer = replace(runs, rtol=runs.rtol / 100)
    if own.half is not None:
        finer = replace(runs, problem=own.half, transient=2 * runs.transient, every=2)
    again_up, again_down = np.full(up.shape, np.nan), np.full(down.shape, np.nan)
    finer.sweep(axis, again_up, None, one)
    finer.sweep(axis[::-1], again_down[::-1], None, one)
    return compared(np.concatenate([up, down], axis=1), np.concatenate([again_up, again_down], axis=1))
