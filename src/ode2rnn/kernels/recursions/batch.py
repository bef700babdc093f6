"""Recursions that share a model and differ in their step, COLUMNS of them at a time.  Uses: D4, D10.

In a basis V of eigenvectors of A every rule of D10 is a multiplication, whatever the step, so that one product with
V and one with V^-1 B serve all of them:

    f[n] = V^-1 (B r[n - lag] + C x[n] + phi),  z[n] = w z[n-1] + p_0 f[n] + p_1 f[n-1],  s[n] = V z[n],  r[n] = G(s[n])

Conjugate pairs of eigenvalues come first and take two rows each, which hold the real and the imaginary part of their
factors: a multiplication by a + ib takes (z, z') to (a z + b z', a z' - b z).
"""

from __future__ import annotations

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.elementwise.vectors import address, length, load_like, store, widest
from ode2rnn.kernels.products.batch import COLUMNS, add_product
from ode2rnn.kernels.recursions.records import Filled, ModalRecursion, PastReadouts, RunLengths


@kernel
def sweep_block(recursion: ModalRecursion, runs: RunLengths, x: np.ndarray, past: PastReadouts, kept: Filled) -> None:
    """Run the recursions of a block, each for its own ticks; x (N, m, 1) serves all, or is (N, m, COLUMNS)."""
    V, VB, VC, phi = recursion.V, recursion.VB, recursion.VC, recursion.phi
    d, m = len(phi), x.shape[1]
    size = d * COLUMNS
    (soonest, longest), (shortest, depth), (first, settled) = _ends(runs.ticks), _ends(runs.lags), _ends(runs.skips)
    z, turned, f, before, s = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    delayed, given = np.zeros(size), np.zeros(m * COLUMNS)
    r = np.zeros((depth, size))  # r[n] at n % depth
    for i in range(d):
        for column in range(COLUMNS):
            at = i * COLUMNS + column
            z[at], before[at], delayed[at] = past.z[i], phi[i], past.older[i]
            for k in range(m):
                before[at] += VC[i, k] * past.x[k]
            for k in range(depth):
                r[k, at] = past.r[i] if k == depth - 1 else past.older[i]
    add_product(VB, delayed, before)
    for n in range(longest):
        for i in range(d):
            row, value = f[i * COLUMNS : (i + 1) * COLUMNS], phi[i]
            for k in range(m if x.shape[2] == 1 else 0):
                value += VC[i, k] * x[n, k, 0]
            for column in range(COLUMNS):
                row[column] = value
        if x.shape[2] > 1:
            for k in range(m):
                for column in range(COLUMNS):
                    given[k * COLUMNS + column] = x[n, k, column]
            add_product(VC, given, f)
        now = r[n % depth]
        if shortest < depth:
            _delay(r, n, runs.lags, delayed)
            add_product(VB, delayed, f)
        else:
            add_product(VB, now, f)
        _advance(recursion, z, f, turned)
        if len(recursion.p_1) > 0:
            _add(recursion.p_1, recursion.pairs, before, turned)
        z, turned = turned, z
        f, before = before, f
        if len(V) > 0:
            for j in range(size):
                s[j] = 0.0
            add_product(V, z, s)
        else:
            for j in range(size):
                s[j] = z[j]
        warp(recursion.code, s, now)
        if len(kept.low) > 0 and n >= first:
            _bound(s, n, settled <= n < soonest, runs, kept)
        if len(kept.states) > 0:
            kept.states[n] = s
        if n + 1 >= soonest:
            for column in range(COLUMNS):
                if runs.ticks[column] == n + 1:
                    for i in range(d):
                        kept.final[i * COLUMNS + column] = s[i * COLUMNS + column]


@kernel
def _delay(r: np.ndarray, n: int, lags: np.ndarray, delayed: np.ndarray) -> None:
    depth, size = r.shape
    for column in range(COLUMNS):
        at = (n - lags[column]) % depth
        for j in range(column, size, COLUMNS):
            delayed[j] = r[at, j]


@kernel
def _advance(recursion: ModalRecursion, z: np.ndarray, f: np.ndarray, out: np.ndarray) -> None:
    """out = w z + p_0 f."""
    like, w, p = widest(0.0), address(recursion.w), address(recursion.p_0)
    z_at, f_at, to = address(z), address(f), address(out)
    couples = 2 * recursion.pairs * COLUMNS
    for first in range(0, couples, 2 * COLUMNS):
        for o in range(first, first + COLUMNS, length(like)):
            other = o + COLUMNS
            a, b = load_like(like, w, o), load_like(like, w, other)
            c, e = load_like(like, p, o), load_like(like, p, other)
            x, y = load_like(like, z_at, o), load_like(like, z_at, other)
            u, v = load_like(like, f_at, o), load_like(like, f_at, other)
            store(to, o, (a * x + b * y) + (c * u + e * v))
            store(to, other, (a * y - b * x) + (c * v - e * u))
    for o in range(couples, len(out), length(like)):
        product = load_like(like, w, o) * load_like(like, z_at, o)
        store(to, o, product + load_like(like, p, o) * load_like(like, f_at, o))


@kernel
def _add(factor: np.ndarray, pairs: int, z: np.ndarray, out: np.ndarray) -> None:
    """out += factor z."""
    for i in range(len(out) // COLUMNS):
        partner = i if i >= 2 * pairs else i + 1 - 2 * (i % 2)
        for j in range(i * COLUMNS, (i + 1) * COLUMNS):
            other = j + (partner - i) * COLUMNS
            if partner == i:
                out[j] += factor[j] * z[j]
            elif partner > i:
                out[j] += factor[j] * z[j] + factor[other] * z[other]
            else:
                out[j] += factor[other] * z[j] - factor[j] * z[other]


@kernel
def _ends(values: np.ndarray) -> tuple[int, int]:
    """The smallest and the largest."""
    low = high = values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


@kernel
def _bound(s: np.ndarray, n: int, every: bool, runs: RunLengths, kept: Filled) -> None:
    low, high = kept.low, kept.high
    if every:
        for j in range(len(s)):
            low[j] = s[j] if s[j] < low[j] else low[j]
            high[j] = s[j] if s[j] > high[j] else high[j]
        return
    for column in range(COLUMNS):
        if runs.skips[column] <= n < runs.ticks[column]:
            for j in range(column, len(s), COLUMNS):
                low[j] = min(low[j], s[j])
                high[j] = max(high[j], s[j])
