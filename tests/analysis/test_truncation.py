"""The proposition of unrolling, U4 and U5, on synthetic input and on the sunspot series; and where it fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn import CanonicalRNN, ContinuousRNN, TappedRNN, discretize, run, signals
from ode2rnn.analysis.memory.truncation import KINDS, squared_error, truncation
from ode2rnn.discrete.unroll import impulse_response, segments, unroll
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import parameters

N = 120


def sines(count: int = N) -> np.ndarray:
    n = np.arange(count)
    return np.stack([np.sin(0.3 * n), np.cos(0.17 * n) + 0.3 * np.sin(1.1 * n)], axis=1)


def cell_of(kind: str, size: float = 0.25, seed: int = 0) -> CanonicalRNN | TappedRNN:
    rng = np.random.default_rng(seed)
    W = [size * rng.standard_normal((3, 3)) for _ in range(4)]
    V, theta = [rng.standard_normal((3, 2)) for _ in range(2)], 0.2 * rng.standard_normal(3)
    if kind == "standard":
        return CanonicalRNN(0 * W[0], 2 * W[1], V[0], theta)
    if kind == "canonical":
        return CanonicalRNN(W[0], W[1], V[0], theta)
    if kind == "late":
        return CanonicalRNN(W[0], W[1], V[0], theta, lag=4)
    if kind == "implicit":
        return TappedRNN({1: W[0]}, {0: 0.5 * W[1], 1: W[2]}, {0: V[0]}, theta)
    return TappedRNN({1: W[0], 2: 0.5 * W[1]}, {1: W[2], 3: 0.5 * W[3]}, {0: V[0], 2: V[1]}, theta)


KINDS_OF_CELL = ("standard", "canonical", "late", "tapped", "implicit")


@pytest.mark.parametrize("kind", KINDS_OF_CELL)
def test_the_error_is_that_of_a_run_through_the_last_inputs_alone(kind: str) -> None:
    cell, x = cell_of(kind), sines(40)
    study, s = truncation(cell, x, most=12), run(cell, x).s
    for K in (1, 2, 5, 12):
        ends = [run(cell, x[n - K + 1 : n + 1]).s[-1] for n in range(K - 1, 40)]
        expected = np.linalg.norm(s[K - 1 :] - ends, axis=1).max()
        assert study.error[K - 1] == pytest.approx(expected, rel=1e-12, abs=1e-15)
    # the last sample of a segment of the unrolled network is one of these
    own = run(unroll(cell, 5), x).s[4::5]
    assert np.linalg.norm(s[4::5] - own, axis=1).max() <= study.error[4] * (1 + 1e-12)


@pytest.mark.parametrize("size", [0.1, 0.25, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS_OF_CELL)
def test_the_bound_is_never_below_the_error(kind: str, seed: int, size: float) -> None:
    if kind == "implicit":
        size = min(size, 0.6)  # so that every tick has one solution
    study = truncation(cell_of(kind, size, seed), sines(), most=60)
    assert (study.error <= study.bound).all()
    if study.contracts:
        assert study.bound[-1] < study.bound[0]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "softplus", "identity"])
def test_the_bound_holds_for_every_activation_and_down_to_rounding(activation: str) -> None:
    rng = np.random.default_rng(1)
    W = rng.standard_normal((3, 3))
    cell = CanonicalRNN(0 * W, 0.5 * W / np.linalg.norm(W, 2), rng.standard_normal((3, 2)), W[0], activation=activation)
    study = truncation(cell, sines(), most=100)
    assert study.contracts
    assert (study.error <= study.bound).all()
    assert study.error[-1] < 1e-14  # nothing but rounding is left, and the bound knows


def test_the_rate_covers_the_slopes_along_the_run() -> None:
    """max over n of ||W_s + W_r diag G'(s[n])||, as U5 writes it, is at most the rate."""
    for kind in ("standard", "canonical"):
        cell = cell_of(kind)
        s = run(cell, sines()).s
        J = cell.W_s + cell.W_r * (1 - np.tanh(s) ** 2)[:, None, :]
        along = np.linalg.norm(J, 2, axis=(1, 2)).max()
        rate = truncation(cell, sines()).rate
        assert along <= rate
        assert rate <= np.linalg.norm(cell.W_s, 2) + np.linalg.norm(cell.W_r, 2) + 1e-8


def test_the_truncation_error_of_a_linear_cell_is_the_tail_of_its_impulse_response() -> None:
    W = np.array([[0.6, 0.2], [-0.3, 0.5]])
    cell = CanonicalRNN(W, 0 * W, np.eye(2), np.zeros(2), activation="identity")
    x = sines(80)
    h = impulse_response(cell, 80)
    study = truncation(cell, x, most=10)
    for K in (1, 4, 10):
        tails = [sum((h[k] @ x[n - k] for k in range(K, n + 1)), np.zeros(2)) for n in range(K - 1, 80)]
        assert study.error[K - 1] == pytest.approx(np.linalg.norm(tails, axis=1).max(), rel=1e-11)


def forecast(cell: CanonicalRNN, x: np.ndarray):
    """The objective of one step ahead, with the readout that least squares finds."""
    r = run(cell, x[:-1]).r
    return x[:-1], squared_error(x[1:], np.linalg.lstsq(r, x[1:], rcond=None)[0].T)


def sunspots() -> np.ndarray:
    return signals.load_series("sunspots").standardized().x


def network() -> CanonicalRNN:
    """Two oscillating units and a slow one, whose feedback is too weak to keep anything for ever."""
    model = ContinuousRNN(
        A=[[-0.5, -0.6, 0.0], [0.6, -0.5, 0.0], [0.1, 0.0, -0.25]],
        B=0.3 * np.array([[0.4, -0.5, 0.2], [0.3, 0.2, -0.4], [-0.2, 0.3, 0.1]]),
        C=[[0.8], [0.0], [0.3]],
        phi=[0.05, -0.05, 0.0],
        tau=1.0,
    )
    return discretize(model, 1.0)


@pytest.mark.parametrize("series", ["sunspots", "synthetic"])
def test_the_proposition_holds_for_a_cell_that_contracts(series: str) -> None:
    x = sunspots() if series == "sunspots" else sines(300)[:, 1:]
    inputs, objective = forecast(network(), x)
    study = truncation(network(), inputs, objective, most=100, segments=[1, 5, 10, 20, 50, 100])
    assert study.contracts
    assert study.error[-1] < 1e-7 * study.error[0]
    assert study.objective_error[-1] < 0.05 * study.objective_error[0]
    assert study.gradient_error[-1] < 0.15 * study.gradient_error[0]
    K = study.smallest(1e-3)
    assert study.error[K - 1] <= 1e-3 * study.scale < study.error[K - 2]
    assert "the cell contracts" in study.summary()


def test_the_errors_of_objective_and_gradient_are_those_of_independent_segments() -> None:
    x, objective = forecast(network(), sunspots())
    target = sunspots()[1:]
    study = truncation(network(), x, objective, segments=[7, 50])
    r = run(network(), x).r
    W = np.linalg.lstsq(r, target, rcond=None)[0].T
    E, r_bar = objective(r)
    whole = parameters(bptt(network(), x, r_bar).gradients)
    for k, K in enumerate((7, 50)):
        total, vector = 0.0, np.zeros_like(whole)
        for at in reversed(segments(len(x), K)):  # in any order
            own = squared_error(target[at], W)
            back = bptt(network(), x[at], lambda r, own=own: own(r)[1])
            total += own(back.trajectory.r)[0]
            vector += parameters(back.gradients)
        assert study.objective_error[k] == pytest.approx(abs(total - E) / E, rel=1e-9)
        wrong = np.linalg.norm(vector - whole) / np.linalg.norm(whole)
        assert study.gradient_error[k] == pytest.approx(wrong, rel=1e-9)


def test_the_error_of_the_objective_falls_with_the_number_of_segments() -> None:
    """Not like the truncation error: every segment has early samples, so their share falls like 1 / K."""
    x = np.random.default_rng(2).standard_normal((4001, 1))
    inputs, objective = forecast(network(), x)
    lengths = [25, 50, 100, 200, 400]
    study = truncation(network(), inputs, objective, most=400, segments=lengths)
    slope = np.polyfit(np.log(lengths), np.log(study.objective_error), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.35)
    assert study.error[99] < 1e-7 * study.scale


def latch() -> tuple[CanonicalRNN, np.ndarray]:
    """One unit that a pulse sets for ever, and a pulse at the first sample with noise after it."""
    x = 0.05 * np.random.default_rng(0).standard_normal((200, 1))
    x[0] = 1.0
    return CanonicalRNN(0.0, 2.0, 1.0, 0.0), x


def test_a_cell_that_does_not_contract_breaks_the_proposition_and_the_tool_says_so() -> None:
    cell, x = latch()
    s = run(cell, x).s
    study = truncation(cell, x, squared_error(np.ones((200, 1))), most=90)
    assert (s > 0).all()
    assert not study.contracts
    assert study.error.min() > 0.9 * study.scale  # some window ends in the other state
    assert study.objective_error.min() > 1.0
    assert [study.smallest(0.5, of) for of in KINDS] == [None] * 3
    assert "the proposition fails" in study.summary()
    assert (study.error <= study.bound).all()


def test_a_memory_that_fades_without_a_proof_is_told_as_such() -> None:
    W = np.array([[0.5, 4.0], [0.0, 0.5]])  # eigenvalues 0.5, norm above 4
    study = truncation(CanonicalRNN(W, 0 * W, np.eye(2), np.zeros(2)), sines())
    assert not study.contracts
    assert study.smallest(1e-2) is not None
    assert "no contraction proves it" in study.summary()


def test_a_cell_without_input_a_batch_and_tensors_are_taken() -> None:
    free = CanonicalRNN(0.5, 0.3, None, 1.0)
    assert truncation(free, 20).error.shape == (10,)
    cell, x = cell_of("canonical"), np.stack([sines(), 2 * sines()], axis=1)
    both = truncation(cell, x, most=5).error
    np.testing.assert_allclose(
        both, [max(p) for p in zip(*(truncation(cell, x[:, k], most=5).error for k in (0, 1)), strict=True)]
    )
    own = CanonicalRNN(torch.tensor(cell.W_s), cell.W_r, cell.W_x, cell.theta_s)
    np.testing.assert_array_equal(truncation(own, sines(), most=5).error, truncation(cell, sines(), most=5).error)


def test_bad_arguments_are_refused_by_name() -> None:
    cell, x = cell_of("canonical"), sines(20)
    with pytest.raises(ValueError, match="most: expected at most the 20 samples of x, got 21"):
        truncation(cell, x, most=21)
    with pytest.raises(ValueError, match="segments: expected lengths up to the 20 samples"):
        truncation(cell, x, squared_error(np.zeros((20, 3))), segments=[30])
    with pytest.raises(ValueError, match="segments: expected a whole number"):
        truncation(cell, x, segments=[0])
    with pytest.raises(ValueError, match=r"target: expected shape \(20, 3\)"):
        truncation(cell, x, squared_error(np.zeros((20, 2))))
    study = truncation(cell, x)
    with pytest.raises(ValueError, match="of: expected one of gradient, objective, state"):
        study.smallest(0.1, "error")
    with pytest.raises(ValueError, match="tolerance: expected a number > 0"):
        study.smallest(0.0)


def test_an_objective_that_is_zero_has_no_relative_error_but_a_sign_of_it() -> None:
    cell, x = network(), np.random.default_rng(4).standard_normal((30, 1))
    study = truncation(cell, x, squared_error(run(cell, x).r), segments=[5, 30])
    assert study.objective_error.tolist() == [np.inf, 0.0]
    assert study.gradient_error.tolist() == [np.inf, 0.0]
