"""Recursions that share a model and differ in their step, LANES of them at a time.  Uses: D4, D10.

In a basis V of eigenvectors of A every rule of D10 is a multiplication, whatever the step, so that one product with
V and one with V^-1 B serve all lanes:

    f[n] = V^-1 (B r[n - lag] + C x[n] + phi),  z[n] = w z[n-1] + p_0 f[n] + p_1 f[n-1],  s[n] = V z[n],  r[n] = G(s[n])

Conjugate pairs of eigenvalues come first and take two rows each, which hold the real and the imaginary part of their
factors: a multiplication by a + ib takes (z, z') to (a z + b z', a z' - b z).

For backward Euler (D4), p_0 = h w and p_1 = 0, so that z[n] = w (z[n-1] + h f[n]): the readouts are kept times h, and
the product is added to z[n-1] itself.
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.codes import SIGMOID, TANH
from ode2rnn.kernels.elementwise.float64 import warp
from ode2rnn.kernels.products.batch import LANES, add_product
from ode2rnn.kernels.products.tile import start_of
from ode2rnn.kernels.recursions.batch_tiles import advance, show


@kernel
def sweep_block(
    code: int,
    basis: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    rule: tuple[np.ndarray, np.ndarray, np.ndarray],
    h: np.ndarray,
    pairs: int,
    lags: np.ndarray,
    ticks: np.ndarray,
    x: np.ndarray,
    start: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    skips: np.ndarray,
    final: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    states: np.ndarray,
) -> None:
    """Run the lanes of a block, each for ``ticks[lane]`` ticks.

    Args:
        basis: V (d, d), or (0, 0) where it is the identity; V^-1 B (d, d); V^-1 C (d, m); V^-1 phi (d,).
        rule: w, p_0, p_1, each (d * LANES,); p_1 may be (0,) for none, and p_0 for h w, where ``h`` (LANES,) holds
            the steps.
        pairs: the number of conjugate pairs.
        lags: of the readout, by lane, at least one.
        x: inputs (N, m, 1) for all lanes, or (N, m, LANES).
        start: z[-1], r[-1], r of all ticks before that, each (d,), and x[-1] (m,).
        final: out, s of the last tick, (d * LANES,).
        skips: the ticks, by lane, before which ``low`` and ``high`` take no notice.
        low, high: bounds of s, narrower at first than any, (d * LANES,); (0,) to leave them out.
        states: out, every s[n], (N, d * LANES); (0, 0) to leave them out.
    """
    V, VB, VC, phi = basis
    d, m = len(phi), x.shape[1]
    size = d * LANES
    (soonest, longest), (shortest, depth), (first, settled) = _ends(ticks), _ends(lags), _ends(skips)
    scaled, ranged = len(rule[1]) == 0, len(low) > 0
    z, turned, f, before, s = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    delayed, x_lanes, ones = np.zeros(size), np.zeros(m * LANES), np.ones(LANES)
    r = np.zeros((depth, size))  # r[n] at n % depth
    factor, bias, shared = h if scaled else ones, np.zeros(d), x.shape[2] == 1
    smooth = code in (TANH, SIGMOID)
    for i in range(d):
        for lane in range(LANES):
            z[i * LANES + lane] = start[0][i]
            before[i * LANES + lane] = phi[i]
            for k in range(m):
                before[i * LANES + lane] += VC[i, k] * start[3][k]
            delayed[i * LANES + lane] = start[2][i]
            for k in range(depth):
                r[k, i * LANES + lane] = start[1 if k == depth - 1 else 2][i] * factor[lane]
    add_product(VB, delayed, before)
    for n in range(longest):
        for i in range(d):
            bias[i] = phi[i]
            for k in range(m if shared else 0):
                bias[i] += VC[i, k] * x[n, k, 0]
        if not scaled:
            for i in range(d):
                for lane in range(LANES):
                    f[i * LANES + lane] = bias[i]
        if not shared:
            for k in range(m):
                for lane in range(LANES):
                    x_lanes[k * LANES + lane] = x[n, k, lane] * factor[lane]
            add_product(VC, x_lanes, z if scaled else f)
        past = r[n % depth]
        if shortest < depth:
            _delay(r, n, lags, delayed)
            past = delayed
        if scaled:
            extra = (start_of(bias), start_of(h))
            advance(start_of(VB), d, start_of(past), start_of(z), extra, start_of(rule[0]), pairs, start_of(turned))
        else:
            add_product(VB, past, f)
            _multiply(rule[0], pairs, z, turned, False)
            _multiply(rule[1], pairs, f, turned, True)
            if len(rule[2]) > 0:
                _multiply(rule[2], pairs, before, turned, True)
        z, turned = turned, z
        f, before = before, f
        now = r[n % depth]
        if smooth and len(V) > 0:
            show(code == TANH, start_of(V), d, start_of(z), start_of(factor), start_of(s), start_of(now))
        else:
            for j in range(size):
                s[j] = 0.0 if len(V) > 0 else z[j]
            if len(V) > 0:
                add_product(V, z, s)
            warp(code, s, now)
            if scaled:
                _scale(now, h)
        if ranged and n >= first:
            _bound(s, n, settled <= n < soonest, skips, ticks, low, high)
        if len(states) > 0:
            for j in range(size):
                states[n, j] = s[j]
        if n + 1 >= soonest:
            for lane in range(LANES):
                if ticks[lane] == n + 1:
                    for i in range(d):
                        final[i * LANES + lane] = s[i * LANES + lane]


@kernel
def _delay(r: np.ndarray, n: int, lags: np.ndarray, delayed: np.ndarray) -> None:
    depth, size = r.shape
    for lane in range(LANES):
        at = (n - lags[lane]) % depth
        for j in range(lane, size, LANES):
            delayed[j] = r[at, j]


@kernel
def _multiply(factor: np.ndarray, pairs: int, z: np.ndarray, out: np.ndarray, add: bool) -> None:
    """out = factor z, or out += factor z."""
    for k in range(pairs):
        start, end = 2 * k * LANES, 2 * (k + 1) * LANES
        _multiply_pair(factor[start:end], z[start:end], out[start:end], add)
    real, rest, result = factor[2 * pairs * LANES :], z[2 * pairs * LANES :], out[2 * pairs * LANES :]
    if add:
        for j in range(len(real)):
            result[j] += real[j] * rest[j]
    else:
        for j in range(len(real)):
            result[j] = real[j] * rest[j]


@kernel
def _multiply_pair(factor: np.ndarray, z: np.ndarray, out: np.ndarray, add: bool) -> None:
    if add:
        for j in range(LANES):
            out[j] += factor[j] * z[j] + factor[LANES + j] * z[LANES + j]
            out[LANES + j] += factor[j] * z[LANES + j] - factor[LANES + j] * z[j]
    else:
        for j in range(LANES):
            out[j] = factor[j] * z[j] + factor[LANES + j] * z[LANES + j]
            out[LANES + j] = factor[j] * z[LANES + j] - factor[LANES + j] * z[j]


@kernel
def _scale(block: np.ndarray, factor: np.ndarray) -> None:
    for i in range(len(block) // LANES):
        row = block[i * LANES :]
        for lane in range(LANES):
            row[lane] *= factor[lane]


@kernel
def _ends(values: np.ndarray) -> tuple[int, int]:
    """The smallest and the largest."""
    low = high = values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


@kernel
def _bound(
    s: np.ndarray, n: int, every: bool, skips: np.ndarray, ticks: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    if every:
        for j in range(len(s)):
            low[j] = s[j] if s[j] < low[j] else low[j]
            high[j] = s[j] if s[j] > high[j] else high[j]
        return
    for lane in range(LANES):
        if skips[lane] <= n < ticks[lane]:
            for j in range(lane, len(s), LANES):
                low[j] = min(low[j], s[j])
                high[j] = max(high[j], s[j])
