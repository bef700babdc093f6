"""Whatever the constructors of the core and run() are given: a valid finite object, or an error by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.odd import FINITE, ODD, Nameless, is_finite, refused_or_built, spoiled, tries

from ode2rnn import Activation, AdditiveModel, CanonicalRNN, SimulationError, run
from ode2rnn.core.signals import Analytic, Constant, Cubic, Held, Linear, Signal, Sine, as_signal

T, X = [0.0, 1.0, 1.5], [1.0, -1.0, 2.0]


@tries
@given(spoiled({"name": "mine", "value": np.tanh, "slope": np.cos, "bound": 1.0}))
def test_activation(kwargs: dict[str, Any]) -> None:
    G = refused_or_built(Activation, kwargs)
    if G is not None:
        assert G.bound > 0
        assert np.isfinite(G.value(np.full((2, 2), 0.1))).all()


def check_signal(signal: Signal | None, t: float) -> None:
    if signal is None:
        return
    for evaluate in (signal, signal.left, signal.right):
        value = evaluate(t)
        assert value.ndim >= 1
        assert is_finite(value)
    assert (np.diff(signal.knots) > 0).all()


@tries
@given(spoiled({"t": T, "x": X, "kind": "next"}))
def test_held(kwargs: dict[str, Any]) -> None:
    signal = refused_or_built(Held, kwargs)
    check_signal(signal, signal and signal.knots[-1])


@tries
@given(spoiled({"t": T, "x": X}))
def test_linear(kwargs: dict[str, Any]) -> None:
    signal = refused_or_built(Linear, kwargs)
    check_signal(signal, signal and signal.knots[-1])


@tries
@given(spoiled({"t": T, "x": X, "slopes": None}))
def test_cubic(kwargs: dict[str, Any]) -> None:
    signal = refused_or_built(Cubic, kwargs)
    check_signal(signal, signal and signal.knots[-1])


@tries
@given(st.lists(st.floats(), min_size=1, max_size=5), st.lists(st.floats(), min_size=1, max_size=5), st.booleans())
def test_series_of_any_floats(t: list[float], x: list[float], sort: bool) -> None:
    t = sorted(t) if sort else t
    for make in (Held, Linear, Cubic):
        signal = refused_or_built(make, {"t": t, "x": x[: len(t)]})
        check_signal(signal, signal and signal.knots[-1])


@tries
@given(ODD)
def test_constant(value: Any) -> None:
    check_signal(refused_or_built(Constant, {"value": value}), 0.3)


@tries
@given(spoiled({"amplitude": 1.0, "omega": 2.0, "phase": 0.0}))
def test_sine(kwargs: dict[str, Any]) -> None:
    check_signal(refused_or_built(Sine, kwargs), 0.3)


@tries
@given(spoiled({"function": math.sin, "knots": (0.0, 1.0)}))
def test_analytic(kwargs: dict[str, Any]) -> None:
    signal = refused_or_built(Analytic, kwargs)
    if signal is not None:
        refused_or_built(lambda t: signal(t), {"t": 0.5}, names="function")
        refused_or_built(lambda t: signal(t), {"t": np.array([0.5, 0.7])}, names="function")


@tries
@given(ODD, st.integers(1, 3), st.sampled_from(["x", "history"]))
def test_whatever_a_function_returns(value: Any, width: int, name: str) -> None:
    for function in (lambda t: value, lambda t: value if np.ndim(t) == 0 else np.asarray(t)[:, None]):
        signal = refused_or_built(lambda **kw: as_signal(*kw.popitem(), width, (0.0, 1.0)), {name: function})
        if signal is not None:
            assert is_finite(signal(0.0))
            assert signal(0.0).shape[-1] == width


@tries
@given(ODD, st.sampled_from([Constant(1.0), Sine(), Analytic(math.sin), Linear(T, X), Held(T, X)]))
def test_whatever_time_a_signal_is_asked_for(t: Any, signal: Signal) -> None:
    value = refused_or_built(lambda t: signal(t), {"t": t}, names="function")
    assert value is None or is_finite(value)


@tries
@given(st.data(), st.sampled_from([0, 1, 2]))
def test_run(data: st.DataObject, inputs: int) -> None:
    W_x = None if inputs == 0 else np.ones((2, inputs))
    cell = CanonicalRNN(0.5 * np.eye(2), np.eye(2), W_x, np.zeros(2), activation="identity")
    kwargs = data.draw(spoiled({"cell": cell, "x": np.ones((3, inputs)), "s0": np.ones(2)}))
    kwargs["x"] = 4 if isinstance(kwargs["x"], int) and kwargs["x"] > 4 else kwargs["x"]
    try:
        trajectory = refused_or_built(run, kwargs)
    except SimulationError as error:
        trajectory = error.trajectory
    if trajectory is not None:
        assert is_finite(trajectory.s)
        assert is_finite(trajectory.r)
        assert len(trajectory.t) == len(trajectory.s)


@tries
@given(FINITE, FINITE)
def test_run_with_inputs_and_starts_of_any_shape(x: np.ndarray, s0: np.ndarray) -> None:
    cell = CanonicalRNN(0.5 * np.eye(2), np.eye(2), np.ones((2, 1)), np.zeros(2))
    trajectory = refused_or_built(lambda x, s0: run(cell, x, s0), {"x": x, "s0": s0})
    if trajectory is not None:
        assert trajectory.s.shape[0] == len(x)
        assert trajectory.s.shape[-1] == 2
        assert is_finite(trajectory.s)


def test_a_value_that_cannot_be_shown_is_refused_by_name_all_the_same() -> None:
    for value in (Nameless(), [Nameless()], 10**5000, [10**5000], {"a": Nameless()}):
        assert refused_or_built(Constant, {"value": value}) is None
        assert refused_or_built(Analytic, {"function": value}) is None
        assert refused_or_built(Held, {"t": T, "x": X, "kind": value}) is None
        assert refused_or_built(Activation, {"name": value, "value": np.tanh, "slope": np.cos}) is None
        assert refused_or_built(AdditiveModel, {"state": value}) is None
        assert refused_or_built(run, {"cell": value, "x": 3}) is None


@pytest.mark.parametrize("make", [Held, Linear, Cubic])
def test_the_largest_floats_do_not_overflow_silently(make: Any) -> None:
    for x in ([1e308, -1e308, 1e308], [0.0, 1.7e308, 0.0]):
        signal = refused_or_built(make, {"t": T, "x": x})
        if signal is not None:
            assert is_finite(signal(0.5 * (signal.knots[1:] + signal.knots[:-1])))
