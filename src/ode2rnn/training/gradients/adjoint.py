"""Back-propagation in continuous time: the adjoint of the delay equation.

Home of: B6.  Uses: B1, B2, C9, D1.

B6  d psi/dt = -A^T psi(t) - G'(s(t)) * (B^T psi(t + tau_0) + partial e / partial r(t)),   psi = 0 from T on,
    for E = integral of e(r(t)) dt up to T. For tau_0 = 0 this is -(A + B diag G')^T psi - G' * partial e / partial r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.core.arrays import brief, check_array, check_divides, check_positive, to_numpy
from ode2rnn.core.trajectory import SimulationError, Trajectory


@dataclass(frozen=True, eq=False)
class Adjoint:
    """psi(t) = dE/ds(t) of a solution: call it with a time, or with times (T,), for values (T, d).

    Attributes:
        start, end: the range of time; psi is zero from ``end`` on.
        pieces: where a smooth piece begins, and its dense output, from the last one back.
    """

    start: float
    end: float
    pieces: tuple[tuple[float, Callable[[Any], np.ndarray]], ...]
    width: int

    def __call__(self, t: Any) -> np.ndarray:
        times = to_numpy(check_array("t", t))
        flat = times.reshape(-1)
        if (flat < self.start - 1e-12 * max(1.0, abs(self.start))).any():
            raise ValueError(f"t: expected times >= {self.start:g}, got {flat.min():g}")
        values = np.zeros((len(flat), self.width))
        above = self.end
        for begin, dense in self.pieces:
            inside = (flat < above) & ((flat >= begin) | (begin <= self.start))
            if inside.any():
                values[inside] = dense(flat[inside]).T
            above = begin
        return values.reshape((*times.shape, self.width))


def adjoint(
    model: ContinuousRNN, solution: Trajectory, r_bar: Callable[[float], Any], rtol: float = 1e-9, atol: float = 1e-12
) -> Adjoint:
    """psi(t) = dE/ds(t) for E = integral of e(r(t)) dt over the range of a solution (B6).

    psi at the start is dE/ds(t0); the integral of psi is dE/dphi, that of psi s^T dE/dA, and so on.

    Args:
        model: the delay equation C9.
        solution: its solution, from `integrate`, with dense output.
        r_bar: partial e / partial r as a function of time, t -> (d,), in E per unit of time.
        rtol, atol: tolerances of the backward integration (scipy's DOP853, from breaking point to breaking point).

    Raises:
        ValueError: another kind of model, a batch, a function that does not return (d,).
        SimulationError: psi overflowed.

    Example:
        >>> from ode2rnn import integrate
        >>> model = ContinuousRNN(A=-1.0, B=0.0, C=None, phi=None, activation="identity")
        >>> solution = integrate(model, t=(0.0, 2.0), history=1.0)
        >>> psi = adjoint(model, solution, lambda t: [1.0])  # E is the integral of s
        >>> bool(abs(psi(0.5)[0] - (1 - np.exp(-1.5))) < 1e-8)
        True
    """
    from scipy.integrate import solve_ivp

    A, B = _matrices(model)
    if not isinstance(solution, Trajectory) or solution.dense is None:
        raise ValueError(f"solution: expected a Trajectory with dense output, got {brief(solution)}")
    if tuple(solution.s.shape[1:]) != (model.width,):
        raise ValueError(f"solution: expected one trajectory (T, {model.width}), got shape {tuple(solution.s.shape)}")
    start, end, d, tau, known = solution.start, solution.end, model.width, model.tau, solution.dense
    first = to_numpy(check_array("r_bar", r_bar(end)))
    if first.shape != (d,):
        raise ValueError(f"r_bar: expected a function that returns shape ({d},), got {first.shape}")
    pieces: list[tuple[float, Callable[[Any], np.ndarray]]] = []

    def later(t: float) -> np.ndarray:
        """psi a delay after ``t``, which is known by now."""
        dense = next((dense for begin, dense in pieces if begin <= t), pieces[-1][1] if pieces else None)
        return np.zeros(d) if t >= end or dense is None else dense(t)

    def rate(t: float, psi: np.ndarray) -> np.ndarray:
        at = min(max(t, start), end)
        slope = to_numpy(model.activation.slope(to_numpy(known(np.array([at])))[0]))
        return -psi @ A - slope * ((later(t + tau) if tau else psi) @ B + to_numpy(r_bar(at)))

    # back from the end, where psi = 0, a delay at a time, so that psi(t + tau) is known where it is asked for
    psi = np.zeros(d)
    edges = _edges(solution, tau)
    for above, below in pairwise(edges):
        piece = solve_ivp(rate, (above, below), psi, "DOP853", dense_output=True, rtol=rtol, atol=atol)
        if not piece.success or not np.isfinite(piece.y).all():
            raise SimulationError(f"the adjoint equation could not be solved back beyond t = {piece.t[-1]:g}")
        pieces.append((below, piece.sol))
        psi = piece.y[:, -1]
    return Adjoint(start, end, tuple(pieces), d)


def backward_euler_adjoint(model: ContinuousRNN, dt: float, s: Any, r_bar: Any) -> np.ndarray:
    """Backward Euler for the adjoint equation, backwards over the samples s[n] of a run (B6).

    (lambda[n] - lambda[n+1]) / dT = A^T lambda[n] + G'(s[n]) * (B^T lambda[n+m] + partial e / partial r[n]),

    with tau_0 = m dT and lambda = 0 past the end. This is back-propagation through time of the canonical RNN that
    samples the model (B1, B2), for E = dT sum_n e(r[n]): psi[n] = (I - dT A)^T lambda[n].

    Args:
        model: the delay equation C9.
        dt: the step dT; it divides tau_0.
        s: states (N, d).
        r_bar: partial e / partial r[n], (N, d), in E per unit of time.

    Returns:
        lambda (N, d).

    Raises:
        ValueError: another kind of model, wrong shapes, a step that does not divide the delay.
    """
    A, B = _matrices(model)
    dt = check_positive("dt", dt)
    lag = check_divides(dt, model.tau)
    states, forcing = to_numpy(check_array("s", s)), to_numpy(check_array("r_bar", r_bar))
    if states.ndim != 2 or states.shape[1] != model.width:
        raise ValueError(f"s: expected shape (N, {model.width}), got {states.shape}")
    if forcing.shape != states.shape:
        raise ValueError(f"r_bar: expected shape {states.shape}, that of s, got {forcing.shape}")
    slopes = to_numpy(model.activation.slope(states))
    values = np.zeros((len(states) + max(lag, 1), model.width))
    for n in range(len(states) - 1, -1, -1):
        matrix = np.eye(model.width) - dt * A.T
        known = values[n + 1] + dt * slopes[n] * forcing[n]
        if lag == 0:
            matrix = matrix - dt * slopes[n][:, None] * B.T
        else:
            known = known + dt * slopes[n] * (B.T @ values[n + lag])
        values[n] = np.linalg.solve(matrix, known)
    return values[: len(states)]


def _matrices(model: ContinuousRNN) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(model, ContinuousRNN):
        raise ValueError(f"model: expected a ContinuousRNN, got {brief(model)}")
    return to_numpy(model.state[0].dense()), to_numpy(model.readout[0].dense())


def _edges(solution: Trajectory, tau: float) -> np.ndarray:
    """Times, from the end back, between which psi is smooth: the knots of the solution, and whole delays from T."""
    start, end = solution.start, solution.end
    inner = [end - k * tau for k in range(1, int((end - start) / tau) + 1)] if tau > 0 else []
    # a jump of the coefficients is seen again a delay earlier, smoother by one order; the tolerance finds the rest
    times = np.sort(np.array([*inner, *np.asarray(solution.knots, dtype=float)]))[::-1]
    apart = 1e-12 * max(1.0, abs(start), abs(end))
    kept = [end]
    for t in times:
        if t < kept[-1] - apart and t > start + apart:
            kept.append(float(t))
    return np.array([*kept, start])
