"""When kernels are compiled: when plain code has taken as long as that, and in one line; what is compiled is used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

import ode2rnn
from ode2rnn import ContinuousRNN, Trajectory, integrate, kernels, nn, signals
from ode2rnn.kernels import engine
from ode2rnn.training import adding, fit
from ode2rnn.training.networks import Recurrent, seeded

LINE = "compiling kernels, once on this machine ...\n"
README = """
import sys
import numpy as np
from ode2rnn import ContinuousRNN, discretize, integrate, run, signals
model = ContinuousRNN(A=-np.eye(2), B=[[0.5, -1], [1, 0.5]], C=[[1], [0]], phi=[0, 0], tau=TAU)
solution = integrate(model, signals.Sine(), t=(0, 20), history=[0, 0])
if TAU:
    run(discretize(model, dt=TAU), np.sin(0.1 * np.arange(1, 201)))
solution(np.linspace(0, 20, 100))
print("numba" in sys.modules)
"""
LAYER = """
import sys, torch
from ode2rnn import nn
layer = nn.VanillaLSTM(3, 8)
layer(torch.zeros(20, 2, 3))[0].sum().backward()
print("numba" in sys.modules)
"""


def alone(job: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(ode2rnn.__file__).parents[1]), "NUMBA_CACHE_DIR": str(folder)}
    return subprocess.run([sys.executable, "-c", job], capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize("job", [README.replace("TAU", "0.1"), README.replace("TAU", "0.0"), LAYER], ids="dol")
def test_a_short_job_compiles_nothing_and_says_nothing(job: str, tmp_path: Path) -> None:
    done = alone(job, tmp_path)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_what_is_compiled_is_used_and_compiling_is_told_in_one_line(tmp_path: Path) -> None:
    job = README.replace("TAU", "0.0")
    first = alone(job.replace("solution =", "from ode2rnn import kernels\nwith kernels.always(): solution ="), tmp_path)
    assert (first.stdout, first.stderr) == ("True\n", LINE)
    second = alone(job, tmp_path)
    assert second.stdout == "True\n"
    # the steps were compiled; the values between them were asked for outside, too few for a kernel of their own
    assert second.stderr == ""


@pytest.fixture
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a new machine: no kernel is there, and none has been missed."""
    monkeypatch.setattr(engine, "ready", lambda kernel: False)
    monkeypatch.setattr(engine, "_SPENT", engine.defaultdict(float))
    with engine._mode("auto"):
        yield


MODELS = {
    "a delay equation": ("solve_panels", 0.1, "tanh"),
    "Taylor steps": ("taylor_steps", 0.0, "tanh"),
    "Runge-Kutta steps": ("tsit5_steps", 0.0, "relu"),
}


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize(("kernel", "tau", "activation"), MODELS.values(), ids=MODELS.keys())
def test_a_long_job_is_begun_again_with_kernels(
    kernel: str, tau: float, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ContinuousRNN(-np.eye(2), np.eye(2)[::-1], np.ones((2, 1)), None, tau=tau, activation=activation)

    def solved() -> Trajectory:
        return integrate(model, signals.Sine(), t=(0.0, 20.0), history=[0.1, 0.2], rtol=1e-8)

    with kernels.plain():
        plain = solved()
    with kernels.always():
        compiled = solved()
    with mock.patch.object(kernels, kernel, wraps=getattr(kernels, kernel)) as watched:
        assert np.array_equal(solved().s, plain.s)
        assert not watched.called
        engine._SPENT.clear()
        monkeypatch.setattr(engine, "PATIENCE", 1e-3)
        found = solved()
        assert watched.called
    assert found.stats == compiled.stats
    np.testing.assert_allclose(found.s, compiled.s, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("nothing_compiled")
def test_many_short_jobs_add_up_to_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = nn.VanillaLSTM(2, 3), torch.randn(50, 1, 2)
    with kernels.plain():
        plain = layer(x)[0]
    with kernels.always():
        compiled = layer(x)[0]
    assert not torch.equal(plain, compiled)
    monkeypatch.setattr(engine, "PATIENCE", 0.012)  # two passes over 50 ticks, by the estimate, and a part
    assert [torch.equal(layer(x)[0], plain) for _ in range(3)] == [True, True, False]


@pytest.mark.usefixtures("nothing_compiled")
def test_a_training_goes_on_with_the_code_it_began_with(tmp_path: Path) -> None:
    task = adding(length=12, train=32)

    def trained(epochs: int, folder: Path) -> torch.Tensor:
        model = seeded(lambda: Recurrent(nn.VanillaLSTM(2, 4), outputs=1), 0)
        fit(model, task.train, task.validation, epochs=epochs, checkpoint=folder, progress=False)
        return torch.nn.utils.parameters_to_vector(model.parameters())

    with kernels.plain():
        plain = trained(4, tmp_path / "plain")
    with kernels.always():
        compiled = trained(4, tmp_path / "compiled")
    assert not torch.equal(plain, compiled)
    trained(2, tmp_path / "run")  # short: in plain code
    with kernels.always():
        assert torch.equal(trained(4, tmp_path / "run"), plain)
    with kernels.always():
        trained(2, tmp_path / "other")
    assert torch.equal(trained(4, tmp_path / "other"), compiled)
    with kernels.plain(), pytest.raises(ValueError, match="checkpoint: expected numba"):
        trained(6, tmp_path / "other")


def test_a_kernel_is_ready_when_a_file_of_it_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "folder", lambda: tmp_path)
    (tmp_path / f"run_ticks-{'0' * 16}-1.bin").touch()  # of other sources
    (tmp_path / f"sweep_block-{engine.key()}-1.bin").touch()
    engine._kept.cache_clear()
    try:
        assert not engine.ready("run_ticks")
        assert engine.ready("sweep_block")
        (tmp_path / f"run_ticks-{engine.key()}-1.bin").touch()
        assert not engine.ready("run_ticks")  # asked once a process: a look into the folder takes a millisecond
    finally:
        monkeypatch.undo()
        engine._kept.cache_clear()


def test_a_user_without_a_home_has_a_folder_among_the_temporary_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    found = engine.folder.__wrapped__()
    assert found is not None
    assert found.name.startswith("ode2rnn-")


@pytest.mark.usefixtures("nothing_compiled")
def test_what_is_begun_again_has_every_kernel_that_it_went_without(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[bool, bool]] = []

    def job() -> None:
        found.append((engine.pays("run_ticks"), engine.pays("sweep_block")))
        engine.overdue()

    engine._SPENT["run_ticks"] = 2 * engine.PATIENCE - 1e-9
    monkeypatch.setattr(engine, "PATIENCE", 2 * engine.PATIENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.time, "thread_time", iter(range(100)).__next__)
        engine.plain_first(job)
    assert found == [(False, False), (True, True)]
