"""The Taylor method for ordinary network equations with tanh or sigmoid (or linear ones), in NumPy.  Uses: C9.

The Taylor coefficients of s and r = G(s) follow from each other: (k + 1) s_{k+1} = A s_k + B r_k + c_k, and, with
q = G'(s), r' = q s', where q = 1 - r^2 for tanh and r - r^2 for sigmoid. The last two coefficients give the step
(Jorba and Zou, Experimental Mathematics 14, 2005); what the slope of the polynomial then misses of ds/dt at its end
is checked, and a step that misses too much is cut. The polynomial itself is the dense output. The input must be given
as data. kernels.steps.taylor is the compiled twin of :func:`steps_of_one`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ode2rnn import kernels
from ode2rnn.kernels.elementwise.codes import SIGMOID, TANH
from ode2rnn.solvers.explicit.network import Network, as_network
from ode2rnn.solvers.explicit.network_steps import Stepper
from ode2rnn.solvers.explicit.polynomials import Polynomials, Steps, adopt
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.solution import Solution, smallest_step

CUT = 0.7


def order_for(rtol: float, width: int) -> int:
    """The order for a relative tolerance and a number of states.

    A high order takes fewer steps, a lower one fewer products of matrices: these are all that many states cost.
    """
    if rtol < 1e-8:
        return 20
    if width <= 16:
        return 15 if width <= 4 else 14
    return 10 if rtol >= 1e-7 else 12


def fits(problem: Problem) -> Network | None:
    """The problem as arrays if the method can take it."""
    network = as_network(problem)
    return network if network is not None and network.code in (TANH, SIGMOID) else None


def solve(problem: Problem, solution: Solution) -> None:
    """Solve from t0 to t1; the dense output of ``solution`` becomes the Taylor polynomials."""
    network = fits(problem)
    if network is None:
        raise ValueError("problem: expected a network equation as solvers.network describes, checked by integrate()")
    batch = problem.s0.shape[:-1]
    run = _compiled if kernels.pays("taylor_steps") else _plain
    starts = problem.s0.reshape((-1, problem.s0.shape[-1])) if batch else [problem.s0]
    members: list[Steps] = [
        run(problem, network, s, min(i, network.data.omega.shape[1] - 1), solution) for i, s in enumerate(starts)
    ]
    adopt(problem, solution, members, batch)


def _compiled(problem: Problem, network: Network, s0: np.ndarray, member: int, solution: Solution) -> Steps:
    order, first = order_for(problem.rtol, len(s0)), (problem.span[1] - problem.span[0]) / 100
    stepper = Stepper(kernels.taylor_steps, order, order + 1, (order, 1), 2, problem, network, s0, member, first)
    return stepper.run(solution)


def _plain(problem: Problem, network: Network, s0: np.ndarray, member: int, solution: Solution) -> Polynomials:
    breaks, coefficients = [problem.span[0]], []
    for end, step in steps_of_one(problem, network, s0, member, solution):
        breaks.append(end)
        coefficients.append(step)
        solution.on_step(end)
        kernels.overdue()
    shape = len(coefficients), order_for(problem.rtol, len(s0)) + 1, len(s0)  # where the first step fails, too
    return Polynomials(np.array(breaks), np.reshape(coefficients, shape), len(s0))


def steps_of_one(
    problem: Problem, network: Network, s0: np.ndarray, member: int, solution: Solution
) -> Iterator[tuple[float, np.ndarray]]:
    """The steps of one trajectory, (end, polynomial on [0, 1] as (order + 1, d)), until no step is small enough."""
    order, edges = order_for(problem.rtol, len(s0)), network.data.edges
    s, weight, scale = s0, np.abs(s0), (edges[-1] - edges[0]) / 100
    for segment, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        forcing = _Forcing(network, member, segment)
        t = a
        while t < b:
            tolerance = problem.atol + problem.rtol * np.maximum(np.abs(s), weight)
            while True:
                S = _coefficients(network, forcing, t - a, scale, order, s)
                ratio = _largest_step(S, tolerance)
                if ratio > 0.0 or scale <= smallest_step(t, a, b):
                    break
                scale *= 1e-3  # coefficients that overflow in these units
                solution.rejected += 1
                solution.evaluations += 1
            while True:
                h = ratio * scale
                if not (h > smallest_step(t, a, b) or h >= (b - t) * (1 - 1e-12)):
                    return
                h = b - t if h >= (b - t) * (1 - 1e-12) else min(h, 0.5 * (b - t))
                end = b if h == b - t else t + h
                step = S * ((h / scale) ** np.arange(order + 1))[:, None]
                new = step[::-1].cumsum(axis=0)[-1]
                solution.evaluations += 1
                missed = np.arange(order + 1) @ step - h * _rate(network, forcing, end - a, new)
                if _rms(missed / tolerance) <= order + 1:
                    break
                solution.rejected += 1
                ratio = CUT * h / scale
            solution.evaluations += order - 1
            yield end, step
            weight, s, t, scale = np.abs(s), new, end, h


class _Forcing:
    """C X(t) + phi on a segment, as polynomial coefficients and sines."""

    def __init__(self, network: Network, member: int, segment: int) -> None:
        data = network.data
        self.start = float(data.edges[segment])
        self.polynomial = data.pieces[segment, :, min(member, data.pieces.shape[2] - 1)] @ network.C.T
        self.polynomial[0] += network.phi
        self.omega = data.omega[:, member]
        self.sine, self.cosine = data.sine[:, member] @ network.C.T, data.cosine[:, member] @ network.C.T

    def coefficients(self, u: float, scale: float, order: int) -> np.ndarray:
        """Taylor coefficients (order + 1, d) about the time u after the start, in units of ``scale``."""
        rows = np.zeros((order + 1, self.polynomial.shape[1]))
        moved = list(self.polynomial)
        for last in range(1, len(moved)):
            for k in range(len(moved) - 2, last - 2, -1):
                moved[k] = moved[k] + u * moved[k + 1]
        for k, row in enumerate(moved[: order + 1]):
            rows[k] = row * scale**k
        a, b = np.sin(self.omega * (self.start + u)), np.cos(self.omega * (self.start + u))
        for k in range(order + 1):
            rows[k] += a @ self.sine + b @ self.cosine
            turn = self.omega * scale / (k + 1)
            a, b = b * turn, -a * turn
        return rows


def _warp_and_slope(code: int, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # the slope accurate where G saturates: 1 - r^2 would lose every digit of it there
    e = np.exp(-np.abs(s) if code == SIGMOID else -2.0 * np.abs(s))
    slope = e / (1.0 + e) ** 2
    if code == SIGMOID:
        return np.where(s < 0.0, e, 1.0) / (1.0 + e), slope
    return np.tanh(s), 4.0 * slope


def _linear(network: Network, s: np.ndarray, r: np.ndarray) -> np.ndarray:
    total = network.A @ s if network.A.size else np.zeros_like(s)
    return total + network.B @ r if network.B.size else total


def _rate(network: Network, forcing: _Forcing, u: float, s: np.ndarray) -> np.ndarray:
    return forcing.coefficients(u, 1.0, 0)[0] + _linear(network, s, _warp_and_slope(network.code, s)[0])


def _coefficients(network: Network, forcing: _Forcing, u: float, scale: float, order: int, s: np.ndarray) -> np.ndarray:
    """Taylor coefficients of s, (order + 1, d), in units of ``scale``."""
    known = forcing.coefficients(u, scale, order)
    S, T, R, Q = (np.zeros((order + 1, len(s))) for _ in range(4))  # T is k S[k]
    S[0] = s
    R[0], Q[0] = _warp_and_slope(network.code, s)
    for k in range(order):
        if k:
            R[k] = np.einsum("jd,jd->d", T[1 : k + 1], Q[k - 1 :: -1] if k > 0 else Q[:1]) / k
            square = np.einsum("jd,jd->d", R[: k + 1], R[k::-1])
            Q[k] = (R[k] if network.code == SIGMOID else 0.0) - square
        T[k + 1] = scale * (_linear(network, S[k], R[k]) + known[k])
        S[k + 1] = T[k + 1] / (k + 1)
    return S


def _largest_step(S: np.ndarray, tolerance: np.ndarray) -> float:
    """The step, in units of the scale, at which the last two terms together meet the tolerance."""
    total = 2.0 * np.mean((S[-2:] / tolerance) ** 2)
    if not np.isfinite(total):
        return np.nan
    return max(float(total), 1e-300) ** (-0.5 / (len(S) - 1 if total < 1.0 else len(S) - 2))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
