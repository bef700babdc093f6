"""The methods that `integrate` knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.kernels import compiled
from ode2rnn.solvers.ensemble import batch as ensemble
from ode2rnn.solvers.explicit import taylor, tsit5
from ode2rnn.solvers.explicit.network import as_network, norm
from ode2rnn.solvers.feedback import FeedbackSolution, relaxes
from ode2rnn.solvers.problem import Problem
from ode2rnn.solvers.scipy import methods as scipy_methods
from ode2rnn.solvers.solution import Solution
from ode2rnn.solvers.spectral import backward_euler
from ode2rnn.solvers.spectral import newton as newton_panels
from ode2rnn.solvers.spectral import relaxation as relaxation_panels
from ode2rnn.solvers.spectral import steps as spectral
from ode2rnn.solvers.spectral.collocation import radau_nodes
from ode2rnn.solvers.torchdiffeq import methods as torchdiffeq_methods
from ode2rnn.solvers.torchdiffeq import node_dense

# An explicit method needs about rate * span / 3 steps; beyond this many an implicit one is cheaper.
STIFF = 3e4
# A compiled step, up to this width, costs so much less than an implicit one.
CHEAP, CHEAP_WIDTH = 30, 100
# An implicit method follows the oscillations of the input, some tens of steps each; to skip faster rates, they must be
# this much faster.
FASTER = 100
# below this relative tolerance a high order is worth more than many trajectories at once
MODERATE = 1e-8
# states beyond which the matrices of a block of members leave the cache; then one compiled solution after the other
WIDEST = 32


@dataclass(frozen=True)
class Method:
    """A method for the continuous model.

    Attributes:
        name: as `integrate` takes it.
        family: "own", "scipy" or "torchdiffeq".
        order: declared order of convergence in the step; the lowest where the tolerance chooses it.
        adaptive: whether rtol and atol choose the steps; else dt does.
        run: appends the steps of a Problem to a Solution.
        theta: relative nodes of its dense output, for a relative tolerance.
    """

    name: str
    family: str
    order: int
    adaptive: bool
    run: Callable[[Problem, Solution], None]
    theta: Callable[[float], np.ndarray]


def _own(name: str, order: int, adaptive: bool, run: Callable, theta: Callable[[float], np.ndarray]) -> Method:
    return Method(name, "own", order, adaptive, run, theta)


def _scipy(name: str, order: int) -> Method:
    return Method(name, "scipy", order, True, partial(scipy_methods.solve, method=name), lambda _: scipy_methods.THETA)


def _torchdiffeq(name: str, order: int, adaptive: bool) -> Method:
    run = partial(torchdiffeq_methods.solve, method=name, order=order)
    return Method(name, "torchdiffeq", order, adaptive, run, lambda _: node_dense.THETA)


def _spectral(problem: Problem, solution: Solution) -> None:
    if isinstance(solution, FeedbackSolution):
        relaxation_panels.solve(problem, solution)
        return
    (spectral.solve_linear if spectral.is_linear(problem) else newton_panels.solve)(problem, solution)


METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        _own("spectral", 12, True, _spectral, lambda _: radau_nodes(spectral.NODES).theta),
        _own("taylor", 10, True, taylor.solve, lambda _: tsit5.THETA),
        _own("tsit5", 5, True, tsit5.solve, lambda _: tsit5.THETA),
        _own("backward_euler", 1, False, backward_euler.solve, lambda _: backward_euler.THETA),
        _scipy("RK45", 5),
        _scipy("DOP853", 8),
        _scipy("Radau", 5),
        _scipy("BDF", 5),
        _scipy("LSODA", 5),
        _torchdiffeq("dopri5", 5, True),
        _torchdiffeq("dopri8", 8, True),
        _torchdiffeq("bosh3", 3, True),
        _torchdiffeq("fehlberg2", 2, True),
        _torchdiffeq("adaptive_heun", 2, True),
        _torchdiffeq("euler", 1, False),
        _torchdiffeq("midpoint", 2, False),
        _torchdiffeq("heun2", 2, False),
        _torchdiffeq("heun3", 3, False),
        _torchdiffeq("rk4", 4, False),
        _torchdiffeq("explicit_adams", 4, False),
        _torchdiffeq("implicit_adams", 5, False),
    )
}


def choose(problem: Problem) -> Method:
    """The method for ``method="auto"``.

    Delays without an undelayed readout: "spectral". An ordinary network in NumPy with tanh, sigmoid or identity,
    whose input is a sum of signals: "taylor", but for samples of many trajectories. Everything else: "tsit5". Both
    unless the fastest rate makes an explicit method take tens of thousands of steps; then scipy's "Radau" (NumPy only).

    Any other flow: "spectral" with delays; without "LSODA" for one trajectory in NumPy, which finds out itself whether
    it is stiff, "tsit5" for tensors and, as above, "tsit5" or "Radau" for many.
    """
    if not problem.is_additive:
        return METHODS[_of_flow(problem)]
    model = problem.additive
    if model.delays and model.undelayed("readout") is None:
        return METHODS["spectral"]
    if is_torch(problem.s0):
        return METHODS["tsit5"]
    if is_stiff(problem):
        return METHODS["Radau"]
    if ensemble.takes(problem) and problem.rtol >= MODERATE:
        return METHODS["tsit5"]
    return METHODS["tsit5" if taylor.fits(problem) is None else "taylor"]


# those that step s alone, or solve for a relaxation
FEEDBACK_METHODS = ("spectral", "tsit5", "RK45", "DOP853", "Radau", "BDF", "LSODA")


def check_feedback_method(name: str, problem: Problem) -> None:
    """Refuse a method that does not solve a flow whose later times see a readout beside s.

    Raises:
        ValueError: such a method, or one that needs delays.
    """
    if name not in FEEDBACK_METHODS:
        raise ValueError(
            f"method: {name!r} does not solve a ContinuousLSTM; expected one of {', '.join(FEEDBACK_METHODS)}"
        )
    fits = relaxes(problem) and bool(problem.model.delays)
    if name == "spectral" and not fits:
        raise ValueError("method: 'spectral' needs tau > 0, where the equation is linear within a delay; use 'LSODA'")


def _of_flow(problem: Problem) -> str:
    if problem.model.feedback_width:
        if problem.model.delays and relaxes(problem):
            return "spectral"
        return "tsit5" if is_torch(problem.s0) else "LSODA"
    if is_torch(problem.s0):
        return "spectral" if problem.model.delays and problem.model.width <= newton_panels.WIDEST else "tsit5"
    if problem.model.delays:
        return "spectral"
    if problem.s0.ndim == 1:
        return "LSODA"
    start = problem.segment(Solution(problem.span[0], tsit5.THETA), *problem.span)
    J = start.jacobian_at(problem.span[0], problem.s0)
    stiff = np.isfinite(J).all() and _fastest(J) > STIFF / (problem.span[1] - problem.span[0])
    return "Radau" if stiff else "tsit5"


def _fastest(J: np.ndarray) -> float:
    """The largest |eigenvalue| of matrices (..., d, d), or a bound where that is needed no better."""
    return float(np.abs(np.linalg.eigvals(J)).max())


def side_by_side(name: str, problem: Problem) -> tuple[Method, Solution] | None:
    """The solution of all members of a problem in blocks, by "rk4" or "tsit5"; None where these do not fit."""
    if (problem.dt is not None) != (name == "rk4"):
        return None
    if name == "auto" and (problem.rtol < MODERATE or any_stiff(problem)):
        return None
    blocks = {"rk4": torchdiffeq_methods.solve_members, "auto": tsit5.solve_batch, "tsit5": tsit5.solve_batch}
    if name not in blocks or (name != "rk4" and problem.model.width > WIDEST):
        return None
    method = METHODS["tsit5" if name == "auto" else name]
    solution = Solution(problem.span[0], method.theta(problem.rtol))
    return (method, solution) if blocks[name](problem, solution) else None


def any_stiff(problem: Problem) -> bool:
    """Whether one of the members may need an implicit method, by a bound on its fastest rate."""
    most = STIFF / (problem.span[1] - problem.span[0])
    steepest = problem.additive.activation.slope(problem.s0).max()
    return any(
        norm(model.undelayed("state")) + norm(model.undelayed("readout")) * float(abs(steepest)) > most
        for model in problem.members
    )


def is_stiff(problem: Problem) -> bool:
    """Whether an implicit method costs less, by the fastest rate at s(t0).

    An explicit one needs more than STIFF / 3 plain steps or so, and the rate is far beyond those of the input.
    """
    most = STIFF / (problem.span[1] - problem.span[0])
    network = as_network(problem)
    if network is not None:
        if compiled() and len(network.phi) <= CHEAP_WIDTH:
            most *= CHEAP
        if network.bound <= most:
            return False  # norms bound the eigenvalues
        most = max(most, FASTER * float(np.abs(network.data.omega).max(initial=0.0)))
        if network.bound <= most:
            return False
    linear, feedback = problem.additive.undelayed("state"), problem.additive.undelayed("readout")
    start = problem.s0.reshape((-1, problem.model.width))[0]
    slope = problem.additive.activation.slope(start)
    if norm(linear) + norm(feedback) * float(np.abs(slope).max()) <= most:
        return False
    jacobian = np.zeros((len(start), len(start)))
    if linear is not None:
        jacobian += to_numpy(linear.dense())
    if feedback is not None:
        jacobian += to_numpy(feedback.dense()) * slope
    # the largest |eigenvalue| of A + B diag G'(s0), A and B the undelayed matrices, per unit of time
    return not np.isfinite(jacobian).all() or float(np.abs(np.linalg.eigvals(jacobian)).max()) > most
