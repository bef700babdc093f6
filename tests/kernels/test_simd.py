"""The activations written for vectors are those for single numbers, at every place of a row."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from ode2rnn.kernels.elementwise import float32 as elementwise32
from ode2rnn.kernels.elementwise import float64 as elementwise
from ode2rnn.kernels.elementwise.simd import over_rows, sigmoid, tanh
from ode2rnn.kernels.products.tile import start_of

take_tanh = over_rows(["x", "y"], lambda at: at.y.put(tanh(at.x.get())))
take_sigmoid = over_rows(["x", "y"], lambda at: at.y.put(sigmoid(at.x.get())))


@njit
def both(zero, x, y, z):
    rows, d = x.shape
    take_tanh(zero, rows, d, (start_of(x), d, start_of(y), d))
    take_sigmoid(zero, rows, d, (start_of(x), d, start_of(z), d))


@njit
def single(x, y, z):
    for i in range(x.size):
        y.flat[i] = elementwise32.tanh(x.flat[i])
        z.flat[i] = elementwise32.sigmoid(x.flat[i])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 7, 16, 37])
def test_vectors_give_what_single_numbers_give(kind: type, d: int) -> None:
    some = np.concatenate([np.linspace(-120, 120, 401), np.logspace(-30, 2, 99), [0.0, -0.0, np.inf, -np.inf, np.nan]])
    x = np.resize(some.astype(kind), (len(some), d))
    y, z, y_1, z_1 = (np.empty_like(x) for _ in range(4))
    both(kind(0), x, y, z)
    single(x, y_1, z_1)
    eps = 4 * np.finfo(kind).eps  # additions and multiplications may be contracted otherwise
    np.testing.assert_allclose(y, y_1, rtol=eps, atol=0)
    np.testing.assert_allclose(z, z_1, rtol=eps, atol=0)
    assert np.isnan(x).sum() == np.isnan(y).sum() == np.isnan(z).sum() > 0


def test_the_constants_are_those_of_the_other_files() -> None:
    assert len(elementwise.SERIES) == 11
