"""The GRU and the SimpleRNN in their Keras meaning (S3), and how many parameters each cell has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.gated.cells import BATCH, D_V, D, L, M, N, augmented_cell, vanilla_cell, weights

from ode2rnn import GRU, CanonicalRNN, parameter_count, run
from ode2rnn.gated.gru import LETTERS, GRUState

X = np.random.default_rng(0).standard_normal((N, BATCH, M))
S0 = np.random.default_rng(1).standard_normal((BATCH, D))


def gru(reset_after: bool = True) -> GRU:
    return GRU(**weights(LETTERS if reset_after else LETTERS[:-1], None), reset_after=reset_after, dt=0.5)


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def keras_gru(cell: GRU, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """GRUCell.call of Keras, on its fused arrays: rows, blocks z, r, h."""
    kernel = np.concatenate([cell.W_xz.T, cell.W_xr.T, cell.W_xh.T], axis=1)
    recurrent_kernel = np.concatenate([cell.W_vz.T, cell.W_vr.T, cell.W_vh.T], axis=1)
    input_bias, d = np.concatenate([cell.b_z, cell.b_r, cell.b_h]), cell.width
    x_z, x_r, x_h = np.split(x @ kernel + input_bias, 3, axis=-1)
    if cell.reset_after:
        recurrent_bias = np.concatenate([np.zeros(2 * d), cell.b_vh])
        z_in, r_in, h_in = np.split(h @ recurrent_kernel + recurrent_bias, 3, axis=-1)
        z, r = sigmoid(x_z + z_in), sigmoid(x_r + r_in)
        hh = np.tanh(x_h + r * h_in)
    else:
        z_in, r_in = np.split(h @ recurrent_kernel[:, : 2 * d], 2, axis=-1)
        z, r = sigmoid(x_z + z_in), sigmoid(x_r + r_in)
        hh = np.tanh(x_h + (r * h) @ recurrent_kernel[:, 2 * d :])
    return z * h + (1 - z) * hh


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_gru_is_that_of_keras(reset_after: bool) -> None:
    cell = gru(reset_after)
    traj, h = run(cell, X, S0), S0
    for n in range(N):
        h = keras_gru(cell, X[n], h)
        np.testing.assert_allclose(traj.s[n], h, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(traj.r, traj.s)
    np.testing.assert_array_equal(traj.t, 0.5 * np.arange(N))


def test_where_the_reset_gate_acts_matters() -> None:
    after = replace(gru(), b_vh=np.zeros(D))
    before = replace(after, b_vh=None, reset_after=False)
    assert np.abs(run(after, X).s - run(before, X).s).max() > 1e-2


def test_the_gru_is_that_of_torch() -> None:
    cell = gru()
    peer = torch.nn.GRU(M, D).double()
    fused = {
        "weight_ih_l0": np.concatenate([cell.W_xr, cell.W_xz, cell.W_xh]),
        "weight_hh_l0": np.concatenate([cell.W_vr, cell.W_vz, cell.W_vh]),
        "bias_ih_l0": np.concatenate([cell.b_r, cell.b_z, cell.b_h]),
        "bias_hh_l0": np.concatenate([np.zeros(2 * D), cell.b_vh]),
    }
    peer.load_state_dict({name: torch.tensor(value) for name, value in fused.items()})
    output, last = peer(torch.tensor(X), torch.tensor(S0)[None])
    traj = run(cell, X, S0)
    np.testing.assert_allclose(traj.r, output.detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(traj.s[-1], last[0].detach(), rtol=0, atol=1e-14)
    assert parameter_count(cell, "torch") == sum(p.numel() for p in peer.parameters())


def test_the_simple_rnn_of_keras_is_the_standard_rnn() -> None:
    rng = np.random.default_rng(3)
    kernel, recurrent_kernel, bias = (
        rng.standard_normal((M, D)),
        0.5 * rng.standard_normal((D, D)),
        rng.standard_normal(D),
    )
    cell = CanonicalRNN(np.zeros((D, D)), recurrent_kernel.T, kernel.T, bias)  # D8
    h, traj = np.tanh(S0), run(cell, X, S0)
    for n in range(N):
        h = np.tanh(X[n] @ kernel + h @ recurrent_kernel + bias)
        np.testing.assert_allclose(traj.r[n], h, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_gates_are_those_of_the_run(reset_after: bool) -> None:
    cell = gru(reset_after)
    for s0 in (None, S0, S0[0], GRUState(S0)):
        gates = cell.gates(X, s0)
        start = np.zeros((BATCH, D)) if s0 is None else np.broadcast_to(getattr(s0, "v", s0), (BATCH, D))
        past = np.concatenate([start[None], gates.v[:-1]])
        np.testing.assert_array_equal(gates.v, run(cell, X, s0).s)
        np.testing.assert_allclose(gates.z * past + (1 - gates.z) * gates.h, gates.v, rtol=0, atol=1e-15)
        assert gates.r.shape == (N, BATCH, D)
        assert 0 < gates.z.min() < gates.z.max() < 1


@pytest.mark.parametrize("reset_after", [True, False])
def test_numpy_and_torch_agree_and_torch_is_differentiable(reset_after: bool) -> None:
    cell = gru(reset_after)
    names = LETTERS if reset_after else LETTERS[:-1]
    own = replace(cell, **{name: torch.tensor(getattr(cell, name), requires_grad=True) for name in names})
    traj = run(own, torch.tensor(X), torch.tensor(S0))
    np.testing.assert_allclose(traj.s.detach(), run(cell, X, S0).s, rtol=0, atol=1e-14)
    traj.s.sum().backward()
    assert all(getattr(own, name).grad.abs().max() > 0 for name in names)


def test_the_parameter_counts_are_the_formulas_of_keras() -> None:
    d, m = D, M
    rng = np.random.default_rng(0)
    canonical = CanonicalRNN(rng.random((d, d)), rng.random((d, d)), rng.random((d, m)), rng.random(d))
    lstm = 4 * d * (d + m + 1)
    assert parameter_count(canonical.standard(), "keras") == d * (d + m + 1)
    assert parameter_count(canonical) == d * (2 * d + m + 1)
    assert parameter_count(gru(False), "keras") == 3 * d * (d + m + 1)
    assert parameter_count(gru(True), "keras") == 3 * d * (d + m + 2)
    assert parameter_count(gru(True)) == 3 * d * (d + m + 1) + d
    assert parameter_count(vanilla_cell(None), "keras") == lstm
    assert parameter_count(vanilla_cell("full")) == lstm + 3 * d**2
    assert parameter_count(vanilla_cell("diagonal")) == lstm + 3 * d
    assert 4 * parameter_count(gru(False)) == 3 * parameter_count(vanilla_cell(None))
    assert parameter_count(augmented_cell("none", None)) == lstm
    everything = 5 * (L * d * m + d * D_V + d) + 4 * d**2 + D_V * d
    assert parameter_count(augmented_cell("all", "full")) == everything


def test_the_parameter_counts_are_those_of_torch() -> None:
    standard = CanonicalRNN(np.zeros((D, D)), np.ones((D, D)), np.ones((D, M)), np.zeros(D))
    for cell, peer in (
        (augmented_cell("projection", None), torch.nn.LSTM(M, D, proj_size=D_V)),
        (vanilla_cell(None), torch.nn.LSTM(M, D)),
        (standard, torch.nn.RNN(M, D)),
        (gru(), torch.nn.GRU(M, D)),
    ):
        assert parameter_count(cell, "torch") == sum(p.numel() for p in peer.parameters())


BAD = {
    "W_vz": ({"W_vz": np.zeros((D, M))}, r"W_vz: expected shape \(5, 5\), got \(5, 3\)"),
    "W_xh": ({"W_xh": np.zeros((M, D))}, r"W_xh: expected shape \(5, 3\), got \(3, 5\)"),
    "b_r": ({"b_r": np.zeros(2)}, r"b_r: expected shape \(5,\), got \(2,\)"),
    "nan": ({"b_h": np.full(D, np.nan)}, r"b_h: expected finite numbers, got an array that holds NaN"),
    "b_vh": ({"b_vh": None}, r"b_vh: expected an array with reset_after=True"),
    "reset_after": ({"reset_after": False}, r"b_vh: expected None with reset_after=False"),
    "flag": ({"reset_after": 1}, r"reset_after: expected True or False"),
    "dt": ({"dt": -1.0}, r"dt: expected a number > 0, got -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_told_by_name(name: str) -> None:
    change, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        replace(gru(), **change)


def test_other_arguments_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match=r"s0.v: expected shape \(\.\.\., 5\), got \(2, 3\)"):
        run(gru(), X, GRUState(np.zeros((2, 3))))
    with pytest.raises(ValueError, match="convention: expected one of keras, own, torch"):
        parameter_count(gru(), "jax")
    with pytest.raises(ValueError, match="cell: expected a System such as a CanonicalRNN, VanillaLSTM or GRU"):
        parameter_count(torch.nn.LSTM(2, 2))
    with pytest.raises(ValueError, match=r"recurrent_activation: expected one of .*; got 'sigmid'; did you mean"):
        replace(gru(), recurrent_activation="sigmid")
