"""Sampled inputs: their values between, at and on both sides of the knots, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn.core.signals import Cubic, Held, Linear, Signal

T = np.array([0.0, 1.0, 1.5, 4.0, 4.25])
X = np.array([2.0, -1.0, 0.5, 3.0, 1.0])
RNG = np.random.default_rng(3)
MIDDLES = 0.5 * (T[1:] + T[:-1])


def held_previous(t: Any, x: Any) -> Held:
    return Held(t, x, kind="previous")


KINDS: dict[str, Callable[[Any, Any], Signal]] = {
    "next": Held,
    "previous": held_previous,
    "linear": Linear,
    "cubic": Cubic,
}
each = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def test_a_series_held_to_the_next_sample_is_that_sample_up_to_and_at_its_time() -> None:
    held = Held(T, X)
    np.testing.assert_array_equal(held(T).ravel(), X)
    np.testing.assert_array_equal(held(MIDDLES).ravel(), X[1:])
    np.testing.assert_array_equal(held.left(T).ravel(), X)
    np.testing.assert_array_equal(held.right(T[:-1]).ravel(), X[1:])
    assert held.right(T[-1]) == X[-1]
    assert held(-1e9) == held.left(0.0) == X[0]  # before the first sample
    for ulp, value in ((-np.inf, X), (np.inf, [*X[1:], X[-1]])):
        np.testing.assert_array_equal(held(np.nextafter(T, ulp)).ravel(), value)
    assert (held.start, held.end) == (-np.inf, 4.25)


def test_a_series_held_from_the_previous_sample_is_that_sample_from_its_time_on() -> None:
    held = Held(T, X, kind="previous")
    np.testing.assert_array_equal(held(T).ravel(), X)
    np.testing.assert_array_equal(held(MIDDLES).ravel(), X[:-1])
    np.testing.assert_array_equal(held.right(T).ravel(), X)
    np.testing.assert_array_equal(held.left(T[1:]).ravel(), X[:-1])
    assert held.left(T[0]) == X[0]
    assert held(1e9) == held.right(4.25) == X[-1]  # after the last sample
    for ulp, value in ((-np.inf, [X[0], *X[:-1]]), (np.inf, X)):
        np.testing.assert_array_equal(held(np.nextafter(T, ulp)).ravel(), value)
    assert (held.start, held.end) == (0.0, np.inf)


@each
@pytest.mark.parametrize("columns", [1, 3])
def test_a_piece_at_one_time_is_the_piece(make: Callable[[Any, Any], Signal], columns: int) -> None:
    signal = make(T, X[:, None] * np.arange(1.0, columns + 1))
    for a, b in pairwise(T.tolist()):
        piece, one = signal.piece(a, b), signal.piece_at_one_time(a, b)
        for t in (a, 0.7 * a + 0.3 * b, b, np.nextafter(b, np.inf)):
            np.testing.assert_allclose(one(t), piece(np.array([t]))[0], rtol=0, atol=1e-13)
            assert one(t).shape == (columns,)


def test_one_sample_is_held_for_ever_on_its_side() -> None:
    for kind, times in (("next", [-5.0, 2.0]), ("previous", [2.0, 9.0])):
        held = Held([2.0], [7.0], kind=kind)
        for evaluate in (held, held.left, held.right):
            np.testing.assert_array_equal(evaluate(times).ravel(), 7.0)


def test_a_linear_series_is_joined_by_straight_lines() -> None:
    t = np.linspace(T[0], T[-1], 301)
    np.testing.assert_allclose(Linear(T, X)(t).ravel(), np.interp(t, T, X), rtol=0, atol=1e-14)


def test_a_cubic_series_gives_parabolas_back_also_on_uneven_knots() -> None:
    t = np.linspace(T[0], T[-1], 301)
    for c in np.eye(3):
        parabola = np.polynomial.Polynomial(c)
        np.testing.assert_allclose(Cubic(T, parabola(T))(t).ravel(), parabola(t), rtol=0, atol=3e-14)


def test_a_cubic_series_of_two_samples_is_a_line() -> None:
    assert float(Cubic([0.0, 2.0], [1.0, 5.0])(0.5)[0]) == pytest.approx(2.0, abs=1e-15)


def test_a_cubic_series_with_given_slopes_gives_cubics_back() -> None:
    cubic = np.polynomial.Polynomial([0.3, -1.0, 0.7, 0.2])
    t = np.linspace(T[0], T[-1], 301)
    signal = Cubic(T, cubic(T), slopes=cubic.deriv()(T))
    np.testing.assert_allclose(signal(t).ravel(), cubic(t), rtol=0, atol=3e-14)
    assert np.abs(Cubic(T, cubic(T))(t).ravel() - cubic(t)).max() > 0.05  # the slopes were used


def test_a_cubic_series_has_no_jump_in_its_slope() -> None:
    signal, h = Cubic(T, X), 1e-6
    before = (signal.left(T[1:-1]) - signal(T[1:-1] - h)) / h
    after = (signal(T[1:-1] + h) - signal.right(T[1:-1])) / h
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-3)


def test_cubic_interpolation_converges_at_order_three_or_better_on_a_sine() -> None:
    fine = np.linspace(0, 3, 1001)
    errors = []
    for n in (10, 20, 40, 80):
        t = np.linspace(0, 3, n + 1)
        errors.append(np.abs(Cubic(t, np.sin(t))(fine).ravel() - np.sin(fine)).max())
    slope = np.polyfit(np.log([10, 20, 40, 80]), np.log(errors), 1)[0]
    assert -slope > 2.9


@each
def test_values_at_the_samples_are_the_samples(make: Callable[[Any, Any], Signal]) -> None:
    x = RNG.normal(size=(5, 3, 2))
    signal = make(T, x)
    np.testing.assert_allclose(signal(T), x, rtol=0, atol=1e-15)
    np.testing.assert_allclose(signal(1.5), x[2], rtol=0, atol=1e-15)
    assert signal(T.reshape(5, 1)).shape == (5, 1, 3, 2)
    np.testing.assert_array_equal(signal.knots, T)


@each
def test_a_piece_is_the_signal_inside_and_goes_on_smoothly_at_its_ends(make: Callable[[Any, Any], Signal]) -> None:
    signal = make(T, X)
    for a, b in zip(T[:-1], T[1:], strict=True):
        piece = signal.piece(a, b)
        inside = a + (b - a) * np.linspace(0.01, 0.99, 7)
        np.testing.assert_array_equal(piece(inside), signal(inside))
        ends = piece(np.array([a, b]))
        np.testing.assert_allclose(ends, [signal.right(a), signal.left(b)], rtol=0, atol=1e-15)
        past = piece(np.array([np.nextafter(a, -np.inf), np.nextafter(b, np.inf)]))
        np.testing.assert_allclose(past, ends, rtol=0, atol=2e-14)
        part = signal.piece(a + 0.25 * (b - a), b)
        np.testing.assert_array_equal(part(inside), piece(inside))


@each
def test_both_sides_are_told_apart_at_knots_an_ulp_apart_and_at_large_times(make: Callable[[Any, Any], Signal]) -> None:
    close = np.nextafter(1.0, 2.0)
    for t in ([0.0, 1.0, close, 2.0], [0.0, 1e17, np.nextafter(1e17, 1e18), 2e17]):
        signal = make(t, [0.0, 1.0, 2.0, 3.0])
        if make in (Linear, Cubic):
            np.testing.assert_allclose(signal.left(t), signal.right(t), rtol=0, atol=1e-14)
        elif make is Held:
            np.testing.assert_array_equal(signal.left(t).ravel(), [0, 1, 2, 3])
            np.testing.assert_array_equal(signal.right(t).ravel(), [1, 2, 3, 3])
        else:
            np.testing.assert_array_equal(signal.left(t).ravel(), [0, 0, 1, 2])
            np.testing.assert_array_equal(signal.right(t).ravel(), [0, 1, 2, 3])


@each
def test_torch_series_agree_with_numpy_and_carry_gradients(make: Callable[[Any, Any], Signal]) -> None:
    plain = RNG.normal(size=(5, 2))
    x = torch.tensor(plain, requires_grad=True)
    t = np.array([0.0, 0.2, 1.0, 1.2, 3.9, 4.25])
    signals = make(T, plain), make(T, x)
    one_and_other = [(s(t), s.left(t), s.right(t), s.piece(1.5, 4.0)(t[3:5])) for s in signals]
    for one, other in zip(*one_and_other, strict=True):
        assert other.dtype == torch.float64
        np.testing.assert_allclose(other.detach().numpy(), one, rtol=0, atol=1e-15)
    for part in (lambda x: make(T, x)(t), lambda x: make(T, x).right(t), lambda x: make(T, x).piece(0.0, 1.0)(t[:2])):
        assert torch.autograd.gradcheck(part, (x,))
    assert signals[1].parameters()[0] is x
    assert signals[0].parameters() == ()
    assert make(T, x.float())(0.2).dtype == torch.float32


def test_slopes_and_series_of_different_kinds_become_tensors() -> None:
    slopes = torch.tensor(RNG.normal(size=5), requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: Cubic(T, X, v)([0.2, 3.0]), (slopes,))
    x = torch.tensor(X, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: Cubic(T, v, np.ones(5))([0.2, 3.0]), (x,))


@each
def test_the_series_is_copied(make: Callable[[Any, Any], Signal]) -> None:
    t, x = T.copy(), X.copy()
    signal = make(t, x)
    t += 100.0
    x += 100.0
    np.testing.assert_allclose(signal(T).ravel(), X, rtol=0, atol=1e-15)


@each
def test_bad_series_are_refused_by_name(make: Callable[[Any, Any], Signal]) -> None:
    bad: list[tuple[Any, Any, str]] = [
        ([0.0, 1.0, 1.0], [1.0, 2.0, 3.0], r"t: expected strictly increasing times, got 1 followed by 1 at position 2"),
        ([0.0, 2.0, 1.0], [1.0, 2.0, 3.0], r"t: expected strictly increasing times, got 2 followed by 1"),
        ([0.0, np.nan, 1.0], [1.0, 2.0, 3.0], r"t: expected finite numbers, got an array that holds NaN"),
        ([0.0, np.inf], [1.0, 2.0], r"t: expected finite numbers, got an array that holds infinity"),
        ([-1e308, 1.7e308], [1.0, 2.0], r"t: expected times of a finite span"),
        ([], [], r"t: expected an increasing vector of at least"),
        (1.0, [1.0], r"t: expected an increasing vector"),
        ([[0.0, 1.0]], [1.0, 2.0], r"t: expected an increasing vector"),
        (["a", "b"], [1.0, 2.0], r"t: expected an array of real numbers"),
        ([0.0, 1.0], [1.0, 2.0, 3.0], r"x: expected one value for each of the 2 times in t, got shape \(3,\)"),
        ([0.0, 1.0], 5.0, r"x: expected one value for each of the 2 times in t, got shape \(\)"),
        ([0.0, 1.0], [1.0, np.nan], r"x: expected finite numbers, got an array that holds NaN"),
        ([0.0, 1.0], [1.0, 1j], r"x: expected an array of real numbers"),
        ([0.0, 1.0], [[1.0], [2.0, 3.0]], r"x: expected an array of numbers"),
        ([0.0, 1.0], None, r"x: expected numbers, got None"),
        ([0.0, 1.0], torch.tensor([1, 2]), r"x: expected a floating-point tensor"),
    ]
    for t, x, says in bad:
        with pytest.raises(ValueError, match="^" + says):
            make(t, x)


def test_bad_slopes_and_kinds_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^slopes: expected the shape of x, \(5, 1\), got \(4, 1\)"):
        Cubic(T, X, slopes=X[:4])
    for slopes in (0.0, np.ones((5, 2)), [np.nan] * 5, "abcde"):
        with pytest.raises(ValueError, match=r"^slopes: expected"):
            Cubic(T, X, slopes=slopes)
    with pytest.raises(ValueError, match=r"^t, x: expected a series with finite slopes"):
        Cubic([0.0, 5e-324, 1.0], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"^kind: expected one of next, previous; got 'nxt'; did you mean 'next'\?"):
        Held(T, X, kind="nxt")
    with pytest.raises(ValueError, match=r"^t: expected an increasing vector of at least 2 times"):
        Linear([0.0], [1.0])


@pytest.mark.parametrize(
    ("signal", "outside"),
    [
        (Held(T, X), [4.26, 4.25 + 1e-10]),
        (Held(T, X, kind="previous"), [-0.01, -1e-10]),
        (Linear(T, X), [-0.01, -1e-10, 4.25 + 1e-10]),
        (Cubic(T, X), [-0.01, -1e-10, 4.25 + 1e-10]),
    ],
)
def test_times_outside_the_series_are_refused_with_its_range(signal: Signal, outside: list[float]) -> None:
    for t in outside:
        for evaluate in (signal, signal.left, signal.right):
            with pytest.raises(ValueError, match=rf"^t: {type(signal).__name__} is defined on \["):
                evaluate([1.0, t])
    for t in (T[0], T[-1]):  # rounding at the ends is allowed
        assert np.isfinite(signal([t - 1e-13, t + 1e-13])).all()
