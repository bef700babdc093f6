"""Steps for flows: what takes a flow, or a delay equation, ahead by a fixed time together with its derivative.

Uses: C7, B6.  A flow without delays goes by the Runge-Kutta method of order 8 of Dormand and Prince (DOP853). A delay
equation goes panel by panel by collocation at Radau points: its state is the polynomial on as many panels as the
longest delay takes, so one panel is a map on their nodes, with the exact derivative of that map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.analysis.rules import Moved, Rule
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.dense import barycentric_weights, interpolation_matrix
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.solvers.collocation import radau_nodes

NODES = 16
# the last Legendre coefficients of a panel against the first: what is resolved
RESOLVED = 1e-9
MOST_PANELS = 256
PILOT_RTOL = 1e-7


class FlowSteps(Rule):
    """A flow by Runge-Kutta steps of length dt."""

    discrete = True

    def __init__(self, flow: Rule, dt: float) -> None:
        from scipy.integrate import DOP853

        self._flow, self.dt, self.size, self.input_width, self.names = flow, dt, flow.size, flow.input_width, flow.names
        self._A, self._B = DOP853.A, DOP853.B

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return self._flow.drive(x)

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        Y = S[..., None, :] if V is None else np.concatenate([S[..., None, :], V], axis=-2)
        stages = np.empty((len(self._B), Y.size))
        flat = Y.reshape(-1)
        for i in range(len(self._B)):
            at = flat if i == 0 else flat + self.dt * (self._A[i, :i] @ stages[:i])
            point = at.reshape(Y.shape)
            rate, turned = self._flow.advance(point[..., 0, :], None if V is None else point[..., 1:, :], u)
            stage = stages[i].reshape(Y.shape)
            stage[..., 0, :] = rate
            if turned is not None:
                stage[..., 1:, :] = turned
        after = (flat + self.dt * (self._B @ stages)).reshape(Y.shape)
        return after[..., 0, :], None if V is None else after[..., 1:, :]


def pilot_step(flow: Rule, s: np.ndarray, u: np.ndarray, span: float) -> float:
    """A step that DOP853 would take along the flow from ``s``, one of the shorter ones, if it resolves deviations too.

    Raises:
        SimulationError: the flow leaves.
    """
    from scipy.integrate import solve_ivp

    with np.errstate(all="ignore"):
        run = solve_ivp(
            lambda t, y: flow.advance(y, None, u)[0], (0.0, span), s, "DOP853", rtol=PILOT_RTOL, atol=PILOT_RTOL
        )
    if not run.success or not np.isfinite(run.y).all():
        raise SimulationError("the flow diverges from this start; try another s0")
    # the steps in force over the last three quarters of the time: the first ones grow from nothing
    over = np.searchsorted(run.t, np.linspace(0.25, 0.95, 200) * span).clip(1, len(run.t) - 1)
    steps = np.diff(run.t)[over - 1]
    along = run.y.T[:: max(1, run.y.shape[1] // 64)]
    fastest = float(np.abs(np.linalg.eigvals(flow.jacobian(along, u))).max())
    return min(float(np.quantile(steps, 0.1)), 1 / fastest if fastest > 0 else span)


class DelaySteps(Rule):
    """A delay equation by panels of length dt: a map on the nodes of the past, the oldest first.

    Args:
        model: an AdditiveModel with delays.
        panels: into how many the shortest delay is divided.
        nodes: Radau points of a panel.
    """

    discrete = True

    def __init__(self, model: AdditiveModel, panels: int = 1, nodes: int = NODES) -> None:
        model = model.like(np.zeros(1))
        self.input_width, self.width = model.input_width, model.width
        d, K = model.width, nodes
        self.dt = h = min(model.delays) / panels
        self._back = max(1, int(np.ceil(max(model.delays) / h - 1e-9)))
        self._K, self._model, self._G = K, model, model.activation
        self.size = (self._back * K + 1) * d
        self.names = tuple((f"s at node {k}", d) for k in range(self._back * K + 1))
        table = radau_nodes(K)
        self.theta = table.theta
        self._to_legendre, self._Q = table.to_legendre, h * table.integral
        self._past = {delay: self._delayed(delay / h) for delay in model.delays}
        self._terms = [
            (kind, term.delay, to_numpy(term.dense()).T)
            for kind in ("state", "readout")
            for term in getattr(model, kind)
        ]
        A, B = np.zeros((2, d, d))
        for kind, delay, MT in self._terms:
            if delay == 0 and kind == "state":
                A += MT.T
            elif delay == 0:
                B += MT.T
        self._terms = [term for term in self._terms if term[1] > 0]
        self._linear = np.eye(K * d) - np.kron(self._Q, A)
        self._B = B if B.any() else None
        self._solve = np.linalg.inv(self._linear).T

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
        values = S.reshape((-1, self.width))[-self._K - 1 :]
        scale = np.abs(values).max()
        return float(np.abs((self._to_legendre @ values)[-2:]).max() / scale) if scale > 0 else 0.0

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        total = to_numpy(self._model.phi)[None]
        for term in self._model.input if x is not None else ():
            total = total + x @ to_numpy(term.dense()).T
        return total

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d, K = self.width, self._K
        memory = S.reshape((*S.shape[:-1], -1, d))
        force = np.broadcast_to(u, (*S.shape[:-1], K, d))
        turned: Any = 0.0
        along = None if V is None else V.reshape((*V.shape[:-1], -1, d))
        delayed = {delay: (P @ memory, None if along is None else P @ along) for delay, P in self._past.items()}
        for kind, delay, MT in self._terms:
            s, v = delayed[delay]
            force = force + (s if kind == "state" else self._G.value(s)) @ MT
            if v is not None:
                turned = turned + (v if kind == "state" else v * self._G.slope(s)[..., None, :, :]) @ MT
        right = memory[..., -1:, :] + self._Q @ force
        if self._B is None:
            new = self._flat(right) @ self._solve
            solve: Callable[[np.ndarray], np.ndarray] = lambda rows: rows @ self._solve  # noqa: E731
        else:
            new, solve = self._newton(self._flat(right), memory[..., -1, :])
        S = np.concatenate([S[..., K * d :], new], axis=-1)
        if V is None or along is None:
            return S, None
        moved = solve(self._flat(along[..., -1:, :] + self._Q @ turned))
        return S, np.concatenate([V[..., K * d :], moved], axis=-1)

    def _flat(self, values: np.ndarray) -> np.ndarray:
        return values.reshape((*values.shape[:-2], -1))

    def _newton(self, right: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """S with linear S - Q G(S) B' = right, and what solves with its derivative."""
        d, K = self.width, self._K
        assert self._B is not None
        S = np.tile(start, K)
        for _ in range(30):
            panel = S.reshape((*S.shape[:-1], K, d))
            G = self._flat(self._Q @ (self._G.value(panel) @ self._B.T))
            residual = S @ self._linear.T - G - right
            change = np.linalg.solve(self._derivative(panel), residual[..., None])[..., 0]
            S = S - change
            if np.abs(change).max() <= 1e-12 * (1 + np.abs(S).max()):
                break
        else:
            raise SimulationError("Newton's method found no solution on a panel; use more panels (a smaller dt)")
        derivative = self._derivative(S.reshape((*S.shape[:-1], K, d)))
        return S, lambda rows: np.linalg.solve(derivative, rows.swapaxes(-1, -2)).swapaxes(-1, -2)

    def _derivative(self, panel: np.ndarray) -> np.ndarray:
        d, K = self.width, self._K
        assert self._B is not None
        blocks = self._B * self._G.slope(panel)[..., None, :]  # (..., K, d, d): column node
        full = np.einsum("ij,...jab->...iajb", self._Q, blocks).reshape((*panel.shape[:-2], K * d, K * d))
        return self._linear - full


def resolved_steps(model: AdditiveModel, start: Callable[[DelaySteps], np.ndarray], x: Any, span: float) -> DelaySteps:
    """DelaySteps with as many panels as a pilot run over ``span`` needs.

    Raises:
        SimulationError: the equation diverges, or needs too many panels.
    """
    panels = 1
    while panels <= MOST_PANELS:
        steps = DelaySteps(model, panels)
        S, u = start(steps), steps.constant(x)
        worst, count = 0.0, max(8, int(np.ceil(span / steps.dt)))
        with np.errstate(all="ignore"):
            for n in range(count):
                S = steps.advance(S, None, u)[0]
                if n >= count // 2:
                    worst = max(worst, steps.tail(S))
        if not np.isfinite(S).all():
            raise SimulationError("the equation diverges from this start; try another s0")
        if worst <= RESOLVED:
            return steps
        panels *= 2
    raise SimulationError(f"more than {MOST_PANELS} panels in the shortest delay are needed; the equation is too stiff")
