"""Characteristic roots of a delay equation whose state feeds a difference equation, as that of the LSTM does.

Uses: K1, C10.  E y'(t) = M y(t) + N y(t - tau), y = (s, v), E = diag(1, 0):
det [lambda E - M - N e^(-lambda tau)] = 0.

The readout v is no derivative, so among the roots there are chains that go up along Re lambda = log|mu| / tau, mu the
eigenvalues of what v makes of v(t - tau): with some |mu| > 1 infinitely many lead away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ode2rnn.analysis.spectra.delay_roots import chebyshev, ordered
from ode2rnn.core.trajectory import SimulationError

NODES, MOST_UNKNOWNS = 24, 2000
AGREE = 1e-10


@dataclass(frozen=True)
class Neutral:
    """The equation: matrices (n, n), the delay, and the largest |mu|."""

    E: np.ndarray
    M: np.ndarray
    N: np.ndarray
    tau: float
    largest: float


def neutral_roots(linear: Neutral, count: int, behind: float | None = None) -> np.ndarray:
    """The ``count`` rightmost roots by falling real part; with ``behind`` so many that the last is left of that.

    Two numbers of Chebyshev points must agree; nothing is counted.

    Raises:
        SimulationError: they do not.
    """
    while True:
        roots = _agreed(linear, count, count if behind is None else 1)
        if behind is None or roots[-1].real < behind or len(roots) < count or linear.largest >= 1:
            return roots
        count *= 2


def _agreed(linear: Neutral, count: int, least: int) -> np.ndarray:
    """Those of the ``count`` rightmost roots that two numbers of points give alike, ``least`` at least."""
    n, before = NODES + count, None
    while len(linear.E) * (n + 1) <= MOST_UNKNOWNS or before is None:
        found = _collocated(linear, n, count)
        if before is not None:
            k = min(len(found), len(before))
            same = np.abs(found[:k] - before[:k]) <= AGREE * (1 + np.abs(found[:k]))
            first = k if same.all() else int(same.argmin())
            # fewer than were asked for, and all alike, are all there are
            if first >= min(least, count) or (len(found) == len(before) == first > 0):
                return found[:first]
        n, before = int(1.5 * n), found
    raise SimulationError(
        f"the {least} rightmost characteristic roots of the LSTM were not resolved; they lie on chains that go on for"
        f" ever along the real part {np.log(max(linear.largest, 1e-300)) / linear.tau:.3g}: ask for fewer"
    )


def _collocated(linear: Neutral, n: int, count: int) -> np.ndarray:
    """Eigenvalues of y' = D y at n + 1 Chebyshev points of [-tau, 0] with the equation at 0, refined."""
    size = len(linear.E)
    d = int(np.diag(linear.E).sum())
    matrix = np.kron(chebyshev(n)[2] / linear.tau, np.eye(size))
    matrix[:size] = 0.0
    matrix[:size, :size], matrix[:size, -size:] = linear.M, linear.N
    # the row of v(0) says 0 = .. - v(0): what it is, goes in for it
    kept = np.delete(np.arange(len(matrix)), np.s_[d:size])
    present = matrix[d:size, kept]
    values, vectors = np.linalg.eig(matrix[np.ix_(kept, kept)] + matrix[kept, d:size] @ present)
    vectors = np.concatenate([vectors[:d], present @ vectors])
    order = np.argsort(-values.real)[: 2 * count + size]
    roots = [_refined(linear, complex(values[k]), vectors[:, k]) for k in order if vectors[:, k].any()]
    return ordered(np.array([z for z in roots if z is not None], dtype=complex))[:count]


def _refined(linear: Neutral, root: complex, v: np.ndarray) -> complex | None:
    """Newton's method on Delta(lambda) v = 0; None where the candidate was no root."""
    start, size = root, len(v)
    v = v / np.linalg.norm(v)
    border = v.conj()
    for _ in range(12):
        with np.errstate(all="ignore"):
            late = linear.N * np.exp(-root * linear.tau)
        now, slope = root * linear.E - linear.M - late, linear.E + linear.tau * late
        system = np.block([[now, (slope @ v)[:, None]], [border[None], np.zeros((1, 1))]])
        if not np.isfinite(system).all():
            return None
        try:
            change = np.linalg.solve(system, -np.concatenate([now @ v, [border @ v - 1.0]]))
        except np.linalg.LinAlgError:
            return start
        v, root = v + change[:size], root + complex(change[size])
        if abs(change[size]) <= 1e-14 * (1 + abs(root)):
            break
    # one that wanders off was no approximation of a root of its own
    return root if abs(root - start) <= 1e-3 * (1 + abs(start)) else None
