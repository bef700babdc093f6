"""The activations in single precision and their slopes, against double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.kernels.elementwise import float32 as elementwise32

KINDS = (np.float32, np.float64)


@njit
def tanh(x, out):
    for i in range(len(x)):
        out[i] = elementwise32.tanh(x[i])


@njit
def sigmoid(x, out):
    for i in range(len(x)):
        out[i] = elementwise32.sigmoid(x[i])


@njit
def softplus(x, out):
    for i in range(len(x)):
        out[i] = elementwise32.softplus(x[i])


@njit
def softplus_slope(x, out):
    for i in range(len(x)):
        out[i] = elementwise32.softplus_slope(x[i])


VALUES = {"tanh": tanh, "sigmoid": sigmoid, "softplus": softplus}


def arguments(kind: type) -> np.ndarray:
    rng = np.random.default_rng(2)
    tiny = 10.0 ** rng.uniform(-30, 0, 5000) * rng.choice([-1.0, 1.0], 5000)
    return np.concatenate([2 * rng.normal(size=20_000), rng.uniform(-80, 80, 5000), tiny]).astype(kind)


def values(function, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    function(x, out)
    return out


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_within_three_units_in_the_last_place(name: str, kind: type) -> None:
    x = arguments(kind)
    exact = {
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    }[name](x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact).astype(kind)).astype(np.longdouble)
    assert (np.abs(values(VALUES[name], x) - exact) / unit).max() <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_slope_of_softplus_follows_from_its_value(kind: type) -> None:
    s = arguments(kind).astype(np.longdouble)
    exact = 1 / (1 + np.exp(-s))
    r = (np.maximum(s, 0) + np.log1p(np.exp(-abs(s)))).astype(kind)
    np.testing.assert_allclose(values(softplus_slope, r), exact.astype(kind), rtol=8 * np.finfo(kind).eps)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_infinity_saturates_and_nan_stays(name: str, kind: type) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0], dtype=kind)
    with np.errstate(all="ignore"):
        expected = ACTIVATIONS[name].value(x.astype(np.float64))
    got = values(VALUES[name], x)
    assert got.dtype == kind
    np.testing.assert_allclose(got, expected, rtol=2 * np.finfo(kind).eps)


def test_outside_a_kernel_they_say_where_they_belong() -> None:
    with pytest.raises(NotImplementedError, match="only inside kernels"):
        elementwise32.tanh(0.5)
