"""The demos run, and show what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

ROOT = Path(__file__).parents[1]
DEMOS = sorted((ROOT / "demos").glob("[0-9][0-9]_*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def demo(number: str) -> ModuleType:
    return load(next(path for path in DEMOS if path.name.startswith(number)))


def test_demos_are_short_and_numbered_in_reading_order():
    assert [path.name[:2] for path in DEMOS] == [f"{k:02d}" for k in range(1, len(DEMOS) + 1)]
    for path in DEMOS:
        assert len(path.read_text().splitlines()) < 80, path.name


def test_the_delayed_loop_rests_or_oscillates_as_its_roots_say(tmp_path):
    amplitude = demo("01").main(tmp_path, end=30.0)
    assert amplitude[0.8] < 0.01
    assert amplitude[2.0] > 1.0
    assert (tmp_path / "01_delay_equation.png").exists()


def test_the_samples_of_the_equation_are_the_canonical_rnn(tmp_path):
    assert demo("02").main(tmp_path, ticks=30) <= 2e-15


def test_the_recursion_leaves_rest_at_the_predicted_step(tmp_path):
    at_rest = demo("03").main(tmp_path, ticks=3000, count=20)
    assert 4 / 13 - 0.98 / 19 <= at_rest <= 4 / 13


def test_gradients_through_the_solver_learn_the_feedback():
    first, last = demo("04").main(steps=12)
    assert last < 0.3 * first


def test_one_cell_forgets_and_the_other_does_not(tmp_path):
    smallest = demo("05").main(tmp_path, most=40)
    assert smallest["forgets"] < 30
    assert smallest["never forgets"] is None


def test_a_network_without_gates_and_one_with_them_learn_to_add(tmp_path):
    errors = demo("06").main(tmp_path, length=6, sequences=1000, epochs=12)
    assert list(errors) == ["standard RNN", "Vanilla LSTM"]
    assert errors["Vanilla LSTM"] < 0.5 * errors["standard RNN"] < 0.5 / 6
    assert (tmp_path / "06_from_rnn_to_lstm.png").exists()


def test_a_finer_lstm_is_nearer_to_its_equation(tmp_path):
    errors = demo("07").main(tmp_path, ticks=12)
    assert 0.15 < errors["dT / 4"] / errors["dT"] < 0.45
    assert (tmp_path / "07_lstm_equation.png").exists()


def test_trained_networks_tend_to_their_equations_at_order_one(tmp_path):
    orders = demo("08").main(tmp_path, epochs=3, years=20)
    np.testing.assert_allclose(list(orders.values()), 1.0, atol=0.2)
