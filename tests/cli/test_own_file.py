"""Systems from a Python file: what simulate and analyze do with them is what Python does, and what fails is told."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from ode2rnn import AdditiveModel, Flow, Map, integrate, run
from ode2rnn.analysis import fixed_points, lyapunov
from ode2rnn.cli import app
from ode2rnn.cli.own_file import load_own, split_place

SYSTEMS = """
import numpy as np
import torch
from neighbour import width
from ode2rnn import AugmentedLSTM, Flow, Map, System

def rate(t, s, x, *, k):
    return -k * s + x

def hill(t, s, x, past, *, n):
    return 1 / (1 + np.maximum(past[0], 0) ** n) - 0.5 * s

flow = Flow(rate, width, input_width=1, parameters={"k": 0.5})
switch = Flow(hill, 1, delays=[2.0], parameters={"n": 4.0})
logistic = Map(lambda s, *, r: r * s * (1 - s), 1, dt=0.5, parameters={"r": 2.0})
filtered = Map(lambda s, x: 0.5 * s + x, 1, input_width=1, dt=0.5)
torch.manual_seed(0)
layer = torch.nn.GRU(1, 2)
ctrnn = Map.from_module(torch.nn.RNNCell(1, 2))
forced = Flow(lambda t, s: np.cos(t) - s, 1)

class Leaky(System):
    dt, width, input_width = 1.0, 1, 1

    def init(self, s0):
        return s0

    def step(self, state, x):
        return np.tanh(0.5 * state) + x

    def readout(self, state):
        return state, state

cell = Leaky()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neighbour.py").write_text("width = 1\n")
    (tmp_path / "mine.py").write_text(SYSTEMS)
    return tmp_path


def ode2rnn(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def config(name: str, solver: str, sections: str = "") -> Path:
    output = '[output]\ncsv = "out.csv"\nplot = "out.png"\n'
    Path("mine.toml").write_text(f'[model]\nfile = "mine.py:{name}"\n[solver]\n{solver}\n{output}{sections}')
    return Path("mine.toml")


def written() -> np.ndarray:
    with open("out.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array(rows, dtype=float)


def refused(result: Result, message: str, code: int = 2) -> None:
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.output


def test_a_flow_is_integrated_as_in_python_and_its_code_is_told(folder):
    sections = '[input]\nkind = "sine"\namplitude = 2.0\nomega = 1.5\n'
    result = ode2rnn("simulate", config("flow", "t = [0, 5]\nsamples = 11\nhistory = [3.0]\nrtol = 1e-10", sections))
    assert result.exit_code == 0, result.output
    assert "runs the code of mine.py" in result.stderr
    t, s = written()[:, :2].T
    k, w = 0.5, 1.5
    # ds/dt = -k s + 2 sin(w t), from s = 3
    forced = 2 * (k * np.sin(w * t) - w * np.cos(w * t)) / (k**2 + w**2)
    expected = forced + (3 + 2 * w / (k**2 + w**2)) * np.exp(-k * t)
    np.testing.assert_allclose(s, expected, atol=1e-7)
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")


def test_a_delay_equation_has_its_history(folder):
    result = ode2rnn("simulate", config("switch", "t = [0, 6]\nsamples = 7\nhistory = [0.2]"))
    assert result.exit_code == 0, result.output
    own = Flow(lambda t, s, x, past: 1 / (1 + past[0] ** 4) - 0.5 * s, 1, delays=[2.0])
    np.testing.assert_allclose(written()[:, 1], integrate(own, t=np.arange(7.0), history=0.2).s[:, 0], atol=1e-5)


def test_a_map_is_stepped_over_the_time_that_its_ticks_take(folder):
    result = ode2rnn("simulate", config("logistic", "t = [1, 3.2]\nhistory = 0.25"))
    assert result.exit_code == 0, result.output
    t, s = written()[:, :2].T
    np.testing.assert_allclose(t, [1.5, 2.0, 2.5, 3.0])
    expected = [0.25]
    for _ in range(4):
        expected.append(2 * expected[-1] * (1 - expected[-1]))
    np.testing.assert_allclose(s, expected[1:], rtol=1e-15)


def test_a_map_sees_the_input_at_the_end_of_every_tick(folder):
    sections = '[input]\nkind = "sine"\namplitude = 1.0\nomega = 0.7\n'
    result = ode2rnn("simulate", config("filtered", "t = [0, 4]", sections))
    assert result.exit_code == 0, result.output
    t, s, _, x = written().T
    np.testing.assert_allclose(x, np.sin(0.7 * t), atol=1e-15)
    np.testing.assert_allclose(s, run(Map(lambda s, x: 0.5 * s + x, 1, input_width=1), x).s[:, 0], rtol=1e-15)


def test_a_map_that_diverges_writes_the_part_before_that(folder):
    Path("mine.py").write_text("from ode2rnn import Map\nf = Map(lambda s: s**2, 1)\n")
    result = ode2rnn("simulate", config("f", "t = [0, 100]\nhistory = 2"))
    refused(result, "the state overflowed", code=1)
    np.testing.assert_allclose(written()[:3, :2], [[1, 4], [2, 16], [3, 256]])


def test_a_layer_of_torch_is_stepped_as_torch_does(folder):
    sections = '[input]\nkind = "sine"\namplitude = 1.0\nomega = 0.3\n'
    result = ode2rnn("simulate", config("layer", "t = [0, 9]", sections))
    assert result.exit_code == 0, result.output
    torch.manual_seed(0)
    layer = torch.nn.GRU(1, 2).double()
    torch.manual_seed(0)
    layer.load_state_dict(torch.nn.GRU(1, 2).state_dict())
    x = torch.sin(0.3 * torch.arange(1.0, 10.0, dtype=torch.float64))[:, None]
    np.testing.assert_allclose(written()[:, 1:3], layer(x)[0].detach(), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("flow", "k goes from 0.25 to 0.75"),
        ("switch", "n goes from 2 to 6"),
        ("logistic", "r goes from 1 to 3"),
        ("layer", "multiplied by a gain"),
        ("ctrnn", "x[0] goes from -1 to 1"),
        ("cell", "x[0] goes from -1 to 1"),
    ],
)
def test_analyze_answers_for_every_kind_of_system(folder, name, parts):
    result = ode2rnn("analyze", f"mine.py:{name}", "--length", "100", "--out", "report")
    assert result.exit_code == 0, result.output
    assert "runs the code of mine.py" in result.stderr
    text = Path("report/report.md").read_text()
    assert text.startswith(f"# mine.py:{name}, ")
    assert parts in text
    system = load_own("FILE", Path("mine.py"), name)[0]
    assert fixed_points(system, starts=64).table() in text
    over = {"T": 100.0} if isinstance(system, Flow) else {"steps": 100}
    assert f"{lyapunov(system, **over).exponents[0]:.6g} +-" in text
    pictures = {"fixed_points.png", "phase_plane.png", "lyapunov.png", "bifurcation.png"}
    assert pictures <= {path.name for path in Path("report").iterdir()}


def test_the_motion_of_a_map_is_where_its_gradients_are_seen(folder):
    Path("mine.py").write_text("from ode2rnn import Map\nf = Map(lambda s: 3.2 * s * (1 - s), 1)\n")
    assert ode2rnn("analyze", "mine.py", "--length", "100", "--out", "report").exit_code == 0
    # on the cycle of two, whose multiplier is 4 + 2 r - r^2 = 0.16, and not at the rest at 0 with 3.2
    (factor,) = re.findall(r"a factor ([\d.]+) a tick", Path("report/report.md").read_text())
    assert float(factor) == pytest.approx(0.4, rel=0.05)  # over an odd number of ticks


@pytest.mark.parametrize("context", [2, (1, 0), (1, 2)], ids=str)
def test_an_lstm_with_a_window_is_analyzed(folder, context):
    torch.manual_seed(0)
    Path("mine.py").write_text(
        f"import torch\nfrom ode2rnn import nn\ntorch.manual_seed(0)\nnet = nn.AugmentedLSTM(1, 2, context={context})\n"
        "cell = net.double().cell()\n"
    )
    for name in ("net", "cell"):
        result = ode2rnn("analyze", f"mine.py:{name}", "--length", "100", "--out", name)
        assert result.exit_code == 0, result.output
        assert "not applied" not in result.stdout.lower()
        assert len(list(Path(name).iterdir())) == 6


def test_what_depends_on_time_is_told_why_there_is_no_answer(folder):
    result = ode2rnn("analyze", "mine.py:forced")
    assert result.exit_code == 0, result.output
    assert "Fixed points: not applied: system: expected a flow that does not depend on time itself" in result.stdout


def test_samples_of_a_flow_of_ones_own(folder):
    result = ode2rnn("analyze", "mine.py:flow", "--dt", "0.5", "--length", "100", "--out", "report")
    assert result.exit_code == 0, result.output
    text = Path("report/report.md").read_text()
    assert text.startswith("# samples of mine.py:flow, ")
    assert f"{1 / 1.25:.6g}" in text  # 1 / (1 + k dT)
    refused(ode2rnn("analyze", "mine.py:logistic", "--dt", "0.5"), "--dt: expected none")


def test_over_names_the_parameter_and_its_range(folder):
    result = ode2rnn("analyze", "mine.py:switch", "--over", "tau=1,3", "--length", "50", "--out", "report")
    assert result.exit_code == 0, result.output
    assert "tau goes from 1 to 3." in Path("report/report.md").read_text()
    for over, message in (
        ("taw", "--over: expected one of n, tau[0] or 'x[k]', got 'taw'"),
        ("n=1", "--over: expected NAME=LOW,HIGH, got 'n=1'"),
        ("n=3,2", "--over: expected a range that rises"),
    ):
        refused(ode2rnn("analyze", "mine.py:switch", "--over", over, "--out", "none"), message)
    assert not Path("none").exists()


def test_steps_take_a_flow_from_a_file_and_refuse_a_map(folder):
    path = config("flow", "t = [0, 2]\nhistory = [1.0]")
    result = ode2rnn("steps", path, "--dts", "0.5,0.25,0.125")
    assert result.exit_code == 0, result.output
    assert "backward_euler  order" in result.stdout
    assert "forward_euler" in result.stdout
    refused(ode2rnn("steps", config("logistic", "t = [0, 2]")), "model.file: expected a Flow, got Map")


@pytest.mark.parametrize(
    ("code", "place", "message"),
    [
        ("x = 1", "", "expected one Flow, System or layer in 'code.py', or FILE.py:NAME, got none"),
        ("x = 1", ":y", "code.py: expected one of Flow, Map, System, x; got 'y'"),
        ("m = Map(abs, 1)\nn = Map(abs, 1)", "", "got code.py:m, n"),
        ("m = Map(abs, 1)", ":n", "expected one of m; got 'n'"),
        ("def f(t, s): return -s", ":f", "got a function: say Flow(f, width) or Map(f, width)"),
        ("x = 3", ":x", "got int 3"),
        ("x = Map", ":x", "expected a System"),
        ("\n\nx = 1 / 0", "", "code.py, line 4: ZeroDivisionError: division by zero"),
        ("x = (", "", "code.py, line 2: SyntaxError"),
        ("import nowhere_at_all", "", "code.py, line 2: ModuleNotFoundError"),
        ("raise SystemExit(3)", "", "'code.py', which exits"),
        ("def f(s):\n    return s[7]\nm = Map(f, 2)", "", "code.py, line 3: IndexError"),
        ("m = Flow(lambda t, s: s, 0)", "", "code.py, line 2: ValueError: width: expected a whole number >= 1"),
        ("class C(System):\n    width = 1\nm = C()", "", "expected a system that says `dt`, got C"),
        ("class C(System):\n    dt, width = 1.0, 1\nm = C()", "", "code.py: C does not say `init`"),
    ],
)
def test_bad_files_are_refused_in_one_line(folder, code, place, message):
    Path("code.py").write_text("from ode2rnn import Flow, Map, System\n" + code)
    refused(ode2rnn("analyze", f"code.py{place}", "--out", "report"), message)
    assert not Path("report").exists()
    Path("code.toml").write_text(f'[model]\nfile = "code.py{place}"\n[solver]\nt = [0, 2]\n')
    refused(ode2rnn("simulate", "code.toml"), message)


def test_an_exception_on_the_way_is_told_with_its_line(folder):
    late = "def f(t, s):\n    if t > 1:\n        raise KeyError('lost')\n    return -s\nm = Flow(f, 1)\n"
    Path("mine.py").write_text("from ode2rnn import Flow\n" + late)
    refused(ode2rnn("simulate", config("m", "t = [0, 3]")), "mine.py, line 4: KeyError: 'lost'")
    far = "def f(s):\n    if abs(s).max() > 0.95:\n        raise ValueError('too far')\n    return s\nm = Map(f, 1)\n"
    Path("mine.py").write_text("from ode2rnn import Map\n" + far)
    refused(ode2rnn("analyze", "mine.py", "--out", "report"), "mine.py, line 4: ValueError: too far")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('file = "mine.txt"', "model.file: expected 'FILE.py:NAME', or 'FILE.py', got str 'mine.txt'"),
        ("file = 3", "model.file: expected"),
        ('file = "none.py:m"', "model.file: expected a Python file, got 'none.py', which is none"),
        ('file = "mine.py:flow"\nkind = "additive"', "model.kind: expected none beside file"),
    ],
)
def test_bad_places_in_a_config_are_refused(folder, lines, message):
    Path("bad.toml").write_text(f"[model]\n{lines}\n[solver]\nt = [0, 1]\n")
    refused(ode2rnn("simulate", "bad.toml"), message)


@pytest.mark.parametrize(
    ("name", "solver", "message"),
    [
        ("logistic", 't = [0, 1]\nmethod = "tsit5"', "solver.method: expected none, since the model has ticks"),
        ("logistic", "t = [0, 1]\nsamples = 3", "solver.samples: expected none"),
        ("logistic", "t = [0, 0.2]", "solver.t: expected [t0, t1] of at least a tick, 0.5, got 0 to 0.2"),
        ("logistic", "t = [0, 1, 2]", "solver.t: expected [t0, t1] of at least a tick"),
        ("logistic", "t = [0, 1]\nhistory = [1, 2]", "solver.history: expected shape (1,)"),
        ("switch", 't = [0, 1]\nmethod = "tsit"', "solver.method: expected one of"),
    ],
)
def test_bad_solvers_of_ones_own_systems_are_refused(folder, name, solver, message):
    refused(ode2rnn("simulate", config(name, solver)), message)


def test_an_input_that_the_model_does_not_take_is_refused(folder):
    sections = '[input]\nkind = "constant"\nvalue = 1\n'
    refused(
        ode2rnn("simulate", config("logistic", "t = [0, 1]", sections)), "expected 'zero', since the model has no input"
    )


def test_code_runs_for_a_python_file_alone(folder):
    Path("trap.pt").write_text("open('ran', 'w')")
    Path("trap.txt").write_text("open('ran', 'w')")
    for name in ("trap.pt", "trap.txt", "trap", "trap.pt:m"):
        assert ode2rnn("analyze", name).exit_code == 2
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [("a/b.py", (Path("a/b.py"), "")), ("c:/b.py:m", (Path("c:/b.py"), "m")), ("b.pyc", None), ("b.toml", None)],
)
def test_a_place_is_a_file_and_a_name(text, place):
    assert split_place(text) == place


def test_a_model_under_two_names_is_one(folder):
    Path("mine.py").write_text(
        "from ode2rnn import AdditiveModel\nm = n = AdditiveModel(state=[(-1.0, 0.3)])\n_k = 2\n"
    )
    system, name = load_own("FILE", Path("mine.py"))
    assert isinstance(system, AdditiveModel)
    assert name == "m"


def test_the_neuron_of_the_demos_rests_fires_and_rests_again(tmp_path, monkeypatch):
    demos = Path(__file__).parents[2] / "demos"
    monkeypatch.chdir(tmp_path)
    result = ode2rnn("analyze", f"{demos}/fhn.py", "--over", "current=0,1.6", "--length", "100", "--out", "fhn")
    assert result.exit_code == 0, result.output
    text = Path("fhn/report.md").read_text()
    # Hopf where v^2 = 1 - eps b, at the current w + v^3 / 3 - v with w = (v + a) / b
    v = np.sqrt(1 - 0.08 * 0.8)
    for side in (-v, v):
        assert f"{(side + 0.7) / 0.8 + side**3 / 3 - side:.10g}" in text
    result = ode2rnn("simulate", demos / "fhn.toml", "--out", "here")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("here").iterdir()} == {"fhn.csv", "fhn.png"}
