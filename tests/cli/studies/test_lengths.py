"""The study of memory: scores by length, the same on any number of processes, at equal size; its table and picture."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ode2rnn.cli.figures import draw_lengths
from ode2rnn.cli.studies import lengths
from ode2rnn.cli.studies.length_scores import LengthScore, LengthStudy
from ode2rnn.cli.studies.lengths import MEMORIES, SYMBOLS, LengthJob, length_study
from ode2rnn.cli.studies.networks import KINDS, Shape, shape_of
from ode2rnn.cli.studies.train import Choice
from ode2rnn.training import TrainingError, adding, fit, predict
from ode2rnn.training.networks import seeded

CHOICE = Choice(["rnn", "feed-forward"], weights=150, epochs=1)
ADDING = Shape(25, 2, 1, False)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("ode2rnn.cli.studies.lengths.TRAIN", 100)


@pytest.fixture
def study():
    return length_study("adding", [6, 3], 2, CHOICE, jobs=1, progress=False)


def test_a_score_is_that_of_the_network_trained_from_its_seed(study):
    import torch

    setup, kind = MEMORIES["adding"].setup, KINDS["rnn"]
    task = adding(6, train=100)
    one = next(s for s in study.scores if (s.length, s.network, s.seed) == (6, "StandardRNN", 1))
    model = seeded(lambda: kind.build(shape_of(task), one.units, setup.open), 1)
    adam = torch.optim.Adam(model.parameters(), lr=setup.rate_of("rnn"))
    how = {"epochs": 1, "batch": setup.batch, "clip": setup.clip, "seed": 1, "progress": False}
    fit(model, task.train, task.validation, optimizer=adam, **how)
    assert one.score == task.judge(predict(model, task.test))
    assert one.weights == sum(p.numel() for p in model.parameters())
    assert study.lengths == [3, 6]
    assert study.baselines[6] == task.baselines


def test_two_processes_give_the_scores_of_one(monkeypatch):
    monkeypatch.undo()  # the others would not see it
    choice = replace(CHOICE, networks=["feed-forward"])
    one, two = (length_study("copy", [12, 11], 1, choice, jobs=jobs, progress=False) for jobs in (1, 2))
    assert one.scores == two.scores
    assert len({score.score for score in one.scores}) == 2


def test_a_training_that_fails_in_another_process_is_told(monkeypatch):
    setup = replace(MEMORIES["adding"].setup, rate=1e30, rates={}, epochs=3)
    jobs = [LengthJob("adding", 12, "rnn", 3, seed, setup, None) for seed in (0, 1)]
    with pytest.raises(TrainingError, match="the loss became") as caught:
        list(lengths._scores(jobs, 2))
    assert caught.value.fit.stopped == "failed"


@pytest.mark.parametrize("task", MEMORIES)
def test_the_lengths_are_those_of_the_sequences(task):
    memory = MEMORIES[task]
    for length in (memory.least, *memory.lengths):
        made = memory.task(length)
        assert shape_of(made).length == length
    with pytest.raises(ValueError, match="expected"):
        memory.task(memory.least - 1)
    if task == "copy":
        assert made.first_judged == length - SYMBOLS


@pytest.mark.parametrize(("task", "tolerance"), [("adding", 0.03), ("copy", 0.04)])
def test_every_network_of_the_default_study_has_nearly_as_many_weights(task, tolerance):
    memory = MEMORIES[task]
    for length in memory.lengths:
        shape = shape_of(memory.task(length))
        for kind in KINDS.values():
            weights = kind.weights(shape, kind.units(shape, memory.setup.weights))
            assert abs(weights / memory.setup.weights - 1) < tolerance, (kind.title, length, weights)


@pytest.mark.parametrize("name", KINDS)
def test_the_units_are_those_with_the_nearest_number_of_weights(name):
    kind = KINDS[name]
    sizes = np.array([kind.weights(ADDING, units) for units in range(1, 40)])
    assert (np.diff(sizes) > 0).all()
    for weights in (1, 300, 900):
        distance = np.abs(sizes - weights)
        assert distance[kind.units(ADDING, weights) - 1] == distance.min()


@pytest.mark.parametrize("name", ["gru", "lstm", "no-peepholes", "augmented"])
def test_gates_that_keep_the_state_start_open(name):
    biases = [
        value.detach()
        for which in (0.5, 3.0)
        for key, value in KINDS[name].build(ADDING, 5, which).named_parameters()
        if key in ("layer.b_z_l0", "layer.b_cs_l0")
    ]
    np.testing.assert_array_equal(np.stack(biases), np.repeat([[0.5], [3.0]], 5, axis=1))


def test_a_recurrent_net_has_one_size_at_every_length_and_the_feed_forward_net_has_not(study):
    units = {name: {s.units for s in study.scores if s.network == name} for name in study.networks}
    assert len(units["StandardRNN"]) == 1
    assert len(units["feed-forward"]) == 2


@pytest.fixture
def known():
    scores = [
        LengthScore(length, name, 3, 40, seed, value, 5, 4)
        for name, by_length in {"a": {10: (1.0, 2.0), 20: (4.0, 6.0)}, "b": {10: (2.0, 3.0), 20: (1.0, 2.0)}}.items()
        for length, values in by_length.items()
        for seed, value in enumerate(values)
    ]
    return LengthStudy("adding", "mse", tuple(scores), {10: {"mean": 7.0}, 20: {"mean": 8.0}})


def test_the_table_has_mean_and_spread_and_names_the_best_at_each_length(known):
    lines = known.table().splitlines()
    assert "mean squared error on the test part, lower is better" in lines[0]
    assert lines[1].endswith("over seeds 0, 1")
    assert [line.split() for line in lines[3:]] == [
        ["units", "weights", "10", "20"],
        ["a", "3", "40", "1.5", "(0.71)", "5", "(1.4)"],
        ["b", "3", "40", "2.5", "(0.71)", "1.5", "(0.71)"],
        ["mean", "7", "8"],
        ["best", "mean", "a", "b"],
    ]
    assert known.markdown().splitlines()[2] == "| a | 3 | 40 | 1.5 (0.71) | 5 (1.4) |"


def test_higher_is_better_for_an_accuracy(known):
    assert LengthStudy("copy", "accuracy", known.scores, known.baselines).best(10) == "b"


def test_every_score_is_saved(study, tmp_path):
    with open(study.save(tmp_path / "scores.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(study.scores) + 2
    for row, score in zip(rows, study.scores, strict=False):
        assert (int(row["length"]), row["network"], float(row["mse"])) == (score.length, score.network, score.score)
    assert [float(row["mse"]) for row in rows[-2:]] == [study.baselines[n]["the mean of all sums"] for n in (3, 6)]


def test_the_picture_shows_the_means_and_every_seed(known):
    (ax,) = draw_lengths(known).axes
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["a"].get_ydata(), [1.5, 5.0])
    np.testing.assert_allclose(lines["b"].get_ydata(), [2.5, 1.5])
    np.testing.assert_allclose(lines["mean"].get_ydata(), [7.0, 8.0])
    marks = sorted(y for line in ax.lines if line.get_label().startswith("_") for y in line.get_ydata())
    assert marks == sorted(score.score for score in known.scores)
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "sunspots"}, "task: expected one of adding, copy"),
        ({"lengths": [1]}, "lengths: expected a whole number >= 2"),
        ({"lengths": []}, "lengths: expected different lengths, at least one"),
        ({"lengths": [5, 5]}, "lengths: expected different lengths"),
        ({"seeds": 0}, "seeds: expected a whole number >= 1"),
        ({"jobs": 0}, "jobs: expected a whole number >= 1"),
        ({"choice": Choice(hidden=3, weights=150)}, "weights: expected none where the units are given"),
        ({"choice": Choice(["lstn"])}, "networks: expected one of .*; did you mean 'lstm'"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        length_study(**({"task": "adding", "lengths": [3]} | arguments))
