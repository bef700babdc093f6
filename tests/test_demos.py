"""The demos run, and show what they say; the page about them is the one their script makes."""

import ast
import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
MAKE, PAGE = ROOT / "demos" / "make_readme.py", ROOT / "demos" / "README.md"
DEMOS = sorted((ROOT / "demos").glob("[0-9][0-9]_*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def demo(number: str) -> ModuleType:
    return load(next(path for path in DEMOS if path.name.startswith(number)))


def frames(path: Path) -> int:
    with Image.open(path) as film:
        return film.n_frames


def test_demos_are_short_and_numbered_in_reading_order():
    assert [path.name[:2] for path in DEMOS] == [f"{k:02d}" for k in range(1, len(DEMOS) + 1)]
    for path in DEMOS:
        assert len(path.read_text().splitlines()) < 80, path.name


@pytest.mark.parametrize("path", DEMOS, ids=lambda path: path.stem)
def test_each_demo_says_how_to_run_it_and_ends_with_an_exercise(path):
    text = path.read_text()
    assert f"Run: python demos/{path.name} [--out FOLDER]" in ast.get_docstring(ast.parse(text))
    ending = text[text.rindex("\n\n") + 2 :]
    assert ending.startswith("# Predict first: ")
    assert all(line.startswith("# ") for line in ending.splitlines())
    assert "?" in ending


@pytest.mark.parametrize("path", [*DEMOS, MAKE], ids=lambda path: path.stem)
def test_each_script_explains_itself(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert "Run: python demos/" in " ".join(capsys.readouterr().out.split())


def test_the_page_is_the_one_that_its_script_makes():
    assert PAGE.read_text(encoding="utf-8") == load(MAKE).page(), "run python demos/make_readme.py"


def test_the_pictures_are_small_and_made_by_the_demos_as_they_are():
    make = load(MAKE)
    assert make.MADE_FROM.read_text() == make.digests(), "run python demos/make_readme.py --pictures"
    shown = re.findall(r"!\[.*\]\((pictures/.*)\)", PAGE.read_text(encoding="utf-8"))
    assert [Path(name).stem for name in shown] == [path.stem for path in DEMOS]
    assert sum(name.endswith(".gif") for name in shown) == 2
    for name in shown:
        assert 0 < (PAGE.parent / name).stat().st_size < 300_000, name
    kept = {path.stem for path in make.PICTURES.iterdir()} - {make.MADE_FROM.stem}
    assert kept == {path.stem for path in DEMOS}


def test_a_picture_is_out_of_date_when_code_changes_and_not_when_words_do(tmp_path):
    make, changed = load(MAKE), tmp_path / "demo.py"
    text = DEMOS[0].read_text(encoding="utf-8")
    changed.write_text(text.replace('"""The', '"""One more word. The', 1) + "# and one more\n", encoding="utf-8")
    assert make.code_of(changed) == make.code_of(DEMOS[0])
    changed.write_text(text.replace("60.0", "61.0"), encoding="utf-8")
    assert make.code_of(changed) != make.code_of(DEMOS[0])


def test_the_command_of_the_page_works_as_it_is_pasted(tmp_path):
    (command,) = re.findall(r"```bash\n(.*)\n```", PAGE.read_text(encoding="utf-8"))
    python, script = command.split()
    assert python == "python"
    subprocess.run([sys.executable, ROOT / script], check=True, timeout=300, cwd=tmp_path)
    assert (tmp_path / "demo_output" / f"{DEMOS[0].stem}.png").exists()


def test_the_leak_rests_the_wires_bring_a_rhythm_and_a_push_ends_it(tmp_path):
    leak, wires, push = demo("01").main(tmp_path, end=60.0).values()
    assert leak < 1e-6
    assert wires > 2.0
    assert push < 1e-2


def test_the_delayed_loop_rests_or_oscillates_as_its_roots_say(tmp_path):
    amplitude = demo("02").main(tmp_path, end=30.0)
    assert amplitude[0.8] < 0.01
    assert amplitude[2.0] > 1.0
    assert (tmp_path / "02_delay_is_memory.png").exists()


def test_the_samples_of_the_equation_are_the_canonical_rnn(tmp_path):
    assert demo("03").main(tmp_path, ticks=30) <= 2e-15


def test_the_recursion_leaves_rest_at_the_predicted_step(tmp_path):
    at_rest = demo("04").main(tmp_path / "new", ticks=3000, count=20, frames=3)
    assert 4 / 13 - 0.98 / 19 <= at_rest <= 4 / 13
    assert frames(tmp_path / "new" / "04_step_size.gif") == 3


def test_backward_euler_makes_the_unstable_spiral_stable_above_the_predicted_step(tmp_path):
    amplitude = demo("05").main(tmp_path, end=60.0)
    assert amplitude[0.0] > 0.5
    assert amplitude[0.02] > 0.3  # below 2 Re(lambda) / |lambda|^2 = 0.0499
    assert max(amplitude[0.1], amplitude[0.25]) < 0.01


def test_one_cell_forgets_and_the_other_does_not(tmp_path):
    smallest = demo("06").main(tmp_path, most=40)
    assert smallest["forgets"] < 30
    assert smallest["never forgets"] is None


def test_an_error_reaches_the_first_sample_of_the_lstm_and_not_of_the_rnn(tmp_path):
    arrives = demo("07").main(tmp_path / "new", frames=4)
    assert arrives["RNN"] < 1e-5
    assert arrives["LSTM"] > 0.1
    assert frames(tmp_path / "new" / "07_where_gradients_go.gif") == 4


def test_a_network_without_gates_and_one_with_them_learn_to_add(tmp_path):
    errors = demo("08").main(tmp_path, length=6, sequences=1000, epochs=12)
    assert list(errors) == ["standard RNN", "Vanilla LSTM"]
    assert errors["Vanilla LSTM"] < 0.5 * errors["standard RNN"] < 0.5 / 6
    assert (tmp_path / "08_from_rnn_to_lstm.png").exists()


def test_a_finer_lstm_is_nearer_to_its_equation(tmp_path):
    errors = demo("09").main(tmp_path, ticks=12)
    assert 0.15 < errors["dT / 4"] / errors["dT"] < 0.45
    assert (tmp_path / "09_lstm_equation.png").exists()


def test_trained_networks_tend_to_their_equations_at_order_one(tmp_path):
    orders = demo("10").main(tmp_path, epochs=3, years=20)
    np.testing.assert_allclose(list(orders.values()), 1.0, atol=0.2)


def test_the_others_miss_the_pulse_without_a_warning_and_we_do_not(tmp_path):
    scipy, torchdiffeq, own = demo("11").main(tmp_path).values()
    assert abs(scipy) < 1e-12
    assert abs(torchdiffeq) < 1e-12
    np.testing.assert_allclose(own, (np.sqrt(np.e) - 1) * np.exp(-2), rtol=1e-6)


def test_gradients_through_the_solver_learn_the_feedback(tmp_path):
    first, last = demo("12").main(tmp_path, steps=12)
    assert last < 0.3 * first
