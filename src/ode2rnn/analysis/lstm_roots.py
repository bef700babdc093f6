"""Characteristic roots of the LSTM in continuous time about an equilibrium.

Uses: K1, C10.  With P the derivatives of the rate and R those of the readout, about s*, v*,

    det [lambda I - P_0 - P_s e^(-lambda tau),  -P_v e^(-lambda tau);  -R_0,  I - R_v e^(-lambda tau)] = 0.

The readout is no derivative, so among the roots there are chains that go up along Re lambda = log|mu| / tau, mu the
eigenvalues of R_v: with some |mu| > 1 infinitely many lead away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.delay_roots import chebyshev, ordered
from ode2rnn.analysis.lstm_flow import Gates, LSTMFlow
from ode2rnn.core.arrays import check_array, check_shape, to_numpy
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.gated.continuous import ContinuousLSTM

NODES, MOST_UNKNOWNS = 24, 2000
AGREE = 1e-10


@dataclass(frozen=True)
class Linear:
    """K1 about an equilibrium, matrices (2 d, 2 d): E y'(t) = M y(t) + N y(t - tau), y = (s, v), E = diag(I, 0)."""

    E: np.ndarray
    M: np.ndarray
    N: np.ndarray
    tau: float
    neutral: float  # the largest |mu|


def lstm_equilibrium(model: ContinuousLSTM, x: Any = None, guess: np.ndarray | None = None) -> np.ndarray:
    """A state (d,) at which K1 rests under a constant input, found from ``guess`` (0).

    Raises:
        SimulationError: none was found.
    """
    from scipy.optimize import root

    flow = LSTMFlow(model)
    u = flow.constant(x)
    start = np.zeros(flow.size) if guess is None else guess
    with np.errstate(all="ignore"):
        found = root(lambda s: flow.advance(s, None, u)[0], start, jac=lambda s: flow.jacobian(s[None], u)[0])
        residual = np.abs(flow.advance(found.x, None, u)[0]).max()
    if not residual <= 1e-9 * (1 + np.abs(found.x).max()):
        raise SimulationError("no equilibrium was found from 0; give one as `at`, from fixed_points")
    return found.x


def linear_lstm(model: ContinuousLSTM, s: np.ndarray, u: np.ndarray) -> Linear:
    """The linearization about the equilibrium s (d,) with the drive u."""
    gates, d = Gates(model), model.width
    known, eye, zero = gates.known(u), np.eye(d), np.zeros((d, d))
    v = gates.present(known, s)

    def rate(ds: np.ndarray, dv: np.ndarray) -> np.ndarray:
        f = gates.rates(known, s, v, ds, dv)
        leak, push = np.exp(f.log_s), np.exp(f.log_u)
        return (f.d_log_u * push * f.u + f.d_u * push - f.d_log_s * leak * s).T

    leak = np.exp(gates.rates(known, s, v).log_s)
    # with W_vcr ds = 0 what the readout makes of s(t), and of v(t - tau)
    R_0, R_v = (np.asarray(gates.readout(known, s, v, *way)[1]).T for way in ((eye, zero), (zero, eye)))
    E = np.block([[eye, zero], [zero, zero]])
    M = np.block([[-np.diag(leak), zero], [R_0, -eye]])
    N = np.block([[rate(eye, zero), rate(zero, eye)], [zero, R_v]])
    return Linear(E, M, N, model.delay, float(np.abs(np.linalg.eigvals(R_v)).max()))


def lstm_roots(model: ContinuousLSTM, at: Any = None, count: int = 6, x: Any = None) -> np.ndarray:
    """The rightmost characteristic roots of K1 about ``at`` (d,), by falling real part; all d of them for tau = 0.

    Raises:
        SimulationError: no equilibrium was found, or the roots of two numbers of Chebyshev points differ.
    """
    flow = LSTMFlow(model)
    u = flow.constant(x)
    s = lstm_equilibrium(model, x) if at is None else check_shape("at", to_numpy(check_array("at", at)), (flow.size,))
    if not model.delays:
        return ordered(np.linalg.eigvals(flow.jacobian(s[None], u)[0]).astype(complex))[:count]
    return _agreed(linear_lstm(model, s, u), count, count)


def resolved_lstm_roots(model: ContinuousLSTM, s: np.ndarray, u: np.ndarray, count: int, neutral: float) -> np.ndarray:
    """The rightmost roots, so many that the last is on the stable side if finitely many are on the other."""
    linear = linear_lstm(model, s, u)
    while True:
        roots = _agreed(linear, count, 1)
        if roots[-1].real < -neutral or len(roots) < count or linear.neutral >= 1:
            return roots
        count *= 2


def _agreed(linear: Linear, count: int, least: int) -> np.ndarray:
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
        f" ever along the real part {np.log(max(linear.neutral, 1e-300)) / linear.tau:.3g}: ask for fewer"
    )


def _collocated(linear: Linear, n: int, count: int) -> np.ndarray:
    """Eigenvalues of y' = D y at n + 1 Chebyshev points of [-tau, 0] with the equation at 0, refined."""
    size = len(linear.E)
    d = size // 2
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


def _refined(linear: Linear, root: complex, v: np.ndarray) -> complex | None:
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
