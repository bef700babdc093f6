"""The inputs of a block of lanes, each at its own time: the data of core.signals.data, lane by lane.  Uses: C6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ode2rnn.kernels.compiling import inner
from ode2rnn.kernels.elementwise.sine import sine
from ode2rnn.kernels.products.batch import LANES


class Inputs(NamedTuple):
    """The inputs of a block: where the segment of each lane begins (LANES,); the coefficients of the polynomials
    (K, M * LANES); the frequencies (n, LANES); and the amplitudes of sine and cosine in turn (2 n, M * LANES).
    """

    origin: np.ndarray
    poly: np.ndarray
    omega: np.ndarray
    amplitude: np.ndarray


@inner
def room_for(data: tuple, M: int) -> Inputs:
    """Room for M inputs of a block."""
    waves, size = data[2].shape[0], M * LANES
    poly = np.zeros((data[1].shape[1], size))
    return Inputs(np.zeros(LANES), poly, np.zeros((waves, LANES)), np.zeros((2 * waves, size)))


@inner
def load_input(n: int, segment: int, lane: int, data: tuple, inputs: Inputs) -> None:
    """The input of a trajectory on a segment, into a lane."""
    edges, pieces, omega, sines, cosines = data
    column = n if pieces.shape[2] > 1 else 0
    inputs.origin[lane] = edges[segment]
    for m in range(pieces.shape[3]):
        for k in range(pieces.shape[1]):
            inputs.poly[k, m * LANES + lane] = pieces[segment, k, column, m]
        for j in range(omega.shape[0]):
            inputs.amplitude[2 * j, m * LANES + lane] = sines[j, column, m]
            inputs.amplitude[2 * j + 1, m * LANES + lane] = cosines[j, column, m]
    for j in range(omega.shape[0]):
        inputs.omega[j, lane] = omega[j, column]


@inner
def evaluate(t: np.ndarray, step: np.ndarray, node: float, inputs: Inputs, x: np.ndarray) -> None:
    """x at t + node step, lane by lane."""
    origin, poly, omega, amplitude = inputs
    degree = poly.shape[0] - 1
    for m in range(len(x) // LANES):
        row, top = x[m * LANES : (m + 1) * LANES], poly[degree][m * LANES : (m + 1) * LANES]
        for lane in range(LANES):
            row[lane] = top[lane]
        for k in range(degree - 1, -1, -1):
            low = poly[k][m * LANES : (m + 1) * LANES]
            for lane in range(LANES):
                row[lane] = row[lane] * (t[lane] + node * step[lane] - origin[lane]) + low[lane]
    for j in range(omega.shape[0]):
        own = omega[j]
        for q in range(2):
            for m in range(len(x) // LANES):
                row, part = x[m * LANES : (m + 1) * LANES], amplitude[2 * j + q][m * LANES : (m + 1) * LANES]
                for lane in range(LANES):
                    row[lane] += part[lane] * sine(own[lane] * (t[lane] + node * step[lane]), float(q))


@inner
def add_jump(sign: float, lane: int, t: float, C: np.ndarray, inputs: Inputs, K: np.ndarray) -> None:
    """Add sign C x(t) to the slope of a lane; C for all lanes, or flat with one for each."""
    origin, poly, omega, amplitude = inputs
    d, M = K.shape[1] // LANES, poly.shape[1] // LANES
    for m in range(M):
        x, at = 0.0, m * LANES + lane
        for k in range(poly.shape[0] - 1, -1, -1):
            x = x * (t - origin[lane]) + poly[k, at]
        for j in range(omega.shape[0]):
            y = omega[j, lane] * t
            x += amplitude[2 * j, at] * sine(y, 0.0) + amplitude[2 * j + 1, at] * sine(y, 1.0)
        for i in range(d):
            if C.ndim == 2:
                K[0, i * LANES + lane] += sign * C[i, m] * x
            else:
                K[0, i * LANES + lane] += sign * C[(i * M + m) * LANES + lane] * x
