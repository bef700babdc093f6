"""Clipping cures gradients that explode, and not those that vanish."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ode2rnn import AugmentedLSTM, CanonicalRNN, TappedRNN, VanillaLSTM, run
from ode2rnn.gated.vanilla import LETTERS
from ode2rnn.training.gradients.bptt import bptt
from ode2rnn.training.gradients.clipping import clip, norm, parameters

T = 80


def gradients(factor: float, ticks: int = T):
    """Of the last readout of a linear cell whose Jacobian is ``factor``."""
    cell = CanonicalRNN(0.0, factor, 1.0, 0.0, activation="identity")
    r_bar = np.zeros((ticks, 1))
    r_bar[-1] = 1.0
    return cell, bptt(cell, np.ones((ticks, 1)), r_bar)


def test_an_exploding_gradient_keeps_its_direction_and_gets_a_bounded_length() -> None:
    _, back = gradients(1.5)
    assert norm(back.gradients) > 1e10
    shorter, before = clip(back.gradients, 1.0)
    assert before == norm(back.gradients)
    assert norm(shorter) == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(parameters(shorter) * before, parameters(back.gradients), rtol=1e-13)


def test_a_step_along_an_exploding_gradient_fails_and_along_the_clipped_one_helps() -> None:
    cell, _ = gradients(1.2, 20)
    x, target = np.ones((20, 1)), 1.0

    def loss(one: CanonicalRNN) -> float:
        return 0.5 * float((run(one, x).r[-1, 0] - target) ** 2)

    def stepped(record: CanonicalRNN) -> CanonicalRNN:
        moved = {n: getattr(cell, n) - 0.1 * getattr(record, n) for n in ("W_s", "W_r", "W_x", "theta_s")}
        return CanonicalRNN(**moved, activation="identity")

    def r_bar(r: np.ndarray) -> np.ndarray:
        bar = np.zeros_like(r)
        bar[-1] = r[-1] - target
        return bar

    back = bptt(cell, x, r_bar)
    assert loss(stepped(back.gradients)) > 1e3 * loss(cell)
    assert loss(stepped(clip(back.gradients, 1.0)[0])) < loss(cell)


def test_no_factor_brings_back_what_has_vanished() -> None:
    """The share of an early sample in the gradient is the same before clipping, after it, and for any factor."""
    _, back = gradients(0.5)
    shares = np.abs(back.psi[:, 0]) / np.abs(back.psi).sum()
    assert shares[0] < 1e-23
    kept, before = clip(back.gradients, 10.0)
    assert before < 10.0
    assert kept is back.gradients  # short already
    scaled = np.abs(1e23 * back.psi[:, 0]) / np.abs(1e23 * back.psi).sum()
    np.testing.assert_allclose(scaled, shares, rtol=1e-13)


def test_cells_with_taps_and_tensors_are_clipped_too() -> None:
    rng = np.random.default_rng(0)
    W, V = rng.standard_normal((3, 2, 2)), rng.standard_normal((2, 1))
    tapped = TappedRNN({1: W[0], 2: W[1]}, {1: W[2]}, {0: V}, np.ones(2))
    shorter, before = clip(tapped, 0.5)
    assert type(shorter) is TappedRNN
    np.testing.assert_allclose(parameters(shorter), 0.5 / before * parameters(tapped), rtol=1e-14)
    own = CanonicalRNN(torch.tensor(W[0]), W[1], None, np.ones(2))
    shorter, _ = clip(own, 0.5)
    assert torch.is_tensor(shorter.W_r)
    assert shorter.W_x is None
    assert norm(shorter) == pytest.approx(0.5)


def test_the_gradients_of_an_lstm_are_clipped_too() -> None:
    cell = AugmentedLSTM.of(VanillaLSTM(**dict.fromkeys(LETTERS, 0.5)), W_qdr=0.5)
    gradients = bptt(cell, np.ones((9, 1)), np.full((9, 1), 100.0)).gradients
    shorter, before = clip(gradients, 1.0)
    assert before > 10
    assert type(shorter) is AugmentedLSTM
    assert len(parameters(shorter)) == 16
    np.testing.assert_allclose(parameters(shorter), parameters(gradients) / before, rtol=1e-14)
    assert norm(shorter) == pytest.approx(1.0)


def test_norms_do_not_overflow_and_zero_stays_zero() -> None:
    record = CanonicalRNN(0.0, 3e200, 4e200, 0.0)
    assert norm(record) == pytest.approx(5e200)
    zero = CanonicalRNN(0.0, 0.0, 0.0, 0.0)
    assert clip(zero, 1.0) == (zero, 0.0)


def test_bad_arguments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="most: expected a number > 0"):
        clip(CanonicalRNN(0.0, 0.0, 0.0, 0.0), 0.0)
    with pytest.raises(ValueError, match="cell: expected a System, got list"):
        clip([1.0], 1.0)
