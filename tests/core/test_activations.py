"""Every activation: its slope is its derivative, its bound holds, NumPy and torch agree; bad ones are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import ACTIVATIONS, Activation, AdditiveModel, ContinuousRNN
from ode2rnn.core.activations import as_activation

MACKEY_GLASS = Activation(
    "mackey_glass",
    lambda s: s / (1 + s**10),
    lambda s: (1 - 9 * s**10) / (1 + s**10) ** 2,
    bound=9**0.9 / 10,
)
ALL = [*ACTIVATIONS.values(), MACKEY_GLASS]
GRID = np.concatenate([np.linspace(-6, 6, 400), [-700.0, -40.0, 40.0, 700.0]])

each = pytest.mark.parametrize("G", ALL, ids=lambda G: G.name)


def test_the_registry_files_each_activation_under_its_own_name() -> None:
    assert all(name == G.name for name, G in ACTIVATIONS.items())
    assert {"tanh", "sigmoid", "relu", "identity"} <= ACTIVATIONS.keys()


@each
def test_the_slope_is_the_derivative_of_the_value(G: Activation) -> None:
    s = np.linspace(-6, 6, 400)  # an even number of points: none at the corner of relu
    h = 1e-5
    difference = (G.value(s + h) - G.value(s - h)) / (2 * h)
    np.testing.assert_allclose(G.slope(s), difference, rtol=0, atol=2e-8)


@each
def test_the_bound_is_the_least_upper_bound_of_the_size(G: Activation) -> None:
    largest = np.abs(G.value(np.concatenate([GRID, np.linspace(0.5, 1.5, 2001)]))).max()
    assert largest <= G.bound * (1 + 1e-15)
    if math.isfinite(G.bound):
        assert largest >= 0.999 * G.bound
    else:
        assert largest >= 100


@each
def test_numpy_and_torch_give_the_same_numbers(G: Activation) -> None:
    for function in (G.value, G.slope):
        both = function(GRID), function(torch.from_numpy(GRID))
        assert both[1].dtype == torch.float64
        np.testing.assert_allclose(both[1].numpy(), both[0], rtol=3e-15, atol=1e-15)


@each
def test_the_slope_is_what_torch_differentiates(G: Activation) -> None:
    s = torch.linspace(-5, 5, 100, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(G.value(s).sum(), s)
    np.testing.assert_allclose(G.slope(s).detach().numpy(), gradient.numpy(), rtol=1e-12, atol=1e-15)


@each
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3,), (2, 3), (2, 1, 3)])
def test_any_shape_comes_back_and_the_argument_is_left_alone(G: Activation, shape: tuple[int, ...]) -> None:
    s = np.full(shape, -0.4)
    for function in (G.value, G.slope):
        assert np.shape(function(s)) == shape
        assert tuple(function(torch.tensor(s)).shape) == shape
    np.testing.assert_array_equal(s, -0.4)


@pytest.mark.filterwarnings("error")
def test_saturating_activations_neither_overflow_nor_warn_at_any_size() -> None:
    far = np.array([-1e308, -1e5, 1e5, 1e308])
    for name in ("tanh", "sigmoid", "softplus", "relu"):
        assert np.isfinite(ACTIVATIONS[name].value(far)).all()
        assert np.isfinite(ACTIVATIONS[name].slope(far)).all()


def test_known_values() -> None:
    values = {"tanh": math.tanh(0.5), "sigmoid": 1 / (1 + math.exp(-0.5)), "relu": 0.5, "identity": 0.5}
    values["softplus"] = math.log(1 + math.exp(0.5))
    for name, value in values.items():
        assert float(ACTIVATIONS[name].value(np.array(0.5))) == pytest.approx(value, abs=1e-16)


def test_mackey_glass_is_an_activation_of_the_users_own() -> None:
    model = ContinuousRNN(A=-0.1, B=0.2, C=None, phi=None, tau=17.0, activation=MACKEY_GLASS)
    s = 0.7
    assert float(model.settled().rate(0.0, np.array([s]))[0]) == pytest.approx(
        0.2 * s / (1 + s**10) - 0.1 * s, abs=1e-16
    )
    assert model.activation is MACKEY_GLASS


def writes_into_its_argument(s: np.ndarray) -> np.ndarray:
    s[s < 0] = 0.0
    return s


def fails(s: Any) -> Any:
    raise KeyError("inside")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (None, "expected a function of the state, got NoneType"),
        ("tanh", "expected a function of the state, got str 'tanh'"),
        (lambda s: s.sum(), r"expected a ndarray of shape \(2, 3\) back, got a float64 of shape \(\)"),
        (lambda s: s.T, r"of shape \(3, 2\)"),
        (lambda s: None, "expected numbers, got None"),
        (lambda s: "tanh", "expected an array of real numbers"),
        (lambda s: s + 1j, "expected an array of real numbers"),
        (lambda s: s / 0.0, "expected finite numbers"),
        (lambda s: np.log(-1 - s), "NaN"),
        (lambda s: torch.tanh(s), "it raised TypeError"),
        (lambda s: torch.tanh(torch.as_tensor(s.copy())), "expected a ndarray .* got a Tensor"),
        (lambda s: math.tanh(s), "it raised TypeError"),
        (fails, "it raised KeyError"),
        (writes_into_its_argument, "read-only"),
    ],
)
@pytest.mark.parametrize("field", ["value", "slope"])
def test_a_function_that_is_no_warping_is_refused(
    field: str, function: Any, says: str, recwarn: pytest.WarningsRecorder
) -> None:
    functions: dict[str, Callable[[Any], Any]] = {"value": np.tanh, "slope": np.cosh, field: function}
    with pytest.raises(ValueError, match=rf"^{field}: .*{says}"):
        Activation("mine", **functions)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["", None, 3, ["tanh"]])
def test_a_name_that_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^name: expected a non-empty name"):
        Activation(name, np.tanh, np.cosh)


@pytest.mark.parametrize("bound", [0.0, -1, math.nan, -math.inf, None, "1", 1j, np.complex128(1), [1.0, 2.0], 10**400])
def test_a_bound_that_is_no_positive_number_is_refused(bound: Any) -> None:
    with pytest.raises(ValueError, match=r"^bound: expected"):
        Activation("mine", np.tanh, np.cosh, bound)


@pytest.mark.parametrize("bound", [1, 0.5, np.float32(2.0), math.inf, np.float64(np.inf)])
def test_the_bound_is_kept_as_a_float(bound: Any) -> None:
    kept = Activation("mine", np.tanh, np.cosh, bound).bound
    assert type(kept) is float
    assert kept == bound


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"activation: expected one of .*identity.*; got 'Tahn'; did you mean 'tanh'\?"
    ):
        as_activation("Tahn")
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        AdditiveModel(phi=[0.0], activation="ReLU")
    for odd in (None, 3, np.tanh, ["tanh"], "", "x" * 10_000, 10**5000):
        with pytest.raises(ValueError, match="activation: expected one of") as caught:
            as_activation(odd)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 300


def test_a_model_of_tensors_refuses_an_activation_that_torch_cannot_differentiate() -> None:
    only_numpy = Activation("only_numpy", lambda s: np.sin(s), lambda s: np.cos(s))
    assert ContinuousRNN(A=-1.0, B=1.0, C=None, phi=None, activation=only_numpy).width == 1
    weight = torch.tensor([[1.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^activation 'only_numpy', value: expected a function of a Tensor"):
        ContinuousRNN(A=-1.0, B=weight, C=None, phi=None, activation=only_numpy)


def test_an_activation_of_positive_states_alone_is_tried_there() -> None:
    hill = Activation("hill", lambda s: 1 / (1 + s**2.5), lambda s: -2.5 * s**1.5 / (1 + s**2.5) ** 2)
    assert float(hill.value(np.array(1.0))) == 0.5
    root = Activation("root", _root, lambda s: 0.5 / _root(s))
    assert float(root.value(np.array(4.0))) == 2.0
    with pytest.raises(ValueError, match=r"value: .*NaN \(at states from -0\.3 to 0\.4; at 0\.05 to 0\.45 neither\)"):
        Activation("nowhere", lambda s: 0.0 * s + np.nan, lambda s: s)


def _root(s: np.ndarray) -> np.ndarray:
    if (s < 0).any():
        raise ValueError("defined for s >= 0")
    return np.sqrt(s)
