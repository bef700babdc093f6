"""How the products want a matrix: packed once, in plain NumPy."""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.door import empty


def packed(W: np.ndarray, width: int) -> np.ndarray:
    """W (m, k) in panels of ``width`` rows, (panels, k, width): entry (c, p, l) is W[c width + l, p], 0 past the last.

    Example:
        >>> packed(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), 2)[1]
        array([[5., 0.],
               [6., 0.]])
    """
    m, k = W.shape
    if m == 0:
        return np.empty((0, k, width), W.dtype)
    whole, rest = divmod(m, width)
    out = empty((whole + (rest > 0), k, width), W.dtype)
    out[:whole] = W[: whole * width].reshape((whole, width, k)).swapaxes(1, 2)
    if rest:
        out[whole] = 0.0
        out[whole, :, :rest] = W[whole * width :].T
    return out
