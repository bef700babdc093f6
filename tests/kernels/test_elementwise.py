"""The compiled activations: accuracy against extended precision, and the values at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn.core.activations import ACTIVATIONS, Activation
from ode2rnn.kernels import compiled, plain
from ode2rnn.kernels.elementwise.codes import CODES, activation_code
from ode2rnn.kernels.elementwise.float64 import warp

EXACT = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
}
EXTENDED = np.finfo(np.longdouble).eps < 1e-18


def arguments() -> np.ndarray:
    rng = np.random.default_rng(3)
    tiny = 10.0 ** rng.uniform(-300, 0, 20_000) * rng.choice([-1.0, 1.0], 20_000)
    return np.concatenate(
        [2 * rng.normal(size=50_000), rng.uniform(-60, 60, 20_000), rng.uniform(-700, 700, 2000), tiny]
    )


def compiled_values(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    warp(CODES[name], x, out)
    return out


@pytest.mark.skipif(not EXTENDED, reason="no extended precision on this machine")
@pytest.mark.parametrize("name", CODES)
def test_values_are_within_three_units_in_the_last_place(name: str) -> None:
    x = arguments()
    exact = EXACT[name](x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact.astype(np.float64))).astype(np.longdouble)
    assert (np.abs(compiled_values(name, x) - exact) / unit).max() <= 3


@pytest.mark.parametrize("name", CODES)
def test_kernel_agrees_with_the_plain_activation(name: str) -> None:
    x = arguments()
    np.testing.assert_allclose(compiled_values(name, x), ACTIVATIONS[name].value(x), rtol=1e-12, atol=1e-15)


def test_tanh_is_odd_exact_at_zero_and_saturates() -> None:
    x = arguments()
    np.testing.assert_array_equal(compiled_values("tanh", -x), -compiled_values("tanh", x))
    ends = np.array([0.0, -0.0, 20.0, -20.0, 1e300, -np.inf, np.inf])
    np.testing.assert_array_equal(compiled_values("tanh", ends), [0.0, -0.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    assert np.signbit(compiled_values("tanh", ends)[1])
    assert (np.abs(compiled_values("tanh", x)) <= 1).all()


@pytest.mark.parametrize("name", CODES)
def test_infinity_saturates_and_nan_stays(name: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308])
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
