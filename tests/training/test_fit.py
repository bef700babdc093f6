"""Training: the best epoch is kept, the seed decides everything, and what cannot be trained is refused."""

import numpy as np
import pytest
import torch

from ode2rnn.training import Sequences, TrainingError, fit, predict
from ode2rnn.training.networks import Recurrent, seeded

LENGTH, COUNT = 6, 40


def sums(seed=0, count=COUNT, dtype=float):
    """Sequences of random numbers and their weighted sum."""
    x = np.random.default_rng(seed).standard_normal((LENGTH, count, 2))
    return Sequences(x, (x[-1, :, :1] - 0.5 * x[-2, :, 1:]).astype(dtype))


def network(seed=0, dropout=0.0, dtype=torch.float32):
    build = lambda: Recurrent(torch.nn.RNN(2, 8, num_layers=2, dropout=dropout, dtype=dtype), outputs=1)  # noqa: E731
    return seeded(build, seed)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def adam(model, rate=1e-2):
    return torch.optim.Adam(model.parameters(), lr=rate)


def train(model, data=None, validation=0.2, **options):
    arguments = {"optimizer": adam(model), "epochs": 6, "batch": 8, "progress": False} | options
    return fit(model, sums() if data is None else data, validation, **arguments)


def test_training_lowers_both_losses():
    result = train(network(), sums(count=200), epochs=10)
    assert result.train_loss[-1] < 0.1 * result.train_loss[0]
    assert result.best_loss < 0.2 * result.validation_loss[0]
    assert result.epochs == 10
    assert (result.stopped, result.resumed_from) == ("epochs", 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_model_is_left_with_the_weights_of_the_best_epoch(dtype):
    data = sums()
    model = network(dtype=dtype)
    # a rate so large that the loss goes up again
    result = train(model, data, 0.25, optimizer=adam(model, 0.3), epochs=15)
    assert 0 < result.best_epoch < 15
    assert result.best_loss == result.validation_loss[result.best_epoch - 1] < result.validation_loss[-1]
    last = data.take(slice(30, None))
    reached = np.mean((predict(model, last) - last.y) ** 2)
    assert reached == pytest.approx(result.best_loss, rel=1e-5 if dtype == torch.float32 else 1e-13)


def test_early_stopping_waits_for_its_patience_and_no_longer():
    model = network()
    result = train(model, optimizer=adam(model, 0.3), epochs=200, patience=4)
    assert result.stopped == "patience"
    assert result.epochs == result.best_epoch + 4 < 200
    best_so_far = np.minimum.accumulate(result.validation_loss)
    since = [n - int(np.argmin(result.validation_loss[: n + 1])) for n in range(result.epochs)]
    assert max(since[:-1]) < 4
    assert best_so_far[-1] == result.best_loss


def test_the_loss_of_the_mean_over_sequences_does_not_depend_on_the_batch():
    model, data = network(dtype=torch.float64), sums()
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    by_seven = train(model, data, data, optimizer=still, batch=7, epochs=1)
    at_once = train(model, data, data, optimizer=still, batch=COUNT, epochs=1)
    assert by_seven.train_loss[0] == pytest.approx(at_once.train_loss[0], rel=1e-13)
    assert by_seven.validation_loss[0] == pytest.approx(at_once.train_loss[0], rel=1e-13)


def test_a_share_for_validation_is_the_last_part_and_never_trained_on():
    data, asked = sums(), []
    original = data.y.copy()
    poisoned = original.copy()
    poisoned[32:] += 100.0  # other targets in the last fifth change no weight
    for y in (original, poisoned):
        model = network()
        result = train(model, Sequences(data.x, y), 0.2, epochs=1)
        asked.append((weights(model), result.train_loss[0], result.validation_loss[0]))
    assert torch.equal(asked[0][0], asked[1][0])
    assert asked[0][1] == asked[1][1]
    assert asked[1][2] > 1000 > asked[0][2]


def test_the_same_seed_gives_the_same_weights_to_the_last_bit_and_another_seed_others():
    trained = {}
    for name, seed in (("a", 3), ("again", 3), ("b", 4)):
        model = network(dropout=0.4)
        train(model, seed=seed)
        trained[name] = weights(model)
    assert torch.equal(trained["a"], trained["again"])
    assert not torch.equal(trained["a"], trained["b"])


def test_the_random_numbers_of_the_caller_stay_as_they_were():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    model = network(dropout=0.4)
    train(model)
    assert torch.equal(torch.rand(3), expected)
    assert model.training


def test_clipping_bounds_the_step_of_gradient_descent():
    data = sums()
    steps = {}
    for clip in (None, 0.01):
        model = network(dtype=torch.float64)
        before = weights(model)
        descent = torch.optim.SGD(model.parameters(), lr=1.0)
        # patience aside, one step: the batch is all of the data
        train(model, data, data, optimizer=descent, epochs=1, batch=COUNT, clip=clip)
        steps[clip] = float(torch.linalg.vector_norm(weights(model) - before))
    assert steps[0.01] == pytest.approx(0.01, rel=1e-4)  # torch adds 1e-6 to the norm
    assert steps[None] > 0.1


def test_classes_at_each_step_are_trained_by_cross_entropy():
    x = np.random.default_rng(1).standard_normal((LENGTH, 200, 2))
    data = Sequences(x, (x[:, :, 0] > 0).astype(int))
    model = seeded(lambda: Recurrent(torch.nn.GRU(2, 8, batch_first=True), 2, each_step=True), 0)
    result = fit(model, data, 0.2, optimizer=adam(model), epochs=20, progress=False)
    assert result.train_loss[0] < np.log(2) + 0.1
    output = predict(model, data)
    assert output.shape == (LENGTH, 200, 2)
    assert np.mean(output.argmax(axis=2) == data.y) > 0.95


def test_a_loss_of_your_own_is_taken():
    model = network()
    result = train(model, loss=lambda output, y: (output - y).abs().mean(), epochs=20)
    assert result.best_loss < 0.5 * result.validation_loss[0]


def test_a_loss_that_overflows_ends_the_run_with_what_was_good():
    # a product of three weights under gradient descent with a growing rate: the first epochs are good
    model = torch.nn.Sequential(Last(), torch.nn.Linear(2, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
    good = train(model, optimizer=torch.optim.SGD(model.parameters(), lr=1e-3), epochs=3)
    before = weights(model)
    with pytest.raises(TrainingError, match=r"became (inf|nan) in epoch 1; try a smaller learning rate") as caught:
        train(model, optimizer=torch.optim.SGD(model.parameters(), lr=1e4))
    assert caught.value.fit.epochs == 0
    assert caught.value.fit.best_loss == np.inf > good.best_loss
    assert torch.equal(weights(model), before)


def test_predict_gives_the_same_in_parts():
    model, data = network(dtype=torch.float64), sums()
    np.testing.assert_allclose(predict(model, data, batch=7), predict(model, data), rtol=1e-13, atol=1e-15)


def test_a_bar_is_shown_only_where_it_is_asked_for_and_stderr_is_a_terminal(capsys, monkeypatch):
    train(network(), epochs=2, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    train(network(), epochs=2, progress="the net")
    said = capsys.readouterr().err
    assert "the net" in said
    assert "2/2" in said
    train(network(), epochs=2, progress=False)
    assert capsys.readouterr().err == ""


class Last(torch.nn.Module):
    """The last step of a sequence."""

    def forward(self, x):
        return x[-1]


class Wide(torch.nn.Module):
    """Puts out what it takes, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.weight * x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "net"}, "model: expected a torch module, got str 'net'"),
        ({"model": torch.nn.Identity()}, "model: expected parameters to train"),
        ({"model": Wide()}, r"model: expected outputs of shape \(N, 1\), got \(6, 1, 2\) for one sequence"),
        ({"model": Recurrent(torch.nn.RNN(3, 4), 1)}, r"model: expected a module that takes x of shape \(6, 1, 2\)"),
        ({"train": np.zeros((6, 4, 2))}, "train: expected Sequences, got ndarray"),
        ({"validation": 1.5}, "validation: expected Sequences or a share of train; .* between 0 and 1"),
        ({"validation": 0.001}, "both parts of 40 sequences not empty"),
        ({"validation": None}, "validation: expected Sequences or a share"),
        ({"validation": Sequences(np.zeros((6, 4, 1)), np.zeros((4, 1)))}, "of the kind of train, got others"),
        ({"loss": "msee"}, "loss: expected one of cross_entropy, mse; got 'msee'; did you mean 'mse'"),
        ({"loss": "cross_entropy"}, "loss: expected 'mse' for targets that are real numbers"),
        ({"loss": 3}, "loss: expected one of mse, cross_entropy, or a function; got int 3"),
        ({"loss": lambda output, y: output - y}, "loss: expected a function that returns a scalar tensor"),
        ({"optimizer": "adam"}, "optimizer: expected one of torch.optim"),
        ({"optimizer": adam(network())}, "optimizer: expected one over the parameters of this model"),
        ({"epochs": 0}, "epochs: expected a whole number >= 1, got 0"),
        ({"batch": 1.5}, "batch: expected a whole number >= 1"),
        ({"seed": -1}, "seed: expected a whole number >= 0"),
        ({"patience": 0}, "patience: expected a whole number >= 1"),
        ({"clip": 0.0}, "clip: expected a number > 0"),
        ({"clip": float("nan")}, "clip: expected finite"),
        ({"checkpoint": 5}, "checkpoint: expected the name of a folder, got int 5"),
        ({"progress": 2}, "progress: expected True or False"),
    ],
    ids=lambda given: given if isinstance(given, str) else next(iter(given)),
)
def test_bad_arguments_are_refused_by_name_before_any_work(change, message):
    model = network()
    before = weights(model)
    arguments = {"model": model, "train": sums(), "validation": 0.2, "progress": False, "epochs": 1} | change
    with pytest.raises(ValueError, match=message):
        fit(arguments.pop("model"), arguments.pop("train"), arguments.pop("validation"), **arguments)
    assert torch.equal(weights(model), before)


def test_more_classes_than_outputs_are_refused():
    data = Sequences(np.zeros((LENGTH, 8, 2)), np.arange(8))
    with pytest.raises(ValueError, match=r"model: expected outputs of shape \(N, 8 classes or more\), got \(1, 3\)"):
        fit(Recurrent(torch.nn.RNN(2, 4), 3), data, 0.25, progress=False)


def test_numbers_that_overflow_in_the_models_precision_are_refused():
    data = Sequences(np.full((LENGTH, 4, 2), 1e300), np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"train: expected inputs that torch.float32 can hold"):
        fit(network(), data, 0.25, progress=False)
