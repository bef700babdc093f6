"""What the kernels of recursions are given, as records of arrays; no compiler is needed to make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class ModalRecursion(NamedTuple):
    """The model and the rule of a block of recursions that differ in their step, see kernels.recursions.batch.

    Attributes:
        code: the activation.
        V, VB, VC, phi: V (d, d), or (0, 0) where it is the identity; V^-1 B (d, d); V^-1 C (d, m); V^-1 phi (d,).
        pairs: the number of conjugate pairs.
        w, p_0, p_1: each (d * COLUMNS,); p_1 may be (0,) for none.
    """

    code: int
    V: Array
    VB: Array
    VC: Array
    phi: Array
    pairs: int
    w: Array
    p_0: Array
    p_1: Array


class RunLengths(NamedTuple):
    """By recursion (COLUMNS,): the lag of the readout, at least one; the ticks to run; the ticks before which the
    bounds take no notice.
    """

    lags: Array
    ticks: Array
    skips: Array


class PastReadouts(NamedTuple):
    """z[-1], r[-1], r of all ticks before that, each (d,), and x[-1] (m,)."""

    z: Array
    r: Array
    older: Array
    x: Array


class Filled(NamedTuple):
    """What is filled: s of the last tick (d * COLUMNS,); bounds of s, narrower at first than any, or (0,) for none;
    every s[n] (N, d * COLUMNS), or (0, 0) for none.
    """

    final: Array
    low: Array
    high: Array
    states: Array


class PackedTaps(NamedTuple):
    """The terms of a recursion with matrices by lag: matrix q multiplies s (kinds[q] = 0) or r (kinds[q] = 1)
    of lags[q] ticks ago. ``matrices`` are packed by kernels.products.packing, one after the other.
    """

    kinds: Array
    lags: Array
    matrices: Array
