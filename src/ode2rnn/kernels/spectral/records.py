"""What the spectral kernels are given, as records of arrays; no compiler is needed to make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
DONE, REJECTED, REPLAN = range(3)  # how the panels of one call ended


class NodeTable(NamedTuple):
    """The Radau nodes: theta (1 + K,), their barycentric weights, and what takes the values on a step to its last two
    Legendre coefficients, tail (2, 1 + K).
    """

    theta: Array
    weights: Array
    tail: Array


class Lengths(NamedTuple):
    """Lengths of steps for which there are operators: an array with room, how many it holds, how close two may be."""

    values: Array
    known: int
    close: float


class Plan(NamedTuple):
    """The steps to take.

    Attributes:
        bounds: ends of the segments.
        segments, starts, ends, tables: for each step its segment, start, end, and the place of its operators.
        inputs: x at the nodes, (steps, 1 or batch, m, K), the delayed inputs side by side.
        extra: further known forcing of the first steps in the coordinates of the modes, (n, batch, d, K).
    """

    bounds: Array
    segments: Array
    starts: Array
    ends: Array
    tables: Array
    inputs: Array
    extra: Array


class Solved(NamedTuple):
    """The steps solved so far.

    Attributes:
        breaks, values: values[0] ends with s(t0), values[i + 1] is step i, (batch, d K) each.
        modes: the state in the coordinates of the modes, (batch, d); changed in place.
    """

    breaks: Array
    values: Array
    modes: Array


class DelayEquation(NamedTuple):
    """s' = A s + delayed terms + input in the coordinates z of the modes of A, s = V z.

    Attributes:
        code: the activation.
        terms, delays, warped: of the delayed terms: matrices (n, d, d) into the modes; delays; whether of r = G(s).
        to_modes, bias: the input matrices (d, m) and phi in the modes.
        basis: V (d, d), or (0, 0) where it is 1.
        real, turned: operators of the modes for each length, see algebra.solve_modes.
        dense: the whole operator for each length, empty where modes are used.
    """

    code: int
    terms: Array
    delays: Array
    warped: Array
    to_modes: Array
    bias: Array
    basis: Array
    real: Array
    turned: Array
    dense: Array


class Control(NamedTuple):
    """The start, the longest step to try, and the tolerances."""

    t0: float
    target: float
    rtol: float
    atol: float
