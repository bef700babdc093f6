"""What the kernels of many trajectories are given, as records of arrays; no compiler is needed to make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class EnsembleNetwork(NamedTuple):
    """ds/dt = A s + B G(s) + C X + phi, for all trajectories or for each model.

    Attributes:
        code: the activation, by its number in kernels.elementwise.codes.
        AB: [A, B] (d, 2 d), or (P, d, 2 d).
        C: the input matrices side by side, (d, M), or (P, d, M).
        phi: (d,), or (P, d).
        each: how many trajectories, one after the other, each of the P models has.
    """

    code: int
    AB: Array
    C: Array
    phi: Array
    each: int


class StepGrid(NamedTuple):
    """The steps of a fixed grid.

    Attributes:
        h: their lengths (P,).
        known: bias and the input that all share, at the four stages of each step, (P, 4, d).
        inputs: the inputs for C, (P, 4, M, N) or (P, 4, M, 1); M is 0 where there are none.
        slots: the row of the results that takes the state after each step, or -1, (P,).
    """

    h: Array
    known: Array
    inputs: Array
    slots: Array


class Start(NamedTuple):
    """s(t0) (N, d), its slope (N, d), and the first step to try (N,)."""

    s: Array
    slope: Array
    h: Array
