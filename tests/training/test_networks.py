"""The networks: any layer with the call of torch.nn.RNN under a readout, and the feed-forward baseline."""

import pytest
import torch
from torch import nn

from ode2rnn.nn import CanonicalRNN, StandardRNN
from ode2rnn.training import fit, predict, sine
from ode2rnn.training.networks import FeedForward, Recurrent, seeded

X = torch.randn(7, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LAYERS = {
    "torch RNN": lambda **options: nn.RNN(2, 5, **options),
    "torch LSTM": lambda **options: nn.LSTM(2, 5, **options),
    "torch LSTM with projections": lambda **options: nn.LSTM(2, 5, proj_size=4, **options),
    "torch GRU": lambda **options: nn.GRU(2, 5, **options),
    "StandardRNN": lambda **options: StandardRNN(2, 5, **options),
    "CanonicalRNN": lambda **options: CanonicalRNN(2, 5, **options),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("each_step", [False, True])
def test_the_readout_is_of_the_layers_output(name, each_step):
    net = seeded(lambda: Recurrent(LAYERS[name](dtype=torch.float64), 4, each_step), 0)
    output = net.layer(X)[0]
    expected = net.readout(output if each_step else output[-1])
    assert torch.equal(net(X), expected)
    assert net(X).shape == ((7, 3, 4) if each_step else (3, 4))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_with_the_batch_first_gives_the_same(name):
    one = seeded(lambda: Recurrent(LAYERS[name](dtype=torch.float64), 4, True), 0)
    other = seeded(lambda: Recurrent(LAYERS[name](dtype=torch.float64, batch_first=True), 4, True), 0)
    torch.testing.assert_close(one(X), other(X), rtol=1e-13, atol=1e-14)


def test_both_directions_are_read_at_each_step_only():
    net = Recurrent(nn.RNN(2, 5, bidirectional=True, dtype=torch.float64), 4, each_step=True)
    assert net(X).shape == (7, 3, 4)
    with pytest.raises(ValueError, match="layer: expected one direction where the last step is read"):
        Recurrent(nn.RNN(2, 5, bidirectional=True), 4)


@pytest.mark.parametrize("name", ["torch RNN", "StandardRNN", "CanonicalRNN"])
def test_each_layer_learns_to_forecast(name):
    task = sine(samples=200, noise=0.05)
    layers = {"torch RNN": nn.RNN, "StandardRNN": StandardRNN, "CanonicalRNN": CanonicalRNN}
    net = seeded(lambda: Recurrent(layers[name](1, 8), 1), 0)
    fit(
        net,
        task.train,
        task.validation,
        optimizer=torch.optim.Adam(net.parameters(), lr=1e-2),
        epochs=25,
        progress=False,
    )
    assert task.judge(predict(net, task.test)) < 0.5 * task.baselines["AR(1)"]


def test_the_feed_forward_net_sees_every_value_of_the_sequence():
    net = seeded(lambda: FeedForward(7, 2, 6, 4).double(), 0)
    x = X.clone().requires_grad_()
    net(x).sum().backward()
    assert (x.grad != 0).all()
    assert net(X).shape == (3, 4)


def test_the_feed_forward_net_puts_out_every_step_of_its_own_sequence():
    net = seeded(lambda: FeedForward(7, 2, 6, 4, each_step=True).double(), 0)
    assert net(X).shape == (7, 3, 4)
    torch.testing.assert_close(net(X)[:, 1], net(X[:, 1:2])[:, 0], rtol=1e-13, atol=1e-15)


def test_the_feed_forward_net_takes_its_own_length_only():
    with pytest.raises(ValueError, match=r"x: expected shape \(7, N, 2\), got \(6, 3, 2\)"):
        FeedForward(7, 2, 6, 4)(X[1:].float())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Recurrent(nn.Linear(2, 3), 1), "layer: expected a torch module with hidden_size"),
        (lambda: Recurrent("RNN", 1), "layer: expected a torch module with hidden_size"),
        (lambda: Recurrent(nn.RNN(2, 3), 0), "outputs: expected a whole number >= 1"),
        (lambda: Recurrent(nn.RNN(2, 3), 1, "no"), "each_step: expected True or False"),
        (lambda: FeedForward(0, 1, 1, 1), "length: expected a whole number >= 1"),
        (lambda: FeedForward(2, 1, 0, 1), "hidden: expected a whole number >= 1"),
        (lambda: seeded(nn.Identity, -1), "seed: expected a whole number >= 0"),
    ],
)
def test_bad_networks_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_building_from_a_seed_leaves_the_random_numbers_of_the_caller():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    seeded(lambda: nn.Linear(2, 2), 1)
    assert torch.equal(torch.rand(2), expected)
