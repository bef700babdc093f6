"""Compiled code that is kept: never out of date, never wrong for a processor, and never in the way."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ode2rnn

SOURCE = Path(ode2rnn.__file__).parent

# one kernel with inner functions of three files, and a result that is known
JOB = """
import numpy as np
from ode2rnn import CanonicalRNN, kernels, run
cell = CanonicalRNN(0.0, 0.0, 1.0, 0.0, activation="relu")
with kernels.always():
    print(run(cell, np.linspace(-1.0, 2.0, 60)[:, None]).r.sum().round(9))
"""
EXPECTED = str(round(sum(max(-1.0 + 3.0 * i / 59, 0.0) for i in range(60)), 9))


def run(job: str = JOB, before: str = "", source: Path = SOURCE, **variables: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in which warnings are shown."""
    environment = os.environ | {"PYTHONPATH": str(source.parent), "PYTHONWARNINGS": "always"} | variables
    return subprocess.run(
        [sys.executable, "-c", before + job], capture_output=True, text=True, timeout=300, check=False, env=environment
    )


def assert_right(done: subprocess.CompletedProcess[str], warnings: int = 0, expected: str = EXPECTED) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected
    assert done.stderr.count("Warning") == warnings, done.stderr


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.rglob("*.bin"))}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernels of the job."""
    folder = tmp_path_factory.mktemp("kernels")
    assert_right(run(NUMBA_CACHE_DIR=str(folder)))
    assert files(folder)
    return folder


def test_a_second_process_compiles_nothing(filled: Path) -> None:
    before = files(filled)
    no_compiler = "from numba.core import compiler\ncompiler.CompilerBase.compile_extra = None\n"
    assert_right(run(before=no_compiler, NUMBA_CACHE_DIR=str(filled)))
    assert files(filled) == before


def test_an_edit_of_an_inner_function_takes_effect_at_once(tmp_path: Path, filled: Path) -> None:
    copy = tmp_path / "ode2rnn"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    folder = shutil.copytree(filled, tmp_path / "kernels")
    activations = copy / "kernels" / "elementwise" / "activations.py"
    text = activations.read_text()
    assert text.count("return below(x, 0.0, 0.0, x)") == 1
    activations.write_text(text.replace("return below(x, 0.0, 0.0, x)", "return below(x, 0.0, 0.0, 2.0 * x)"))
    assert_right(run(source=copy, NUMBA_CACHE_DIR=str(folder)), expected=str(2 * float(EXPECTED)))
    assert_right(run(NUMBA_CACHE_DIR=str(folder)))


def test_processors_of_different_widths_share_a_folder(tmp_path: Path) -> None:
    folder = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert_right(run(**folder, NUMBA_CPU_NAME="generic"))
    narrow = files(tmp_path)
    assert_right(run(**folder))
    both = files(tmp_path)
    assert {name: both[name] for name in narrow} == narrow
    assert len(both) == 2 * len(narrow)
    assert_right(run(**folder, NUMBA_CPU_NAME="generic"))
    assert files(tmp_path) == both


@pytest.mark.parametrize("damage", ["cut", "turned", "empty", "another"])
def test_damage_is_healed(tmp_path: Path, filled: Path, damage: str) -> None:
    folder = shutil.copytree(filled, tmp_path / "kernels")
    before = files(folder)
    for file in folder.rglob("*.bin"):
        content = file.read_bytes()
        middle = len(content) // 2
        wrong = {
            "cut": content[:middle],
            "turned": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "empty": b"",
            "another": hashlib.sha256(b"no pickle").digest() + b"no pickle",
        }[damage]
        file.write_bytes(wrong)
    assert_right(run(NUMBA_CACHE_DIR=str(folder)))
    healed = files(folder)
    assert healed.keys() == before.keys()
    for content in healed.values():
        assert content[:32] == hashlib.sha256(content[32:]).digest()
        assert len(content) > 100


def test_without_a_folder_there_is_one_warning() -> None:
    done = run(NUMBA_CACHE_DIR="/dev/null/nowhere")
    assert_right(done, warnings=1)
    assert "cannot be kept" in done.stderr


def test_without_a_home_a_temporary_folder_serves(tmp_path: Path) -> None:
    nowhere = {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache", "NUMBA_CACHE_DIR": ""}
    assert_right(run(TMPDIR=str(tmp_path), **nowhere))
    assert files(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o077 == 0  # code that others could write would be code of others


def test_on_a_full_disk_there_is_one_warning_and_nothing_half_written(tmp_path: Path) -> None:
    full = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""
    assert_right(run(before=full, NUMBA_CACHE_DIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1"), warnings=1)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


# every family of kernels, each against its equation
EVERYTHING = """
import numpy as np, torch
from ode2rnn import ContinuousRNN, CanonicalRNN, analysis, integrate, nn, run, signals
linear = ContinuousRNN(A=-1.0, B=0.0, C=1.0, phi=None)
t = [0.0, 1.0]
for method in ("taylor", "tsit5"):
    s = integrate(linear, signals.Constant(1.0), t=t, history=0.0, method=method).s[-1]
    assert abs(s - (1 - np.exp(-1.0))) < 1e-5, method
many = integrate(linear, signals.Constant(1.0), t=t, history=0.0, s0=np.zeros((64, 1))).s[-1]
assert np.abs(many - (1 - np.exp(-1.0))).max() < 1e-4
late = ContinuousRNN(0.0, -1.0, None, None, 1.0, "identity")
assert abs(integrate(late, t=[0.0, 2.0], history=1.0).s[-1, 0] + 0.5) < 1e-5
cell = CanonicalRNN(0.0, 0.0, 1.0, 0.0, activation="relu")
assert run(cell, np.ones((60, 1))).r.sum() == 60.0
layer, reference = nn.VanillaLSTM(2, 3), torch.nn.LSTM(2, 3)
layer = nn.VanillaLSTM.from_torch(reference)
x = torch.randn(4, 2, 2)
torch.testing.assert_close(layer(x)[0], reference(x)[0])
print("right")
"""


def test_with_the_compiler_switched_off_everything_is_plain_and_right() -> None:
    assert_right(run(EVERYTHING, NUMBA_DISABLE_JIT="1"), expected="right")


def test_without_numba_everything_is_plain_and_right() -> None:
    without = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in ("numba", "llvmlite") else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
    assert_right(run(EVERYTHING, before=without), expected="right")
