"""The leading roots of many linear systems at once.

Uses: C10, D6.  The same methods as for one model (analysis.delay_roots), on stacks of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.spectra.delay_roots import Matrices, chebyshev, rightmost_roots, size
from ode2rnn.analysis.spectra.linear import rest_state
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.dense import interpolation_matrix
from ode2rnn.core.trajectory import SimulationError

BLOCK = 1 << 20  # numbers in a stack of matrices
CANDIDATES = 2
FEWEST, MOST_NODES = 10, 256


def equilibria(models: np.ndarray, start: np.ndarray, x: np.ndarray | None, origin: tuple[int, int]) -> np.ndarray:
    """The equilibria of the models (K, L), (K, L, d), followed from ``start``, that of a model at or near ``origin``.

    Along the column of the origin one by one, then each column from the one beside it, all rows at once. NaN where
    they were lost.
    """
    found = np.full((*models.shape, len(start)), np.nan)
    row, column = origin
    for rows in (range(row, len(models)), range(row - 1, -1, -1)):
        before = start if rows.step > 0 or np.isnan(found[row, column]).any() else found[row, column]
        for k in rows:
            found[k, column] = _newton([models[k, column]], before[None], x)[0]
            before = np.where(np.isnan(found[k, column]), before, found[k, column])
    for columns in (range(column + 1, models.shape[1]), range(column - 1, -1, -1)):
        guess = np.where(np.isnan(found[:, column]), start, found[:, column])
        for n in columns:
            found[:, n] = _newton(list(models[:, n]), guess, x)
            guess = np.where(np.isnan(found[:, n]), guess, found[:, n])
    return found


def _newton(models: Sequence[AdditiveModel], s: np.ndarray, x: np.ndarray | None) -> np.ndarray:
    """One equilibrium of each model (R, d), from s (R, d), by Newton's method with halved steps; NaN without one."""
    d, guess = s.shape[-1], s
    A, B = np.zeros((2, len(models), d, d))
    phi = np.array([to_numpy(m.phi) for m in models])
    for k, model in enumerate(models):
        for term in model.state:
            A[k] += to_numpy(term.dense())
        for term in model.readout:
            B[k] += to_numpy(term.dense())
        if x is not None:
            phi[k] += sum(to_numpy(term.dense()) @ x for term in model.input)
    G = models[0].activation

    def rate(s: np.ndarray) -> np.ndarray:
        return (A @ s[..., None] + B @ G.value(s)[..., None])[..., 0] + phi

    with np.errstate(all="ignore"):
        residual = rate(s)
        for _ in range(50):
            change = solved(A + B * G.slope(s)[..., None, :], -residual)
            if not np.abs(change).max() > 1e-15:
                break
            part = np.ones((len(s), 1))
            for _ in range(12):
                after = rate(s + part * change)
                worse = ~(np.abs(after).max(1) <= np.abs(residual).max(1))
                if not worse.any():
                    break
                part[worse] /= 2
            s = s + part * change
            residual = rate(s)
    lost = ~(np.abs(residual).max(1) <= 1e-10 * (1 + np.abs(s).max(1)))
    s = np.where(lost[:, None], np.nan, s)
    for k in np.flatnonzero(lost).tolist():
        with suppress(SimulationError):  # scipy's trust region gets farther than halved steps
            s[k] = rest_state(models[k], x, guess[k])
    return s


def solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solutions (K, n) of (K, n, n), by least squares where a matrix is singular; 0 where it is not finite."""
    try:
        return np.linalg.solve(matrices, right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        good = np.isfinite(matrices).all((1, 2))
        change = np.zeros_like(right)
        change[good] = (np.linalg.pinv(matrices[good]) @ right[good][..., None])[..., 0]
        return change


def largest_modulus(matrices: Sequence[np.ndarray | None], values: np.ndarray) -> None:
    """Write the largest |eigenvalue| of each matrix into ``values``; those that are None are passed over."""
    by_size: dict[int, list[int]] = {}
    for k, matrix in enumerate(matrices):
        if matrix is not None:
            by_size.setdefault(len(matrix), []).append(k)
    for places in by_size.values():
        stack = np.array([matrices[k] for k in places])
        values[places] = np.abs(np.linalg.eigvals(stack)).max(axis=-1)


def largest_real_part(linear: Sequence[Matrices], values: np.ndarray) -> None:
    """Write the largest real part of a root of each system into ``values`` (G,); NaN stays where a matrix is NaN.

    An interrupt ends the work.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for k, matrices in enumerate(linear):
        if all(np.isfinite(m).all() for m in matrices.values()):
            longest = max(matrices)
            n = 0 if longest == 0 else _nodes(matrices, longest)
            groups.setdefault((n, len(matrices)), []).append(k)
    try:
        with progress(len(linear), "stability chart", "point") as bar:
            for (n, _), places in sorted(groups.items()):
                d = len(linear[places[0]][0.0])
                at_once = max(1, BLOCK // ((n + 1) * d) ** 2)
                for i in range(0, len(places), at_once):
                    block = places[i : i + at_once]
                    values[block] = _rightmost([linear[k] for k in block], n)
                    bar.update(len(block))
    except KeyboardInterrupt:
        pass


def _nodes(matrices: Matrices, longest: float) -> int:
    """Chebyshev points, rounded up so that many systems have the same number."""
    fed_back = size({delay: m for delay, m in matrices.items() if delay > 0})
    # in the right half plane |Im lambda| is less; e^(lambda t) over the delay is resolved enough for Newton's method
    turning = 0.5 * float(np.linalg.norm(matrices[0.0] - matrices[0.0].T, 2))
    wanted = FEWEST + 0.6 * longest * (fed_back + turning)
    return int(min(4 * np.ceil(wanted / 4), MOST_NODES))


def _rightmost(systems: list[Matrices], n: int) -> np.ndarray:
    d = len(systems[0][0.0])
    delays = np.array([list(m) for m in systems])
    M = np.array([list(m.values()) for m in systems])
    if n == 0:
        return np.linalg.eigvals(M.sum(axis=1)).real.max(axis=-1)
    if d == 1 and M.shape[1] == 2:
        exact = _scalar(delays[:, 1], M[:, 0, 0, 0], M[:, 1, 0, 0])
        if np.isfinite(exact).all():
            return exact
    longest = delays.max(axis=1)
    points, weights, derivative = chebyshev(n)
    stack = np.kron(derivative, np.eye(d)) / longest[:, None, None]
    stack[:, :d] = 0.0
    for k in range(delays.shape[1]):
        rows = interpolation_matrix(points, weights, -delays[:, k] / longest)
        stack[:, :d] += np.einsum("gi,gab->gaib", rows, M[:, k]).reshape((-1, d, (n + 1) * d))
    roots = np.linalg.eigvals(stack)
    first = np.argsort(-roots.real, axis=-1)[:, : min(CANDIDATES, roots.shape[1])]
    refined = _refined(np.take_along_axis(roots, first, axis=1), M, delays)
    values = np.where(np.isnan(refined), -np.inf, refined.real).max(axis=1)
    # where an eigenvalue right of them all led to no root, the roots are looked for one system at a time
    for g in np.flatnonzero(np.isnan(refined).any(axis=1)).tolist():
        values[g] = rightmost_roots(systems[g], 1)[0].real
    return values


def _scalar(tau: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + Re W_0(b tau e^(-a tau)) / tau, which is the rightmost for real a and b."""
    from scipy.special import lambertw

    with np.errstate(all="ignore"):
        return a + lambertw(b * tau * np.exp(-a * tau)).real / tau


def _refined(roots: np.ndarray, M: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Newton's method on log det Delta for the roots (G, Q); NaN for one that leads to no root near it."""
    d, start = M.shape[-1], roots
    with np.errstate(all="ignore"):
        for _ in range(6):
            decays = M[:, None] * np.exp(-roots[..., None] * delays[:, None])[..., None, None]
            now = roots[..., None, None] * np.eye(d) - decays.sum(axis=2)
            slope = np.eye(d) + (delays[:, None, :, None, None] * decays).sum(axis=2)
            good = np.isfinite(now).all((-1, -2)) & (np.abs(np.linalg.det(now)) > 0)
            now = np.where(good[..., None, None], now, np.eye(d))
            step = 1 / np.trace(np.linalg.solve(now, np.where(good[..., None, None], slope, 0)), axis1=-2, axis2=-1)
            step = np.where(good & np.isfinite(step), step, 0)
            roots = roots - step
    found = (np.abs(step) <= 1e-10 * (1 + np.abs(roots))) & (np.abs(roots - start) <= 0.1 * (1 + np.abs(start)))
    return np.where(found, roots, np.nan)
