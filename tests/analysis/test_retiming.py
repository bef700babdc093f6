"""A network at other sampling steps follows its own continuous trajectory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.gated.networks import M, lstm

from ode2rnn import CanonicalRNN, nn, retime, run, signals
from ode2rnn.analysis import as_signal_of, retiming

SUNSPOTS = signals.load_series("sunspots").standardized().x[-30:]
SINE = np.sin(2 * np.pi * np.arange(30) / 11)[:, None]
LAYERS = {
    "canonical": lambda: nn.CanonicalRNN(1, 4),
    "canonical, two": lambda: nn.CanonicalRNN(1, 4, num_layers=2),
    "LSTM": lambda: nn.VanillaLSTM(1, 4),
    "LSTM, two": lambda: nn.VanillaLSTM(1, 3, num_layers=2, peephole="diagonal"),
}


def layer_of(name):
    torch.manual_seed(0)
    return LAYERS[name]().double()


@pytest.mark.parametrize("hold", ["held", "linear"])
@pytest.mark.parametrize("x", [SUNSPOTS, SINE], ids=["sunspots", "sine"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_at_finer_steps_tends_to_its_equation_at_order_one(name, x, hold):
    found = retiming(layer_of(name), x, factors=(2, 4, 8, 16, 32, 64), hold=hold)
    for kind in ("state", "readout"):
        assert found.used[kind].sum() >= 5, kind
        assert found.order[kind] == pytest.approx(1.0, abs=0.2), kind


def test_at_factor_one_it_is_the_network_itself():
    cell = lstm()
    x = np.random.default_rng(0).standard_normal((12, M))
    found = retiming(cell, x, factors=(1, 2))
    np.testing.assert_array_equal(found.readouts[0], run(cell, x).r)
    assert found.dts.tolist() == [1.0, 0.5]


def test_a_batch_is_its_members():
    cell = lstm()
    x = np.random.default_rng(0).standard_normal((6, 3, M))
    whole = retiming(cell, x, factors=(1, 4))
    for k in range(3):
        one = retiming(cell, x[:, k], factors=(1, 4))
        np.testing.assert_allclose(whole.reference[:, k], one.reference, rtol=0, atol=1e-8)
        np.testing.assert_allclose(whole.readouts[:, :, k], one.readouts, rtol=0, atol=1e-12)


def test_the_input_between_the_samples_is_what_was_said():
    x = np.array([[1.0], [3.0], [-1.0]])
    held, linear = as_signal_of(x, 0.5, "held"), as_signal_of(x, 0.5, "linear")
    at = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
    np.testing.assert_array_equal(held.left(at)[:, 0], [1, 1, 3, 3, -1, -1])
    np.testing.assert_allclose(linear(at)[:, 0], [1, 1, 2, 3, 1, -1])


def test_the_table_says_what_the_order_was_fitted_on():
    text = str(retiming(layer_of("LSTM"), SINE, factors=(4, 8, 16, 32)))
    assert text.splitlines()[0] == "retimed, input linear"
    assert text.count("*") == 8


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="factors: expected at least two increasing"):
        retiming(lstm(), np.zeros((5, M)), factors=(2,))
    with pytest.raises(ValueError, match="factors: expected"):
        retiming(lstm(), np.zeros((5, M)), factors=(2, 0))
    with pytest.raises(ValueError, match="x: expected shape"):
        retiming(lstm(), np.zeros((5, M + 1)))
    with pytest.raises(ValueError, match="hold: expected one of"):
        retiming(lstm(), np.zeros((5, M)), hold="cubic")
    with pytest.raises(ValueError, match="one direction"):
        retiming(nn.CanonicalRNN(1, 2, bidirectional=True), SINE)
    with pytest.raises(ValueError, match="no W_s to invert"):
        retiming(nn.StandardRNN(1, 2), SINE)


def test_the_finer_cell_is_that_of_retime():
    cell = CanonicalRNN(W_s=0.5, W_r=0.3, W_x=0.5, theta_s=0.1)
    found = retiming(cell, SINE, factors=(1, 4), hold="held")
    fine = run(retime(cell, 0.25), np.repeat(SINE, 4, axis=0))
    np.testing.assert_allclose(found.readouts[1], fine.r[3::4], rtol=0, atol=1e-15)
