"""What of the equation stays on a segment, and the known part of ds/dt, C x(t) + phi: polynomials and sines times C.

Uses: C6, C9.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ode2rnn.kernels.compiling import kernel
from ode2rnn.kernels.elementwise.vectors import WIDTH, address, get, load, put, spread, store
from ode2rnn.kernels.steps.records import NetworkEquation


class Model(NamedTuple):
    """An equation inside a kernel, its arrays by their addresses.

    Attributes:
        code, readout, d: as in NetworkEquation, and the number of states.
        matrices: address, numbers of columns, and the length of a vector (products.tile.add_to_vector).
        F: rows of C x on a segment, of a vector each: ``pieces`` of the polynomial, then sine and cosine of each.
        pieces, sine_count: numbers of polynomial rows and of sines.
        sines: the frequencies of the sines, then their sines and cosines now.
    """

    code: int
    readout: bool
    d: int
    matrices: tuple[int, int, int, int]
    F: int
    pieces: int
    sine_count: int
    sines: int


@kernel
def model_of(equation: NetworkEquation, width: int, F: np.ndarray, sines: np.ndarray) -> Model:
    """The model; F and ``sines`` are room for it, which the caller keeps alive."""
    pieces, count = equation.pieces.shape[1], equation.omega.shape[0]
    for i in range(count):
        sines[i] = equation.omega[i, equation.member]
    matrices = (address(equation.linear), equation.columns[0], equation.columns[1], width)
    d = equation.phi.shape[0]
    return Model(equation.code, equation.readout, d, matrices, address(F), pieces, count, address(sines))


@kernel
def room_for(equation: NetworkEquation, width: int) -> tuple[np.ndarray, np.ndarray]:
    """F and sines for :func:`model_of`."""
    pieces, count = equation.pieces.shape[1], equation.omega.shape[0]
    return np.zeros((pieces + 2 * count) * width), np.zeros(3 * count)


@kernel
def start_segment(equation: NetworkEquation, segment: int, width: int, F: np.ndarray) -> None:
    """C times the input of a segment into F."""
    C, member = equation.C, equation.member
    d, M = C.shape
    K = equation.pieces.shape[1]
    for k in range(K):
        for i in range(d):
            total = equation.phi[i] if k == 0 else 0.0
            for m in range(M):
                total += C[i, m] * equation.pieces[segment, k, member, m]
            F[k * width + i] = total
    for n in range(equation.sine.shape[0]):
        at = (K + 2 * n) * width
        for i in range(d):
            a, b = 0.0, 0.0
            for m in range(M):
                a += C[i, m] * equation.sine[n, member, m]
                b += C[i, m] * equation.cosine[n, member, m]
            F[at + i] = a
            F[at + width + i] = b


@kernel
def forcing_at(model: Model, t: float, u: float, W: int, to: int) -> None:
    """The forcing at the time t, u after the start of the segment, into W[to :]; the sines are left there."""
    F, K, count, width = model.F, model.pieces, model.sine_count, model.matrices[3]
    now = model.sines + 8 * count
    for n in range(count):
        put(now, 2 * n, math.sin(get(model.sines, n) * t))
        put(now, 2 * n + 1, math.cos(get(model.sines, n) * t))
    for o in range(0, width, WIDTH):
        total = load(F, (K - 1) * width + o)
        for k in range(K - 2, -1, -1):
            total = total * u + load(F, k * width + o)
        for n in range(count):
            row = (K + 2 * n) * width + o
            total = get(now, 2 * n) * load(F, row) + total
            total = get(now, 2 * n + 1) * load(F, row + width) + total
        store(W, to + o, total)


@kernel
def forcing_coefficients(model: Model, u: float, scale: float, order: int, inverse: int, W: int, to: int) -> None:
    """Rows 1 .. order - 1 of the Taylor coefficients in units of ``scale`` into W[to :], about where the sines are, u
    after the start of the segment; W[inverse + k] is 1 / k.
    """
    F, K, count, width = model.F, model.pieces, model.sine_count, model.matrices[3]
    now = model.sines + 8 * count
    for o in range(0, width, WIDTH):
        for k in range(1, order):
            total = spread(0.0)
            if k < K:
                total = load(F, (K - 1) * width + o)
                for j in range(K - 2, k - 1, -1):  # Horner's scheme of the k-th derivative over k!
                    total = total * (u * (j + 1) / (j + 1 - k)) + load(F, j * width + o)
                power = 1.0
                for _ in range(k):
                    power *= scale
                total = total * power
            store(W, to + k * width + o, total)
        for n in range(count):
            row = (K + 2 * n) * width + o
            sine, cosine = get(now, 2 * n), get(now, 2 * n + 1)
            value = sine * load(F, row) + cosine * load(F, row + width)
            rise = cosine * load(F, row) - sine * load(F, row + width)
            turn = get(model.sines, n) * scale
            for k in range(1, order):
                angle = turn * get(W, inverse + k)
                value, rise = rise * angle, value * -angle
                at = to + k * width + o
                store(W, at, load(W, at) + value)
