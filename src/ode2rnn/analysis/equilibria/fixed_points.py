"""Where a system rests: all fixed points that many starts find, what type each is, and where it is merely slow.

Uses: C10, D6.  The method is that of Sussillo and Barak (2013), with Newton's steps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.equilibria.newton_starts import FAILED, FIXED, SLOW, Ends, newton_starts
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.spectra.linear import NEUTRAL, roots_at
from ode2rnn.analysis.subject import Subject, as_subject, at_rest, states_of
from ode2rnn.core.arrays import check_count, check_positive
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.trajectory import SimulationError

# fixed points closer than this, relatively, are one
SAME_POINT = 1e-6
WARM_UP = 60
# starts iterated together: as many as so many numbers of their Jacobians, but no more than
NUMBERS, BLOCK = 1 << 22, 1024


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A state at which a system rests.

    Attributes:
        s: the state (n,); of a layer what torch calls hx, of an LSTM h and then c.
        residual: |F(s)| of a flow, |F(s) - s| of a map.
        roots: of a flow the eigenvalues of its Jacobian or the rightmost characteristic roots, per unit of time; of a
            map the multipliers, per step. The leading one first.
        kind: "node", "spiral", "saddle", "saddle-focus", or "non-hyperbolic" where a root is on the boundary.
        stable: whether all deviations die out.
        side: of a map, the side of the unit circle that its largest multiplier is on: "fold" (+1), "flip" (-1),
            "Neimark-Sacker" (a pair); of a flow "fold" (a real root) or "Hopf" (a pair).
        unstable: how many roots lead away.
        hits: how many starts ended here.
    """

    s: np.ndarray
    residual: float
    roots: np.ndarray
    kind: str
    stable: bool
    side: str
    unstable: int
    hits: int

    @property
    def name(self) -> str:
        """The type in words."""
        if self.kind == "non-hyperbolic":
            return f"non-hyperbolic, {self.side}"
        word = self.kind if self.kind.startswith("saddle") else f"{'stable' if self.stable else 'unstable'} {self.kind}"
        return word if self.side in ("fold", "Hopf") else f"{word}, {self.side} side"


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """What the starts found.

    Attributes:
        points: the fixed points, the stable ones first, then by the number of roots that lead away.
        slow: states (Q, n) at which |F| has a minimum that is not 0, without repeats.
        speeds: |F| there (Q,).
        failed: the starts (P, n) from which nothing was found: they diverged, or took too many iterations.
        starts: how many there were.
        discrete: whether the system is a map.
        names: what the parts of a state are, with their lengths.
        complete: False where an interrupt ended the search.
    """

    points: tuple[FixedPoint, ...]
    slow: np.ndarray
    speeds: np.ndarray
    failed: np.ndarray
    starts: int
    discrete: bool
    names: tuple[tuple[str, int], ...]
    complete: bool = True

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, k: int) -> FixedPoint:
        return self.points[k]

    @property
    def states(self) -> np.ndarray:
        """The fixed points, (P, n)."""
        n = sum(length for _, length in self.names)
        return np.array([p.s for p in self.points]).reshape((-1, n))

    def table(self) -> str:
        """A line per fixed point, and what the other starts came to."""
        what = "largest multiplier" if self.discrete else "rightmost root"
        lines = [f"{'type':<34}{what:>26}{'leads away':>12}{'residual':>11}{'hits':>6}  state"]
        for p in self.points:
            lead = p.roots[0]
            text = f"{lead.real:.6g}" if lead.imag == 0 else f"{lead.real:.6g} +- {abs(lead.imag):.6g}i"
            state = np.array2string(p.s[:4], precision=4, suppress_small=True)
            state += f" and {len(p.s) - 4} more" if len(p.s) > 4 else ""
            lines.append(f"{p.name:<34}{text:>26}{p.unstable:>12}{p.residual:11.1e}{p.hits:>6}  {state}")
        lines.append(
            f"{self.starts} starts: {sum(p.hits for p in self.points)} at {len(self)} fixed points, {len(self.slow)}"
            f" slow points, {len(self.failed)} failed{'' if self.complete else ' (interrupted)'}"
        )
        return "\n".join(lines)

    __str__ = table


def fixed_points(
    system: Any,
    x: Any = None,
    *,
    starts: int | Any = 64,
    spread: float = 2.0,
    seed: int = 0,
    tolerance: float = 1e-11,
    iterations: int = 300,
) -> FixedPoints:
    """Return the fixed points of a flow, of a map or of a trained layer under a constant input.

    A multi-start Newton method, damped after Levenberg and Marquardt, with the exact Jacobian, all starts at once. A
    start that cannot reach 0 ends at a minimum of |F(s)| (of |F(s) - s| for a map): a slow point.

    The type is that of the leading roots: a node where the root nearest to instability is real, a spiral where it is a
    pair; a saddle where some lead away and some do not, a saddle-focus where the leading one of either is a pair.
    There may be fixed points that no start found.

    Args:
        system: a Flow (an AdditiveModel, a ContinuousLSTM, your own; delays do not move equilibria, but roots); a
            System (a cell, a Sampled model, a Map); torch.nn's RNN, LSTM, GRU, their cells, or a layer of ode2rnn.nn,
            in one direction.
        x: the constant input (m,); zero by default.
        starts: how many, drawn from normal distributions of several widths, 0 among them, half of those of a map
            after some steps; or the starts themselves, (K, n).
        spread: the largest of these widths.
        seed: of the draw.
        tolerance: a fixed point has |F| <= tolerance (1 + |s|).
        iterations: the most of a start.

    An interrupt (Ctrl-C) ends the search; what was found is returned.

    Raises:
        ValueError: no system, one that never rests, wrong shapes, NaN.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> found = fixed_points(ContinuousRNN(A=-1.0, B=2.0, C=None, phi=None))
        >>> [(p.name, p.s.round(4).item()) for p in found]
        [('stable node', -1.915), ('stable node', 1.915), ('unstable node', 0.0)]
    """
    subject = as_subject(system)
    flat = at_rest(subject)
    u = flat.constant(x)
    spread, tolerance = check_positive("spread", spread), check_positive("tolerance", tolerance)
    if isinstance(starts, int | np.integer):
        given = _drawn(flat, u, check_count("starts", starts), spread, seed)
    else:
        given = states_of("starts", starts, flat.size)
    ends, complete = _search(flat, u, given, tolerance, check_count("iterations", iterations))
    points = _points(subject, ends, x)
    order = [k for k, _ in _distinct(ends.states, np.flatnonzero(ends.kinds == SLOW), ends.speeds, 1e-3)]
    return FixedPoints(
        tuple(points),
        ends.states[order],
        ends.speeds[order],
        given[ends.kinds == FAILED],
        len(given),
        subject.discrete,
        flat.names,
        complete,
    )


def classify(roots: np.ndarray, discrete: bool) -> tuple[str, str, int]:
    """Kind, side and number of roots that lead away, of a fixed point with these roots.

    Example:
        >>> classify(np.array([0.5 + 1j, 0.5 - 1j, -2.0]), discrete=False)
        ('saddle-focus', 'Hopf', 2)
        >>> classify(np.array([-0.9, 0.1]), discrete=True)
        ('node', 'flip', 0)
    """
    roots = np.asarray(roots, dtype=complex)
    with np.errstate(divide="ignore"):
        growth = np.log(np.abs(roots)) if discrete else roots.real
    lead = roots[int(growth.argmax())]
    pair = np.abs(roots.imag) > NEUTRAL * (1 + np.abs(roots))
    if pair[int(growth.argmax())]:
        side = "Neimark-Sacker" if discrete else "Hopf"
    else:
        side = "flip" if discrete and lead.real < 0 else "fold"
    away, back = growth > NEUTRAL, growth < -NEUTRAL
    if not (away | back).all():
        return "non-hyperbolic", side, int(away.sum())
    if away.any() and back.any():
        leaders = [np.flatnonzero(away)[growth[away].argmin()], np.flatnonzero(back)[growth[back].argmax()]]
        return "saddle-focus" if pair[leaders].any() else "saddle", side, int(away.sum())
    nearest = np.abs(growth).argmin() if away.any() else growth.argmax()
    return "spiral" if pair[nearest] else "node", side, int(away.sum())


def _drawn(flat: Flat, u: np.ndarray, count: int, spread: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    widths = spread * 2.0 ** -(np.arange(count) % 4)
    states = widths[:, None] * rng.standard_normal((count, flat.size))
    if flat.discrete:
        ticks = np.where(np.arange(count) % 2, rng.integers(1, WARM_UP, count), 0)
        with np.errstate(all="ignore"):
            for n in range(int(ticks.max(initial=0))):
                moving = np.flatnonzero(ticks > n)
                try:
                    after = flat.advance(states[moving], u)
                except SimulationError:  # an implicit tick without solution: the starts stay where they are
                    break
                fine = (np.abs(after) < 1e6).all(axis=1)
                states[moving[fine]] = after[fine]
    states[0] = 0.0
    return states


def _search(flat: Flat, u: np.ndarray, starts: np.ndarray, tolerance: float, iterations: int) -> tuple[Ends, bool]:
    """In blocks, so that an interrupt keeps what is done."""

    def residual(S: np.ndarray) -> np.ndarray:
        return flat.residual(S, u)

    def jacobian(S: np.ndarray) -> np.ndarray:
        return flat.slope(S, u)

    block = int(np.clip(NUMBERS / flat.size**2, 4, BLOCK))
    parts: list[Ends] = []
    complete, done = True, 0
    try:
        with progress(len(starts), "fixed points", "start") as bar:
            for i in range(0, len(starts), block):

                def on_step(ended: int, bar: Any = bar, i: int = i) -> None:
                    bar.update(i + ended - bar.n)

                parts.append(newton_starts(residual, jacobian, starts[i : i + block], tolerance, iterations, on_step))
                done += len(parts[-1].states)
                if not parts[-1].complete:
                    complete = False
                    break
    except KeyboardInterrupt:
        complete = False
    rest = starts[done:]
    parts.append(Ends(rest, np.full(len(rest), np.nan), np.full(len(rest), FAILED)))
    states, speeds, kinds = (np.concatenate(values) for values in list(zip(*parts, strict=True))[:3])
    return Ends(states, speeds, kinds), complete


def _distinct(states: np.ndarray, places: np.ndarray, speeds: np.ndarray, close: float) -> list[tuple[int, int]]:
    """One of every cluster of states, the slowest, and how many there are in it."""
    chosen: list[int] = []
    hits: Counter[int] = Counter()
    for k in places[np.argsort(speeds[places], kind="stable")].tolist():
        gaps = [np.abs(states[k] - states[j]).max() / (1 + np.abs(states[k]).max()) for j in chosen]
        near = int(np.argmin(gaps)) if gaps and min(gaps) <= close else len(chosen)
        if near == len(chosen):
            chosen.append(k)
        hits[near] += 1
    return [(k, hits[i]) for i, k in enumerate(chosen)]


def _points(subject: Subject, ends: Ends, x: Any) -> list[FixedPoint]:
    points = []
    for k, hits in _distinct(ends.states, np.flatnonzero(ends.kinds == FIXED), ends.speeds, SAME_POINT):
        s = ends.states[k]
        roots = roots_at(subject, s, x)
        kind, side, unstable = classify(roots, subject.discrete)
        stable = kind != "non-hyperbolic" and unstable == 0
        points.append(FixedPoint(s, float(ends.speeds[k]), roots, kind, stable, side, unstable, hits))
    return sorted(points, key=lambda p: (not p.stable, p.unstable, p.s.tolist()))
