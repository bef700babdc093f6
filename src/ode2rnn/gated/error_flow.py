"""How errors flow along the carousel of an LSTM.

Home of: T7.  Source: "From RNN to Vanilla LSTM Network" (and the slides: the product of sigma(v_{t+k})).

T7  psi[n] = g_cs[n+1] * psi[n+1] + ...:  along the state alone d s[n] / d s[l] = prod_{k=l+1..n} g_cs[k], which neither
    vanishes nor explodes while g_cs is near 1
"""

from __future__ import annotations

import sys
from typing import Any

from ode2rnn.core.arrays import Array, check_array, is_torch
from ode2rnn.gated.cell import Gates


def carousel_flow(g_cs: Any) -> Array:
    """d s[N-1] / d s[l] along the state alone, for l = 0 .. N-1 (T7); 1 at l = N-1.

    The matrix is diagonal; its diagonal is the product of the state gates after l. It is all that passes an error
    back in an LSTM whose gates and update do not listen to its state and readout; else it is one of many ways.

    Args:
        g_cs: the state gates along a run (N, ..., d), or the Gates that `cell.gates` returns.

    Returns:
        (N, ..., d), the diagonals.

    Raises:
        ValueError: no gates.

    Example:
        >>> carousel_flow([[0.3], [0.5], [0.8]]).ravel()
        array([0.4, 0.8, 1. ])
    """
    g = check_array("g_cs", g_cs.g_cs if isinstance(g_cs, Gates) else g_cs)
    if g.ndim < 1 or len(g) < 1:
        raise ValueError(f"g_cs: expected shape (N, ..., d), got {tuple(g.shape)}")
    if is_torch(g):
        torch = sys.modules["torch"]
        return torch.cat([torch.cumprod(g[1:].flip(0), 0).flip(0), torch.ones_like(g[:1])])
    products = g.copy()
    products[:-1] = products[:0:-1].cumprod(0)[::-1]
    products[-1] = 1.0
    return products
