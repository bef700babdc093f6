"""The loop over ticks of a recursion with matrices by lag.  Uses: D5.

The plain twin is the loop of core.run over the step of a CanonicalRNN or TappedRNN.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.elementwise.vectors import address
from ode2rnn.kernels.products.tile import add_product, panels
from ode2rnn.kernels.recursions.records import PackedTaps


@kernel
def run_ticks(code: int, taps: PackedTaps, forcing: np.ndarray, depth: int, S: np.ndarray, R: np.ndarray) -> None:
    """S and R (depth + N, batch, d), of which the first ``depth`` rows are the past; forcing (N, batch, d) holds the
    bias and what the inputs add, or (N, 1, d) for all.
    """
    rows, batch, d = S.shape
    scratch, zero = np.empty((batch, taps.matrices.shape[3])), 0.0
    for n in range(depth, rows):
        S[n] = forcing[n - depth]
        for q in range(len(taps.lags)):
            past = S[n - taps.lags[q]] if taps.kinds[q] == 0 else R[n - taps.lags[q]]
            add_product(
                zero, (address(past), d), panels(taps.matrices[q]), (address(S[n]), d), batch, d, address(scratch)
            )
        warp(code, S[n], R[n])
