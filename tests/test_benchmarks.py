"""The benchmarks still run: at small size, without peers that need installing, and without a word on speed."""

import json
from functools import partial

import numpy as np
import pytest
from tests.benchmarks import dde, limits, networks, ode, report, run, scaling, training
from tests.benchmarks.harness import OURS, Contender, Job, Row, compare, rows, tune
from tests.benchmarks.pictures import draw_ratios, draw_scaling

from ode2rnn.cli.studies.length_scores import LengthScore, LengthStudy
from ode2rnn.cli.studies.lengths import length_study
from ode2rnn.cli.studies.train import Choice


def test_the_tolerance_found_is_just_under_the_target():
    tolerance, error = tune(lambda tol: 3.0 * tol, lambda outputs: outputs, 1e-6, 0.1)
    assert error == 3.0 * tolerance
    assert 0.7e-6 <= error <= 1e-6


def test_a_target_out_of_reach_is_told():
    with pytest.raises(RuntimeError, match="the least error is 1"):
        tune(lambda tol: 1.0, lambda outputs: outputs, 1e-6, 0.1)


def test_the_two_references_are_solutions_to_ours():
    for net, reference in (
        (networks.network(3, end=5.0, samples=6), networks.ode_reference),
        (networks.network(3, tau=1.0, end=5.0, samples=6), networks.dde_reference),
    ):
        assert networks.largest_error(reference(net))(net.ours()(1e-11)) < 1e-9


def test_a_job_gives_rows_at_equal_error_and_leaves_out_who_is_missing():
    net = networks.network(2, end=3.0, samples=4)

    def missing():
        raise ImportError("no such peer")

    job = Job(
        "small",
        [Contender(OURS, net.ours), Contender("Tsit5", lambda: net.ours(method="tsit5")), Contender("none", missing)],
        networks.largest_error(networks.ode_reference(net)),
        1e-6,
        {"Tsit5": 1e9},
        lambda tol: 1.0,
    )
    told = []
    (row,) = rows(job, compare(job, rounds=1, tell=told.append))
    assert any("none: not installed" in line for line in told)
    assert row.peer == "Tsit5"
    assert row.met is False
    assert max(row.ours_error, row.peer_error) <= 1e-6
    assert row.ratio == pytest.approx(row.peer_s / row.ours_s)


def test_a_limit_is_the_best_of_its_calls():
    calls = []
    assert 0 < limits.fastest(lambda: calls.append(len(calls)), seconds=1e-3) < 1
    assert len(calls) >= 10


def test_every_family_lists_its_jobs():
    for jobs in run.FAMILIES.values():
        assert len(jobs(True)) <= len(jobs(False))
    assert len(ode.jobs(False)) == len(ode.ASKS) + 1
    assert len(dde.jobs(False)) == len(dde.ASKS)


def test_tables_and_plots_show_every_row(tmp_path):
    lines = [
        Row("a job", "a peer", 1e-4, 2e-3, 20.0, 10.0, 1e-7, 2e-7, 0.5, 0.0, 0.4),
        Row("a job", "the limit", 1e-4, 5e-5, 0.5, 0.6, of_limit=0.5, percent=True),
    ]
    about = report.machine()
    text = report.markdown(lines, about, {"product": 1.0})
    assert "| a job | a peer | 100 us | 2 ms | 20 | 10 | yes |" in text
    assert "| a job | the limit | 100 us | 50 us | 50 % | 60 % | no |" in text
    assert len(report.text_table(lines).splitlines()) == 3
    assert len(json.loads(report.as_json(lines, about, {}, {}))["rows"]) == 2
    assert len(draw_ratios(lines).axes) == 1
    curve = {"one": {"x": [1, 10], "seconds": [0.1, 0.2], "MB": [1.0, 2.0]}}
    assert len(draw_scaling({"width": curve, "trajectories": curve, "length": curve}).axes) == 6
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    assert report.write_readme(readme, report.readme_block(lines, about))
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("after\n")
    assert "old" not in readme.read_text()


def test_a_part_of_the_jobs_writes_where_it_is_told_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(run.FAMILIES, "activation", lambda quick: {"tiny": _tiny})
    monkeypatch.setattr(limits, "all_limits", lambda: {"product": 1.0})  # measuring them takes seconds
    run.main(["--jobs", "activation", "--quick", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"speed.md", "speed.json", "speed.png"}
    assert "a peer" in capsys.readouterr().out


def _tiny() -> Job:
    def build():
        return lambda tol: np.zeros(2)

    return Job("tiny", [Contender(OURS, build), Contender("a peer", build)], lambda outputs: 0.0)


def test_a_run_that_fails_gets_no_figure_and_does_not_meet_its_ask(monkeypatch):
    def child(kind, d, count, length, repeat):
        if length > 1000:
            raise RuntimeError("failed")
        return {"seconds": 1e-3 * length, "MB": 1.0, "steps": length}

    monkeypatch.setattr(scaling, "child", child)
    told = []
    found, curves = scaling.measure(False, told.append)
    row = next(row for row in found if row.job.startswith("one ODE"))
    assert (row.ours_s, row.ratio, row.met) == (None, None, False)
    assert "did not end" in report.text_table([row])
    assert json.loads(report.as_json([row], {}, {}, {}))["rows"][0]["ours_s"] is None
    assert curves["length"]["one ODE"]["x"] == [100, 1000]
    assert any("left out" in line for line in told)


def test_an_unknown_job_is_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["--jobs", "oed"])
    assert "got 'oed'" in capsys.readouterr().err


def test_the_tables_of_what_gating_buys_are_written_from_the_saved_scores(tmp_path, monkeypatch):
    monkeypatch.setattr("ode2rnn.cli.studies.lengths.TRAIN", 60)
    (tmp_path / "README.md").write_text(f"before\n{training.BEGIN}\nold\n{training.END}\nafter\n")
    small = {"seeds": 2, "choice": Choice(["rnn", "feed-forward"], weights=60, epochs=1), "progress": False}
    monkeypatch.setattr(training, "length_study", partial(length_study, lengths=[12, 14], jobs=1))
    training.main(["adding", "copy", "sunspots"], tmp_path, tmp_path / "README.md", **small)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for name in ("adding", "copy"):
        study = training.load_lengths(name, tmp_path)
        assert study.lengths == [12, 14]
        assert study.markdown() in text
        assert training.where_it_wins(study)[1:] in text
    score, found, baselines = training.load_task("sunspots", tmp_path)
    assert score == "rmse"
    assert f"{baselines['AR(9)']:.4g}" == "17.44"
    (name, (weights, values)) = next(iter(found.items()))
    assert f"| {name} | {weights} | {values.mean():.4g} ({values.std(ddof=1):.2g}) |" in text
    assert (tmp_path / "lengths.png").stat().st_size > 10_000


def test_where_the_lstm_wins_is_said_by_length():
    by_network = {"VanillaLSTM": (1.0, 3.0), "GRU": (2.0, 2.0), "StandardRNN": (3.0, 4.0)}
    scores = [
        LengthScore(length, name, 1, 1, 0, value, 1, 1)
        for name, values in by_network.items()
        for length, value in zip((5, 9), values, strict=True)
    ]
    lower, higher = (LengthStudy("a task", score, tuple(scores), {5: {}, 9: {}}) for score in ("mse", "accuracy"))
    assert training.where_it_wins(lower) == (
        "a task: the VanillaLSTM has the best mean at 5, another network at 9 (GRU); it beats the StandardRNN at 5, 9."
    )
    assert training.where_it_wins(higher).endswith(
        "at no length, another network at 5 (StandardRNN), 9 (StandardRNN); it beats the StandardRNN at no length."
    )
