"""The tasks are what they say, the known scores come out, and no forecast sees what it is judged on."""

import sys

import numpy as np
import pytest

from ode2rnn.core.series import Series, load_series
from ode2rnn.training import adding, copy_memory, digits, forecasting, sine, sunspots
from ode2rnn.training.baselines import autoregression, forecast_scores, persistence


def test_the_baselines_of_the_sunspots_are_the_known_ones():
    assert {name: round(value, 2) for name, value in sunspots().baselines.items()} == {
        "persistence": 30.44,
        "AR(1)": 29.28,
        "AR(2)": 20.46,
        "AR(9)": 17.44,
    }


def test_the_sunspots_are_split_by_time():
    task, series = sunspots(window=12), load_series("sunspots")
    assert (task.t[0], task.t[-1], len(task.test)) == (1921, 2008, 88)
    assert len(task.train) + len(task.validation) == 1921 - 1700 - 12
    np.testing.assert_allclose(task.raw(task.test.y), series.x[221:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(task.raw(task.test.x[-1]), series.x[220:-1], rtol=0, atol=1e-12)
    together = np.concatenate([task.train.y, task.validation.y, task.test.y])
    np.testing.assert_allclose(task.raw(together), series.x[12:], rtol=0, atol=1e-12)


def test_what_comes_later_changes_nothing_that_is_trained_on_or_chosen_by():
    series = load_series("sunspots")
    years, before = series.t, sunspots()
    first_validated = int(years[12 + len(before.train)])
    for year, same in ((1921, ["train", "validation"]), (first_validated, ["train"])):
        changed = series.x.copy()
        changed[years >= year] = 1000.0 + 37.0 * np.sin(years[years >= year, None])
        after = forecasting(Series("changed", years, changed, "year"), 1921)
        for part in same:
            assert np.array_equal(getattr(before, part).x, getattr(after, part).x)
            assert np.array_equal(getattr(before, part).y, getattr(after, part).y)
        assert (before.offset, before.scale) == (after.offset, after.scale)


def test_the_standardized_values_are_those_of_the_part_trained_on():
    task, values = sunspots(window=9), load_series("sunspots").x[:, 0]
    seen = values[: 9 + len(task.train)]
    assert (task.offset, task.scale) == (seen.mean(), seen.std())
    assert abs(values[:221].mean() - task.offset) > 0.5  # another number than that of all years before 1921


def test_autoregression_forecasts_from_the_values_before_only():
    x = np.random.default_rng(0).standard_normal(60)
    forecast = autoregression(x, 3, 40)
    for n in range(40, 60):
        later = x.copy()
        later[n:] += 5.0
        assert np.array_equal(autoregression(later, 3, 40)[: n - 39], forecast[: n - 39])


def test_autoregression_finds_the_coefficients_of_a_process_without_noise():
    x = np.empty(80)
    x[:3] = 1.0, -0.5, 0.3
    for n in range(3, 80):
        x[n] = 0.2 + 1.1 * x[n - 1] - 0.6 * x[n - 2] + 0.3 * x[n - 3]
    np.testing.assert_allclose(autoregression(x, 3, 50), x[50:], rtol=1e-9)


def test_persistence_is_the_value_before():
    assert persistence(np.array([3.0, 1.0, 4.0, 1.0]), 2).tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: autoregression(x, 3, 6), "start: expected a whole number >= 7, got 6"),
        (lambda x: autoregression(x, 0, 6), "order: expected a whole number >= 1"),
        (lambda x: persistence(x, 0), "start: expected a whole number >= 1"),
        (lambda x: persistence(x, 10), "start: expected fewer than the 10 values"),
        (lambda x: persistence(x[:, None], 5), r"values: expected shape \(N,\)"),
    ],
)
def test_bad_baselines_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.arange(10.0))


def test_orders_that_cannot_be_fitted_are_left_out():
    assert set(forecast_scores(np.random.default_rng(0).random(30), 10)) == {"persistence", "AR(1)", "AR(2)"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_from": 1700}, "test_from: expected at least 14 values before it and one after, got 1700 with 0 values"),
        ({"test_from": 2009}, "test_from: expected at least 14 .* and 0 after"),
        ({"test_from": float("nan")}, "test_from: expected finite"),
        ({"test_from": 1921, "window": 220}, "test_from: expected at least 222 values before it"),
        ({"test_from": 1921, "window": 0}, "window: expected a whole number >= 1"),
        ({"test_from": 1921, "validation": 2}, "share: expected a number between 0 and 1"),
    ],
)
def test_bad_forecasting_tasks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        forecasting(load_series("sunspots"), **options)


def test_a_series_that_is_constant_where_it_is_trained_on_is_refused():
    x = np.r_[np.full(60, 7.0), np.arange(40.0)][:, None]
    with pytest.raises(ValueError, match="series: expected values that vary before the validation part, got 7 only"):
        forecasting(Series("flat", np.arange(100.0), x, "s"), 70.0)


def test_the_sums_are_of_the_marked_numbers_one_in_each_half():
    task = adding(length=9, train=300)
    numbers, marks = task.train.x[..., 0], task.train.x[..., 1]
    assert set(np.unique(marks)) == {0.0, 1.0}
    assert (marks[:4].sum(axis=0) == 1).all()
    assert (marks[4:].sum(axis=0) == 1).all()
    assert (marks.sum(axis=1) > 0).all()  # every place is drawn
    np.testing.assert_allclose(np.where(marks == 1, numbers, 0).sum(axis=0), task.train.y[:, 0], rtol=1e-15)
    assert task.baselines["the mean of all sums"] == pytest.approx(1 / 6, abs=0.015)


def test_the_symbols_come_back_after_the_signal():
    task = copy_memory(delay=4, count=3, symbols=5, train=100)
    x, y = task.train.x.argmax(axis=2), task.train.y
    blank, signal = 5, 6
    assert np.array_equal(y[7:], x[:3])
    assert (y[:7] == blank).all()
    assert (x[3:6] == blank).all()
    assert (x[6] == signal).all()
    assert (x[7:] == blank).all()
    assert set(np.unique(x[:3])) == set(range(5))
    assert (task.train.x.sum(axis=2) == 1).all()
    assert task.first_judged == 7
    assert task.outputs == 6
    right = np.eye(6)[task.test.y]
    assert task.judge(right) == 1.0


def test_the_noise_of_the_sine_is_the_floor_of_its_scores():
    task = sine(samples=4000, noise=0.1)
    assert task.baselines["the sine itself"] == pytest.approx(0.1, rel=0.1)
    assert min(task.baselines.values()) == task.baselines["the sine itself"]
    exact = sine(noise=0.0)
    assert exact.baselines["AR(2)"] < 1e-12 < exact.baselines["AR(1)"]


@pytest.mark.parametrize("make", [adding, copy_memory, sine])
def test_the_data_are_drawn_by_their_seed(make):
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    assert np.array_equal(one.train.x, same.train.x)
    assert not np.array_equal(one.train.x, other.train.x)
    assert not np.array_equal(one.train.x[:, : len(one.test)], one.test.x[:, : len(one.train)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adding(length=1), "length: expected a whole number >= 2"),
        (lambda: adding(train=0), "train: expected a whole number >= 1"),
        (lambda: copy_memory(delay=0), "delay: expected a whole number >= 1"),
        (lambda: copy_memory(symbols=1), "symbols: expected a whole number >= 2"),
        (lambda: sine(samples=10), "samples: expected a whole number >= 28"),
        (lambda: sine(period=0), "period: expected a number > 0"),
        (lambda: sine(noise=-1), "noise: expected a number >= 0"),
        (lambda: sunspots(window=300), "test_from: expected at least 302 values"),
    ],
)
def test_bad_tasks_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_digits_are_read_row_by_row_and_the_linear_score_is_the_known_one():
    datasets = pytest.importorskip("sklearn.datasets", reason="the extra 'data'")
    task = digits()
    assert round(task.baselines["logistic regression"], 3) == 0.969
    assert [len(part) for part in (task.train, task.validation, task.test)] == [1077, 270, 450]
    images = {image.tobytes(): label for image, label in zip(*datasets.load_digits(return_X_y=True), strict=True)}
    pixels = 16 * np.moveaxis(task.test.x, 1, 0)  # (N, row, column)
    assert [images[image.reshape(64).tobytes()] for image in pixels] == task.test.y.tolist()
    seen = {
        (16 * np.moveaxis(part.x, 1, 0))[k].tobytes()
        for part in (task.train, task.validation)
        for k in range(len(part))
    }
    assert not seen & {image.tobytes() for image in pixels}
    assert np.bincount(task.test.y).min() >= 43  # every class alike


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r'digits: expected scikit-learn, .*; pip install "ode2rnn\[data\]"'):
        digits()
