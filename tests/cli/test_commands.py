"""The command line: what it writes, what it says, and how it ends.  Bad input is one line on stderr."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ode2rnn import ContinuousRNN, Trajectory, analysis, integrate, signals
from ode2rnn.cli import app
from ode2rnn.derivation import CLAIMS, Claim, Experiment, Finding, report
from ode2rnn.derivation.figure_scripts import paper_folder, report_figures

CONFIG = """
[model]
kind = "continuous_rnn"
A = [[-1.0, 0.5], [0.0, -0.5]]
B = [[0.5, 0.2], [0.1, -0.3]]
C = [[1.0], [0.0]]
tau = 0.5

[input]
kind = "series"
series = "data.csv:wind"

[solver]
t = [0, 6]
samples = 13
history = [0.1, 0.0]

[output]
csv = "run.csv"
npz = "deeper/run.npz"
plot = "run.png"
"""
WIND = [0.0, 1.0, -0.5, 0.25, 1.5, 0.5, -1.0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and its data, and an empty one to stand in."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "run.toml").write_text(CONFIG)
    lines = [f"{n},{value}" for n, value in enumerate(WIND)]
    (tmp_path / "config" / "data.csv").write_text("\n".join(["hour,wind", *lines]) + "\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def ode2rnn(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result, message: str, code: int = 2) -> None:
    """Assert that the command ended with ``code`` and one line that says ``message``."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]
    assert "Traceback" not in result.output


def changed(folder: Path, *edits: tuple[str, str]) -> Path:
    """The config with lines replaced."""
    path, text = folder / "config" / "run.toml", CONFIG
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_simulate_writes_what_integrate_gives(folder):
    result = ode2rnn("simulate", folder / "config" / "run.toml")
    assert result.exit_code == 0, result.output
    x = signals.Linear(np.arange(7.0), WIND)
    model = ContinuousRNN([[-1.0, 0.5], [0.0, -0.5]], [[0.5, 0.2], [0.1, -0.3]], [[1.0], [0.0]], None, tau=0.5)
    expected = integrate(model, x, t=np.linspace(0, 6, 13), history=[0.1, 0.0])
    with open("run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["t"]) for row in rows] == expected.t.tolist()
    for k in range(2):
        assert [float(row[f"s_{k}"]) for row in rows] == expected.s[:, k].tolist()
        assert [float(row[f"r_{k}"]) for row in rows] == expected.r[:, k].tolist()
    assert np.array_equal(Trajectory.load("deeper/run.npz").s, expected.s)
    assert Path("run.png").read_bytes().startswith(b"\x89PNG")
    for said in ("method spectral", f"{expected.stats.steps} steps", "breaking points", "wrote run.csv", "13 times"):
        assert said in result.stdout


def test_simulate_writes_into_out_and_reads_beside_the_config(folder):
    result = ode2rnn("simulate", folder / "config" / "run.toml", "--out", folder / "new" / "results")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (folder / "new" / "results").rglob("*.*")} == {"run.csv", "run.npz", "run.png"}
    assert not list(Path().iterdir())


def test_simulate_without_output_only_tells(folder):
    config = changed(folder, *((line, "") for line in CONFIG.splitlines() if line.startswith(("csv", "npz", "plot"))))
    result = ode2rnn("simulate", config)
    assert result.exit_code == 0
    assert "method spectral" in result.stdout
    assert not list(Path().iterdir())


def test_simulate_writes_the_valid_part_of_a_simulation_that_diverges(folder):
    # s' = 2 s grows beyond every number at t = 355
    model = '[model]\nkind = "continuous_rnn"\nA = 2\nB = 0\ntau = 1\n'
    solver = '[solver]\nt = [0, 400]\nhistory = 1\nmethod = "tsit5"\n'
    output = '[output]\ncsv = "run.csv"\nnpz = "run.npz"\nplot = "run.png"\n'
    (folder / "config" / "run.toml").write_text(model + solver + output)
    result = ode2rnn("simulate", folder / "config" / "run.toml")
    refused(result, r"stopped at t = 35\d.*diverges.*the files hold the valid part", code=1)
    part = Trajectory.load("run.npz")
    assert part.status == -1
    assert 330 < part.t[-1] < 356
    assert np.isfinite(part.s).all()
    assert part.s[part.t < 10, 0] == pytest.approx(np.exp(2 * part.t[part.t < 10]), rel=1e-3)
    assert all(Path(name).stat().st_size for name in ("run.csv", "run.png"))
    assert "wrote run.csv" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tau = 0.5", "tau = -0.5", "model.tau: expected a number >= 0, got -0.5"),
        ("tau = 0.5", "taw = 0.5", "model.taw: .* did you mean 'tau'"),
        ("tau = 0.5", "tau 0.5", "CONFIG: .* does not parse: .*line 7"),
        ("[[1.0], [0.0]]", "[[1.0], [nan]]", "model.C: expected finite numbers"),
        ("[[1.0], [0.0]]", "[[1.0, 0.0]]", r"model.C: expected shape \(2, m\), got \(1, 2\)"),
        ("samples = 13", 'method = "eulr"', "solver.method: .* did you mean 'euler'"),
        (
            "samples = 13",
            'method = "rk4"\ndt = 0.3',
            "solver.dt: .* divides the delay 0.5, got 0.3; the nearest .* 0.25",
        ),
        ("[0, 6]", "[0, 7]", r"input: Linear is defined on \[0, 6\]"),
        ("data.csv:wind", "dta.csv:wind", "input.series: .* does not exist; did you mean 'data.csv'"),
        ("data.csv:wind", "data.csv:wnd", "input.series: .* did you mean 'wind'"),
        ('"run.csv"', '"run.png"', "output.csv: expected a file name that ends in .csv"),
        ('"run.csv"', '"../config/data.csv"', "output.csv: .* which this run reads"),
        ('"deeper/run.npz"', '"/dev/null/run.npz"', "output.npz: expected a folder to write into"),
    ],
)
def test_simulate_refuses_bad_configs_before_any_work(folder, old, new, message):
    refused(ode2rnn("simulate", changed(folder, (old, new))), message)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1", "2", "x", "4"], "line 4: expected a number in column 'wind', got 'x'"),
        (["1", "2", "nan", "4"], "line 4: expected a finite number"),
        (["", "", "", ""], "expected numbers in column 'wind', got an empty column"),
        ([], "at least 4 rows"),
    ],
)
def test_a_csv_column_without_numbers_is_refused(folder, rows, message):
    (folder / "config" / "data.csv").write_text("hour,wind\n" + "\n".join(f"0,{value}" for value in rows))
    refused(ode2rnn("simulate", folder / "config" / "run.toml"), f"input.series: .*{message}")
    for command in ("reproduce", "steps"):
        refused(ode2rnn(command, "--series", f"{folder / 'config' / 'data.csv'}:wind"), f"--series: .*{message}")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", ["simulate", "reproduce", "steps"])
def test_a_folder_that_cannot_be_made_is_refused_before_any_work(folder, command):
    config = [folder / "config" / "run.toml"] if command == "simulate" else []
    (folder / "file").write_text("")
    refused(ode2rnn(command, *config, "--out", folder / "file"), "--out: expected a folder .* is a file")
    refused(ode2rnn(command, *config, "--out", folder / "file" / "deeper"), "--out: expected a folder .* is a file")
    if os.geteuid() != 0:  # root may write anywhere
        (folder / "locked").mkdir(mode=0o500)
        refused(ode2rnn(command, *config, "--out", folder / "locked"), "--out: .* may not be written")
    if command == "simulate":
        Path("run.csv").mkdir()
        refused(ode2rnn("simulate", *config), "output.csv: expected a file, got the folder")


def test_steps_writes_errors_orders_and_stability(folder):
    result = ode2rnn("steps", "--dts", "0.25,1,0.5", "--schemes", "backward_euler, tustin", "--out", "study")
    assert result.exit_code == 0, result.output
    with open("study/steps.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scheme"], row["dt"]) for row in rows] == [
        (scheme, dt) for scheme in ("backward_euler", "tustin") for dt in ("1.0", "0.5", "0.25")
    ]
    e = Experiment(signals.load_series("sunspots"))
    own = analysis.convergence(e.model, e.signal, t=e.window, history=e.rest, dts=[1.0, 0.5, 0.25], scheme="tustin")
    assert [float(row["error_maximum"]) for row in rows[3:]] == own.errors["maximum"].tolist()
    assert {row["stable"] for row in rows} == {"yes"}
    assert "tustin" in result.stdout
    assert f"order {own.order['maximum']:.2f}" in result.stdout
    assert Path("study/steps.png").read_bytes().startswith(b"\x89PNG")


def test_steps_takes_a_config_and_a_column(folder):
    result = ode2rnn("steps", folder / "config" / "run.toml", "--schemes", "tustin", "--dts", "0.5,0.25,0.125")
    assert result.exit_code == 0, result.output
    model = ContinuousRNN([[-1.0, 0.5], [0.0, -0.5]], [[0.5, 0.2], [0.1, -0.3]], [[1.0], [0.0]], None, tau=0.5)
    x = signals.Linear(np.arange(7.0), WIND)
    own = analysis.convergence(model, x, t=(0, 6), history=[0.1, 0.0], dts=[0.5, 0.25, 0.125], scheme="tustin")
    with open("steps/steps.csv", newline="") as file:
        errors = [float(row["error_final"]) for row in csv.DictReader(file)]
    assert errors == own.errors["final"].tolist()
    column = ode2rnn("steps", "--series", f"{folder / 'config' / 'data.csv'}:wind", "--dts", "1,0.5")
    assert column.exit_code == 0, column.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dts", "0.3,0.1"], "--dts: expected a step that divides the delay 1, got 0.3; the nearest .* 0.333"),
        (["--dts", "1"], "--dts: expected a list of at least 2 steps"),
        (["--dts", "1,half"], "--dts: expected numbers separated by commas, .* got '1,half'"),
        (["--dts", "1,nan"], "--dts: expected finite numbers"),
        (["--dts", "1,-1"], "--dts: expected steps > 0"),
        (["--schemes", "tustn"], "--schemes: expected one of .* did you mean 'tustin'"),
        (["--schemes", "tustin,tustin"], "--schemes: expected distinct schemes"),
        (["--schemes", "gbt"], "--schemes: expected alpha with 'gbt'"),
        (["--series", "sunspts"], "--series: .* did you mean 'sunspots'"),
        (["nowhere.toml"], "CONFIG: expected a TOML file, got 'nowhere.toml'"),
        (["nowhere.toml", "--series", "sunspots"], "--series: expected none beside a config"),
    ],
)
def test_steps_refuses_bad_input(folder, arguments, message):
    refused(ode2rnn("steps", *arguments), message)
    assert not list(Path().iterdir())


def test_reproduce_checks_every_claim_on_a_column(folder):
    walk = np.random.default_rng(5).normal(size=30).cumsum()
    Path("data.csv").write_text("price in $\n" + "\n".join(map(str, walk)))
    result = ode2rnn("reproduce", "--series", "data.csv:price in $", "--out", "paper")
    assert result.exit_code == 0, result.output
    for claim in CLAIMS:
        assert claim.statement in result.stdout
    assert "FAILS" not in result.stdout
    assert "reproduce: 100%" in result.stderr
    written = {path.name for path in Path("paper").iterdir()}
    assert written == {"report.md", *(f"{figure.slug}.png" for figure in report_figures(paper_folder()))}
    assert "price in $" in Path("paper/report.md").read_text()


def test_reproduce_ends_with_1_if_a_claim_fails(folder, monkeypatch):
    wrong = Claim("D0", "nothing holds", lambda experiment: Finding("1", "2", False))
    monkeypatch.setattr(report, "CLAIMS", (wrong, CLAIMS[1]))
    monkeypatch.setattr("ode2rnn.derivation.figure_scripts.report_figures", lambda folder: [])
    result = ode2rnn("reproduce")
    refused(result, "1 of 2 claims FAIL", code=1)
    assert re.search(r"D0 +nothing holds +1 +2 +FAILS", result.stdout)
    assert Path("reproduce/report.md").exists()


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("sunspot", "did you mean 'sunspots'"),
        ("no.csv:a", "does not exist"),
        ("flat.csv:a", "expected values that vary"),
    ],
)
def test_reproduce_refuses_bad_series(folder, series, message):
    Path("flat.csv").write_text("a\n1\n1\n1\n1\n1\n")
    refused(ode2rnn("reproduce", "--series", series), f"--series: .*{message}")


@pytest.mark.parametrize(
    "command", [[], ["reproduce"], ["simulate"], ["steps"], ["analyze"], ["train"], ["figures"], ["compile"]]
)
def test_help_is_plain_and_has_an_example(command):
    result = ode2rnn(*command, "--help")
    assert result.exit_code == 0
    if command:
        assert f"ode2rnn {command[0]}" in result.stdout.partition("Example")[2]
        assert "--out" in result.stdout or command == ["compile"]


def test_help_imports_nothing_heavy():
    heavy = "('torch', 'numba', 'matplotlib', 'scipy', 'tqdm')"
    code = "import sys; from ode2rnn.cli import app; app(['--help'], standalone_mode=False); "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "reproduce" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_the_command_itself_ends_with_its_codes(folder):
    command = [sys.executable, "-m", "ode2rnn.cli", "simulate"]
    good = subprocess.run([*command, folder / "config" / "run.toml"], capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run([*command, "nowhere.toml"], capture_output=True, text=True)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "error: CONFIG: expected a TOML file, got 'nowhere.toml' (No such file or directory)\n"
