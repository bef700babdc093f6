"""The arguments of integrate: what is refused, and in which words; what is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.problems import A, B, driven_dde, hopf

from ode2rnn import ContinuousRNN, SimulationError, Trajectory, integrate
from ode2rnn.core.signals import Constant, Held, Sine

DDE = ContinuousRNN(-np.eye(2), [[0.0, 1.0], [-1.0, 0.0]], [[1.0], [0.0]], None, tau=0.5)
ODE = ContinuousRNN(-np.eye(2), [[0.0, 1.0], [-1.0, 0.0]], None, None)
TORCH = ContinuousRNN(-torch.eye(2), [[0.0, 1.0], [-1.0, 0.0]], None, None)
POLE = ContinuousRNN(2.0, 1.0, None, None)
GOOD: dict[str, Any] = {"model": DDE, "x": Sine(), "t": (0.0, 1.0), "history": [0.1, 0.2]}
WITHOUT_X = {"model": ODE, "x": None}
ADJOINT = {"model": TORCH, "x": None, "adjoint": True, "t": [0.0, 0.5, 1.0]}
SERIES = Held([0.0, 0.5, 0.8], [1.0, 2.0, 3.0])
FAILED = Trajectory(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2)), None, stats=None)  # type: ignore[arg-type]

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, r"model: expected an AdditiveModel or ContinuousRNN, or another Flow, got NoneType"),
    "model is a matrix": (
        {"model": A},
        r"model: expected an AdditiveModel or ContinuousRNN, or another Flow, got ndarray",
    ),
    "t backwards": ({"t": (1.0, 0.0)}, r"t: expected t0 < t1, got \(1, 0\)"),
    "t empty": ({"t": (1.0, 1.0)}, r"t: expected t0 < t1"),
    "t a number": ({"t": 1.0}, r"t: expected an increasing vector of at least 2 times, got shape \(\)"),
    "t one sample": ({"t": [1.0]}, r"t: expected an increasing vector of at least 2 times, got shape \(1,\)"),
    "t not increasing": ({"t": [0.0, 0.5, 0.5]}, r"t: expected strictly increasing times, got 0.5 followed by 0.5"),
    "t not a number": ({"t": (0.0, np.nan)}, r"t\[1\]: expected finite numbers, got an array that holds NaN"),
    "t infinite": ({"t": (0.0, np.inf)}, r"t\[1\]: expected finite numbers, got an array that holds infinity"),
    "t words": ({"t": ("a", "b")}, r"t\[0\]: expected an array of real numbers, got str"),
    "t of infinite length": ({"t": (-1e308, 1e308)}, r"t: expected a range of finite length"),
    "t without resolution": ({"t": (1e15, 1e15 + 1)}, r"t: numbers near 1e\+15 are too far apart to resolve"),
    "t of too many delays": (
        {"t": (0.0, 1e9), "x": None},
        r"t: expected at most 1e\+07 intervals .* delay 0.5",
    ),
    "history missing": ({"history": None}, r"history: expected numbers, got None"),
    "history too wide": ({"history": [1.0, 2.0, 3.0]}, r"history: expected shape \(\.\.\., 2\), got \(3,\)"),
    "history a number": ({"history": 1.0}, r"history: expected shape \(\.\.\., 2\), got \(\)"),
    "history NaN": ({"history": [np.nan, 0.0]}, r"history: expected finite numbers, got an array that holds NaN"),
    "history complex": ({"history": [1j, 0.0]}, r"history: expected an array of real numbers"),
    "history of a wrong width": (
        {"history": lambda t: 0.0},
        r"history: expected values of shape .* got \(1,\)",
    ),
    "history raises": ({"history": lambda t: 1 / 0}, r"history: .*ZeroDivisionError"),
    "history too short": (
        {"history": integrate(DDE, t=(-0.2, 0.0), history=[0.0, 0.0])},
        r"history: expected a trajectory that covers \[-0.5, 0\], .* got one on \[-0.2, 0\]",
    ),
    "history without dense output": ({"history": FAILED}, r"history: expected a trajectory with dense output"),
    "s0 too wide": ({"s0": [1.0, 2.0, 3.0]}, r"s0: expected shape \(\.\.\., 2\), got \(3,\)"),
    "s0 infinite": ({"s0": [np.inf, 0.0]}, r"s0: expected finite numbers, got an array that holds infinity"),
    "batches that differ": (
        {"s0": np.zeros((3, 2)), "history": np.zeros((4, 2))},
        r"s0, history, x: expected batch shapes that broadcast, got s0 \(3,\), history \(4,\), x \(\)",
    ),
    "x without input term": ({"model": ODE}, r"x: the model has no input term \(C is None\), expected None"),
    "x an array": ({"x": [1.0, 2.0]}, r"x: expected a function of time or one of ode2rnn.signals, got list"),
    "x too wide": ({"x": Constant([1.0, 2.0])}, r"x: expected values of shape \(\.\.\., 1\), got \(2,\)"),
    "x too short": ({"x": SERIES}, r"x: Held is defined on \[-inf, 0.8\], but is needed on \[0, 1\]"),
    "x NaN at an end": ({"x": lambda t: np.nan}, r"x: .*finite .*NaN"),
    "x raises": ({"x": lambda t: {}["a"]}, r"x: .*KeyError"),
    "method unknown": (
        {"method": "spektral"},
        r"method: expected one of .*; got 'spektral'; did you mean 'spectral'",
    ),
    "method in lower case": ({"method": "radau"}, r"did you mean 'Radau'\?"),
    "method None": ({"method": None}, r"method: expected one of BDF, DOP853, .*; got NoneType"),
    "a function": ({"model": np.sin}, r"model: .* got a function; say Flow\(f, width\) or Map\(f, width\)"),
    "scipy in torch": (
        {"model": TORCH, "x": None, "method": "BDF"},
        r"method: 'BDF' runs in NumPy",
    ),
    "rtol zero": ({"rtol": 0.0}, r"rtol: expected a number in \[1e-14, 1\), got 0"),
    "rtol one": ({"rtol": 1.0}, r"rtol: expected a number in \[1e-14, 1\), got 1"),
    "rtol None": ({"rtol": None}, r"rtol: expected numbers, got None"),
    "atol zero": ({"atol": 0.0}, r"atol: expected a number > 0, got 0"),
    "atol an array": ({"atol": [1e-6, 1e-6]}, r"atol: expected one number, got an array of shape \(2,\)"),
    "dt missing": ({"method": "rk4"}, r"dt: 'rk4' has a fixed step; expected dt > 0, got None"),
    "dt zero": ({"method": "rk4", "dt": 0.0}, r"dt: expected a number > 0, got 0"),
    "dt negative": ({"method": "backward_euler", "dt": -0.1}, r"dt: expected a number > 0, got -0.1"),
    "dt not needed": ({"dt": 0.1}, r"dt: 'spectral' chooses its own steps by rtol and atol"),
    "dt that does not divide": (
        {"method": "euler", "dt": 0.2},
        r"dt: expected a step that divides the delay 0.5, got 0.2; the nearest .* 0.16666",
    ),
    "dt larger than the delay": ({"method": "euler", "dt": 1.0}, r"dt: .* divides the delay 0.5, got 1; .* 0.5"),
    "dt far too small": (
        WITHOUT_X | {"method": "euler", "dt": 1e-12},
        r"dt: expected at most 1e\+07 steps",
    ),
    "dt at a pole": (
        {
            "model": ContinuousRNN(2.0, 1.0, None, None),
            "x": None,
            "history": 1.0,
            "method": "backward_euler",
            "dt": 0.5,
        },
        r"dt: I - dt A is singular at dt = 0.5",
    ),
    "adjoint in NumPy": (
        WITHOUT_X | {"adjoint": True, "t": [0.0, 1.0]},
        r"adjoint: expected .* torch tensors",
    ),
    "adjoint without samples": (ADJOINT | {"t": (0.0, 1.0)}, r"adjoint: .* an array of samples t"),
    "adjoint of our own method": (ADJOINT | {"method": "tsit5"}, r"adjoint: expected a torchdiffeq method"),
    "adjoint with a delay": (
        ADJOINT | {"model": ContinuousRNN(-torch.eye(2), np.eye(2), None, None, tau=0.5)},
        r"adjoint: .* a model without delays",
    ),
}


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_by_name(changed: dict[str, Any], message: str) -> None:
    arguments = GOOD | changed
    model, x = arguments.pop("model"), arguments.pop("x")
    with pytest.raises(ValueError, match=message):
        integrate(model, x, **arguments)


def test_what_is_refused_above_is_fine_otherwise() -> None:
    assert integrate(DDE, GOOD["x"], t=(0.0, 1.0), history=[0.1, 0.2]).success
    assert integrate(TORCH, t=[0.0, 0.5, 1.0], history=[0.1, 0.2], adjoint=True).success


def test_ranges_may_be_tuples_and_samples_lists_arrays_or_tensors() -> None:
    case = hopf(0.5, end=1.0)
    for t in ([0, 0.5, 1], np.array([0, 0.5, 1]), torch.tensor([0, 0.5, 1]), (0, 0.5, 1)):
        np.testing.assert_array_equal(case.solve(t=t).t, [0.0, 0.5, 1.0])
    assert len(case.solve(t=[0, 1]).t) == 2  # a list of two is two samples
    assert len(case.solve(t=(0, 1)).t) > 2  # a tuple of two is a range


def test_numbers_stand_for_vectors_of_one() -> None:
    scalar = integrate(ContinuousRNN(-1, 2, 1, 0.5, 1), lambda t: 1, t=(0, 2), history=1, s0=2)
    vector = integrate(
        ContinuousRNN([[-1.0]], [[2.0]], [[1.0]], [0.5], 1.0),
        Constant([1.0]),
        t=(0.0, 2.0),
        history=np.array([1.0]),
        s0=np.array([2.0]),
    )
    np.testing.assert_array_equal(scalar.s, vector.s)


def test_no_input_is_zero_input() -> None:
    case = driven_dde(end=1.0)
    none, zero = (case.solve(x=x, t=[0.0, 0.5, 1.0]) for x in (None, Constant(np.zeros(3))))
    np.testing.assert_array_equal(none.s, zero.s)
    assert none.x is None


@pytest.mark.parametrize("method", ["spectral", "tsit5", "RK45", "dopri5", "rk4"])
def test_a_progress_bar_goes_to_the_error_stream_alone(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"dt": 0.25} if method == "rk4" else {}
    loud = hopf(0.5, end=2.0).solve(method, progress=True, **given)
    out, err = capsys.readouterr()
    assert out == ""
    assert "integrate" in err
    assert "2/2" in err
    quiet = hopf(0.5, end=2.0).solve(method, **given)
    assert capsys.readouterr() == ("", "")
    np.testing.assert_array_equal(loud.s, quiet.s)


def test_progress_of_a_failing_run_ends_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SimulationError):
        integrate(ContinuousRNN(3.0, 0.0, None, None), t=(0, 1000), history=1.0, rtol=1e-2, progress=True)
    assert "/1000" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t", "history", "s0", "phi"])
def test_arrays_of_the_caller_are_left_alone(name: str) -> None:
    arrays = {
        "t": np.array([0.0, 0.5, 1.0]),
        "history": np.array([0.1, 0.2]),
        "s0": np.array([0.3, 0.4]),
        "phi": np.array([0.0, 0.1]),
    }
    before = arrays[name].copy()
    model = ContinuousRNN(-np.eye(2), B[:2, :2], None, arrays["phi"], tau=0.5)
    solution = integrate(model, t=arrays["t"], history=arrays["history"], s0=arrays["s0"])
    np.testing.assert_array_equal(arrays[name], before)
    arrays[name] += 1.0
    np.testing.assert_array_equal(solution.t, [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(solution(0.0), solution.s[0])
