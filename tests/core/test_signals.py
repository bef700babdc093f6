"""Inputs from formulas and functions: Constant, Sine, Analytic, and whatever as_signal is handed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import signals
from ode2rnn.core.signals import Analytic, Constant, Held, Linear, Sine, as_signal

T = np.array([-1.0, 0.0, 0.3, 2.0, 7.5])
SPAN = (0.0, 10.0)


class Counting:
    """A function of time that remembers how it was called."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, t: Any) -> Any:
        self.calls += 1
        return self.function(t)


def test_a_constant_is_the_same_at_all_times() -> None:
    for value in (2.0, [1.0, 2.0], np.arange(6.0).reshape(3, 2)):
        signal = Constant(value)
        expected = np.broadcast_to(value, (5, *(np.shape(value) or (1,))))
        np.testing.assert_array_equal(signal(T), expected)
        np.testing.assert_array_equal(signal(3.0), expected[0])
        np.testing.assert_array_equal(signal.left(T), expected)
        np.testing.assert_array_equal(signal.piece(0.0, 1.0)(T), expected)
        assert len(signal.knots) == 0


def test_a_sine_is_its_formula() -> None:
    signal = Sine(amplitude=[2.0, 3.0], omega=[1.0, 0.5], phase=0.1)
    expected = np.stack([2 * np.sin(T + 0.1), 3 * np.sin(0.5 * T + 0.1)], axis=-1)
    np.testing.assert_allclose(signal(T), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(signal(0.3), expected[2], rtol=0, atol=1e-15)
    np.testing.assert_allclose(signal.right(T), expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(Sine()(T)[:, 0], np.sin(T))


SMOOTH = {
    "constant": Constant([1.0, 2.0]),
    "sine": Sine(2.0, 3.0, 0.5),
    "two sines": Sine([1.0, 2.0], [3.0, 4.0]),
    "sum": Sine(2.0, 3.0) + 0.5 + Sine([1.0, 2.0]),
    "function": Analytic(np.sin),
    "function of numbers": Analytic(math.sin),
    "knots": Analytic(lambda t: 1.0 * (t >= 0.5), knots=[0.5]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_a_piece_at_one_time_is_the_piece(name: str) -> None:
    for a, b in ((0.0, 0.5), (0.5, 2.0)):
        piece, one = SMOOTH[name].piece(a, b), SMOOTH[name].piece_at_one_time(a, b)
        for t in (a, 0.3 * a + 0.7 * b, b):
            np.testing.assert_allclose(one(t), piece(np.array([t]))[0], rtol=0, atol=1e-15, strict=True)


@pytest.mark.parametrize("shape", [(2,), (4, 2), (3, 1, 2)])
def test_a_sine_broadcasts_its_batch_axes(shape: tuple[int, ...]) -> None:
    amplitude = np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)
    signal = Sine(amplitude=amplitude, omega=np.array([[0.5], [2.0]])[:1], phase=np.array([0.0, 0.3]))
    values = signal(T)
    assert values.shape == (5, *np.broadcast_shapes(shape, (1, 2)))
    for n, t in enumerate(T):
        np.testing.assert_allclose(values[n], amplitude * np.sin(0.5 * t + np.array([0.0, 0.3])) + 0 * values[n])


def test_shapes_that_do_not_broadcast_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"amplitude, omega, phase: .* got \(2,\), \(3,\), \(\)"):
        Sine(amplitude=[1.0, 2.0], omega=[1.0, 2.0, 3.0])


def test_torch_parameters_of_constant_and_sine_carry_gradients() -> None:
    value = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
    omega = torch.tensor([1.0, 0.7], dtype=torch.float64, requires_grad=True)
    phase = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: Constant(v)(T), (value,))
    assert torch.autograd.gradcheck(lambda a, o, p: Sine(a, o, p)(T), (value, omega, phase))
    assert torch.autograd.gradcheck(lambda p: Sine(2.0, [1.0, 0.7], p).right(T), (phase,))
    plain = Sine(value.detach().numpy(), omega.detach().numpy(), 0.2)
    np.testing.assert_allclose(Sine(value, omega, phase)(T).detach(), plain(T), rtol=0, atol=1e-15)
    parameters = Sine(value, omega, phase).parameters()
    assert all(any(p is q for q in parameters) for p in (value, omega))
    assert len(parameters) == 3
    assert Constant(value).parameters()[0] is value
    assert Sine().parameters() == Constant(1.0).parameters() == ()


def test_a_function_that_takes_arrays_is_called_once_for_all_times() -> None:
    counting = Counting(lambda t: np.stack([np.sin(t), np.cos(t)], axis=-1))
    signal = Analytic(counting)
    np.testing.assert_array_equal(signal(T), np.stack([np.sin(T), np.cos(T)], axis=-1))
    before = counting.calls
    signal(T)
    assert counting.calls == before + 1


@pytest.mark.parametrize(
    "function",
    [
        lambda t: math.sin(t),  # refuses arrays
        lambda t: [math.sin(t)],
        lambda t: np.sin(t),
        lambda t: np.atleast_1d(np.sin(t)),
        lambda t: np.sin(t)[..., None],
        lambda t: np.sin(t) if t > -5 else 0.0,  # the truth of an array is ambiguous
        lambda t: torch.sin(torch.as_tensor(t, dtype=torch.float64)),
    ],
)
def test_a_number_or_a_vector_of_one_stand_for_one_input(function: Callable[[Any], Any]) -> None:
    signal = Analytic(function)
    np.testing.assert_allclose(np.asarray(signal(T)), np.sin(T)[:, None], rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.asarray(signal(0.3)), [np.sin(0.3)], rtol=0, atol=1e-15)


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize(
    "function",
    [
        lambda t: np.array([np.sin(k * t) for k in range(1, 6)]),  # (m, T) if called with times
        lambda t: np.array([k * t for k in range(1, 6)]),  # symmetric in k and t at t = 1 .. 5
        lambda t: np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    ],
)
def test_as_many_inputs_as_times_are_not_mistaken_for_times(function: Callable[[Any], Any], count: int) -> None:
    for times in (np.arange(1.0, 1.0 + count), np.ones(count), np.linspace(1, 5, count)):
        values = Analytic(function)(times)
        assert values.shape == (count, 5)
        np.testing.assert_allclose(values, [function(float(t)) for t in times], rtol=0, atol=1e-15)


def test_a_batch_of_inputs_keeps_its_axes() -> None:
    rates = np.arange(1.0, 7.0).reshape(3, 2)
    for function in (lambda t: np.sin(rates * t), lambda t: np.sin(np.multiply.outer(t, rates))):
        assert Analytic(function)(0.3).shape == (3, 2)
        np.testing.assert_allclose(Analytic(function)(T), np.sin(np.multiply.outer(T, rates)), rtol=0, atol=1e-15)


def test_values_on_both_sides_of_a_declared_knot() -> None:
    pulse = Analytic(lambda t: 1.0 * ((t >= 50) & (t < 50.5)), knots=[50, 50.5])
    assert pulse(50.0) == pulse(np.array([49.0, 50.0]))[1] == 1.0
    assert (pulse.left(50.0), pulse.right(50.0)) == (0.0, 1.0)
    assert (pulse.left(50.5), pulse.right(50.5)) == (1.0, 0.0)
    np.testing.assert_array_equal(pulse.left([49.9, 50.0, 50.2, 50.5, 51.0]).ravel(), [0, 0, 1, 1, 0])
    inside = pulse.piece(50.0, 50.5)
    ends = np.array([50.0, 50.5, np.nextafter(50.0, 0), np.nextafter(50.5, 99), 50.25])
    np.testing.assert_array_equal(inside(ends).ravel(), 1.0)
    np.testing.assert_array_equal(pulse.piece(0.0, 50.0)(ends[:1]).ravel(), 0.0)
    np.testing.assert_array_equal(pulse.piece(50.5, 60.0)(ends[1:2]).ravel(), 0.0)


def test_the_sides_of_a_knot_do_not_depend_on_the_value_at_it() -> None:
    pulse = Analytic(lambda t: 1.0 * ((t > 50) & (t <= 50.5)), knots=[50, 50.5])
    assert (pulse.left(50.0), pulse(50.0), pulse.right(50.0)) == (0.0, 0.0, 1.0)
    assert (pulse.left(50.5), pulse(50.5), pulse.right(50.5)) == (1.0, 1.0, 0.0)
    inside = pulse.piece(50.0, 50.5)(np.array([np.nextafter(50.0, 0), 50.0, 50.5, np.nextafter(50.5, 99)]))
    np.testing.assert_array_equal(inside.ravel(), 1.0)


def test_a_function_brings_its_own_knots_and_parameters() -> None:
    def pulse(t: Any) -> Any:
        return 1.0 * ((t >= 2) & (t < 3))

    pulse.knots = [2.0, 3.0]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(as_signal("x", pulse, 1, SPAN).knots, [2.0, 3.0])

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))

        def forward(self, t: Any) -> torch.Tensor:
            return torch.as_tensor(t, dtype=torch.float64)[..., None] * self.slope

    line = Line()
    signal = as_signal("x", line, 1, SPAN)
    assert signal.parameters() == (line.slope,)
    values = signal(T)
    values.sum().backward()
    assert line.slope.grad is not None
    assert float(line.slope.grad) == pytest.approx(T.sum())


@pytest.mark.parametrize(
    "knots", [[2.0, 1.0], [1.0, 1.0], [np.nan], [np.inf], None, "ab", [[1.0]], 1.0, [1j], [[1], [2, 3]]]
)
def test_knots_that_do_not_increase_are_refused_by_name(knots: Any) -> None:
    with pytest.raises(ValueError, match=r"^knots: expected"):
        Analytic(math.sin, knots=knots)


def raises(t: Any) -> Any:
    raise KeyError("deep inside")


def refuses(t: Any) -> Any:
    raise ValueError("deep inside")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda t: None, "got None"),
        (lambda t: "0.5", "real numbers, got str"),
        (lambda t: 1j, "real numbers, got complex"),
        (lambda t: {"x": t}, "real numbers, got dict"),
        (lambda t: [[1.0], [1.0, 2.0]], "array of numbers, got list"),
        (lambda t: torch.tensor([1]), "floating-point tensor"),
        (raises, "raised KeyError"),
        (refuses, "raised ValueError"),
        (lambda: 1.0, "raised TypeError"),
        (lambda t: np.zeros(2), r"expected values of shape \(\.\.\., 1\), got \(2,\)"),
        (lambda t: np.zeros((1, 0)), r"got \(1, 0\)"),
        (lambda t: np.zeros(1 + (t > 5)), "one kind and shape"),
        (lambda t: torch.zeros(1) if t > 5 else 0.0, "one kind and shape"),
        (lambda t: math.nan, "NaN or infinity at t = 0 or 10"),
        (lambda t: 1.0 / float(t), "raised ZeroDivisionError"),
        (lambda t: math.inf, "NaN or infinity"),
    ],
)
@pytest.mark.parametrize("name", ["x", "history"])
def test_a_function_that_gives_no_numbers_is_refused_by_name(name: str, function: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: .*{says}"):
        as_signal(name, function, 1, SPAN)


@pytest.mark.parametrize("value", [3, 2.5, "sin", [1.0, 2.0], np.zeros((5, 1)), None, {}, torch.zeros(3)])
def test_what_is_no_function_is_refused_with_the_way_to_wrap_it(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: expected a function of time .*signals\.Held"):
        as_signal("x", value, 1, SPAN)
    with pytest.raises(ValueError, match=r"^function: expected a function of time"):
        Analytic(value)


def test_a_signal_that_does_not_reach_is_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match=r"x: Linear is defined on \[1, 10\], but is needed on \[0, 10\]"):
        as_signal("x", Linear([1.0, 10.0], [0.0, 1.0]), 1, SPAN)
    with pytest.raises(ValueError, match=r"x: Held is defined on \[-inf, 9\]"):
        as_signal("x", Held([1.0, 9.0], [0.0, 1.0]), 1, SPAN)
    assert as_signal("x", Linear([-1e-15, 10.0 + 1e-12], [0.0, 1.0]), 1, SPAN).end > 10


@pytest.mark.parametrize("t", [None, "a", 1j, [0.0, np.nan], np.inf, [], [[1.0], [2.0, 3.0]], {}])
@pytest.mark.parametrize(
    "signal", [Constant(1.0), Sine(), Analytic(math.sin), Held([0.0, 1.0], [1.0, 2.0]), Linear([0.0, 1.0], [1.0, 2.0])]
)
def test_times_that_are_no_times_are_refused_by_name(signal: signals.Signal, t: Any) -> None:
    for evaluate in (signal, signal.left, signal.right):
        with pytest.raises(ValueError, match=r"^t: "):
            evaluate(t)


@pytest.mark.parametrize(
    "function",
    [
        np.sin,
        math.sin,
        torch.sin,
        lambda t: np.sin(np.asarray(t)[..., None]),
        lambda t: np.sin(t[:, None]),
        lambda t: [math.sin(t)],
        lambda t: torch.sin(t)[:, None],
        lambda t: np.sin(t).astype(np.float64),
    ],
    ids=["ufunc", "math", "torch", "column", "arrays only", "list", "tensors only", "method of arrays"],
)
def test_a_function_may_take_numbers_arrays_or_tensors(function: Any) -> None:
    times = np.linspace(0.0, 3.0, 7)
    values = np.asarray(as_signal("x", function, 1, (0.0, 3.0))(times))
    np.testing.assert_allclose(values, np.sin(times)[:, None], rtol=1e-15)
