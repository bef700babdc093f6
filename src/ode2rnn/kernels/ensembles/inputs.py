"""The inputs of a block of columns, each at its own time: data of core.signals.data, column by column.  Uses: C6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ode2rnn.kernels.compiling import inner
from ode2rnn.kernels.elementwise.sine import sine
from ode2rnn.kernels.products.batch import COLUMNS


class Inputs(NamedTuple):
    """The inputs of a block: where the segment of each column begins (COLUMNS,); the coefficients of the polynomials
    (K, M * COLUMNS); the frequencies (n, COLUMNS); and the amplitudes of sine and cosine in turn (2 n, M * COLUMNS).
    """

    origin: np.ndarray
    poly: np.ndarray
    omega: np.ndarray
    amplitude: np.ndarray


@inner
def room_for(data: tuple, M: int) -> Inputs:
    """Room for M inputs of a block."""
    sines, size = data[2].shape[0], M * COLUMNS
    poly = np.zeros((data[1].shape[1], size))
    return Inputs(np.zeros(COLUMNS), poly, np.zeros((sines, COLUMNS)), np.zeros((2 * sines, size)))


@inner
def load_input(n: int, segment: int, column: int, data: tuple, inputs: Inputs) -> None:
    """The input of a trajectory on a segment, into a column."""
    edges, pieces, omega, sines, cosines = data
    trajectory = n if pieces.shape[2] > 1 else 0
    inputs.origin[column] = edges[segment]
    for m in range(pieces.shape[3]):
        for k in range(pieces.shape[1]):
            inputs.poly[k, m * COLUMNS + column] = pieces[segment, k, trajectory, m]
        for j in range(omega.shape[0]):
            inputs.amplitude[2 * j, m * COLUMNS + column] = sines[j, trajectory, m]
            inputs.amplitude[2 * j + 1, m * COLUMNS + column] = cosines[j, trajectory, m]
    for j in range(omega.shape[0]):
        inputs.omega[j, column] = omega[j, trajectory]


@inner
def evaluate(t: np.ndarray, step: np.ndarray, node: float, inputs: Inputs, x: np.ndarray) -> None:
    """x at t + node step, column by column."""
    origin, poly, omega, amplitude = inputs
    degree = poly.shape[0] - 1
    for m in range(len(x) // COLUMNS):
        row, top = x[m * COLUMNS : (m + 1) * COLUMNS], poly[degree][m * COLUMNS : (m + 1) * COLUMNS]
        for column in range(COLUMNS):
            row[column] = top[column]
        for k in range(degree - 1, -1, -1):
            low = poly[k][m * COLUMNS : (m + 1) * COLUMNS]
            for column in range(COLUMNS):
                row[column] = row[column] * (t[column] + node * step[column] - origin[column]) + low[column]
    for j in range(omega.shape[0]):
        own = omega[j]
        for q in range(2):
            for m in range(len(x) // COLUMNS):
                row, part = x[m * COLUMNS : (m + 1) * COLUMNS], amplitude[2 * j + q][m * COLUMNS : (m + 1) * COLUMNS]
                for column in range(COLUMNS):
                    row[column] += part[column] * sine(own[column] * (t[column] + node * step[column]), float(q))


@inner
def add_jump(sign: float, column: int, t: float, C: np.ndarray, inputs: Inputs, K: np.ndarray) -> None:
    """Add sign C x(t) to the slope of a column; C for all columns, or flat with one for each."""
    origin, poly, omega, amplitude = inputs
    d, M = K.shape[1] // COLUMNS, poly.shape[1] // COLUMNS
    for m in range(M):
        x, at = 0.0, m * COLUMNS + column
        for k in range(poly.shape[0] - 1, -1, -1):
            x = x * (t - origin[column]) + poly[k, at]
        for j in range(omega.shape[0]):
            y = omega[j, column] * t
            x += amplitude[2 * j, at] * sine(y, 0.0) + amplitude[2 * j + 1, at] * sine(y, 1.0)
        for i in range(d):
            if C.ndim == 2:
                K[0, i * COLUMNS + column] += sign * C[i, m] * x
            else:
                K[0, i * COLUMNS + column] += sign * C[(i * M + m) * COLUMNS + column] * x
