"""A flow or a map about a state at which it rests: its matrices, and its roots or multipliers.

Uses: C10, D6, K1.  A flow with delays about s* is E y'(t) = M y(t) + sum_k N_k y(t - tau_k). Of most
y = s and E = 1; of one whose later times see v(t) beside s, as of the LSTM, y = (s, v) and E = diag(1, 0), since v
obeys a difference equation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode2rnn.analysis.spectra.delay_roots import ordered, rightmost_roots
from ode2rnn.analysis.spectra.neutral_roots import Neutral, neutral_roots
from ode2rnn.analysis.subject import Subject, at_rest
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import SimulationError

LEADING = 6
# a root this near to the boundary of stability is neither on one side nor on the other
NEUTRAL = 1e-9


@dataclass(frozen=True, eq=False)
class HeldLinearization:
    """A flow and the constant input that it is looked at under."""

    flow: Flow
    x: np.ndarray | None


def rest_state(subject: Subject, x: Any = None, guess: np.ndarray | None = None) -> np.ndarray:
    """The state of :func:`at_rest` (n,) at which the subject rests under a constant input, found from ``guess`` (0).

    Raises:
        SimulationError: none was found from there.
    """
    from scipy.optimize import root

    flat = at_rest(subject)
    u = flat.constant(x)
    start = np.zeros(flat.size) if guess is None else guess
    with np.errstate(all="ignore"):
        if guess is None and not flat.residual(start, u).any():
            return start
        found = root(
            lambda s: flat.residual(s, u), start, jac=lambda s: flat.slope(s, u), method="hybr", options={"xtol": 1e-14}
        )
        left, slope, size = flat.residual(found.x, u), flat.slope(found.x, u), 1.0 + np.abs(found.x).max()
        # where it is small only because nothing moves, far out, the next step would still be a long one
        further = np.linalg.lstsq(slope, left)[0] if np.isfinite(slope).all() and np.isfinite(left).all() else np.inf
    if not np.abs(left).max() <= 1e-10 * size or not np.abs(further).max() <= 1e-4 * size:
        raise SimulationError("no equilibrium was found from this guess; try another one, or `at` from fixed_points")
    return found.x


def whole_state(subject: Subject, at: np.ndarray, x: Any = None) -> np.ndarray:
    """The state of :func:`at_rest` whose first numbers are ``at`` (d,), all others at rest under these.

    Raises:
        ValueError: neither d numbers nor all of them.
        SimulationError: the others find no rest.
    """
    flat = at_rest(subject)
    d = len(at)
    if d == flat.size:
        return at
    if d != subject.width:
        raise ValueError(f"at: expected shape ({subject.width},) or ({flat.size},), got {at.shape}")
    from scipy.optimize import root

    u = flat.constant(x)

    def others(v: np.ndarray) -> np.ndarray:
        return flat.residual(np.concatenate([at, v]), u)[d:]

    found = root(others, np.zeros(flat.size - d), options={"xtol": 1e-14})
    if not np.abs(others(found.x)).max() <= 1e-10 * (1 + np.abs(found.x).max(initial=0.0)):
        raise SimulationError("at: the readout that belongs to this state was not found; give the whole state")
    return np.concatenate([at, found.x])


def roots_at(subject: Subject, s: np.ndarray, x: Any = None, count: int | None = None) -> np.ndarray:
    """The roots of a flow, or the multipliers of a tick, about its rest ``s``, the leading one first.

    All where they are finitely many (``count`` of them, if that is given); else so many that the last of them is on the
    stable side.
    """
    inner, length = subject.inner()
    if not inner.discrete:
        roots = flow_roots(inner, s, x, count)
        return np.exp(length * roots) if subject.discrete else roots
    flat = Flat(inner)
    J = flat.jacobian(flat.start(s)[None], flat.constant(x))[0]
    z = np.linalg.eigvals(J).astype(complex) ** length
    return z[np.argsort(-np.abs(z), kind="stable")][:count]


def flow_roots(flow: Flow, s: np.ndarray, x: Any = None, count: int | None = None, nodes: int = 0) -> np.ndarray:
    """The characteristic roots about ``s`` (d,), by falling real part; of a flow with delays as many as ``count``.

    Without a count so many that the last of them is on the stable side.
    """
    if not flow.delays:
        flat = Flat(flow)
        return ordered(np.linalg.eigvals(flat.jacobian(s[None], flat.constant(x))[0]).astype(complex))[:count]
    held = HeldLinearization(flow.like(np.zeros(1)), Flat(flow.settled()).constant(x) if flow.input_width else None)
    if flow.feedback_width:
        return neutral_roots(neutral(held, s), count or LEADING, -NEUTRAL if count is None else None)
    matrices = linearized(held, s)
    if count is not None:
        return rightmost_roots(matrices, count, nodes)[:count]
    wanted = LEADING
    while True:
        roots = rightmost_roots(matrices, wanted)
        if len(roots) < wanted or roots[wanted - 1].real < -NEUTRAL:
            return roots[:wanted]
        wanted *= 2


def linearized(held: HeldLinearization, s: np.ndarray) -> dict[float, np.ndarray]:
    """{delay: matrix (d, d)} of the flow about ``s``; the delay 0 is always there."""
    flow, d = held.flow, held.flow.width
    eye, zero, delays = np.eye(d), np.zeros((1, d)), len(held.flow.delays)
    past = (s[None],) * delays

    def along(k: int) -> np.ndarray:
        d_past = [eye if i == k else zero for i in range(delays)]
        moved = flow.rate_jvp(0.0, s[None], past, held.x, eye if k < 0 else zero, d_past)
        return np.broadcast_to(to_numpy(moved), (d, d)).T

    return {0.0: along(-1)} | {tau: along(k) for k, tau in enumerate(flow.delays)}


def neutral(held: HeldLinearization, s: np.ndarray) -> Neutral:
    """The flow with feedback about ``s``, where v is at rest too: matrices on y = (s, v).

    Raises:
        ValueError: more delays than one.
    """
    flow, d, q = held.flow, held.flow.width, held.flow.feedback_width
    if len(flow.delays) > 1:
        raise ValueError(f"system: expected one delay of a flow with feedback beside its state, got {flow.delays}")
    v = resting_feedback(held, s)
    past = (np.concatenate([s, v])[None],)
    eye, n = np.eye(d + q), d + q
    zero_s, zero_y = np.zeros((1, d)), np.zeros((1, n))

    def matrix(function: Any, ds: np.ndarray, dy: np.ndarray, rows: int, columns: int) -> np.ndarray:
        moved = to_numpy(function(0.0, s[None], past, held.x, ds, [dy]))
        return np.broadcast_to(moved, (columns, rows)).T

    E = np.diag(np.repeat([1.0, 0.0], [d, q]))
    M, N = np.zeros((n, n)), np.zeros((n, n))
    M[:d, :d] = matrix(flow.rate_jvp, np.eye(d), zero_y, d, d)
    M[d:, :d] = matrix(flow.feedback_jvp, np.eye(d), zero_y, q, d)
    M[d:, d:] = -np.eye(q)
    N[:d] = matrix(flow.rate_jvp, zero_s, eye, d, n)
    N[d:] = matrix(flow.feedback_jvp, zero_s, eye, q, n)
    return Neutral(E, M, N, flow.delays[0], float(np.abs(np.linalg.eigvals(N[d:, d:])).max()))


def resting_feedback(held: HeldLinearization, s: np.ndarray) -> np.ndarray:
    """v (q,) with v = feedback(s, (s, v)), found from 0.

    Raises:
        SimulationError: none was found.
    """
    from scipy.optimize import root

    flow = held.flow

    def gap(v: np.ndarray) -> np.ndarray:
        return to_numpy(flow.feedback(0.0, s, (np.concatenate([s, v]),) * len(flow.delays), held.x)) - v

    found = root(gap, np.zeros(flow.feedback_width), options={"xtol": 1e-14})
    if not np.abs(gap(found.x)).max() <= 1e-10 * (1 + np.abs(found.x).max()):
        raise SimulationError("the readout that belongs to this state was not found")
    return found.x
