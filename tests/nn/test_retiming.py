"""retime(layer, dt): a module with the layer's call, at another sampling step."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from ode2rnn import ContinuousLSTM, nn, parameter_count, retime, run, undiscretize

N, BATCH, M, D = 6, 4, 2, 3
KINDS = {"canonical": nn.CanonicalRNN, "LSTM": nn.VanillaLSTM}


def layer_of(kind, **options):
    torch.manual_seed(1)
    return KINDS[kind](M, D, dtype=torch.float64, **options)


def inputs(ticks=N):
    return torch.randn(ticks, BATCH, M, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_at_its_own_step_it_is_the_layer(kind, layers):
    layer, x = layer_of(kind, num_layers=layers), inputs()
    output, last = layer(x)
    again, end = retime(layer, 1.0)(x)
    torch.testing.assert_close(again, output, rtol=0, atol=1e-14)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_the_retimed_cells_one_above_the_other(kind):
    layer, x = layer_of(kind, num_layers=2), inputs(4 * N)
    with torch.no_grad():
        found, last = retime(layer, 0.25)(x)
        below = run(retime(layer.cell(0), 0.25), x)
        above = run(retime(layer.cell(1), 0.25), below.r)
    torch.testing.assert_close(found, above.r, rtol=0, atol=0)
    state = last[1] if kind == "LSTM" else last
    torch.testing.assert_close(state[1], above.s[-1], rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_those_of_the_layer(kind):
    x = inputs()
    for options in ({}, {"batch_first": True}, {"num_layers": 2, "batch_first": True}):
        layer = layer_of(kind, **options)
        given = x.transpose(0, 1) if layer.batch_first else x
        for one in (given, x[:, 0]):
            want, got = layer(one), retime(layer, 0.5)(one)
            assert got[0].shape == want[0].shape
            ends = [(a.shape, b.shape) for a, b in zip(_tuple(got[1]), _tuple(want[1]), strict=True)]
            assert all(a == b for a, b in ends)


def _tuple(value):
    return value if isinstance(value, tuple) else (value,)


def test_a_start_stands_for_the_past():
    layer = layer_of("LSTM")
    h, c = (torch.full((1, BATCH, D), value, dtype=torch.float64) for value in (0.2, -0.4))
    x = inputs()
    found, _ = retime(layer, 0.5)(x, (h, c))
    cell = retime(layer.cell(), 0.5)
    expected = run(cell, x, cell.remember(lambda n: c[0], lambda n: h[0])).r
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_layers_own_weights(kind):
    layer = layer_of(kind)
    fine = retime(layer, 0.5)
    assert {id(p) for p in fine.parameters()} == {id(p) for p in layer.parameters()}
    x = inputs()
    fine(x)[0].square().sum().backward()
    name = "W_xcs_l0" if kind == "LSTM" else "W_x_l0"
    W = getattr(layer, name)
    h, way = 1e-4, torch.ones_like(W)
    with torch.no_grad():
        values = []
        for k in (1, -1):
            W.add_(k * h * way)
            values.append(fine(x)[0].square().sum())
            W.sub_(k * h * way)
    assert float((W.grad * way).sum()) == pytest.approx(float(values[0] - values[1]) / (2 * h), rel=1e-6)


def test_a_layer_with_another_dt_is_retimed_from_there():
    layer = layer_of("LSTM", dt=0.5)
    assert retime(layer, 0.125).lag == 4
    assert retime(retime(layer, 0.125), 0.25).lag == 2
    assert "lag=4" in repr(retime(layer, 0.125))
    with pytest.raises(ValueError, match=r"divides the delay 0.5, got 0.2; the nearest"):
        retime(layer, 0.2)


@pytest.mark.parametrize("take", [undiscretize, ContinuousLSTM, parameter_count])
def test_a_layer_in_place_of_its_cell_is_told_where_the_cell_is(take):
    with pytest.raises(ValueError, match=r"cell: expected a .* got a layer, VanillaLSTM; its cell\(\) is one$"):
        take(layer_of("LSTM"))


def test_what_cannot_be_retimed_is_refused_by_name():
    with pytest.raises(ValueError, match="layer: expected one direction"):
        retime(layer_of("LSTM", bidirectional=True), 0.5)
    with pytest.raises(ValueError, match="W_s: expected an invertible matrix"):
        retime(nn.StandardRNN(M, D), 0.5)
    with pytest.raises(ValueError, match="cell: expected a CanonicalRNN or VanillaLSTM, got AugmentedLSTM"):
        retime(nn.AugmentedLSTM(M, D), 0.5)
    with pytest.raises(ValueError, match="cell: expected a CanonicalRNN or VanillaLSTM"):
        retime(torch.nn.LSTM(M, D), 0.5)
    with pytest.raises(ValueError, match="input: expected a tensor"):
        retime(layer_of("LSTM"), 0.5)(pack_sequence([inputs()[:, 0]]))
    with pytest.raises(ValueError, match="input: expected shape"):
        retime(layer_of("LSTM"), 0.5)(torch.zeros(N, BATCH, M + 1, dtype=torch.float64))
