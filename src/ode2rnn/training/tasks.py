"""The tasks: two of pure memory, two of forecasting, and pictures read row by row.

Each function returns a Task. ``seed`` draws the data; the seeds of the training are given to ``fit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ode2rnn.core.arrays import check_count, check_nonnegative, check_number, check_positive
from ode2rnn.core.series import Series, load_series
from ode2rnn.training.baselines import forecast_scores
from ode2rnn.training.data import Sequences, Task, windows
from ode2rnn.training.scores import mse, rmse


def adding(length: int = 30, train: int = 2000, validation: int = 500, test: int = 1000, seed: int = 0) -> Task:
    """Add the two numbers that are marked in a sequence of random ones.

    x[n] = (number in [0, 1], marker): one marker 1 in the first half, one in the second, 0 elsewhere. The
    target is the sum of the two marked numbers. Who always answers 1 has the mean squared error 1/6.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), experiment 4, in
    the form that became usual later: markers 0 and 1, a fixed length.

    Example:
        >>> task = adding(length=10, train=50)
        >>> task.train.x.shape, task.train.y.shape
        ((10, 50, 2), (50, 1))
    """
    length = check_count("length", length, 2)
    draw = np.random.default_rng(check_count("seed", seed, 0))

    def part(name: str, count: int) -> Sequences:
        count = check_count(name, count)
        numbers, marks = draw.random((length, count)), np.zeros((length, count))
        each = np.arange(count)
        marks[draw.integers(0, length // 2, count), each] = 1.0
        marks[draw.integers(length // 2, length, count), each] = 1.0
        return Sequences(np.stack([numbers, marks], axis=2), (numbers * marks).sum(axis=0)[:, None])

    parts = part("train", train), part("validation", validation), part("test", test)
    constant = mse(np.full_like(parts[2].y, parts[0].y.mean()), parts[2].y)
    goal = f"add the two marked numbers among {length}"
    return Task("adding", goal, *parts, 1, "mse", "mse", baselines={"the mean of all sums": constant})


def copy_memory(
    delay: int = 5,
    count: int = 5,
    symbols: int = 4,
    train: int = 2000,
    validation: int = 500,
    test: int = 1000,
    seed: int = 0,
) -> Task:
    """Say again ``count`` symbols after a delay.

    Input, one-hot over symbols + 2: the symbols; ``delay`` steps of blanks, the last of them the signal to
    begin; then ``count`` blanks. Target at each step: blank, and after the signal the symbols in their order.
    The score is the share of the symbols recalled; a guess has 1 / symbols.

    Source: Hochreiter and Schmidhuber 1997; in this form Arjovsky, Shah and Bengio, "Unitary evolution recurrent
    neural networks" (2016).

    Example:
        >>> task = copy_memory(delay=3, count=2, symbols=4, train=1, validation=1, test=1)
        >>> task.train.x[:, 0].argmax(axis=1)[2:], task.train.y[:5, 0]  # 4 is the blank, 5 the signal
        (array([4, 4, 5, 4, 4]), array([4, 4, 4, 4, 4]))
    """
    delay, count = check_count("delay", delay), check_count("count", count)
    symbols = check_count("symbols", symbols, 2)
    draw = np.random.default_rng(check_count("seed", seed, 0))
    blank, signal = symbols, symbols + 1

    def part(name: str, size: int) -> Sequences:
        shown = draw.integers(0, symbols, (count, check_count(name, size)))
        x = np.full((2 * count + delay, size), blank)
        y = x.copy()
        x[:count], x[count + delay - 1] = shown, signal
        y[count + delay :] = shown
        return Sequences(np.eye(symbols + 2)[x], y)

    parts = part("train", train), part("validation", validation), part("test", test)
    goal = f"recall {count} of {symbols} symbols after {delay} steps"
    guess = {"a guess": 1 / symbols}
    return Task(
        "copy", goal, *parts, symbols + 1, "cross_entropy", "accuracy", baselines=guess, first_judged=count + delay
    )


def forecasting(
    series: Series,
    test_from: float,
    window: int = 12,
    validation: float = 0.2,
    name: str = "forecasting",
    also: Mapping[str, float] | None = None,
) -> Task:
    """Forecast a series one step ahead from the ``window`` values before; persistence and AR beside it.

    The split is by time: values from ``test_from`` on are judged, the last ``validation`` of the windows before
    choose the epoch, the rest is trained on. Mean and spread, by which all values are standardized, are those of
    the trained-on part alone. The baselines are fitted to all that comes before ``test_from``.

    Args:
        series: the series, its times and its unit.
        test_from: the first time that is judged.
        window: values in a window.
        validation: share of the windows before ``test_from``.
        name: the name of the task.
        also: more baselines, RMSE by name.

    Raises:
        ValueError: too few values before ``test_from``, or none after; a trained-on part that is constant.

    Example:
        >>> task = forecasting(load_series("sunspots"), test_from=1921, window=9)
        >>> len(task.train), len(task.validation), len(task.test), task.t[0]
        (170, 42, 88, np.float64(1921.0))
    """
    values, t = series.x[:, 0], series.t
    start = int(np.searchsorted(t, check_number("test_from", test_from)))
    window = check_count("window", window)
    if not window + 2 <= start < len(values):
        raise ValueError(
            f"test_from: expected at least {window + 2} values before it and one after, got {test_from:g}"
            f" with {start} values before and {len(values) - start} after"
        )
    # the past before test_from is known; of it the last part validates, and the first alone gives mean and deviation
    known, judged = windows(values, window), start - window
    first, last = known.take(slice(None, judged)).split(validation)
    trained_on = values[: window + len(first)]
    offset, scale = float(trained_on.mean()), float(trained_on.std())
    if not scale > 1e-12 * np.abs(trained_on).max():
        raise ValueError(f"series: expected values that vary before the validation part, got {trained_on[0]:g} only")

    def standard(part: Sequences) -> Sequences:
        return Sequences((part.x - offset) / scale, (part.y - offset) / scale)

    unit = series.unit_of_time
    return Task(
        name,
        f"{series.name} one {unit} ahead from {window}, judged from {t[start]:g} to {t[-1]:g}",
        standard(first),
        standard(last),
        standard(known.take(slice(judged, None))),
        1,
        "mse",
        "rmse",
        offset,
        scale,
        forecast_scores(values, start) | dict(also or {}),
        t=t[start:],
        unit_of_time=unit,
    )


def sine(samples: int = 400, period: float = 17.0, noise: float = 0.1, window: int = 12, seed: int = 0) -> Task:
    """Forecast a sine with white noise one step ahead; no forecast can beat the noise by more than chance.

    Args:
        samples: values; the last 30 % are judged.
        period: in steps.
        noise: standard deviation of the noise; the sine has the amplitude 1.
        window: values that a forecast sees.
        seed: draws the noise and the phase.
    """
    samples = check_count("samples", samples, 2 * window + 4)
    period, noise = check_positive("period", period), check_nonnegative("noise", noise)
    draw = np.random.default_rng(check_count("seed", seed, 0))
    clean = np.sin(2 * np.pi * (np.arange(samples) / period + draw.random()))
    values = clean + noise * draw.standard_normal(samples)
    start = round(0.7 * samples)
    series = Series("a noisy sine", np.arange(samples, dtype=float), values[:, None], "step")
    floor = {"the sine itself": rmse(clean[start:], values[start:])}
    return forecasting(series, float(start), window, name="sine", also=floor)


def sunspots(window: int = 12, test_from: float = 1921) -> Task:
    """Forecast the yearly sunspot number one year ahead: train before 1921, judge 1921 to 2008.

    Source: NOAA National Geophysical Data Center, see ``core/data/README.md``.
    """
    return forecasting(load_series("sunspots"), test_from, window, name="sunspots")


def digits(validation: float = 0.2) -> Task:
    """Read scikit-learn's handwritten digits (8 x 8 pixels) row by row: 8 steps of 8 features, 10 classes.

    A quarter is judged, drawn by class with seed 0; of the rest, the share ``validation``, drawn likewise,
    chooses the epoch. The baseline is logistic regression on the 64 pixels, fitted to all but the judged part.

    Raises:
        ModuleNotFoundError: scikit-learn is not there; it comes with ``pip install "ode2rnn[data]"``.
    """
    datasets, selection = _sklearn("datasets"), _sklearn("model_selection")
    pixels, labels = datasets.load_digits(return_X_y=True)
    pixels = pixels / 16.0  # they are 0 to 16

    def divide(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        return selection.train_test_split(rows, test_size=share, stratify=labels[rows], random_state=0)

    known, judged = divide(np.arange(len(labels)), 0.25)
    first, last = divide(known, validation)
    linear = _sklearn("linear_model").LogisticRegression(max_iter=1000).fit(pixels[known], labels[known])

    def part(rows: np.ndarray) -> Sequences:
        images = pixels[rows].reshape(-1, 8, 8)
        return Sequences(np.moveaxis(images, 0, 1), labels[rows].astype(np.int64))

    return Task(
        "digits",
        "handwritten digits, row by row",
        part(first),
        part(last),
        part(judged),
        10,
        "cross_entropy",
        "accuracy",
        baselines={"logistic regression": float(linear.score(pixels[judged], labels[judged]))},
    )


def _sklearn(module: str) -> Any:
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ModuleNotFoundError(
            f'digits: expected scikit-learn, which is not there; pip install "ode2rnn[data]" brings it ({error})'
        ) from error


TASKS: dict[str, Callable[..., Task]] = {
    "adding": adding,
    "copy": copy_memory,
    "sine": sine,
    "sunspots": sunspots,
    "digits": digits,
}
