"""`ode2rnn compile`: every kernel is there afterwards, and a second time nothing is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ode2rnn import kernels
from ode2rnn.cli import app, compiling
from ode2rnn.kernels import engine


def test_every_entry_is_compiled_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()
    door = kernels.__getattr__

    def seen(name: str) -> object:
        used.add(name)
        return door(name)

    for name in kernels.ENTRIES:
        monkeypatch.delitem(vars(kernels), name, raising=False)
    monkeypatch.setattr(kernels, "__getattr__", seen)
    with kernels.always():
        for job in compiling._jobs().values():
            job()
    assert used == kernels.ENTRIES.keys()


def test_it_says_how_many_and_where() -> None:
    found = CliRunner().invoke(app, ["compile"])
    assert found.exit_code == 0
    assert found.stdout.strip().endswith(f"kernels are compiled, in {engine.folder()}")


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_compiler", lambda: False)
    found = CliRunner().invoke(app, ["compile"])
    assert found.exit_code == 2
    assert "numba: expected it" in found.stderr


def test_without_a_folder_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernels, "folder", lambda: None)
    monkeypatch.setattr(compiling, "_jobs", dict)
    found = CliRunner().invoke(app, ["compile"])
    assert found.exit_code == 2
    assert "NUMBA_CACHE_DIR" in found.stderr
