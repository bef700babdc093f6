"""All branches of equilibria that are found over a range of a parameter, and the points where their stability changes.

Uses: C10, D6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ode2rnn.analysis.bifurcations.continuation import Chart, Path, follow, on_path
from ode2rnn.analysis.bifurcations.points import BifurcationPoint, branching_direction, crossings, jumps
from ode2rnn.analysis.bifurcations.problem import BranchProblem
from ode2rnn.analysis.equilibria.fixed_points import fixed_points
from ode2rnn.core.arrays import check_count, check_positive

SEEDS = 5  # values of the parameter at which equilibria are looked for
LEAVE = 0.02  # how far from a pitchfork a new branch begins
MOST = 60  # branches; a network of many units can have hundreds


@dataclass(frozen=True, eq=False)
class Branch:
    """Equilibria along a curve.

    Attributes:
        values: of the parameter, in the order of the curve, (Q,); not monotone around a fold.
        states: (Q, n).
        unstable: how many roots lead away, (Q,).
        lead: the leading root, (Q,).
        ends: why it ends at either end: "range", "closed", "branching", or "lost", "left", "long".
    """

    values: np.ndarray
    states: np.ndarray
    unstable: np.ndarray
    lead: np.ndarray
    ends: tuple[str, str]

    @property
    def stable(self) -> np.ndarray:
        """Where all roots are on the stable side, (Q,)."""
        return self.unstable == 0


@dataclass(frozen=True)
class Equilibria:
    """How equilibria are looked for: by Newton's method from many starts, at five values of the parameter.

    Args:
        starts: how many at each of these values.
        spread: the largest width of the normal distributions that they are drawn from.
        seed: of the draw.

    Raises:
        ValueError: starts < 1, spread <= 0.
    """

    starts: int = 32
    spread: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("starts", self.starts)
        check_positive("spread", self.spread)


def branches(
    problem: BranchProblem,
    values: np.ndarray,
    search: Equilibria,
    found: list[Branch],
    points: list[BifurcationPoint],
    on_branch: Callable[[int], object] = lambda done: None,
) -> None:
    """Append to ``found`` and ``points`` as they are found, so that an interrupt keeps them."""
    low, high = float(values[0]), float(values[-1])
    if problem.grid or len(values) < 2:
        _on_grid(problem, values, search, found, points)
        return
    paths: list[Path] = []
    places = np.linspace(low, high, SEEDS)
    for k in (0, SEEDS - 1, *range(1, SEEDS - 1)):
        p = float(places[k])
        for s in _equilibria(problem, p, search):
            chart = Chart(problem, low, high, float(max(1.0, np.abs(s).max()) * np.sqrt(len(s))))
            y = chart.point(s, p)
            if len(paths) < MOST and not any(on_path(path, path.chart.point(s, p)) for path in paths if path.chart):
                _take(chart, follow(chart, y), paths, found, points)
        on_branch(k + 1)


def _take(chart: Chart, path: Path, paths: list[Path], found: list[Branch], points: list[BifurcationPoint]) -> None:
    """Keep a branch, its points, and the branches that leave it."""
    if len(path.y) < 2 or len(paths) >= MOST:
        return
    paths.append(path)
    split = [chart.split(y) for y in path.y]
    roots = [chart.problem.roots(s, p) for s, p in split]
    unstable = np.array([int((chart.problem.growth(r) > 0).sum()) for r in roots])
    if path.ends[0] == "branching":
        unstable[0] = unstable[1]  # at the pitchfork itself the sign of what is 0 is that of rounding
    lead = np.array([r[0] for r in roots])
    branch = Branch(np.array([p for _, p in split]), np.array([s for s, _ in split]), unstable, lead, path.ends)
    found.append(branch)
    width = chart.high - chart.low
    for point in crossings(chart, path, unstable, len(found) - 1):
        same = [
            other
            for other in points
            if abs(other.value - point.value) <= 1e-4 * width
            and np.abs(other.s - point.s).max() <= 1e-2 * chart.scale
            and {other.kind, point.kind} <= {"pitchfork", "transcritical", "fold"}
            and "fold" not in (other.kind, point.kind)
        ]
        if same:
            continue
        points.append(point)
        if point.kind in ("pitchfork", "transcritical"):
            v, y = branching_direction(chart, point), chart.point(point.s, point.value)
            for sign in (1.0, -1.0):
                start = chart.solve(y + sign * LEAVE * v, v, float(v @ y) + sign * LEAVE)
                if start is not None and 0 <= start[0][-1] <= 1 and not any(on_path(p, start[0]) for p in paths):
                    away = (start[0] - y) / np.linalg.norm(start[0] - y)
                    new = follow(chart, start[0], chart.tangent(start[0], away))
                    whole = replace(new, y=np.vstack([y, new.y]), t=np.vstack([away, new.t]))  # from the point on
                    _take(chart, whole, paths, found, points)


def _equilibria(problem: BranchProblem, p: float, search: Equilibria) -> list[np.ndarray]:
    starts, spread = search.starts, search.spread
    found = fixed_points(problem.build(p), problem.inputs(p), starts=starts, spread=spread, seed=search.seed)
    if not found.complete:
        raise KeyboardInterrupt
    # what is neither stable nor unstable, at a value chosen at random, is one of a whole line: gates that are shut
    return [point.s for point in found.points if point.kind != "non-hyperbolic"]


def _on_grid(
    problem: BranchProblem, values: np.ndarray, search: Equilibria, found: list[Branch], points: list[BifurcationPoint]
) -> None:
    """At the given values alone: each equilibrium is that of the value before it that is nearest to it."""
    lines: list[list[tuple[float, np.ndarray, np.ndarray]]] = []
    for p in map(float, values):
        free = list(lines)
        for s in _equilibria(problem, p, search):
            roots = problem.roots(s, p)
            near = sorted(free, key=lambda line: float(np.abs(line[-1][1] - s).max()))
            if near and np.abs(near[0][-1][1] - s).max() <= 0.2 * (1 + np.abs(s).max()):
                near[0].append((p, s, roots))
                free = [line for line in free if line is not near[0]]
            else:
                lines.append([(p, s, roots)])
    for line in lines:
        at, states = np.array([p for p, _, _ in line]), np.array([s for _, s, _ in line])
        roots_of = [r for _, _, r in line]
        unstable = np.array([int((problem.growth(r) > 0).sum()) for r in roots_of])
        found.append(Branch(at, states, unstable, np.array([r[0] for r in roots_of]), ("range", "range")))
        points += jumps(at, states, unstable, roots_of, problem.discrete, len(found) - 1)
