"""One tick of an LSTM given by its fifteen groups of parameters, with its derivative, in NumPy.

Uses: L1, L2, L3, L4, L5, L6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.analysis.layer_rules import CellRule, sigmoid
from ode2rnn.analysis.rules import Moved, Rule
from ode2rnn.core.arrays import to_numpy

GATES = ("cu", "cs", "du", "cr")
NEEDED = [f"{kind}{gate}" for gate in GATES for kind in ("W_x", "W_v", "b_")]
# what makes it another cell: the external input gate, the projection of the readout
EXTENSIONS = ("W_xcx", "W_qdr")


def cell_rule(cell: Any) -> Rule:
    """The rule of a cell that is no recursion with taps: its own where its letters say what it is, else torch's."""
    plain = all(getattr(cell, name, None) is not None for name in NEEDED)
    if plain and cell.W_xcu.ndim == 2 and all(getattr(cell, name, None) is None for name in EXTENSIONS):
        return LetteredLSTM(cell)
    return CellRule(cell)


class LetteredLSTM(Rule):
    """The Vanilla LSTM on (s, v), with peepholes that are full, diagonal or none."""

    discrete = True

    def __init__(self, cell: Any) -> None:
        self._d = d = int(cell.width)
        self.dt, self.input_width, self.size = float(cell.dt), int(cell.input_width), 2 * d
        self.names = (("s", d), ("v", d))
        self._WxT, self._WvT = (
            np.ascontiguousarray(np.concatenate([to_numpy(getattr(cell, kind + gate)) for gate in GATES]).T)
            for kind in ("W_x", "W_v")
        )
        self._b = np.concatenate([to_numpy(getattr(cell, f"b_{gate}")) for gate in GATES])
        peepholes = {gate: getattr(cell, f"W_s{gate}", None) for gate in ("cu", "cs", "cr")}
        self._see = {gate: to_numpy(P).T for gate, P in peepholes.items() if P is not None}

    def drive(self, x: np.ndarray | None) -> np.ndarray:
        return self._b[None] if x is None else x @ self._WxT + self._b

    def _peephole(self, gate: str, values: Any) -> Any:
        P = self._see.get(gate)
        return 0.0 if P is None else values * P if P.ndim == 1 else values @ P

    def advance(self, S: np.ndarray, V: np.ndarray | None, u: np.ndarray) -> Moved:
        d = self._d
        s, v = S[..., :d], S[..., d:]
        z = u + v @ self._WvT
        g_cu, g_cs = (sigmoid(z[..., k * d : (k + 1) * d] + self._peephole(g, s)) for k, g in enumerate(("cu", "cs")))
        candidate = np.tanh(z[..., 2 * d : 3 * d])
        s_new = g_cs * s + g_cu * candidate
        g_cr = sigmoid(z[..., 3 * d :] + self._peephole("cr", s_new))
        r = np.tanh(s_new)
        after = np.concatenate([s_new, g_cr * r], axis=-1)
        if V is None:
            return after, None
        ds, dz = V[..., :d], V[..., d:] @ self._WvT

        def along(row: np.ndarray) -> np.ndarray:
            return row[..., None, :]

        d_cu = (dz[..., :d] + self._peephole("cu", ds)) * along(g_cu * (1 - g_cu) * candidate)
        d_cs = (dz[..., d : 2 * d] + self._peephole("cs", ds)) * along(g_cs * (1 - g_cs) * s)
        d_du = dz[..., 2 * d : 3 * d] * along(g_cu * (1 - candidate**2))
        ds = ds * along(g_cs) + d_cu + d_cs + d_du
        d_cr = (dz[..., 3 * d :] + self._peephole("cr", ds)) * along(g_cr * (1 - g_cr) * r)
        return after, np.concatenate([ds, d_cr + ds * along(g_cr * (1 - r * r))], axis=-1)
