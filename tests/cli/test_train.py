"""ode2rnn train: the table of one command, what it writes, how an interrupted one goes on, and what it refuses."""

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ode2rnn.cli import app
from ode2rnn.cli.studies.lengths import length_study
from ode2rnn.cli.studies.train import SETUPS, Choice, train_study
from ode2rnn.training import Checkpoint, TrainingError, fit

PLAIN = ("rnn", "feed-forward")
SMALL = ("--seeds", "2", "--units", "3", "--epochs", "2", "--networks", ",".join(PLAIN))
BY_LENGTH = ("--lengths", "14,4", "--seeds", "2", "--weights", "100", "--epochs", "1", "--networks", ",".join(PLAIN))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_one_command_prints_the_scores_beside_the_baselines_and_writes_both_files():
    result = train("sunspots", *SMALL)
    assert result.exit_code == 0, result.output
    study = train_study("sunspots", 2, Choice(PLAIN, hidden=3, epochs=2), progress=False)
    assert study.table() in result.stdout
    for said in ("StandardRNN, 3 units", "feed-forward, 3 units", "persistence", "AR(9)", "17.44", "spread"):
        assert said in result.stdout
    with open("train/sunspots.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rmse"]) for row in rows] == [
        *(outcome.score for outcome in study.outcomes),
        *study.task.baselines.values(),
    ]
    assert Path("train/sunspots.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in Path("train").iterdir()) == ["sunspots.csv", "sunspots.png"]


def interrupt_in_the_third_training(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def third(*args, **kwargs):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*args, **kwargs)

    monkeypatch.setattr(sys.modules["ode2rnn.training.compare"], "fit", third)


def test_an_interrupted_command_goes_on_when_it_is_given_again(monkeypatch):
    whole = train("sunspots", *SMALL, "--out", "whole")
    with monkeypatch.context() as patched:
        interrupt_in_the_third_training(patched)
        result = train("sunspots", *SMALL)
    assert result.exit_code == 130
    assert "interrupted: the same command goes on from here" in result.stderr
    assert [path.name for path in Path("train").iterdir()] == ["sunspots-unfinished"]
    kept = Checkpoint.load("train/sunspots-unfinished/standardrnn-3-units-1")
    assert len(kept.train_loss) == 2
    again = train("sunspots", *SMALL)
    assert again.exit_code == 0, again.output
    assert Path("train/sunspots.csv").read_bytes() == Path("whole/sunspots.csv").read_bytes()
    assert again.stdout.replace("train/", "whole/") == whole.stdout
    assert not Path("train/sunspots-unfinished").exists()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ode2rnn.cli.studies.lengths.TRAIN", 60)
    monkeypatch.setattr("ode2rnn.cli.studies.lengths.cores", lambda: 1)


def test_scores_by_length_are_printed_saved_and_drawn_and_an_interrupted_command_goes_on(few, monkeypatch):
    whole = train("adding", *BY_LENGTH, "--out", "whole")
    assert whole.exit_code == 0, whole.output
    study = length_study("adding", [4, 14], 2, Choice(PLAIN, weights=100, epochs=1), jobs=1, progress=False)
    assert study.table() in whole.stdout
    assert sorted(path.name for path in Path("whole").iterdir()) == ["adding-lengths.csv", "adding-lengths.png"]
    with monkeypatch.context() as patched:
        interrupt_in_the_third_training(patched)
        stopped = train("adding", *BY_LENGTH)
    assert stopped.exit_code == 130
    assert "the same command goes on from here" in stopped.stderr
    kept = sorted(path.name for path in Path("train/adding-lengths-unfinished").iterdir())
    assert kept == ["rnn-14-0", "rnn-14-1"]  # the longest first
    again = train("adding", *BY_LENGTH)
    assert again.exit_code == 0, again.output
    assert Path("train/adding-lengths.csv").read_bytes() == Path("whole/adding-lengths.csv").read_bytes()
    assert not Path("train/adding-lengths-unfinished").exists()


def test_what_is_kept_of_an_interrupted_command_is_refused_by_another_one(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_in_the_third_training(patched)
        train("sunspots", *SMALL)
    monkeypatch.setattr("ode2rnn.cli.studies.train.SETUPS", {"sunspots": replace(SETUPS["sunspots"], rate=0.5)})
    refused(train("sunspots", *SMALL), r"--out: train.sunspots-unfinished: expected the run that wrote it, got another")


def test_a_training_that_diverges_ends_with_1(monkeypatch):
    def diverges(*args, **kwargs):
        raise TrainingError("the loss became nan in epoch 1; try a smaller learning rate", None)

    monkeypatch.setattr(sys.modules["ode2rnn.training.compare"], "fit", diverges)
    refused(train("sine", *SMALL), "the loss became nan in epoch 1", code=1)


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refused(train("digits", *SMALL), r'pip install "ode2rnn\[data\]"')


def refused(result: Result, message: str, code: int = 2) -> None:
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sunspot"], "TASK: expected one of adding, copy, digits, sine, sunspots; .* did you mean 'sunspots'"),
        ([""], "TASK: expected one of"),
        (["sine", "--seeds", "0"], "--seeds: expected a whole number >= 1, got 0"),
        (["sine", "--units", "-2"], "--units: expected a whole number >= 1, got -2"),
        (["sine", "--epochs", "0"], "--epochs: expected a whole number >= 1, got 0"),
        (["sine", "--weights", "0"], "--weights: expected a whole number >= 1, got 0"),
        (["sine", "--weights", "9", "--units", "2"], "--weights: expected none where the units are given"),
        (["sine", "--networks", "rnn,lstn"], "--networks: expected one of .*; did you mean 'lstm'"),
        (["sine", "--lengths", "10"], "TASK: expected one of adding, copy"),
        (["adding", "--lengths", "10,x"], "--lengths: expected whole numbers separated by commas, as in 25,50,100"),
        (["adding", "--lengths", "1"], "--lengths: expected a whole number >= 2, got 1"),
        (["copy", "--lengths", "10"], "--lengths: expected a whole number >= 11, got 10"),
        (["adding", "--lengths", "5,5"], "--lengths: expected different lengths"),
        (["sine", "--out", "file/below"], "--out: expected a folder to write into, .* is a file"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_any_work(here, arguments, message):
    (here / "file").write_text("")
    refused(train(*arguments), message)
    assert [path.name for path in here.iterdir()] == ["file"]
