"""What the passes of an LSTM are given and leave.  Uses: L1 to L10, X2 to X6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Packed(NamedTuple):
    """The weights of a pass, packed by kernels.products.packing: as they are for the forward pass, transposed for the
    backward pass. ``gates`` is 4, or 5 with an external gate.

    Attributes:
        v: of v[n-1], all gates one after the other, (gates d, d_v).
        s: peepholes of cu, cs and cx, ((gates - 2) d, d); without panels where there are none, or diagonal ones.
        cr: the peephole of cr, (d, d), likewise.
        diagonal: diagonal peepholes as they are, (gates - 1, d), or (0, d).
        q: the projection (d_v, d), or without panels.
    """

    v: Array
    s: Array
    cr: Array
    diagonal: Array
    q: Array


class Traces(NamedTuple):
    """What the ticks leave: s[-1 .. N-1] (N + 1, batch, d), and the gates (N, batch, 4 d or 6 d)."""

    S: Array
    G: Array


class Bars(NamedTuple):
    """Gradients of v[0 .. N-1], s[N-1] and v[N-1]: each as large as these, or of length 0 where it is zero."""

    V: Array
    s: Array
    v: Array


class Results(NamedTuple):
    """The gradients that the backward pass leaves.

    Attributes:
        Z: those of the activations, (N, batch, 4 d or 6 d).
        chi: those of v[0 .. N-1] with all that comes of it, (N, batch, d_v), and q[0 .. N-1], (N, batch, d): with a
            projection, else of one tick.
        q: see chi.
        s, v: those of s[-1] (batch, d) and v[-1] (batch, d_v).
    """

    Z: Array
    chi: Array
    q: Array
    s: Array
    v: Array
