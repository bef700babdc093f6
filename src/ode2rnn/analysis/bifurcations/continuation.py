"""Equilibria followed over a parameter: pseudo-arclength continuation (Keller 1977).

Uses: C10, D6.  A branch is a curve y(sigma) = (s / S, (p - p_0) / (p_1 - p_0)) in the box of the parameter's range,
with F(y) = 0. From a point with tangent t the next one solves F = 0 and t.(y - y_before) = step, so a branch is
followed around its folds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ode2rnn.analysis.bifurcations.problem import BranchProblem

FIRST, LONGEST, SHORTEST = 0.01, 0.03, 1e-7
MOST_POINTS = 3000
STRAIGHT = 0.9  # the least cosine between two tangents
CONVERGED, ITERATIONS = 1e-13, 12
WIDE = 100.0  # a branch this many times wider than its start has left


@dataclass(eq=False)
class Chart:
    """The coordinates in which a branch is followed.

    Attributes:
        problem: the system over a number.
        low, high: range of the parameter.
        scale: of the states.
    """

    problem: BranchProblem
    low: float
    high: float
    scale: float

    def point(self, s: np.ndarray, p: float) -> np.ndarray:
        """y of a state and a value."""
        return np.append(s / self.scale, (p - self.low) / (self.high - self.low))

    def split(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        """The state and the value of y; the ends of the range are met exactly."""
        q = float(y[-1])
        p = self.high if q == 1 else self.low + q * (self.high - self.low)
        return self.scale * y[:-1], p

    def residual(self, y: np.ndarray) -> np.ndarray:
        """F, (n,)."""
        return self.problem.residual(*self.split(y))

    def derivative(self, y: np.ndarray) -> np.ndarray:
        """F' (n, n + 1); along the parameter by differences, one-sided where the system ends."""
        s, p = self.split(y)
        J = self.scale * self.problem.jacobian(s, p)
        eps = 1e-6
        ends = []
        for sign in (1.0, -1.0):
            q = y[-1] + sign * eps
            # beyond its range a number may make no sense
            inside = -eps / 2 <= q <= 1 + eps / 2
            ends.append((q, self.problem.residual(s, self.low + q * (self.high - self.low))) if inside else None)
        here = (y[-1], self.problem.residual(s, p))
        (a, f), (b, g) = (end or here for end in ends)
        slope = (f - g) / (a - b) if a != b else np.full(len(f), np.nan)  # y is beyond the range: no derivative
        return np.column_stack([J, slope])

    def solve(self, y: np.ndarray, normal: np.ndarray, offset: float) -> tuple[np.ndarray, int] | None:
        """F = 0 with normal.y = offset from y, and the number of iterations; None where Newton's method fails."""
        before = np.inf
        for k in range(ITERATIONS):
            right = np.append(self.residual(y), normal @ y - offset)
            matrix = np.vstack([self.derivative(y), normal])
            if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
                return None
            try:
                change = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                change = np.linalg.lstsq(matrix, right, rcond=None)[0]
            size = float(np.abs(change).max())
            if size > 2 * before and size > 1e-6:
                return None
            y, before = y - change, min(before, size)
            y[-1] = min(max(y[-1], -1e-3), 1 + 1e-3)
            if size <= CONVERGED * (1 + np.abs(y).max()) or (size >= before / 2 and size <= 1e-9 and k > 3):
                return y, k + 1
        return None

    def tangent(self, y: np.ndarray, along: np.ndarray) -> np.ndarray:
        """The unit tangent, turned to ``along``."""
        _, _, rows = np.linalg.svd(self.derivative(y))
        t = rows[-1]
        # where two branches cross there are two directions of no change
        if rows.shape[0] > 1 and abs(t @ along) < 0.5:
            t = rows[-2:].T @ (rows[-2:] @ along)
            t = t / np.linalg.norm(t) if np.linalg.norm(t) > 1e-8 else rows[-1]
        return t if t @ along >= 0 else -t


@dataclass(eq=False)
class Path:
    """A followed branch: points y (Q, n + 1), tangents (Q, n + 1), and why it ended at either end."""

    y: np.ndarray
    t: np.ndarray
    ends: tuple[str, str] = ("", "")
    chart: Chart | None = field(default=None, repr=False)


def follow(chart: Chart, y: np.ndarray, direction: np.ndarray | None = None) -> Path:
    """The branch through the equilibrium y, both ways; from ``direction`` only that way."""
    rise = np.append(np.zeros(len(y) - 1), 1.0)
    if direction is not None:
        points, tangents, why = _one_way(chart, y, direction)
        return Path(np.array(points), np.array(tangents), ("branching", why), chart)
    t = chart.tangent(y, rise)
    points, tangents, last = _one_way(chart, y, t)
    if last == "closed":
        return Path(np.array(points), np.array(tangents), ("closed", "closed"), chart)
    others, turned, first = _one_way(chart, y, -t)
    y_all = np.array([*others[:0:-1], *points])
    return Path(y_all, np.array([*(-v for v in turned[:0:-1]), *tangents]), (first, last), chart)


def _one_way(chart: Chart, y: np.ndarray, t: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], str]:
    points, tangents, step = [y], [t], FIRST
    widest = WIDE * (1 + np.abs(y).max())
    if (y[-1] <= 0 and t[-1] < 0) or (y[-1] >= 1 and t[-1] > 0):
        return points, tangents, "range"
    while len(points) < MOST_POINTS:
        y, t = points[-1], tangents[-1]
        ahead = y + step * t
        beyond = not 0 <= ahead[-1] <= 1
        if beyond:
            # the last point is at the end of the range
            wall = 0.0 if ahead[-1] < 0 else 1.0
            part = (wall - y[-1]) / t[-1]
            normal = np.append(np.zeros(len(y) - 1), 1.0)
            found = chart.solve(np.append((y + part * t)[:-1], wall), normal, wall)
        else:
            found = chart.solve(ahead, t, float(t @ y) + step)
        if found is not None:
            new, iterations = found
            turned = chart.tangent(new, t)
            if beyond:
                new[-1] = wall
            inside = -1e-12 <= new[-1] <= 1 + 1e-12
            if inside and turned @ t >= STRAIGHT and np.linalg.norm(new - ahead) <= 0.5 * step + 0.5 * beyond * step:
                points.append(new)
                tangents.append(turned)
                if beyond:
                    return points, tangents, "range"
                if np.abs(new).max() > widest:
                    return points, tangents, "left"
                if len(points) > 10 and np.linalg.norm(new - points[0]) < step and turned @ tangents[0] > STRAIGHT:
                    points.append(points[0])
                    tangents.append(tangents[0])
                    return points, tangents, "closed"
                step = min(LONGEST, 1.4 * step) if iterations <= 5 else step
                continue
        step /= 2
        if step < SHORTEST:
            return points, tangents, "lost"
    return points, tangents, "long"


def on_path(path: Path, y: np.ndarray) -> bool:
    """Whether the equilibrium y lies on the branch."""
    chart = path.chart
    assert chart is not None
    q = path.y[:, -1]
    rise = np.append(np.zeros(len(y) - 1), 1.0)
    for k in np.flatnonzero((np.minimum(q[1:], q[:-1]) <= y[-1]) & (np.maximum(q[1:], q[:-1]) >= y[-1])).tolist():
        a, b = path.y[k], path.y[k + 1]
        part = (y[-1] - a[-1]) / (b[-1] - a[-1]) if b[-1] != a[-1] else 0.5
        guess = a + part * (b - a)
        guess[-1] = y[-1]
        if np.linalg.norm(guess - y) > 3 * np.linalg.norm(b - a) + 1e-6:
            continue
        found = chart.solve(guess, rise, float(y[-1]))
        if found is not None and np.linalg.norm(found[0] - y) < 1e-5:
            return True
    return bool((np.linalg.norm(path.y - y, axis=1) < 1e-6).any())
