"""What the kernels of one trajectory are given, as records of arrays; no compiler is needed to make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class NetworkEquation(NamedTuple):
    """ds/dt = A s + B G(s) + C x(t) + phi, one trajectory of it.

    Attributes:
        code: the activation.
        linear, columns: the matrices, as solvers.explicit.packing packs a pair.
        readout: whether there is a B.
        C, phi: (d, M), (d,).
        edges, pieces, omega, sine, cosine: the input as data (core.signals.data.InputData).
        member: the trajectory of the batch, for inputs that differ.
        rtol, atol: the tolerances.
    """

    code: int
    linear: Array
    columns: tuple[int, int]
    readout: bool
    C: Array
    phi: Array
    edges: Array
    pieces: Array
    omega: Array
    sine: Array
    cosine: Array
    member: int
    rtol: float
    atol: float


class Tableau(NamedTuple):
    """A method of Runge and Kutta of seven stages.

    Attributes:
        weights: of the stages, and of the error as an eighth row, (8, 7).
        nodes: times of the stages, (7,).
        dense: the interpolant: coefficients of theta^1 .. theta^4 in the slopes, (4, 7).
    """

    weights: Array
    nodes: Array
    dense: Array
