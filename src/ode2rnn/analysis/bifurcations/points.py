"""Where the stability of a branch of equilibria changes: the points, located and named.

Uses: C10, D6.  Between two points of a branch with different numbers of unstable roots, the growth of the root that
crosses is a continuous function of the arclength; its zero is found by Brent's method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ode2rnn.analysis.bifurcations.continuation import Chart, Path

REAL = 1e-6
# F' has lost rank where its least singular value is this small
LOST_RANK = 1e-5
# and its second derivative along what crosses is no more than that: the branch bends, it does not slant
SYMMETRIC = 1e-4


@dataclass(frozen=True, eq=False)
class BifurcationPoint:
    """A point at which roots cross the boundary of stability.

    Attributes:
        kind: "fold", "pitchfork", "transcritical", "Hopf", "flip" or "Neimark-Sacker".
        value: of the parameter.
        s: the equilibrium (n,).
        root: what crosses; of a pair the upper one.
        branch: index of the branch that it was found on.
        between: the values of the parameter that it lies between; equal to ``value`` where it was located.
        half: where it is at half the step; NaN where it is not there, or was not asked for.
        flow: where the equation has it, likewise.
        owner: "system" or "solver", by verify; else "".
    """

    kind: str
    value: float
    s: np.ndarray
    root: complex
    branch: int = 0
    between: tuple[float, float] = (np.nan, np.nan)
    half: float = np.nan
    flow: float = np.nan
    owner: str = ""


def crossings(chart: Chart, path: Path, unstable: np.ndarray, branch: int) -> list[BifurcationPoint]:
    """The crossings along a branch, whose points have ``unstable`` roots (Q,) beyond the boundary."""
    found: list[BifurcationPoint] = []
    for k in np.flatnonzero(np.diff(unstable)).tolist():
        few, many = sorted((int(unstable[k]), int(unstable[k + 1])))
        here: list[tuple[float, np.ndarray]] = []
        for index in range(few, many):
            sigma, y = _located(chart, path, k, index)
            if all(abs(sigma - other) > 1e-7 for other, _ in here):
                here.append((sigma, y))
        found += [_named(chart, path, k, y, branch) for _, y in here]
    return found


def jumps(
    values: np.ndarray, states: np.ndarray, unstable: np.ndarray, roots: list[np.ndarray], discrete: bool, branch: int
) -> Iterator[BifurcationPoint]:
    """The same on values between which the system is not known: told with the two that they lie between."""
    for k in np.flatnonzero(np.diff(unstable)).tolist():
        many = k if unstable[k] > unstable[k + 1] else k + 1
        growth = np.abs(roots[many]) - 1 if discrete else roots[many].real
        order = np.argsort(-growth)
        few = int(min(unstable[k], unstable[k + 1]))
        root = complex(roots[many][order[few]])
        kind = _kind_of(root, discrete) or "fold"
        middle = 0.5 * (values[k] + values[k + 1])
        between = float(values[k]), float(values[k + 1])
        yield BifurcationPoint(kind, float(middle), states[k], _upper(root), branch, between)


def _located(chart: Chart, path: Path, k: int, index: int) -> tuple[float, np.ndarray]:
    from scipy.optimize import brentq

    problem, a, b = chart.problem, path.y[k], path.y[k + 1]
    length = float(np.linalg.norm(b - a))
    normal = (b - a) / length
    memory: dict[float, np.ndarray] = {0.0: a, length: b}

    def at(sigma: float) -> np.ndarray:
        if sigma not in memory:
            # Newton's method starts from the nearest point that is known
            near = min(memory, key=lambda other: abs(other - sigma))
            found = chart.solve(memory[near] + (sigma - near) * normal, normal, float(normal @ a) + sigma)
            memory[sigma] = memory[near] + (sigma - near) * normal if found is None else found[0]
        return memory[sigma]

    def growth(sigma: float) -> float:
        values = problem.growth(problem.roots(*chart.split(at(sigma))))
        return float(values[index]) if index < len(values) else -1.0

    ends = growth(0.0), growth(length)
    if not ends[0] * ends[1] < 0:  # on the boundary itself
        sigma = 0.0 if abs(ends[0]) < abs(ends[1]) else length
        return sigma, at(sigma)
    sigma = float(brentq(growth, 0.0, length, xtol=1e-15, rtol=1e-14, maxiter=200))
    s, p = chart.split(at(sigma))
    root = _critical(chart, s, p)
    if abs(root.imag) <= REAL and not (chart.problem.discrete and root.real < 0):
        sigma = _real(growth, sigma, length, path.t[k], path.t[k + 1])
    return sigma, at(sigma)


def _real(growth: Callable[[float], float], sigma: float, length: float, first: np.ndarray, last: np.ndarray) -> float:
    """A zero root makes the equations singular there: the place comes from values around it.

    Where the branch turns, the value of the parameter at its turn is exact for any place near it. Where it does not,
    the growth is smooth along it, and a polynomial through points some way off has its zero.
    """
    if first[-1] * last[-1] < 0:
        return float(sigma)
    h = min(sigma, length - sigma, 0.01) / 4
    if h < 1e-5:
        return float(sigma)
    places = h * np.array([-4, -3, -2, -1, 1, 2, 3, 4.0])
    values = np.array([growth(sigma + place) for place in places])
    fit = np.polynomial.Polynomial.fit(places, values, 6)
    zeros = [float(z.real) for z in np.asarray(fit.roots(), dtype=complex) if abs(z.imag) < 1e-9 and abs(z.real) < h]
    return float(sigma + min(zeros, key=abs)) if zeros else float(sigma)


def _critical(chart: Chart, s: np.ndarray, p: float) -> complex:
    roots = chart.problem.roots(s, p)
    growth = np.abs(roots) - 1 if chart.problem.discrete else roots.real
    return _upper(complex(roots[int(np.abs(growth).argmin())]))


def _upper(root: complex) -> complex:
    return complex(root.real, abs(root.imag))


def _kind_of(root: complex, discrete: bool) -> str:
    """The name, but for a real root that makes the equations singular."""
    if abs(root.imag) > REAL:
        return "Neimark-Sacker" if discrete else "Hopf"
    return "flip" if discrete and root.real < 0 else ""


def _named(chart: Chart, path: Path, k: int, y: np.ndarray, branch: int) -> BifurcationPoint:
    s, p = chart.split(y)
    root = _critical(chart, s, p)
    kind = _kind_of(root, chart.problem.discrete)
    if not kind:
        full = chart.derivative(y)
        sizes = np.linalg.svd(full, compute_uv=False)
        turns = path.t[k][-1] * path.t[k + 1][-1] < 0
        kind = "fold" if sizes[-1] > LOST_RANK * max(1.0, sizes[0]) and turns else _branching(chart, s, p)
    return BifurcationPoint(kind, p, s, root, branch, (p, p))


def _branching(chart: Chart, s: np.ndarray, p: float) -> str:
    w, sizes, v = np.linalg.svd(chart.problem.jacobian(s, p))
    h = 1e-3 * chart.scale
    right, left = v[-1], w[:, -1]
    F = chart.problem.residual
    bend = float(left @ (F(s + h * right, p) + F(s - h * right, p) - 2 * F(s, p))) / h**2
    return "pitchfork" if abs(bend) <= SYMMETRIC * max(1.0, sizes[0]) / chart.scale else "transcritical"


def branching_direction(chart: Chart, crossing: BifurcationPoint) -> np.ndarray:
    """The direction in which the states leave a pitchfork, (n + 1,)."""
    v = np.linalg.svd(chart.problem.jacobian(crossing.s, crossing.value))[2][-1]
    return np.append(v, 0.0) / np.linalg.norm(v)
