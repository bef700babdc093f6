"""ode2rnn analyze: every kind of file gives the report of the network in it, bad ones are one line on stderr."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from ode2rnn import nn
from ode2rnn.analysis import bifurcation, fixed_points
from ode2rnn.cli import app
from ode2rnn.cli.analyze import SHARES
from ode2rnn.cli.saved import load_saved
from ode2rnn.cli.weights import from_state_dict

CONFIG = """
[model]
kind = "continuous_rnn"
A = [[-1.0]]
B = [[-2.0]]
tau = 1.5
[solver]
t = [0, 6]
"""
PICTURES = {
    *("fixed_points.png", "phase_plane.png", "lyapunov.png", "bifurcation.png", "gradient_flow.png"),
    "report.md",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def analyze(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["analyze", *map(str, arguments), "--length", "200"])


def refused(result: Result, *said: str, code: int = 2) -> None:
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    for text in said:
        assert text in lines[0]
    assert "Traceback" not in result.output


def lstm(inputs: int = 1, units: int = 3) -> torch.nn.LSTM:
    torch.manual_seed(0)
    return torch.nn.LSTM(inputs, units).double()


def test_a_saved_torch_network_gets_its_report_with_pictures(folder):
    network = lstm()
    held = {f"encoder.{key}": value for key, value in network.state_dict().items()}
    torch.save(held | {"head.weight": torch.zeros(1, 3)}, "lstm.pt")
    result = analyze("lstm.pt", "--out", "report")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("report").iterdir()} == PICTURES
    text = Path("report/report.md").read_text()
    assert text.startswith("# torch.nn.LSTM: 1 inputs, 3 units, 1 layer\n")
    found = fixed_points(network, starts=64)
    lead = found[0].roots[0]
    assert f"{lead.real:.6g}" in text
    assert found.table().splitlines()[1] in text
    for picture in PICTURES - {"report.md"}:
        assert f"({picture})" in text
        assert (Path("report") / picture).read_bytes().startswith(b"\x89PNG")


def test_an_equation_and_its_samples_from_a_config(folder):
    Path("loop.toml").write_text(CONFIG)
    result = analyze("loop.toml", "--out", "flow")
    assert result.exit_code == 0, result.output
    text = Path("flow/report.md").read_text()
    assert "saddle-focus" in text  # past the Hopf at tau = 1.2092 one pair of roots leads away
    assert "Not applied: an equation has no steps" in text
    diagram = bifurcation(load_saved(Path("loop.toml")).system, "gain", SHARES, attractors=False)
    (hopf,) = diagram.points
    assert hopf.kind == "Hopf"
    assert f"{hopf.value:.6g}" in text
    assert not Path("flow/gradient_flow.png").exists()
    samples = analyze("loop.toml", "--dt", "1.5", "--out", "map")
    assert samples.exit_code == 0, samples.output
    text = Path("map/report.md").read_text()
    # z = (1 + dT w) / (1 + dT), not beyond the flip yet: dT < 2 / (|w| - 1)
    assert "stable node, flip side" in text
    assert f"{(1 - 3) / 2.5:.6g}" in text
    assert Path("map/gradient_flow.png").exists()


def test_a_model_without_input_is_enough(folder):
    Path("model.toml").write_text(CONFIG.partition("[solver]")[0])
    result = analyze("model.toml", "--out", "flow")
    assert result.exit_code == 0, result.output
    assert "saddle-focus" in Path("flow/report.md").read_text()
    Path("driven.toml").write_text(
        CONFIG.partition("[solver]")[0] + 'C = [[1.0]]\n[input]\nkind = "constant"\nvalue = 1\n'
    )
    refused(analyze("driven.toml"), "[solver]: expected this section")


def test_a_layer_by_its_own_file(folder):
    torch.manual_seed(1)
    layer = nn.CanonicalRNN(1, 2)
    layer.save("layer.safetensors")
    saved = load_saved(Path("layer.safetensors"))
    assert saved.what == "ode2rnn.nn.CanonicalRNN: 1 inputs, 2 units, 1 layer"
    for name, value in saved.system.state_dict().items():
        assert torch.equal(value, layer.state_dict()[name].double())
    result = analyze("layer.safetensors", "--out", "report")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("report").iterdir()} == PICTURES


@pytest.mark.parametrize(("kind", "letter"), [("rnn", "RNN"), ("gru", "GRU"), ("lstm", "LSTM")])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_kind_and_sizes_come_from_names_and_shapes(folder, kind, letter, layers, bias):
    torch.manual_seed(0)
    network = getattr(torch.nn, letter)(2, 3, num_layers=layers, bias=bias)
    save_file(network.state_dict(), "net.safetensors")
    torch.save({"model_state_dict": network.state_dict(), "epoch": 3}, "net.pth")
    x = torch.randn(5, 2, dtype=torch.float64)
    for name in ("net.safetensors", "net.pth"):
        loaded = load_saved(Path(name), kind).system
        assert torch.equal(loaded(x)[0], network.double()(x)[0])
        assert type(load_saved(Path(name)).system) is type(network)


def test_relu_is_told_by_kind_and_cells_are_layers(folder):
    network = torch.nn.RNNCell(1, 2, nonlinearity="relu")
    loaded = from_state_dict(network.state_dict(), "rnn-relu")[0]
    h = torch.tensor([0.3, 0.5])
    x = torch.tensor([1.0])
    expected = network(x, h).double()
    assert torch.allclose(loaded(x.double()[None], h.double()[None])[0][0], expected, atol=1e-6)
    assert "taken to be so" in from_state_dict(network.state_dict())[1]


def test_a_motion_that_diverges_ends_with_one_and_the_rest_is_written(folder):
    network = torch.nn.RNN(1, 1, nonlinearity="relu")
    with torch.no_grad():
        network.weight_hh_l0.fill_(3.0)
        network.bias_ih_l0.fill_(1.0)
    torch.save(network.state_dict(), "net.pt")
    result = CliRunner().invoke(app, ["analyze", "net.pt", "--kind", "rnn-relu", "--out", "report"])
    refused(result, "no result for", "Lyapunov", code=1)
    text = Path("report/report.md").read_text()
    assert "Not found: " in text
    assert "## Fixed points" in text


def test_what_is_in_several_networks_is_chosen_by_prefix(folder):
    one, two = lstm(), lstm(units=2)
    both = {f"{name}.{k}": v for name, net in (("a", one), ("b.c", two)) for k, v in net.state_dict().items()}
    torch.save(both, "both.pt")
    refused(analyze("both.pt"), "--prefix: expected one of 'a', 'b.c'")
    assert load_saved(Path("both.pt"), prefix="b.c").system.hidden_size == 2
    refused(analyze("both.pt", "--prefix", "c"), "--prefix: expected one of")


def test_bad_files_are_refused_in_one_line_and_nothing_is_written(folder):
    network = lstm()
    state = dict(network.state_dict())
    torch.save(state, "fine.pt")
    whole = Path("fine.pt").read_bytes()
    Path("cut.pt").write_bytes(whole[: len(whole) // 2])
    Path("text.safetensors").write_text("no tensors here")
    torch.save([1, 2], "list.pt")
    torch.save({"w": torch.zeros(2)}, "other.pt")
    torch.save(state | {"weight_hh_l0": torch.zeros(7, 3)}, "shape.pt")
    torch.save(state | {"bias_hh_l0": torch.full((12,), float("nan"))}, "nan.pt")
    torch.save(torch.nn.GRU(1, 2, bidirectional=True).state_dict(), "both.pt")
    torch.save(torch.nn.LSTM(1, 4, proj_size=2).state_dict(), "projected.pt")
    torch.save(network, "pickled.pt")
    Path("config.toml").write_text(CONFIG)
    for arguments, said in (
        (["none.pt"], "which is none"),
        (["folder.txt"], "FILE: expected a name that ends in"),
        (["cut.pt"], "FILE: expected weights that torch.save wrote"),
        (["pickled.pt"], "FILE: expected weights that torch.save wrote"),
        (["text.safetensors"], "FILE: expected safetensors"),
        (["list.pt"], "FILE: expected a state_dict, got list"),
        (["other.pt"], "expected weights of torch's RNN, LSTM or GRU (weight_ih_l0, ...), got w"),
        (["shape.pt"], "FILE: weight_hh_l0: expected shape (g d, d)"),
        (["nan.pt"], "FILE: bias_hh_l0: expected finite numbers"),
        (["both.pt"], "one direction"),
        (["projected.pt"], "without projection"),
        (["fine.pt", "--kind", "gru"], "--kind: expected lstm"),
        (["fine.pt", "--kind", "lstn"], "did you mean 'lstm'"),
        (["fine.pt", "--dt", "1"], "--dt: expected none"),
        (["config.toml", "--kind", "rnn"], "--kind: expected none"),
        (["config.toml", "--dt", "0.4"], "--dt: expected"),
        (["config.toml", "--dt", "0.5", "--scheme", "tustn"], "--scheme"),
        (["fine.pt", "--length", "0"], "--length: expected"),
    ):
        result = CliRunner().invoke(app, ["analyze", *arguments, "--out", "report"])
        refused(result, said)
        assert not Path("report").exists(), arguments
    Path("file").write_text("")
    refused(analyze("fine.pt", "--out", "file"), "--out: expected a folder")


def test_an_interrupt_leaves_the_other_parts(folder, monkeypatch):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ode2rnn.cli.analyze.phase_plane", stopped)
    save_file(lstm(units=2).state_dict(), "net.safetensors")
    refused(analyze("net.safetensors", "--out", "report"), "no result for: Phase plane", code=1)
    text = Path("report/report.md").read_text()
    assert "Interrupted." in text
    assert "(lyapunov.png)" in text
    assert np.isfinite(float(text.split("largest exponent is ")[1].split()[0]))
