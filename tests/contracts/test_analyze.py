"""The command analyze asks every system and flow the questions that Python asks, and draws the answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.contracts.subjects import DELAYED, FLOWS, SYSTEMS
from typer.testing import CliRunner

from ode2rnn.analysis import fixed_points
from ode2rnn.cli import analyze, app

SUBJECTS = SYSTEMS | DELAYED | FLOWS
# what has no answer, and the reason that is given
NOT_APPLIED = {
    "Sampled, one delay": {"Gradient flow": "without delays"},
    "Sampled, one delay, spectral": {"Gradient flow": "without delays"},
    "Sampled, one delay, rk4": dict.fromkeys(analyze.PARTS, "without delays"),
    **{name: {"Gradient flow": "give --dt for its samples"} for name in FLOWS},
}
FILE = """
from tests.contracts.subjects import DELAYED, FLOWS, SYSTEMS

system = (SYSTEMS | DELAYED | FLOWS)[{name!r}]
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few starts, short runs, three values: the questions are the same."""
    for name, value in {"MANY": 6, "FEW": 6, "STEPS": 60, "TIME": 20.0, "LENGTH": 20}.items():
        monkeypatch.setattr(analyze, name, value)
    monkeypatch.setattr(analyze, "SHARES", np.array([0.9, 1.0, 1.1]))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", SUBJECTS)
def test_analyze_answers_or_says_why_not(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FILE.format(name=name))
    shown = CliRunner().invoke(app, ["analyze", str(tmp_path / "own.py:system"), "--out", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    parts = dict(part.split("\n", 1) for part in (tmp_path / "report.md").read_text().split("\n## ")[1:])
    assert list(parts) == list(analyze.PARTS)
    for title, text in parts.items():
        reason = NOT_APPLIED.get(name, {}).get(title)
        assert ("Not applied" in text) == (reason is not None), text
        assert reason is None or reason in text
        assert (tmp_path / f"{analyze.FILES[title]}.png").exists() == (reason is None and "![" in text)
    if "Fixed points" not in NOT_APPLIED.get(name, {}):
        found = fixed_points(SUBJECTS[name], starts=6, seed=0)
        assert all(f"{value:.6g}"[:5] in parts["Fixed points"] for p in found.points for value in p.roots[:1].real)
        assert len(found) or "0 fixed points" in parts["Fixed points"] or "none" in parts["Fixed points"].lower()
