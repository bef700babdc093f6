"""Bad and odd input to discretize: a ValueError that names the argument, or a finite cell, never anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.discrete.networks import random_network

from ode2rnn import (
    ALIASES,
    SCHEMES,
    AdditiveModel,
    CanonicalRNN,
    ContinuousRNN,
    discretize,
)

NAMES = sorted({*SCHEMES, *ALIASES})
NETWORK = random_network(0, tau=1.0)


@pytest.mark.parametrize(
    ("dt", "message"),
    [
        (0, "dt: expected a number > 0, got 0"),
        (-0.5, "dt: expected a number > 0, got -0.5"),
        (np.nan, "dt: expected finite numbers, got an array that holds NaN"),
        (np.inf, "dt: expected finite numbers, got an array that holds infinity"),
        ("0.1", "dt: expected an array of real numbers, got str '0.1'"),
        (None, "dt: expected numbers, got None"),
        ([0.1, 0.2], r"dt: expected one number, got an array of shape \(2,\)"),
        (1j, "dt: expected an array of real numbers"),
    ],
)
def test_a_step_that_is_none_is_refused(dt: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        discretize(NETWORK, dt)


@pytest.mark.parametrize("model", [None, np.eye(2), CanonicalRNN(0.5, 1.0, None, 0.0), ContinuousRNN])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="model: expected an AdditiveModel, ContinuousRNN or ContinuousLSTM, got "):
        discretize(model, 0.1)


@pytest.mark.parametrize(
    ("scheme", "nearest"),
    [
        ("backwardeuler", "backward_euler"),
        ("Tustin", "tustin"),
        ("forward", "forward_diff"),
        ("xponental", "exponential"),
    ],
)
def test_an_unknown_scheme_is_told_the_known_ones_and_the_nearest(scheme: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"scheme: expected one of .*; did you mean '{nearest}'\?") as caught:
        discretize(NETWORK, 0.1, scheme)
    for name in NAMES:
        assert name in str(caught.value)


@pytest.mark.parametrize("scheme", [None, 3, ["tustin"], {"tustin"}, b"tustin", ""])
def test_a_scheme_that_is_no_name_is_refused(scheme: Any) -> None:
    with pytest.raises(ValueError, match="scheme: expected one of backward_diff, "):
        discretize(NETWORK, 0.1, scheme)


@pytest.mark.parametrize(
    ("scheme", "alpha", "message"),
    [
        ("gbt", None, r"alpha: expected a number in \[0, 1\] with scheme 'gbt', got NoneType None"),
        ("tustin", 0.5, "alpha: expected none with scheme 'tustin', got float 0.5"),
        ("bilinear", 0.5, "alpha: expected none with scheme 'tustin', got float 0.5"),
        ("gbt", 1.5, r"alpha: expected a number in \[0, 1\], got 1.5"),
        ("gbt", -0.1, r"alpha: expected a number in \[0, 1\], got -0.1"),
        ("gbt", np.nan, "alpha: expected finite numbers"),
        ("gbt", "half", "alpha: expected an array of real numbers"),
    ],
)
def test_alpha_goes_with_gbt_and_lies_between_0_and_1(scheme: str, alpha: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        discretize(NETWORK, 0.1, scheme, alpha)


# delays


@pytest.mark.parametrize(
    ("tau", "dt", "nearest"),
    [
        (1.0, 0.3, r"0\.3333333333333333 \(delay / 3\)"),
        (1.0, 0.7, r"0\.5 \(delay / 2\)"),  # 0.5 is nearer to 0.7 than 1 is, though 1 / 0.7 rounds to 1
        (1.0, 1.6, r"1\.0 \(delay / 1\)"),
        (0.3, 0.1001, r"0\.0999\d* \(delay / 3\)"),
        (1e-300, 1e300, r"1e-300 \(delay / 1\)"),
    ],
)
def test_a_step_that_does_not_divide_the_delay_is_told_the_nearest_that_does(
    tau: float, dt: float, nearest: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"dt: expected a step that divides the delay .*; the nearest .* is {nearest}"
    ):
        discretize(ContinuousRNN(-1.0, 1.0, None, None, tau), dt)


def test_the_step_that_a_message_names_is_accepted() -> None:
    rng = np.random.default_rng(0)
    for tau, dt in rng.uniform(0.01, 10, (300, 2)):
        model = ContinuousRNN(-1.0, 1.0, None, None, tau)
        with pytest.raises(ValueError, match="the nearest that does is") as caught:
            discretize(model, dt)
        named = float(str(caught.value).split("the nearest that does is ")[1].split()[0])
        assert discretize(model, named).lag == round(tau / named)  # type: ignore[union-attr]
        others = tau / np.arange(1, round(tau / dt) + 3)
        assert abs(named - dt) <= np.abs(others - dt).min() * (1 + 1e-12)


def test_with_several_delays_the_message_names_a_step_that_divides_all_of_them() -> None:
    model = AdditiveModel(state=[(-1.0, 0.45)], readout=[(1.0, 1.0)], input=[(1.0, 0.3)])
    with pytest.raises(
        ValueError, match=r"divides the delay 0\.45, got 0\.1; .*; 0\.05 divides all the delays: 0\.3, 0\.45, 1"
    ):
        discretize(model, 0.1)
    cell = discretize(model, 0.05)
    assert (set(cell.W_s), set(cell.W_r), set(cell.W_x)) == ({1, 9}, {20}, {6})


@pytest.mark.parametrize("delays", [(1.0, 2**0.5), (1e-300, 1e300), (1.0, 1e-9)])
def test_delays_without_a_common_step_are_told_so(delays: tuple[float, float]) -> None:
    model = AdditiveModel(readout=[(1.0, tau) for tau in delays])
    with pytest.raises(ValueError, match="no step divides all the delays"):
        discretize(model, 0.3)


def test_a_delay_of_more_steps_than_fit_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dt: expected at most 1e\+07 steps in the delay 1, got 1e\+09 \(dt 1e-09\)"):
        discretize(NETWORK, 1e-9)


# singular and overflowing steps


@pytest.mark.parametrize(
    ("A", "dt", "scheme", "message"),
    [
        (
            1.0,
            1.0,
            "backward_euler",
            "dt: I - dT A is singular, to rounding, at dT = 1: A has the eigenvalue 1; try a smaller dt",
        ),
        (10.0, 0.1, "backward_euler", "dt: I - dT A is singular"),
        (10.0, 0.1 + 1e-16, "implicit_linear", "dt: I - dT A is singular"),  # inverse 1e15, no digit of it right
        (2.0, 1.0, "tustin", "dt: I - 0.5 dT A is singular, to rounding, at 0.5 dT = 0.5: A has the eigenvalue 2"),
        ([[0.0, 1.0], [1.0, 0.0]], 1.0, "backward_euler", "or the scheme 'exponential'"),
        (np.diag([-1.0, 0.5]), 2.0, "backward_euler", "dt: I - dT A is singular"),
        (1e300, 1e300, "backward_euler", "dt: dT A overflows"),
        (
            1e300,
            1e300,
            "forward_euler",
            "dt: the weights of 'forward_euler' overflow at dt = 1e\\+300; try a smaller dt",
        ),
        (1.0, 1e3, "exponential", "dt: the weights of 'exponential' overflow at dt = 1000"),
        (1e300, 1.0, "foh", "dt: the weights of 'foh' overflow"),
    ],
)
@pytest.mark.parametrize("kind", [np.array, lambda a: torch.tensor(a, dtype=torch.float64)], ids=["numpy", "torch"])
def test_a_step_without_weights_is_refused(A: Any, dt: float, scheme: str, message: str, kind: Any) -> None:
    A = kind(np.atleast_2d(A).astype(float))
    with pytest.raises(ValueError, match=message):
        discretize(AdditiveModel(state=[(A, 0.0)]), dt, scheme)


def test_in_single_precision_a_matrix_is_singular_earlier() -> None:
    A = torch.tensor([[1.0 - 1e-6]])
    with pytest.raises(ValueError, match="singular"):
        discretize(AdditiveModel(state=[(A, 0.0)]), 1.0)
    assert discretize(AdditiveModel(state=[(A.double(), 0.0)]), 1.0).W_s[1] == pytest.approx(1e6, rel=1e-1)


def test_a_growing_state_is_sampled_where_it_can_be() -> None:
    # A > 0 but dT A < 1: fine
    np.testing.assert_allclose(discretize(ContinuousRNN(1.0, 1.0, None, None, 0.5), 0.5).W_s, [[2.0]])
