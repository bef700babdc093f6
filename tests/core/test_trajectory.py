"""A trajectory: dense output in its range, what it cost, and files that are whole or not there."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ode2rnn import SimulationError, Trajectory
from ode2rnn.core.dense import Piecewise
from ode2rnn.core.trajectory import Stats, write_whole

RNG = np.random.default_rng(11)
STATS = Stats("tsit5", evaluations=60, steps=10, rejected=2, breaking_points=3)


def make(batch: tuple[int, ...] = (), inputs: bool = True, kind: Any = np.asarray) -> Trajectory:
    """Lines between five random states."""
    t = np.array([0.0, 0.1, 0.3, 1 / 3, 2.0])
    s = RNG.normal(size=(5, *batch, 2))
    x = kind(RNG.normal(size=(5, *batch, 3))) if inputs else None
    dense = Piecewise(t, np.array([0.0, 1.0]), kind(np.stack([s[:-1], s[1:]], axis=1)))
    return Trajectory(t, kind(s), kind(np.tanh(s)), x, STATS, dense=dense)


def test_it_can_be_called_with_a_time_or_times_of_any_shape() -> None:
    trajectory = make(batch=(4,))
    np.testing.assert_array_equal(trajectory(0.1), trajectory.s[1])
    np.testing.assert_allclose(trajectory(trajectory.t), trajectory.s, rtol=0, atol=1e-15)
    middle = 0.5 * (trajectory.s[1] + trajectory.s[2])
    np.testing.assert_allclose(trajectory([[0.2], [0.1]]), [[middle], [trajectory.s[1]]], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(trajectory(torch.tensor(0.1, dtype=torch.float64)), trajectory.s[1])
    assert (trajectory.start, trajectory.end) == (0.0, 2.0)


@pytest.mark.parametrize("t", [-0.01, 2.01, [0.5, 3.0], [[-1.0]]])
def test_a_time_outside_the_range_is_refused_with_the_range(t: Any) -> None:
    with pytest.raises(ValueError, match=r"^t: expected times in \[0, 2\], got"):
        make()(t)


@pytest.mark.parametrize("t", [None, "a", 1j, np.nan, np.inf, [[1.0], [1.0, 2.0]], {}])
def test_a_time_that_is_no_time_is_refused_by_name(t: Any) -> None:
    with pytest.raises(ValueError, match=r"^t: expected"):
        make()(t)


def test_rounding_at_the_ends_of_the_range_is_allowed() -> None:
    trajectory = make()
    np.testing.assert_allclose(trajectory([-1e-13, 2 + 1e-12]), trajectory.s[[0, -1]], rtol=0, atol=1e-11)


def test_what_it_cost_is_found_by_attribute_and_by_key() -> None:
    stats = make().stats
    for name in ("method", "evaluations", "steps", "rejected", "breaking_points"):
        assert stats[name] == getattr(stats, name) == getattr(STATS, name)


def test_status_success_and_message_of_a_run_that_failed() -> None:
    trajectory = make()
    assert (trajectory.status, trajectory.success) == (0, True)
    failed = trajectory.failed("it diverged")
    assert (failed.status, failed.success, failed.message) == (-1, False, "it diverged")
    assert failed.s is trajectory.s
    error = SimulationError("it diverged", failed)
    assert isinstance(error, RuntimeError)
    assert error.trajectory is failed
    assert str(error) == "it diverged"
    assert SimulationError("nothing").trajectory is None


def test_it_is_a_value_that_can_be_compared_and_kept_in_a_set() -> None:
    one, other = make(), make()
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
    with pytest.raises(AttributeError):
        one.status = -1  # type: ignore[misc]


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize("inputs", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, lambda a: torch.tensor(a, requires_grad=True)])
def test_npz_gives_back_every_number_and_shape(tmp_path: Path, batch: tuple[int, ...], inputs: bool, kind: Any) -> None:
    trajectory = make(batch, inputs, kind).failed("stopped: the largest |s| is 1e300")
    path = trajectory.save(tmp_path / "new" / "run.npz")
    loaded = Trajectory.load(str(path))
    for name in ("t", "s", "r", "x"):
        before, after = getattr(trajectory, name), getattr(loaded, name)
        if before is None:
            assert after is None
        else:
            assert isinstance(after, np.ndarray)
            np.testing.assert_array_equal(after, before.detach() if torch.is_tensor(before) else before)
    assert (loaded.status, loaded.message, loaded.stats) == (-1, trajectory.message, STATS)
    assert loaded.t.dtype == loaded.s.dtype == np.float64


def test_a_trajectory_with_torch_times_is_saved_too(tmp_path: Path) -> None:
    plain = make()
    moved = Trajectory(torch.tensor(plain.t), torch.tensor(plain.s), torch.tensor(plain.r), None, STATS)  # type: ignore[arg-type]
    for name in ("a.npz", "a.csv"):
        moved.save(tmp_path / name)
    np.testing.assert_array_equal(Trajectory.load(tmp_path / "a.npz").t, plain.t)


def test_a_loaded_trajectory_has_no_dense_output(tmp_path: Path) -> None:
    loaded = Trajectory.load(make().save(tmp_path / "run.npz"))
    with pytest.raises(ValueError, match=r"^t: this trajectory was loaded from a file.* use \.t and \.s"):
        loaded(0.1)


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_csv_has_a_column_per_component_and_every_digit(tmp_path: Path, batch: tuple[int, ...]) -> None:
    trajectory = make(batch)
    path = trajectory.save(str(tmp_path / "run.csv"))
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    table = dict(zip(header, np.array(rows, dtype=float).T, strict=True))
    np.testing.assert_array_equal(table["t"], trajectory.t)
    for name, width in (("s", 2), ("r", 2), ("x", 3)):
        values = getattr(trajectory, name)
        assert sum(column.startswith(name) for column in header) == values[0].size
        for index in np.ndindex(*batch, width):
            column = "_".join([name, *map(str, index)])
            np.testing.assert_array_equal(table[column], values[(slice(None), *index)])


@pytest.mark.parametrize("name", ["run.pkl", "run", "run.txt", "run.npz.bak"])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^path: expected a name that ends in \.npz or \.csv, got '{name}'"):
        make().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, 3, ["run.npz"], 1.0])
def test_what_is_no_path_is_refused_by_name(path: Any) -> None:
    with pytest.raises(ValueError, match=r"^path: expected the name of a file"):
        make().save(path)
    with pytest.raises(ValueError, match=r"^path: expected the name of a file"):
        Trajectory.load(path)


@pytest.mark.parametrize("name", ["run.npz", "run.csv"])
def test_an_interrupted_write_leaves_the_old_file_or_none(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: Trajectory, path: Path) -> None:
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    path = tmp_path / name
    for writer in ("_write_npz", "_write_csv"):
        monkeypatch.setattr(Trajectory, writer, half)
    with pytest.raises(KeyboardInterrupt):
        make().save(path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"an older run")
    with pytest.raises(KeyboardInterrupt):
        make().save(path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"an older run"]


def test_a_write_is_renamed_into_place(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    seen: list[Path] = []

    def write(temporary: Path) -> None:
        seen.append(temporary)
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        assert not path.exists()
        temporary.write_text("whole")

    write_whole(path, write)
    assert seen != [path]
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_save_did_not_write_is_refused(tmp_path: Path) -> None:
    whole = make().save(tmp_path / "whole.npz").read_bytes()
    array, pickled = tmp_path / "array.npz", tmp_path / "pickled.npz"
    with open(array, "wb") as file:
        np.save(file, np.zeros(3))
    with open(pickled, "wb") as file:
        np.savez(file, t=np.array([{}], dtype=object))
    (tmp_path / "short.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("t,s\n0,1\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.savez(tmp_path / "other.npz", t=np.zeros(3))
    make().save(tmp_path / "run.csv")
    names = ["array.npz", "pickled.npz", "short.npz", "text.npz", "empty.npz", "other.npz", "run.csv"]
    for name in names:
        with pytest.raises(ValueError, match=rf"^path: expected an \.npz file .*got '{name}'"):
            Trajectory.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Trajectory.load(tmp_path / "absent.npz")
