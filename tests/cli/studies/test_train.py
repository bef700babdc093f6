"""The study of training behind the command line: its networks, its pictures, its refusals."""

import numpy as np
import pytest
import torch

from ode2rnn.cli.figures import draw_training
from ode2rnn.cli.studies.networks import KINDS, shape_of
from ode2rnn.cli.studies.train import SETUPS, Choice, train_study
from ode2rnn.training import TASKS, adding, copy_memory, sunspots

SMALL = {
    "adding": lambda: adding(length=6, train=64, validation=20, test=20),
    "copy": lambda: copy_memory(delay=1, count=2, symbols=3, train=64, validation=20, test=20),
    "sunspots": sunspots,
}


def test_every_task_has_a_setup():
    assert SETUPS.keys() == TASKS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_recurrent_and_a_feed_forward_net_are_trained_and_drawn(name):
    before = torch.get_num_threads()
    study = train_study(SMALL[name](), 2, Choice(["rnn", "feed-forward"], hidden=4, epochs=2), progress=False)
    assert torch.get_num_threads() == before
    assert study.networks == ["StandardRNN, 4 units", "feed-forward, 4 units"]
    assert all(np.isfinite(outcome.score) for outcome in study.outcomes)
    assert len(study.outcomes) == 4
    figure = draw_training(study)
    left, right, *below = figure.axes
    assert len(below) == (name == "sunspots")
    curves = [line for line in left.lines if len(line.get_xdata()) == 2]
    assert len(curves) == 2 * len(study.outcomes)  # the losses in training and in validation
    for outcome, line in zip(study.outcomes, curves[1::2], strict=True):
        assert np.array_equal(line.get_ydata(), outcome.fit.validation_loss)
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == [*study.networks, *study.task.baselines]
    crosses = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "x"]
    assert crosses == list(study.task.baselines.values())


def test_the_forecast_is_drawn_in_the_unit_of_the_series():
    study = train_study("sunspots", 2, Choice(hidden=4, epochs=1), progress=False)
    below = draw_training(study).axes[2]
    truth, recurrent, *others = below.lines
    assert len(others) == len(KINDS) - 1
    assert truth.get_xdata()[0] == 1921
    assert truth.get_ydata().max() == pytest.approx(190.2, abs=1e-9)
    mean = np.mean([study.task.raw(outcome.output[:, 0]) for outcome in study.of("StandardRNN, 4 units")], axis=0)
    np.testing.assert_allclose(recurrent.get_ydata(), mean, rtol=1e-12)
    assert below.get_xlabel() == "time (year)"


def test_networks_of_equal_size_have_nearly_as_many_weights():
    study = train_study("sine", 1, Choice(epochs=1, weights=1000), progress=False)
    assert [name.split(",")[0] for name in study.networks] == [kind.title for kind in KINDS.values()]
    weights = [outcome.weights for outcome in study.outcomes]
    assert all(abs(count - 1000) < 0.06 * 1000 for count in weights), weights
    shape = shape_of(study.task)
    for outcome, kind in zip(study.outcomes, KINDS.values(), strict=True):
        units = int(outcome.network.split(", ")[1].split()[0])
        assert outcome.weights == kind.weights(shape, units)


@pytest.mark.slow
def test_both_networks_beat_persistence_and_the_ar1_model_on_the_sunspots():
    study = train_study("sunspots", 3, Choice(["rnn", "feed-forward"]), progress=False)
    for network in study.networks:
        scores = [outcome.score for outcome in study.of(network)]
        assert max(scores) < study.task.baselines["AR(1)"]
    for outcome in study.outcomes:
        assert outcome.fit.stopped == "patience"


@pytest.mark.slow
def test_the_recurrent_net_adds_what_the_feed_forward_net_of_as_many_units_does_not():
    study = train_study("adding", 1, Choice(["rnn", "feed-forward"], hidden=32, epochs=40), progress=False)
    recurrent, forward = (study.of(name)[0].score for name in study.networks)
    assert recurrent < 0.5 * forward
    assert recurrent < 0.2 * study.task.baselines["the mean of all sums"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "sunspot"}, "task: expected one of .*; did you mean 'sunspots'"),
        ({"task": 3}, "task: expected one of adding, copy, digits, sine, sunspots; got int 3"),
        ({"seeds": 0}, "seeds: expected a whole number >= 1"),
        ({"choice": Choice(hidden=0)}, "hidden: expected a whole number >= 1"),
        ({"choice": Choice(epochs=-1)}, "epochs: expected a whole number >= 1"),
        ({"choice": Choice(weights=0)}, "weights: expected a whole number >= 1"),
        ({"choice": Choice(weights=100, hidden=4)}, "weights: expected none where the units are given"),
        ({"choice": Choice([])}, "networks: expected a list of names among rnn, gru, "),
        ({"choice": Choice("rnn")}, "networks: expected a list of names"),
        ({"choice": Choice(["rnn", "rnn"])}, "networks: expected each name once"),
        ({"choice": Choice(["lstn"])}, "networks: expected one of .*; did you mean 'lstm'"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_study(**({"task": "sine"} | arguments))
