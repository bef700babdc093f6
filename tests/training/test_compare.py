"""A comparison: each network from each seed, the spread beside the mean, and the baselines below."""

import csv

import numpy as np
import pytest
import torch

from ode2rnn.training import Checkpoint, TrainingError, adding, compare, fit, predict, sine, sunspots
from ode2rnn.training.networks import FeedForward, Recurrent, seeded

OPTIONS = {"epochs": 2, "batch": 16, "progress": False}


def recurrent():
    return Recurrent(torch.nn.RNN(1, 4), outputs=1)


def forward():
    return FeedForward(12, 1, 4, outputs=1)


NETWORKS = {"recurrent": recurrent, "feed-forward": forward}


@pytest.fixture(scope="module")
def study():
    return compare(sunspots(), NETWORKS, seeds=[3, 1], rate=1e-2, **OPTIONS)


def test_a_score_is_that_of_the_network_trained_from_its_seed(study):
    task = sunspots()
    found = study.of("recurrent")
    assert [outcome.seed for outcome in found] == [3, 1]
    model = seeded(recurrent, 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    fit(model, task.train, task.validation, optimizer=adam, seed=1, **OPTIONS)
    truth = task.raw(task.test.y)
    error = task.raw(predict(model, task.test)) - truth
    assert found[1].score == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-14)
    assert found[1].weights == 4 + 16 + 8 + 5
    assert found[0].score != found[1].score


def test_the_table_has_mean_and_spread_and_the_baselines_beside_every_score(study):
    lines = study.table().splitlines()
    assert lines[0] == "sunspots: sunspots one year ahead from 12, judged from 1921 to 2008"
    assert lines[1] == "RMSE on the test part, lower is better; seeds 3, 1"
    rows = {line[:28].strip(): line[28:].split() for line in lines[4:]}
    assert list(rows) == ["recurrent", "feed-forward", "persistence", "AR(1)", "AR(2)", "AR(9)"]
    assert [*rows.values()][2:] == [["30.44"], ["29.28"], ["20.46"], ["17.44"]]
    scores = [outcome.score for outcome in study.of("recurrent")]
    weights, mean, spread, lowest, highest = (float(cell) for cell in rows["recurrent"])
    assert weights == 33
    np.testing.assert_allclose([mean, lowest, highest], [np.mean(scores), min(scores), max(scores)], atol=0.006)
    assert spread == pytest.approx(abs(scores[0] - scores[1]) / np.sqrt(2), rel=1e-3)


def test_one_seed_has_no_spread():
    one = compare(sine(samples=60), {"RNN": recurrent}, seeds=1, **OPTIONS)
    row = next(line for line in one.table().splitlines() if line.startswith("RNN"))
    assert row.split()[3] == "-"


def test_every_score_is_saved(study, tmp_path):
    with open(study.save(tmp_path / "scores.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["network"], row["seed"]) for row in rows[:4]] == [
        ("recurrent", "3"),
        ("recurrent", "1"),
        ("feed-forward", "3"),
        ("feed-forward", "1"),
    ]
    assert [float(row["rmse"]) for row in rows[:4]] == [outcome.score for outcome in study.outcomes]
    assert {row["network"]: float(row["rmse"]) for row in rows[4:]} == dict(study.task.baselines)


def test_an_interrupted_comparison_goes_on_to_the_same_scores(study, tmp_path):
    calls = []

    def interrupted():
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward()

    networks = NETWORKS | {"feed-forward": interrupted}
    with pytest.raises(KeyboardInterrupt):
        compare(sunspots(), networks, [3, 1], rate=1e-2, checkpoint=tmp_path / "c", **OPTIONS)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["feed-forward-3", "recurrent-1", "recurrent-3"]
    assert len(Checkpoint.load(tmp_path / "c" / "recurrent-1").train_loss) == 2
    again = compare(sunspots(), NETWORKS, [3, 1], rate=1e-2, checkpoint=tmp_path / "c", **OPTIONS)
    assert [outcome.fit.resumed_from for outcome in again.outcomes] == [2, 2, 2, 0]
    for one, other in zip(study.outcomes, again.outcomes, strict=True):
        assert one.score == other.score
        assert np.array_equal(one.output, other.output)
    assert not (tmp_path / "c").exists()


def test_a_loss_that_overflows_ends_the_comparison():
    build = {"net": lambda: torch.nn.Sequential(FeedForward(6, 2, 4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))}
    with pytest.raises(TrainingError, match="the loss became"):
        compare(adding(length=6, train=64), build, seeds=1, rate=1e30, **OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "sine"}, "task: expected a Task, as adding"),
        ({"networks": {}}, "networks: expected at least one"),
        ({"seeds": 0}, "seeds: expected a whole number >= 1"),
        ({"seeds": []}, "seeds: expected different seeds, at least one"),
        ({"seeds": [1, 1]}, "seeds: expected different seeds"),
        ({"seeds": [-1]}, "seeds: expected a whole number >= 0"),
        ({"seeds": 1.5}, "seeds: expected how many, or a list of seeds, got float 1.5"),
        ({"rate": 0}, "rate: expected a number > 0"),
        ({"epochs": 0}, "epochs: expected a whole number >= 1"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"task": sine(samples=60), "networks": NETWORKS, "seeds": 1} | OPTIONS | change
    with pytest.raises(ValueError, match=message):
        compare(arguments.pop("task"), arguments.pop("networks"), arguments.pop("seeds"), **arguments)
