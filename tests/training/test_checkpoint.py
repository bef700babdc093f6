"""An interrupted training goes on to the same result to the last bit; its files are whole or not there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ode2rnn.core import trajectory
from ode2rnn.training import Checkpoint, Sequences, fit
from ode2rnn.training import checkpoint as checkpoints
from ode2rnn.training.networks import Recurrent, seeded

LENGTH, COUNT, EPOCHS = 5, 24, 7


def data(seed=0):
    x = np.random.default_rng(seed).standard_normal((LENGTH, COUNT, 2))
    return Sequences(x, x[-1, :, :1] - x[-2, :, 1:])


class Noisy(torch.nn.Module):
    """A recurrent net with dropout and batch normalization: it draws random numbers and keeps buffers."""

    def __init__(self):
        super().__init__()
        self.recurrent = Recurrent(torch.nn.RNN(2, 6, num_layers=2, dropout=0.3), outputs=4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.out = torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.norm(self.recurrent(x)))


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2),
    "momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
    "plain": lambda p: torch.optim.SGD(p, lr=1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-2),
    "two groups": lambda p: torch.optim.Adam([{"params": p[:2], "lr": 1e-2}, {"params": p[2:]}], betas=(0.8, 0.99)),
    "a tensor as the rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-2)),
}


def train(folder=None, model=None, optimizer="adam", **options):
    """A new network unless there is one; returns it with its losses."""
    model = seeded(Noisy, 0) if model is None else model
    arguments = {"epochs": EPOCHS, "batch": 7, "clip": 0.5, "seed": 2, "progress": False} | options
    chosen = OPTIMIZERS[optimizer](list(model.parameters()))
    result = fit(model, arguments.pop("data", data()), 0.25, optimizer=chosen, checkpoint=folder, **arguments)
    return model, result


def assert_equal_to_the_last_bit(one, other):
    (model, result), (model2, result2) = one, other
    state, state2 = model.state_dict(), model2.state_dict()
    assert state.keys() == state2.keys()
    assert all(torch.equal(state[name], state2[name]) for name in state)
    assert np.array_equal(result.train_loss, result2.train_loss)
    assert np.array_equal(result.validation_loss, result2.validation_loss)
    assert (result.best_epoch, result.stopped) == (result2.best_epoch, result2.stopped)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


class Interrupting(torch.nn.Module):
    """Like the network inside, until it has run so many times: then somebody presses Ctrl-C."""

    def __init__(self, inside, runs):
        super().__init__()
        self.inside, self.runs = inside, runs

    def forward(self, x):
        self.runs -= 1
        if self.runs < 0:
            raise KeyboardInterrupt
        return self.inside(x)

    def state_dict(self, *args, **kwargs):
        return self.inside.state_dict(*args, **kwargs)

    def load_state_dict(self, *args, **kwargs):
        return self.inside.load_state_dict(*args, **kwargs)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("done", [1, 4])
def test_a_run_that_ends_at_an_epoch_goes_on_to_the_same_bits(tmp_path, optimizer, done):
    whole = train(optimizer=optimizer)
    train(tmp_path, optimizer=optimizer, epochs=done)
    resumed = train(tmp_path, optimizer=optimizer)
    assert resumed[1].resumed_from == done
    assert_equal_to_the_last_bit(whole, resumed)


# each epoch runs 3 batches and 1 validation; 1 run comes before the first
@pytest.mark.parametrize("runs", [1, 2, 3, 4, 5, 9, 11, 12, 13, 4 * EPOCHS])
@pytest.mark.parametrize("same_model", [False, True])
def test_a_run_interrupted_anywhere_goes_on_to_the_same_bits(tmp_path, runs, same_model):
    whole = train()
    model = Interrupting(seeded(Noisy, 0), runs)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, model)
    resumed = train(tmp_path, model.inside if same_model else None)
    assert resumed[1].resumed_from == (runs - 1) // 4
    assert_equal_to_the_last_bit(whole, resumed)


def test_a_run_interrupted_again_and_again_ends_in_the_same_bits(tmp_path):
    whole = train()
    for k in range(EPOCHS - 1):
        model = Interrupting(seeded(Noisy, 0), 6)  # one epoch and a bit more each time
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, model)
        assert len(Checkpoint.load(tmp_path).train_loss) == k + 1
    assert_equal_to_the_last_bit(whole, train(tmp_path))


def test_a_run_stopped_early_is_finished_and_goes_on_with_more_patience(tmp_path):
    options = {"optimizer": "momentum", "epochs": 60}
    short, long = train(patience=2, **options), train(patience=9, **options)
    assert short[1].stopped == "patience"
    assert short[1].epochs < long[1].epochs
    assert_equal_to_the_last_bit(short, train(tmp_path, patience=2, **options))
    again = train(tmp_path, patience=2, **options)
    assert again[1].resumed_from == again[1].epochs
    assert_equal_to_the_last_bit(short, again)
    assert_equal_to_the_last_bit(long, train(tmp_path, patience=9, **options))


def test_writing_checkpoints_changes_nothing(tmp_path):
    assert_equal_to_the_last_bit(train(), train(tmp_path))


def test_a_checkpoint_is_json_and_safetensors_and_no_pickle(tmp_path):
    train(tmp_path)
    assert files(tmp_path) == ["checkpoint.json", f"tensors-{EPOCHS}.safetensors"]
    text = json.loads((tmp_path / "checkpoint.json").read_text())
    assert len(text["train_loss"]) == EPOCHS
    tensors = (tmp_path / text["tensors"]).read_bytes()
    assert tensors[8:9] == b"{"  # the header of safetensors: its length, then JSON
    assert b"pickle" not in tensors
    found = Checkpoint.load(tmp_path)
    assert found.optimizer["param_groups"][0]["betas"] == (0.9, 0.999)
    assert found.optimizer["state"].keys() == set(range(len(found.optimizer["state"])))


WRITES = ["tensors", "checkpoint"]


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("when", ["while it is written", "before it is renamed", "after it is renamed"])
def test_a_run_interrupted_while_it_writes_leaves_one_whole_checkpoint(tmp_path, monkeypatch, kind, when):
    whole = train()
    write, calls = trajectory.write_whole, []

    def interrupt(path, fill):
        calls.append(path.name.startswith(kind))
        if not calls[-1] or sum(calls) < 5:  # the first is before the first epoch
            return write(path, fill)

        def half(temporary):
            fill(temporary)
            if when == "while it is written":
                temporary.write_bytes(temporary.read_bytes()[:100])
            raise KeyboardInterrupt

        write(path, fill if when == "after it is renamed" else half)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_whole", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    assert sum(calls) == 5
    assert not [name for name in files(tmp_path) if name.startswith(".")]
    done = len(Checkpoint.load(tmp_path).train_loss)
    assert done == (4 if (kind, when) == ("checkpoint", "after it is renamed") else 3)
    resumed = train(tmp_path)
    assert resumed[1].resumed_from == done
    assert_equal_to_the_last_bit(whole, resumed)
    assert files(tmp_path) == ["checkpoint.json", f"tensors-{EPOCHS}.safetensors"]


KILLED = """
import sys
sys.path.insert(0, {root!r})
from tests.training.test_checkpoint import train
train({folder!r}, epochs=100000)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_process_that_is_killed_leaves_a_checkpoint_that_goes_on_to_the_same_bits(tmp_path):
    code = KILLED.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    try:
        while process.poll() is None and time.monotonic() < until:
            found = tmp_path / "checkpoint.json"
            if found.exists() and len(json.loads(found.read_text())["train_loss"]) >= 5:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    done = len(Checkpoint.load(tmp_path).train_loss)
    assert done >= 5
    resumed = train(tmp_path, epochs=done + 3)
    assert resumed[1].resumed_from == done
    assert_equal_to_the_last_bit(train(epochs=done + 3), resumed)
    assert files(tmp_path) == ["checkpoint.json", f"tensors-{done + 3}.safetensors"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 8}, r"another in its batch \(8, there it is 7\)"),
        ({"seed": 3}, r"another in its seed \(3, there it is 2\)"),
        ({"clip": None}, r"another in its clip \(None, there it is 0.5\)"),
        ({"loss": lambda output, y: (output - y).abs().mean()}, "another in its loss"),
        ({"optimizer": "plain"}, "another in its optimizer"),
        ({"data": data(1)}, "another in its data; choose another folder, or delete the checkpoint"),
        ({"model": Recurrent(torch.nn.RNN(2, 3), 1)}, "another in its weights"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, options, message):
    train(tmp_path, epochs=1)
    with pytest.raises(ValueError, match="checkpoint: expected the run that wrote it, got " + message):
        train(tmp_path, **options)


@pytest.mark.parametrize(
    "break_it", ["no json", "cut tensors", "no tensors", "another format", "a list", "a field less"]
)
def test_files_that_are_no_checkpoint_are_refused_by_name(tmp_path, break_it):
    train(tmp_path, epochs=1)
    path, tensors = tmp_path / "checkpoint.json", tmp_path / "tensors-1.safetensors"
    text = json.loads(path.read_text())
    if break_it == "cut tensors":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif break_it == "no tensors":
        tensors.unlink()
    else:
        less = {name: value for name, value in text.items() if name != "best"}
        texts = {"no json": "{", "a list": "[]", "another format": json.dumps(text | {"format": 2})}
        path.write_text(texts.get(break_it, json.dumps(less)))
    with pytest.raises(ValueError, match=r"checkpoint: expected files that fit wrote, got '.*checkpoint.json', which"):
        train(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ValueError, match="checkpoint: expected a folder, got the file"):
        train(tmp_path / "run")


def test_removing_a_checkpoint_leaves_what_is_not_its_own(tmp_path):
    train(tmp_path / "a", epochs=1)
    train(tmp_path / "b", epochs=1)
    (tmp_path / "b" / "notes.txt").write_text("mine")
    for name in ("a", "b", "c"):
        Checkpoint.remove(tmp_path / name)
    assert files(tmp_path) == ["b"]
    assert files(tmp_path / "b") == ["notes.txt"]
    assert Checkpoint.load(tmp_path / "b") is None
