"""The compiled activations and their slopes: accuracy against extended precision, and the values at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.kernels import compiled, plain
from ode2rnn.kernels.elementwise.activations import warp
from ode2rnn.kernels.elementwise.codes import CODES, activation_code
from ode2rnn.kernels.layers.recurrence import times_slope

EXACT = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
}
SLOPES = {
    "identity": np.ones_like,
    "tanh": lambda x: np.cosh(np.clip(x, -300, 300)) ** -2,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)) / (1 + np.exp(x)),
    "relu": lambda x: (x > 0).astype(x.dtype),
    "softplus": lambda x: 1 / (1 + np.exp(-x)),
}
KINDS = (np.float32, np.float64)
EXTENDED = np.finfo(np.longdouble).eps < 1e-18


def arguments(kind: type) -> np.ndarray:
    rng = np.random.default_rng(3)
    least, most = (-300, 700) if kind is np.float64 else (-30, 80)
    tiny = 10.0 ** rng.uniform(least, 0, 20_000) * rng.choice([-1.0, 1.0], 20_000)
    parts = [2 * rng.normal(size=50_000), rng.uniform(-60, 60, 20_000), rng.uniform(-most, most, 2000), tiny]
    return np.concatenate(parts).astype(kind)


def compiled_values(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    warp(CODES[name], x, out)
    return out


@pytest.mark.skipif(not EXTENDED, reason="no extended precision on this machine")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CODES)
def test_values_are_within_three_units_in_the_last_place(name: str, kind: type) -> None:
    x = arguments(kind)
    exact = EXACT[name](x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact.astype(kind))).astype(np.longdouble)
    assert (np.abs(compiled_values(name, x) - exact) / unit).max() <= 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CODES)
def test_slopes_follow_from_values(name: str, kind: type) -> None:
    x = arguments(kind).astype(np.longdouble)
    r, slope = EXACT[name](x).astype(kind), np.ones(len(x), kind)
    times_slope(CODES[name], r, slope)
    eps = np.finfo(kind).eps
    np.testing.assert_allclose(slope, SLOPES[name](x).astype(kind), rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("name", CODES)
def test_kernel_agrees_with_the_plain_activation(name: str) -> None:
    x = arguments(np.float64)
    np.testing.assert_allclose(compiled_values(name, x), ACTIVATIONS[name].value(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CODES)
def test_a_number_has_the_same_value_wherever_it_stands(name: str, kind: type) -> None:
    some = np.concatenate([np.linspace(-40, 40, 301), [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(kind)
    whole = compiled_values(name, some)
    for count in (1, 7, 16, 37):
        alone = np.concatenate([compiled_values(name, some[i : i + count].copy()) for i in range(0, len(some), count)])
        # additions and multiplications may be contracted otherwise
        np.testing.assert_allclose(alone, whole, rtol=4 * np.finfo(kind).eps, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_tanh_is_odd_exact_at_zero_and_saturates(kind: type) -> None:
    x = arguments(kind)
    np.testing.assert_array_equal(compiled_values("tanh", -x), -compiled_values("tanh", x))
    ends = np.array([0.0, -0.0, 20.0, -20.0, 1e30, -np.inf, np.inf], kind)
    np.testing.assert_array_equal(compiled_values("tanh", ends), [0.0, -0.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    assert np.signbit(compiled_values("tanh", ends)[1])
    assert (np.abs(compiled_values("tanh", x)) <= 1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CODES)
def test_infinity_saturates_and_nan_stays(name: str, kind: type) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], kind)
    with np.errstate(all="ignore"):
        expected = ACTIVATIONS[name].value(x)
    np.testing.assert_array_equal(compiled_values(name, x), expected)


def test_a_kernel_is_for_the_registered_activation_alone() -> None:
    assert set(CODES) <= set(ACTIVATIONS)
    assert all(activation_code(ACTIVATIONS[name]) == code for name, code in CODES.items())
    assert activation_code(Activation("tanh", lambda s: s, lambda s: 0 * s + 1)) is None


def test_plain_switches_kernels_off_and_back_on() -> None:
    assert compiled()
    with plain():
        assert not compiled()
    assert compiled()
