"""The LSTM in continuous time and its samples as rules of motion, with their derivatives.

Uses: K1, K2, K3.  Where it rests, s = s(t - tau) and v solves v = g_cr * G_d(s): an equilibrium of K1, whatever tau is,
and a fixed point of its samples at every dT and by either rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ode2rnn.analysis.rules import Moved, Rule
from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.gated.continuous import ContinuousLSTM
from ode2rnn.gated.rates import Known, gated, sampled_gates
from ode2rnn.gated.sampled import LATE, SampledLSTM
from ode2rnn.solvers.collocation import radau_nodes

NODES = 16
MOST_PANELS = 64
RESOLVED = 1e-9  # the last Legendre coefficients of a panel against its largest value
OVER = 20  # delays of the pilot run


class Slopes(NamedTuple):
    """Rates, drive and readout with their derivatives along directions (..., k, d), 0 where none are given."""

    log_s: np.ndarray
    log_u: np.ndarray
    u: np.ndarray
    d_log_s: Any
    d_log_u: Any
    d_u: Any


class Gates:
    """The activations of a ContinuousLSTM in NumPy."""

    def __init__(self, model: ContinuousLSTM) -> None:
        self.model = model.like(np.zeros(1))
        self.d = model.width
        cell = self.model.cell
        self._W = {g: to_numpy(getattr(cell, f"W_v{g}")).T for g in ("cu", "cs", "du", "cr")}
        self._P = {g: getattr(cell, f"W_s{g}") for g in ("cu", "cs", "cr")}

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return np.atleast_2d(np.concatenate(self.model.known(x), axis=-1))

    def known(self, u: np.ndarray) -> Known:
        return Known(*(u[..., k * self.d : (k + 1) * self.d] for k in range(4)))

    def turned(self, gate: str, ds: Any, dv: Any) -> Any:
        """The derivative of an activation along directions of s and v."""
        P = self._P.get(gate)
        seen = 0.0 if P is None else ds * P if P.ndim == 1 else ds @ P.T
        return dv @ self._W[gate] + seen

    def rates(self, known: Known, s: np.ndarray, v: np.ndarray, ds: Any = None, dv: Any = None) -> Slopes:
        """K2 from s(t - tau), v(t - tau), and from directions of these."""
        rates = self.model.rates(known, s, v)
        if ds is None:
            return Slopes(*rates, 0.0, 0.0, 0.0)
        z = rates.log_s + np.log(self.model.cell.dt)
        da = self.turned("cs", ds, dv)
        if self.model.rule == "backward_euler":
            slope, gain = -np.ones_like(z), -_sigmoid(z)
        else:  # z = log softplus(-a): -dz/da = (1 - e^-w) / w, w = e^z
            w = np.exp(np.minimum(z, 36.0))
            slope, gain = np.expm1(-w) / w, np.where(z < 36.0, w / np.expm1(w), 0.0) - 1
        dz = da * slope[..., None, :]
        # what is not exponential of log_u is the sigmoid of alpha_cu, whose log has the slope 1 - g_cu
        alpha = known.cu + self.turned("cu", s, v)
        d_log_u = self.turned("cu", ds, dv) * _sigmoid(-alpha)[..., None, :] - dz * gain[..., None, :]
        return Slopes(*rates, dz, d_log_u, self.turned("du", ds, dv) * (1 - rates.u**2)[..., None, :])

    def readout(self, known: Known, s: np.ndarray, v: np.ndarray, ds: Any = None, dv: Any = None) -> tuple[Any, Any]:
        """v(t) from s(t) and v(t - tau), and its derivative."""
        after = gated(self.model.cell, known, s, v)
        if ds is None:
            return after, None
        r = np.tanh(s)
        g = _sigmoid(known.cr + self.turned("cr", s, v))
        turned = self.turned("cr", ds, dv) * (g * (1 - g) * r)[..., None, :]
        return after, turned + ds * (g * (1 - r * r))[..., None, :]

    def present(self, known: Known, s: np.ndarray) -> np.ndarray:
        """v of s at rest; NaN where none is found."""
        try:
            return to_numpy(self.model.present_readout(known, s))
        except SimulationError:
            if s.ndim == 1:
                return np.full(s.shape, np.nan)
            return np.array([self.present(known, row) for row in s])


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * z)


class LSTMFlow(Rule):
    """ds/dt of K1 with tau = 0, where v follows s; its equilibria are those of every tau."""

    discrete = False

    def __init__(self, model: ContinuousLSTM) -> None:
        self.gates = Gates(model)
        self.size, self.input_width = model.width, model.input_width
        self.names = (("s", self.size),)

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return self.gates.drive(x)

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        known, d = self.gates.known(u), self.size
        v = self.gates.present(known, S)
        dv = None
        if V is not None:
            eye = np.broadcast_to(np.eye(d), (*S.shape, d))
            zero = np.zeros(eye.shape)
            R_s = self.gates.readout(known, S, v, eye, zero)[1]
            R_v = self.gates.readout(known, S, v, zero, eye)[1]
            # rows are directions: dv = ds R_s + dv R_v
            dv = V @ R_s @ np.linalg.inv(np.eye(d) - np.nan_to_num(R_v))
        return _rate(self.gates.rates(known, S, v, V, dv), S, V)


def _rate(f: Slopes, s: np.ndarray, ds: Any) -> Moved:
    """-kappa_s s + kappa_u u, and its derivative."""
    leak, push = np.exp(f.log_s), np.exp(f.log_u)
    rate = push * f.u - leak * s
    if ds is None:
        return rate, None
    turned = f.d_log_u * (push * f.u)[..., None, :] + f.d_u * push[..., None, :]
    return rate, turned - (ds + f.d_log_s * s[..., None, :]) * leak[..., None, :]


class LSTMTicks(Rule):
    """A tick of the LSTM at another step (K3), on (s, v) of the last lag ticks, the latest first.

    With ``settled`` a tick of it at rest, on one (s, v).
    """

    discrete = True

    def __init__(self, cell: SampledLSTM, settled: bool = False) -> None:
        self.gates, self._d = Gates(cell.model), cell.width
        self.dt, self.input_width = cell.dt, cell.input_width
        self.depth = 1 if settled else cell.lag
        self._scheme = "backward_euler" if cell.scheme == LATE else cell.scheme
        self.size = 2 * self._d * self.depth
        late = [f"[n-{lag}]" if self.depth > 1 else "" for lag in range(1, self.depth + 1)]
        self.names = tuple((letter + when, self._d) for when in late for letter in ("s", "v"))

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return self.gates.drive(x)

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d, known = self._d, self.gates.known(u)
        s, s_late, v_late = S[..., :d], S[..., -2 * d : -d], S[..., -d:]
        ds_late, dv_late = (None, None) if V is None else (V[..., -2 * d : -d], V[..., -d:])
        f = self.gates.rates(known, s_late, v_late, ds_late, dv_late)
        keep, gain = sampled_gates(f, self.dt, self._scheme)  # type: ignore[arg-type]
        s_new = keep * s + gain * f.u
        rest = S[..., : -2 * d]
        if V is None:
            v_new = self.gates.readout(known, s_new, v_late)[0]
            return np.concatenate([s_new, v_new, rest], axis=-1), None
        z = f.log_s + np.log(self.dt)
        w = np.exp(np.minimum(z, 36.0))
        if self._scheme == "backward_euler":
            d_keep, d_gain = -_sigmoid(z), -_sigmoid(z)
        else:
            d_keep, d_gain = -w, np.where(z < 36.0, w / np.expm1(w), 0.0) - 1
        turned = (d_keep * keep * s + d_gain * gain * f.u)[..., None, :] * f.d_log_s
        turned = turned + (gain * f.u)[..., None, :] * f.d_log_u + gain[..., None, :] * f.d_u
        ds = V[..., :d] * keep[..., None, :] + turned
        v_new, dv = self.gates.readout(known, s_new, v_late, ds, dv_late)
        return np.concatenate([s_new, v_new, rest], axis=-1), np.concatenate([ds, dv, V[..., : -2 * d]], axis=-1)


class LSTMPanels(Rule):
    """K1 with tau > 0 by panels of length tau / panels: a map on s and v at the Radau points of one delay.

    Within a delay the rates are known, so s of a panel solves a linear system, unit by unit.
    """

    discrete = True

    def __init__(self, model: ContinuousLSTM, panels: int = 1) -> None:
        self.gates, self._d, self.panels = Gates(model), model.width, panels
        self.dt, self.input_width = model.delay / panels, model.input_width
        table = radau_nodes(NODES)
        self._Q, self._to_legendre = self.dt * table.integral, table.to_legendre
        self.size = 2 * self._d * NODES * panels
        self.names = (("s and v at the nodes of the past", self.size),)

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return self.gates.drive(x)

    def at_rest(self, s: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The state of a past that has been at s and v, each (d,)."""
        return np.tile(np.concatenate([s, v]), NODES * self.panels)

    def tail(self, S: np.ndarray, before: np.ndarray) -> float:
        """What the latest panel leaves unresolved: its last two Legendre coefficients against its largest value."""
        latest, last = (part.reshape((-1, 2 * self._d))[-NODES:, : self._d] for part in (S, before))
        values = np.vstack([last[-1:], latest])
        return float(np.abs((self._to_legendre @ values)[-2:]).max() / max(np.abs(values).max(), 1e-300))

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d, known, block = self._d, self.gates.known(u), 2 * self._d * NODES

        def parts(values: np.ndarray) -> tuple[np.ndarray, ...]:
            nodes = values.reshape((*values.shape[:-1], -1, 2 * d))
            return nodes[..., :NODES, :d], nodes[..., :NODES, d:], nodes[..., -1, :d]

        s_late, v_late, start = parts(S)  # (..., K, d), (..., K, d), (..., d)
        ds = dv = None
        if V is not None:
            ds, dv, d_start = (part.swapaxes(-2, -3) if part.ndim > V.ndim else part for part in parts(V))
        f = self.gates.rates(known, s_late, v_late, ds, dv)
        leak, push = np.exp(f.log_s), np.exp(f.log_u)
        # (I + Q diag leak) s = start + Q (push u), a matrix for every unit
        system = np.eye(NODES) + self._Q * leak.swapaxes(-1, -2)[..., None, :]
        inverse = np.linalg.inv(system)  # (..., d, K, K)
        right = start[..., None, :] + self._Q @ (push * f.u)
        s = np.einsum("...dij,...jd->...id", inverse, right)
        if V is None:
            v = self.gates.readout(known, s, v_late)[0]
            new = np.concatenate([s, v], axis=-1).reshape((*S.shape[:-1], block))
            return np.concatenate([S[..., block:], new], axis=-1), None
        force = f.d_log_u * (push * f.u)[..., None, :] + f.d_u * push[..., None, :]
        force = force - f.d_log_s * (leak * s)[..., None, :]  # (..., K, k, d)
        turned = np.einsum("ij,...jkd->...ikd", self._Q, force) + d_start[..., None, :, :]
        moved = np.einsum("...dij,...jkd->...ikd", inverse, turned)
        v, dv_new = self.gates.readout(known, s, v_late, moved, dv)
        new = np.concatenate([s, v], axis=-1).reshape((*S.shape[:-1], block))
        along = np.concatenate([moved, dv_new], axis=-1).swapaxes(-2, -3).reshape((*V.shape[:-1], block))
        return np.concatenate([S[..., block:], new], axis=-1), np.concatenate([V[..., block:], along], axis=-1)


def resolved_panels(model: ContinuousLSTM, s: np.ndarray, x: Any) -> tuple[LSTMPanels, np.ndarray]:
    """As many panels in a delay as the motion from a past at ``s`` (d,) needs, and that past.

    Raises:
        SimulationError: it needs too many.
    """
    panels = 1
    while panels <= MOST_PANELS:
        steps = LSTMPanels(model, panels)
        start = S = steps.at_rest(s, np.zeros(model.width))
        u, worst = steps.constant(x), 0.0
        for n in range(OVER * panels):
            before, S = S, steps.advance(S, None, u)[0]
            worst = max(worst, steps.tail(S, before)) if n > OVER * panels // 2 else worst
        if worst <= RESOLVED:
            return steps, start
        panels *= 2
    raise SimulationError(f"more than {MOST_PANELS} panels in the delay are needed; the equation is too stiff")
