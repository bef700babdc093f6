"""Layers from Keras's weights compute Keras's equations, written out here for rows: h = G(x W + h U + b)."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from ode2rnn.nn import GRU, AugmentedLSTM, CanonicalRNN, StandardRNN, VanillaLSTM

T, B, M, U = 7, 4, 3, 5
LAYERS = [(StandardRNN, 1), (CanonicalRNN, 1), (VanillaLSTM, 4), (AugmentedLSTM, 4), (GRU, 3)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def weights(blocks: int, m: int = M, bias: str = "row", seed: int = 0) -> list[np.ndarray]:
    """kernel, recurrent_kernel and bias as get_weights() gives them; bias of one "row", "two" of them, or "none"."""
    rng = np.random.default_rng(seed)
    shapes = {"row": [(blocks * U,)], "two": [(2, blocks * U)], "none": []}[bias]
    return [rng.normal(size=shape) / 2 for shape in ((m, blocks * U), (U, blocks * U), *shapes)]


def keras(blocks: int, x: np.ndarray, W: np.ndarray, R: np.ndarray, b: np.ndarray | float = 0.0) -> np.ndarray:
    """SimpleRNN, LSTM or GRU (reset_after where the bias has two rows) with return_sequences, x (batch, T, m)."""
    h = c = np.zeros((len(x), U))
    two, out = np.ndim(b) == 2, []
    first, second = b if two else (b, 0.0)
    for n in range(x.shape[1]):
        xs = x[:, n] @ W + first
        if blocks == 1:
            h = np.tanh(xs + h @ R)
        elif blocks == 4:
            i, f, c_tilde, o = np.split(xs + h @ R, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(c_tilde)
            h = sigmoid(o) * np.tanh(c)
        else:
            x_z, x_r, x_h = np.split(xs, 3, axis=1)
            h_z, h_r, h_h = np.split(h @ R + second, 3, axis=1)
            z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
            candidate = np.tanh(x_h + r * h_h) if two else np.tanh(x_h + (r * h) @ R[:, 2 * U :])
            h = z * h + (1 - z) * candidate
        out.append(h)
    return np.stack(out, axis=1)


def inputs(m: int = M) -> np.ndarray:
    return np.random.default_rng(9).normal(size=(B, T, m))


def close(layer: torch.nn.Module, x: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(layer(torch.from_numpy(x))[0].detach().numpy(), want, rtol=1e-12, atol=1e-12)


CASES = [(kind, blocks, bias) for kind, blocks in LAYERS for bias in ("row", "none")] + [(GRU, 3, "two")]


@pytest.mark.parametrize(("kind", "blocks", "bias"), CASES)
def test_a_layer_from_keras_computes_its_equations_and_goes_back(kind: type, blocks: int, bias: str) -> None:
    given = weights(blocks, bias=bias)
    options = {"reset_after": False} if kind is GRU and bias == "none" else {}
    layer = kind.from_keras(given, **options)
    assert layer.batch_first
    close(layer, inputs(), keras(blocks, inputs(), *given))
    back = layer.to_keras()
    assert [array.shape for array in back] == [array.shape for array in given]
    close(kind.from_keras(back, **options), inputs(), keras(blocks, inputs(), *given))
    if bias != "two":  # of two rows only the sum is kept, but for the candidate
        for ours, theirs in zip(back, given, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_gru_without_bias_resets_after_the_product_unless_told_otherwise() -> None:
    given = weights(3, bias="none")
    layer = GRU.from_keras(given)
    assert layer.reset_after
    close(layer, inputs(), keras(3, inputs(), *given, np.zeros((2, 3 * U))))


@pytest.mark.parametrize(("kind", "blocks"), LAYERS)
def test_a_bidirectional_stack_is_that_of_keras(kind: type, blocks: int) -> None:
    lower = [weights(blocks, seed=k) for k in range(2)]
    upper = [weights(blocks, m=2 * U, seed=k) for k in range(2, 4)]
    layer = kind.from_keras([*lower[0], *lower[1], *upper[0], *upper[1]], num_layers=2, bidirectional=True)
    x = inputs()
    for forward, backward in (lower, upper):
        x = np.concatenate([keras(blocks, x, *forward), keras(blocks, x[:, ::-1], *backward)[:, ::-1]], axis=-1)
    close(layer, inputs(), x)
    assert len(layer.to_keras()) == 12


def test_options_reach_the_layer_and_the_dtype_is_that_of_the_arrays() -> None:
    narrow = [array.astype(np.float32) for array in weights(4)]
    assert VanillaLSTM.from_keras(narrow).W_xcu.dtype is torch.float32
    assert VanillaLSTM.from_keras(narrow, dtype=torch.float64).W_xcu.dtype is torch.float64
    assert VanillaLSTM.from_keras(narrow).to_keras()[0].dtype == np.float32
    layer = VanillaLSTM.from_keras(weights(4), peephole="diagonal", batch_first=False)
    assert (layer.peephole, layer.batch_first) == ("diagonal", False)
    assert not layer.W_scu.any()
    x = inputs()
    close(layer, x.transpose(1, 0, 2), keras(4, x, *weights(4)).transpose(1, 0, 2))
    relu = StandardRNN.from_keras(weights(1), nonlinearity="relu")
    assert (relu(torch.from_numpy(x))[0] >= 0).all()


def test_weights_of_a_layer_of_ours_run_in_the_equations_of_keras() -> None:
    torch.manual_seed(4)
    for kind, blocks in ((StandardRNN, 1), (VanillaLSTM, 4), (GRU, 3)):
        options = {"peephole": None, "forget_bias": 1.0} if blocks == 4 else {}
        layer = kind(M, U, batch_first=True, dtype=torch.float64, **options)
        arrays = layer.to_keras()
        close(layer, inputs(), keras(blocks, inputs(), *arrays))
        if blocks == 4:
            np.testing.assert_array_equal(arrays[2][U : 2 * U], 1)  # unit_forget_bias


W, R, b = weights(4)
BAD = [
    (("W", "R"), {}, "weights[0]: expected an array of real numbers"),
    ("weights", {}, "weights: expected a list of arrays, as get_weights() gives, got str"),
    (
        [W],
        {},
        "weights: expected kernel, recurrent_kernel and (or not) bias of each recursion, 2 or 3 arrays for 1, got 1",
    ),
    ([W, R, b], {"num_layers": 2}, "4 or 6 arrays for 2, got 3"),
    ([W[:, :-1], R, b], {}, "weights[0]: expected shape (3, 20), got (3, 19)"),
    ([W, R.T, b], {}, "weights[0]: expected shape (3, 80), got (3, 20)"),
    ([W, R, b[:-1]], {}, "weights[2]: expected shape (20,), got (19,)"),
    ([W, R, np.stack([b, b])], {}, "weights[2]: expected shape (20,), got (2, 20)"),
    ([W, R, b * np.nan], {}, "weights[2]: expected finite numbers, got an array that holds NaN"),
    ([W, R, b], {"peephole": "half"}, "peephole: expected 'full', 'diagonal' or None"),
    ([1.0, R, b], {}, "weights[0]: expected shape (m, k u), the kernel with k = 4, got ()"),
]


@pytest.mark.parametrize(("given", "options", "message"), BAD, ids=[message for _, _, message in BAD])
def test_arrays_that_do_not_fit_are_refused_by_position(given: object, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        VanillaLSTM.from_keras(given, **options)


def test_a_gru_wants_the_bias_that_its_kind_has() -> None:
    with pytest.raises(ValueError, match=re.escape("weights[2]: expected shape (15,), got (2, 15)")):
        GRU.from_keras(weights(3, bias="two"), reset_after=False)
    with pytest.raises(ValueError, match=re.escape("weights[2]: expected shape (2, 15), got (15,)")):
        GRU.from_keras(weights(3), reset_after=True)
    with pytest.raises(ValueError, match="external_gate: expected False"):
        AugmentedLSTM.from_keras(weights(4), external_gate=True)
    with pytest.raises(ValueError, match="proj_size: expected 0, since weights 0"):
        AugmentedLSTM.from_keras(weights(4), proj_size=2)
