"""Every claim of the paper holds, on the real series and on another; and a claim can fail."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ode2rnn import signals
from ode2rnn.core.activations import as_activation
from ode2rnn.derivation import CLAIMS, Claim, Experiment, Finding
from ode2rnn.derivation.figure_scripts import FigureScript, paper_folder, report_figures
from ode2rnn.derivation.report import check, report, reproduce, table
from ode2rnn.discrete import schemes
from ode2rnn.discrete.memory import MemoryCell


@pytest.fixture(scope="module")
def sunspots() -> Experiment:
    return Experiment(signals.load_series("sunspots"))


@pytest.fixture(scope="module")
def noise() -> Experiment:
    x = np.random.default_rng(3).normal(size=(40, 1)).cumsum(axis=0)
    return Experiment(signals.Series("walk", np.arange(40.0), x, "sample"))


@pytest.mark.parametrize("claim", CLAIMS, ids=[f"{c.id}-{k}" for k, c in enumerate(CLAIMS)])
@pytest.mark.parametrize("series", ["sunspots", "noise"])
def test_the_claim_holds(claim, series, request):
    finding = claim.check(request.getfixturevalue(series))
    assert finding.holds, f"{claim.id}: {claim.statement}: expected {finding.expected}, measured {finding.measured}"


def test_every_equation_has_a_claim():
    covered = set()
    for claim in CLAIMS:
        first, _, last = claim.id.partition("-")
        span = range(int(first[1:]), int((last or first)[1:]) + 1)
        covered |= {f"{first[0]}{k}" for k in span}
    last = {"C": 10, "D": 11, "U": 5, "B": 6, "T": 7, "L": 11, "X": 7, "K": 4}
    assert {f"{section}{k}" for section, n in last.items() for k in range(1, n + 1)} <= covered


def test_a_wrong_discretization_fails_its_claims(sunspots, monkeypatch):
    """An off-by-one in the delayed sample looks plausible in a plot; the claims see it."""
    right = schemes.discretize

    def one_sample_late(model, dt, *rest):
        cell = right(model, dt, *rest)
        return replace(cell, lag=cell.lag + 1) if hasattr(cell, "lag") else cell

    monkeypatch.setattr("ode2rnn.derivation.discretization.discretize", one_sample_late)
    failed = {claim.id for claim in CLAIMS if not check(claim, sunspots).finding.holds}
    assert {"D1", "D2"} <= failed


def test_a_wrong_back_propagation_fails_its_claims(sunspots, monkeypatch):
    """The slope taken one sample late, as an off-by-one would."""
    right = MemoryCell.errors

    def late(cell, state, x, bar):
        psi, chi = right(cell, state, x, bar)
        slope = as_activation(cell.activation).slope
        after = cell.readout(cell.step(state, x))[0]
        return psi + (slope(state.s[0]) - slope(after)) * chi, chi

    monkeypatch.setattr(MemoryCell, "errors", late)
    failed = {claim.id for claim in CLAIMS if claim.id[0] == "B" and not check(claim, sunspots).finding.holds}
    assert {"B1-B3", "B3", "B4", "B6"} <= failed


def test_a_wrong_back_propagation_through_the_lstm_fails_its_claims(sunspots, monkeypatch):
    """The peepholes pass no error on: one term of L9 is missing, in both LSTMs, which share it."""
    monkeypatch.setattr("ode2rnn.gated.lstm.through", lambda W, error: 0.0)
    failed = [claim for claim in CLAIMS if claim.id[0] in "TLX" and not check(claim, sunspots).finding.holds]
    assert {claim.id for claim in failed} == {"L7-L11", "L11", "X4-X7"}


def test_a_warping_that_is_left_out_fails_the_claims_of_the_chain(sunspots, monkeypatch):
    """The readout gate takes the state itself in place of G_d(s)."""
    monkeypatch.setattr("ode2rnn.gated.transition.GatedReadout.show", lambda cell, s: cell.g_cr * s)
    failed = {claim.id for claim in CLAIMS if claim.id[0] == "T" and not check(claim, sunspots).finding.holds}
    assert failed == {"T5", "T6"}


def test_a_state_that_is_not_set_to_zero_fails_the_claims_of_unrolling(sunspots, monkeypatch):
    monkeypatch.setattr("ode2rnn.derivation.unrolling.unroll", lambda cell, K: cell)
    failed = {claim.id for claim in CLAIMS if claim.id[0] == "U" and not check(claim, sunspots).finding.holds}
    assert failed == {"U3"}


def test_a_check_that_breaks_is_a_claim_that_fails(sunspots):
    def broken(experiment: Experiment) -> Finding:
        raise RuntimeError("no such thing")

    row = check(Claim("C0", "nothing", broken), sunspots)
    assert not row.finding.holds
    assert "no such thing" in row.finding.measured
    assert row.cells[-1] == "FAILS"


@pytest.fixture(scope="module")
def figures() -> list[FigureScript]:
    return report_figures(paper_folder())


def test_the_report_holds_the_table_and_the_figures(noise, figures, tmp_path):
    told: list[str] = []
    rows = reproduce(noise.series, tmp_path / "out", figures, told.append)
    assert len(told) == len(CLAIMS) + len(figures)
    text = (tmp_path / "out" / "report.md").read_text()
    for row in rows:
        assert row.finding.measured.replace("|", "\\|") in text
    for name in re.findall(r"\]\((\w+\.png)\)", text):
        assert (tmp_path / "out" / name).stat().st_size > 10_000
    assert text.count(".png)") == len(figures) == 14
    assert "Every claim holds." in text
    assert len(table(rows).splitlines()) == len(rows) + 2
    bad = [replace(rows[0], finding=Finding("1", "2", False)), *rows[1:]]
    assert f"1 of {len(rows)} claims FAIL" in report(noise, bad)


def test_a_figure_that_cannot_be_drawn_fails_and_loses_nothing(figures, tmp_path):
    x = np.array([[1.0], [2.0], [1e308], [-1e308], [5.0], [6.0]])  # the range of the raw series overflows
    rows = reproduce(signals.Series("wild", np.arange(6.0), x, "sample"), tmp_path, figures)
    assert [row.claim.statement for row in rows if not row.finding.holds] == ["trajectory"]
    text = (tmp_path / "report.md").read_text()
    assert f"1 of {len(rows)} claims FAIL" in text
    assert "trajectory.png" not in text
    assert "convergence.png" in text
