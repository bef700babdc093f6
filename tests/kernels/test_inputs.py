"""Inputs as data say the same as the signals they were made from."""

from __future__ import annotations

import numpy as np
import pytest

from ode2rnn.core.signals import Analytic, Constant, Cubic, Held, Linear, Signal, Sine, Sum
from ode2rnn.core.signals.data import InputData, input_data

T = np.array([-2.0, 0.3, 1.0, 1.7, 4.0])
RNG = np.random.default_rng(3)
X2 = RNG.normal(size=(5, 2))
SIGNALS = {
    "constant": Constant([1.0, -2.0]),
    "one constant for both": Constant(0.7),
    "sine": Sine([1.0, 2.0], [0.5, 3.0], 0.2),
    "sine of one frequency": Sine([1.0, 2.0], 3.0, [0.2, 0.4]),
    "held": Held(T, X2),
    "held on": Held(T, X2, kind="previous"),
    "linear": Linear(T, X2),
    "cubic": Cubic(T, X2),
    "sum": Sine([1.0, 2.0], [0.5, 3.0], 0.2) + Cubic(T, X2) + Held(T + 0.05, X2) + 0.25,
    "batch of constants": Constant(RNG.normal(size=(3, 2))),
    "batch of frequencies": Sine(1.0, RNG.normal(size=(3, 2))) + np.ones((3, 1)),
    "batch of series": Linear(T, RNG.normal(size=(5, 3, 2))),
}


def evaluate(data: InputData, t: np.ndarray) -> np.ndarray:
    """X at times (T,) as (T, L, M), by the formula of the docstring."""
    i = np.clip(np.searchsorted(data.edges, t) - 1, 0, len(data.edges) - 2)
    u = (t - data.edges[i])[:, None, None]
    value = sum(data.pieces[i, k] * u**k for k in range(data.pieces.shape[1]))
    angle = np.einsum("nl,t->tnl", data.omega, t)[..., None]
    return value + (data.sine * np.sin(angle) + data.cosine * np.cos(angle)).sum(axis=1)


@pytest.mark.parametrize("delays", [(0.0,), (0.0, 0.4)])
@pytest.mark.parametrize("name", SIGNALS)
def test_the_arrays_say_what_the_signal_says(name: str, delays: tuple[float, ...]) -> None:
    x = SIGNALS[name]
    points = sorted({k + delay for k in x.knots for delay in delays if 0.0 < k + delay < 2.0})
    edges = np.array([0.0, 0.55, *points, 2.0])
    edges.sort()
    batch = (3,) if name.startswith("batch") else ()
    data = input_data(x, delays, edges, 2, batch)
    assert data is not None
    t = RNG.uniform(0.0, 2.0, 200)
    expected = np.concatenate([np.broadcast_to(x(t - tau), (200, *batch, 2)) for tau in delays], axis=-1)
    assert np.abs(evaluate(data, t) - expected.reshape((200, -1, 2 * len(delays)))).max() < 1e-12


def test_a_function_of_the_users_is_no_data() -> None:
    assert input_data(Analytic(np.sin), (0.0,), np.array([0.0, 1.0]), 1) is None
    assert input_data(Analytic(np.sin) + 1.0, (0.0,), np.array([0.0, 1.0]), 1) is None


def test_a_subclass_that_may_change_the_values_is_no_data() -> None:
    class Louder(Sine):
        def _values(self, t: np.ndarray) -> np.ndarray:
            return 2.0 * super()._values(t)

    assert input_data(Louder(), (0.0,), np.array([0.0, 1.0]), 1) is None


def test_no_input_has_no_columns() -> None:
    data = input_data(None, (), np.array([0.0, 1.0, 2.0]), 0)
    assert data is not None
    assert data.pieces.shape == (2, 1, 1, 0)
    assert data.omega.shape == (0, 1)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_sum_is_the_sum_with_the_knots_of_both(name: str) -> None:
    first, second = SIGNALS[name], Linear([-3.0, 0.5, 5.0], [0.0, 1.0, 3.0])
    total: Signal = first + second
    t = np.array([0.1, 0.3, 0.5, 0.8])
    assert isinstance(total, Sum)
    assert set(total.knots) >= {0.5}
    for way in ("__call__", "left", "right"):
        one, other = getattr(first, way)(t), getattr(second, way)(t)
        expected = one + other.reshape((4,) + (1,) * (one.ndim - 2) + (1,))
        np.testing.assert_allclose(getattr(total, way)(t), expected, rtol=1e-14)


def test_numbers_and_arrays_add_on_both_sides() -> None:
    assert (1.0 + Sine())(0.0) == 1.0
    np.testing.assert_array_equal((np.array([1.0, 2.0]) + Sine())(0.0), [1.0, 2.0])
    assert sum([Sine(), Sine(2.0)])(np.pi / 2) == pytest.approx([3.0])


@pytest.mark.parametrize("other", ["text", None, [np.nan], [[1.0], [1.0, 2.0]]])
def test_what_is_no_signal_is_refused(other: object) -> None:
    with pytest.raises(ValueError, match="value: expected"):
        Sine() + other


def test_signals_without_a_common_time_are_refused() -> None:
    with pytest.raises(ValueError, match=r"second: expected .* \[0, 1\], got one on \[2, 3\]"):
        Linear([0.0, 1.0], [0.0, 1.0]) + Linear([2.0, 3.0], [0.0, 1.0])


@pytest.mark.parametrize("x", [Sine(), Sine(2.0, 3.0) + Sine(), Sine([[1.0], [2.0]]), Sine(1.0, [2.0], [[0.1], [0.2]])])
def test_kernels_get_arrays_of_one_kind(x: Signal) -> None:
    # for one that cannot be written to, as those of a Sine, a kernel would be compiled once more
    batch = (2,) if not isinstance(x, Sine) or x.single is None else ()
    data = input_data(x, (0.0,), np.array([0.0, 1.0]), 1, batch)
    assert data is not None
    for array in data[1:]:
        assert array.flags.c_contiguous
        assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        Sine().amplitude[0] = 2.0
