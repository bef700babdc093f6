"""A gated cell linearized along a run: the Jacobian of a tick in closed form, from the gates.

Uses: L1, L2, L3, L4, L5, L6, X1, X2, X3, T7.

With D(a) = diag a, G_c' = g (1 - g) and G_d' = 1 - u^2, the derivative of s[n] by (s[n-1], v[n-1]) is

    D(g_cs) [I 0] + D(s[n-1] g_cs') [W_scs W_vcs] + D(u g_cu') [W_scu W_vcu] + D(g_cu u') [0 W_vdu]

whose first term is the carousel of T7; with an external gate [0 W_vdu] has D(xi_du g_cx') [W_scx W_vcx] beside it. That
of v[n] is W_qdr (D(g_cr (1 - r^2)) ds[n] + D(r g_cr') (W_scr ds[n] + [0 W_vcr])): rows of the weights, scaled, and one
product a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ode2rnn.analysis.products import Linearized
from ode2rnn.core.arrays import is_torch, to_numpy
from ode2rnn.core.run import run
from ode2rnn.gated.cell import GatedCell
from ode2rnn.gated.gru import GRU, GRUGates
from ode2rnn.training.bptt import bptt

Jacobians = Callable[[int], np.ndarray]


def is_gated(cell: Any) -> bool:
    """Whether the cell is one with gates."""
    return isinstance(cell, GatedCell | GRU)


class GatedRun:
    """A gated cell run over x (N, m): the states, what the readouts are, and the cell linearized there."""

    def __init__(self, cell: Any, x: Any, s0: Any) -> None:
        plain = {f.name: to_numpy(value) for f in fields(cell) if is_torch(value := getattr(cell, f.name))}
        self.cell = replace(cell, **plain)
        self.x = to_numpy(x) if is_torch(x) else x
        self.s0 = type(s0)(*map(to_numpy, s0)) if isinstance(s0, tuple) else to_numpy(s0) if is_torch(s0) else s0
        self.trajectory = run(self.cell, self.x, self.s0)
        self.s = self.trajectory.s

    @property
    def readout_shape(self) -> tuple[int, ...]:
        """(N, ..., d_v), the shape of r_bar."""
        return self.trajectory.r.shape

    @cached_property
    def jacobian(self) -> Jacobians:
        """For tick n, d (s, v)[n] / d (s, v)[n-1]."""
        if isinstance(self.cell, GRU):
            return gru_jacobians(self.cell, self.s, self.gates)
        return lstm_jacobians(self.cell, *self.cell.replay(self.trajectory, self.s0))

    @cached_property
    def gates(self) -> Any:
        """What all ticks computed."""
        return self.cell.gates(self.x, self.s0)

    def linearized(self, first: int) -> Linearized:
        """d (s, v)[n] / d (s, v)[n-1] from sample ``first`` on."""
        width = self.s.shape[-1] + (0 if isinstance(self.cell, GRU) else self.readout_shape[-1])
        return Linearized(width, 1, len(self.s) - first, lambda n: {1: self.jacobian(first + n)})

    def errors(self, r_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """psi (N, d) and chi (N, d_v), from the analytic backward pass (L7 to L10, X4 to X6).

        A GRU has one state, which is its readout: psi[n] = chi[n] = r_bar[n] + J[n+1]^T psi[n+1].
        """
        if not isinstance(self.cell, GRU):
            back = bptt(self.cell, self.x, r_bar, self.s0)
            return back.psi, back.chi
        psi = r_bar.copy()
        with np.errstate(all="ignore"):  # overflow is told by who asked
            for n in range(len(psi) - 2, -1, -1):
                psi[n] += psi[n + 1] @ self.jacobian(n + 1)
        return psi, psi

    def carousel(self, first: int) -> np.ndarray:
        """log ||prod diag g_cs|| over the ticks after ``first`` (T7); of a GRU, whose z keeps its state, of z."""
        gates = (self.gates.z if isinstance(self.cell, GRU) else self.gates.g_cs)[first + 1 :]
        with np.errstate(divide="ignore"):
            logs = np.concatenate([np.zeros((1, gates.shape[-1])), np.cumsum(np.log(gates), axis=0)])
        return 0.5 * np.logaddexp.reduce(2 * logs, axis=1)

    @property
    def bound(self) -> float:
        """No bound holds whatever the input: a gate can stay open."""
        return np.inf


def lstm_jacobians(cell: Any, past: Any, now: Any) -> Jacobians:
    """For tick n, d (s, v)[n] / d (s, v)[n-1], (d + d_v, d + d_v), of a VanillaLSTM or an AugmentedLSTM.

    ``past`` and ``now`` are what ``cell.replay`` gives.
    """
    d, d_v = cell.width, cell.readout_width
    # what every row of the weights is scaled by, for all ticks at once
    scale = {
        "cs": past.s * now.g_cs * (1 - now.g_cs),
        "cu": now.u * now.g_cu * (1 - now.g_cu),
        "du": now.g_cu * (1 - now.u**2),
    }
    weights = {name: _acting_on_both(cell, name) for name in scale}
    if now.g_cx is not None:
        scale["cx"] = scale["du"] * now.xi_du * now.g_cx * (1 - now.g_cx)
        weights["cx"] = _acting_on_both(cell, "cx")
    readout, both = now.r * now.g_cr * (1 - now.g_cr), now.g_cr * (1 - now.r**2)
    W_scr, W_vcr, carousel = _square(getattr(cell, "W_scr", None), d), cell.W_vcr, np.arange(d)
    projection = getattr(cell, "W_qdr", None)

    def at(n: int) -> np.ndarray:
        ds = sum((scale[name][n][:, None] * W for name, W in weights.items()), np.zeros((d, d + d_v)))
        ds[carousel, carousel] += now.g_cs[n]
        through = W_scr @ ds
        through[:, d:] += W_vcr
        dq = both[n][:, None] * ds + readout[n][:, None] * through
        return np.concatenate([ds, dq if projection is None else projection @ dq])

    return at


def gru_jacobians(cell: GRU, v: np.ndarray, now: GRUGates) -> Jacobians:
    """For tick n >= 1, d v[n] / d v[n-1], (d, d):

        D(z) + D((v[n-1] - h) z') W_vz + D((1 - z)(1 - h^2)) F,    z' = z (1 - z), r' = r (1 - r)

    where F is D(r) W_vh + D((W_vh v[n-1] + b_vh) r') W_vr with reset_after, else W_vh (D(r) + D(v[n-1] r') W_vr).
    """
    before = np.concatenate([v[:1], v[:-1]])  # of tick 0 nothing is asked
    kept = (before - now.h) * now.z * (1 - now.z)
    new, slope, diagonal = (1 - now.z) * (1 - now.h**2), now.r * (1 - now.r), np.arange(cell.width)
    W_vz, W_vr, W_vh, b_vh = cell.W_vz, cell.W_vr, cell.W_vh, cell.b_vh

    def at(n: int) -> np.ndarray:
        if b_vh is not None:
            fed_back = now.r[n][:, None] * W_vh + ((W_vh @ before[n] + b_vh) * slope[n])[:, None] * W_vr
        else:
            fed_back = W_vh @ (np.diag(now.r[n]) + (before[n] * slope[n])[:, None] * W_vr)
        dv = kept[n][:, None] * W_vz + new[n][:, None] * fed_back
        dv[diagonal, diagonal] += now.z[n]
        return dv

    return at


def _acting_on_both(cell: Any, name: str) -> np.ndarray:
    """[W_s? W_v?], (d, d + d_v)."""
    return np.concatenate([_square(getattr(cell, f"W_s{name}", None), cell.width), getattr(cell, f"W_v{name}")], axis=1)


def _square(W: np.ndarray | None, d: int) -> np.ndarray:
    """A peephole as a matrix: full, diagonal (d,), or none."""
    if W is None:
        return np.zeros((d, d))
    return np.diag(W) if W.ndim == 1 else W
