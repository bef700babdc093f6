"""Steps for flows: what takes a flow, or a delay equation, ahead by a fixed time together with its derivative.

Uses: C2, C7, K1, B6.  A flow without delays goes by the Runge-Kutta method of order 8 of Dormand and Prince (DOP853). A
delay equation goes panel by panel by collocation at Radau points: its state is the polynomial on as many panels as the
longest delay takes, so one panel is a map on their nodes, with the exact derivative of that map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.dense import barycentric_weights, interpolation_matrix
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.solvers.spectral.collocation import radau_nodes

NODES = 16
# the last Legendre coefficients of a panel against the first: what is resolved
RESOLVED = 1e-9
MOST_PANELS = 256
PILOT_RTOL = 1e-7


class TangentSteps(Protocol):
    """A map on vectors (n,) that also takes directions (k, n) along; ``depth``: ticks remembered, ``dt``: of a step."""

    size: int
    dt: float
    depth: int

    def carry(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next state, and what the derivative makes of the directions."""


class MapSteps:
    """A map as it is."""

    def __init__(self, flat: Flat) -> None:
        self.flat, self.size, self.dt, self.depth = flat, flat.size, flat.dt, flat.depth

    def carry(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A tick and its tangent."""
        return self.flat.carry(S, V, u)


class FlowSteps:
    """A flow by Runge-Kutta steps of length dt, and its variational equation by the same steps."""

    def __init__(self, flat: Flat, dt: float) -> None:
        from scipy.integrate import DOP853

        self.flat, self.size, self.dt, self.depth = flat, flat.size, dt, 1
        self._A, self._B = DOP853.A, DOP853.B

    def carry(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The stages of the state and of all directions, side by side."""
        Y = np.concatenate([S[None], V])
        stages = np.empty((len(self._B), Y.size))
        flat = Y.reshape(-1)
        for i in range(len(self._B)):
            at = flat if i == 0 else flat + self.dt * (self._A[i, :i] @ stages[:i])
            point = at.reshape(Y.shape)
            stage = stages[i].reshape(Y.shape)
            stage[0], stage[1:] = self.flat.advance(point[0], u), self.flat.push(point[0], point[1:], u)
        after = (flat + self.dt * (self._B @ stages)).reshape(Y.shape)
        return after[0], after[1:]


def pilot_step(flow: Flat, s: np.ndarray, u: np.ndarray, span: float) -> float:
    """A step that DOP853 would take along the flow from ``s``, one of the shorter ones, if it resolves deviations too.

    Raises:
        SimulationError: the flow leaves.
    """
    from scipy.integrate import solve_ivp

    with np.errstate(all="ignore"):
        run = solve_ivp(lambda t, y: flow.advance(y, u), (0.0, span), s, "DOP853", rtol=PILOT_RTOL, atol=PILOT_RTOL)
    if not run.success or not np.isfinite(run.y).all():
        raise SimulationError("the flow diverges from this start; try another s0")
    # the steps in force over the last three quarters of the time: the first ones grow from nothing
    over = np.searchsorted(run.t, np.linspace(0.25, 0.95, 200) * span).clip(1, len(run.t) - 1)
    steps = np.diff(run.t)[over - 1]
    along = run.y.T[:: max(1, run.y.shape[1] // 64)]
    fastest = float(np.abs(np.linalg.eigvals(flow.jacobian(along, u))).max())
    return min(float(np.quantile(steps, 0.1)), 1 / fastest if fastest > 0 else span)


class DelaySteps:
    """A flow with delays by panels of length dt: a map on the nodes of its past, the oldest first.

    At every node stands y = (s, v), v what later times see beside s, if anything. On a panel the K values of s solve
    S = s_a + Q f(S, past): one linear system where f is linear in the undelayed s, else Newton's method.

    Args:
        flow: a flow with delays.
        panels: into how many the shortest delay is divided.
        nodes: Radau points of a panel.
    """

    def __init__(self, flow: Flow, panels: int = 1, nodes: int = NODES) -> None:
        self.flow = flow = flow.like(np.zeros(1))
        self.input_width, self.depth = flow.input_width, 1
        self.width, self.both = flow.width, flow.width + flow.feedback_width
        self.dt = h = min(flow.delays) / panels
        self._back = max(1, int(np.ceil(max(flow.delays) / h - 1e-9)))
        self._K = K = nodes
        self.size = (self._back * K + 1) * self.both
        table = radau_nodes(K)
        self.theta = table.theta
        self._to_legendre, self._Q = table.to_legendre, h * table.integral
        self._past = [self._delayed(delay / h) for delay in flow.delays]
        A = flow.linear
        self._solve = None if A is None else np.linalg.inv(np.eye(K * self.width) - np.kron(self._Q, A)).T

    def _delayed(self, shift: float) -> np.ndarray:
        """The matrix (K, nodes of the past) that takes the past to the values one delay before the K points."""
        K, weights = self._K, barycentric_weights(self.theta)
        matrix = np.zeros((K, self._back * K + 1))
        for i, theta in enumerate(self.theta[1:]):
            at = theta - shift  # in panels, from the start of the new one
            back = int(np.clip(np.ceil(-at - 1e-10), 1, self._back))
            place = np.clip(at + back, 0.0, 1.0)
            near = np.abs(self.theta - place) < 1e-10
            row = near.astype(float) if near.any() else interpolation_matrix(self.theta, weights, np.array([place]))[0]
            first = (self._back - back) * K
            matrix[i, first : first + K + 1] = row
        return matrix

    def times(self) -> np.ndarray:
        """Of the nodes of the past, up to 0."""
        panels = -self.dt * np.arange(self._back, 0, -1)
        return np.append(panels[0], (panels[:, None] + self.dt * self.theta[1:]).ravel())

    def tail(self, S: np.ndarray) -> float:
        """What a panel of the state leaves unresolved: its last two Legendre coefficients against its largest value."""
        values = S.reshape((-1, self.both))[-self._K - 1 :, : self.width]
        scale = np.abs(values).max()
        return float(np.abs((self._to_legendre @ values)[-2:]).max() / scale) if scale > 0 else 0.0

    def advance(self, S: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state a panel later."""
        return self.carry(S, np.zeros((0, self.size)), u)[0]

    def carry(self, S: np.ndarray, V: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The state a panel later, and the directions."""
        d, w, K, flow = self.width, self.both, self._K, self.flow
        x = u if self.input_width else None
        memory = S.reshape((-1, w))
        past = [P @ memory for P in self._past]
        s, solve = self._panel(memory[-1, :d], past, x)
        new = s if w == d else np.concatenate([s, to_numpy(flow.feedback(0.0, s, past, x))], axis=-1)
        after = np.concatenate([S[K * w :], new.reshape(-1)])
        if not len(V):
            return after, V
        along = V.reshape((len(V), -1, w))
        d_past = [P @ along for P in self._past]
        turned = to_numpy(flow.rate_jvp(0.0, s, past, x, np.zeros((1, d)), d_past))
        right = along[:, -1:, :d] + self._Q @ np.broadcast_to(turned, (len(V), K, d))
        moved = solve(right.reshape((len(V), K * d))).reshape((len(V), K, d))
        if w > d:
            v = to_numpy(flow.feedback_jvp(0.0, s, past, x, moved, d_past))
            moved = np.concatenate([moved, v], axis=-1)
        return after, np.concatenate([V[:, K * w :], moved.reshape((len(V), K * w))], axis=-1)

    def _panel(
        self, start: np.ndarray, past: list[np.ndarray], x: np.ndarray | None
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """s at the K points, (K, d), and what solves with the derivative of their equations."""
        d, K, flow = self.width, self._K, self.flow
        if self._solve is not None:
            known = to_numpy(flow.rate(0.0, np.zeros((K, d)), past, x))  # all but the linear part
            inverse = self._solve
            return ((start + self._Q @ known).reshape(-1) @ inverse).reshape((K, d)), lambda rows: rows @ inverse
        s = np.tile(start, (K, 1))
        zeros = [np.zeros((1, self.both))] * len(past)
        for _ in range(30):
            residual = s - start - self._Q @ to_numpy(flow.rate(0.0, s, past, x))
            matrix = self._derivative(s, past, x, zeros)
            try:
                change = np.linalg.solve(matrix, residual.reshape(-1)).reshape((K, d))
            except np.linalg.LinAlgError:
                change = np.full((K, d), np.nan)
            if not np.isfinite(change).all():
                raise SimulationError(
                    f"the rate or its derivative is not finite near s = {start[:4].round(4)}, or a panel too long; give"
                    " s0 where the rate is defined, or a smaller dt"
                )
            s = s - change
            if np.abs(change).max() <= 1e-12 * (1 + np.abs(s).max()):
                break
        else:
            raise SimulationError("Newton's method found no solution on a panel; use more panels (a smaller dt)")
        derivative = self._derivative(s, past, x, zeros)
        return s, lambda rows: np.linalg.solve(derivative, rows.T).T

    def _derivative(
        self, s: np.ndarray, past: list[np.ndarray], x: np.ndarray | None, zeros: list[np.ndarray]
    ) -> np.ndarray:
        """I - Q df/ds, (K d, K d)."""
        d, K = self.width, self._K
        along = np.eye(d)[:, None, :]  # direction, node, number
        moved = np.broadcast_to(to_numpy(self.flow.rate_jvp(0.0, s, past, x, along, zeros)), (d, K, d))
        return np.eye(K * d) - np.einsum("ij,bja->iajb", self._Q, moved).reshape((K * d, K * d))


def resolved_steps(flow: Flow, start: Callable[[DelaySteps], np.ndarray], u: np.ndarray, span: float) -> DelaySteps:
    """Return the DelaySteps with as many panels as a pilot run over ``span`` needs.

    Raises:
        SimulationError: the equation diverges, or needs too many panels.
    """
    panels = 1
    while panels <= MOST_PANELS:
        steps = DelaySteps(flow, panels)
        S = start(steps)
        worst, count = 0.0, max(8, int(np.ceil(span / steps.dt)))
        with np.errstate(all="ignore"):
            for n in range(count):
                S = steps.advance(S, u)
                if n >= count // 2:
                    worst = max(worst, steps.tail(S))
        if not np.isfinite(S).all():
            raise SimulationError("the equation diverges from this start; try another s0")
        if worst <= RESOLVED:
            return steps
        panels *= 2
    raise SimulationError(f"more than {MOST_PANELS} panels in the shortest delay are needed; the equation is too stiff")
