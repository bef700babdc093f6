"""Sequences, windows and splits: nothing from after a split is seen before it, and nothing bad gets in."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ode2rnn.training import Sequences, Task, windows
from ode2rnn.training.scores import SCORES

X = np.zeros((5, 4, 2))


@given(st.integers(2, 40), st.integers(1, 39), st.integers(1, 3))
def test_a_window_holds_the_values_before_its_target_and_no_other(count, length, width):
    length = min(length, count - 1)
    times = np.arange(count * width, dtype=float).reshape(count, width)
    data = windows(times, length)
    assert data.x.shape == (length, count - length, width)
    for k in range(len(data)):
        assert np.array_equal(data.x[:, k], times[k : k + length])
        assert np.array_equal(data.y[k], times[k + length])


@given(st.integers(2, 300), st.floats(0.01, 0.99))
def test_a_split_keeps_the_order_and_loses_nothing(count, share):
    data = Sequences(np.zeros((2, count, 1)), np.arange(count))
    if not 0 < round(share * count) < count:
        with pytest.raises(ValueError, match="both parts"):
            data.split(share)
        return
    first, last = data.split(share)
    assert len(last) == round(share * count)
    assert [*first.y, *last.y] == list(range(count))


def test_targets_of_each_step_are_taken_along():
    data = Sequences(np.arange(24.0).reshape(3, 4, 2), np.arange(12).reshape(3, 4))
    part = data.take([2, 0])
    assert np.array_equal(part.x, data.x[:, [2, 0]])
    assert np.array_equal(part.y, data.y[:, [2, 0]])
    assert part.each_step
    assert part.classes


def test_tensors_become_arrays():
    data = Sequences(torch.zeros(5, 4, 2), torch.ones(4, dtype=torch.int32))
    assert (data.x.dtype, data.y.dtype) == (np.float64, np.int64)
    assert data.classes


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], np.zeros(4, int), r"x: expected shape \(T, N, m\), got \(4, 2\)"),
        (X[:, :0], np.zeros(0, int), r"x: expected shape \(T, N, m\), got \(5, 0, 2\)"),
        (X, np.zeros((3, 1)), r"y: expected shape \(4, o\), got \(3, 1\)"),
        (X, np.zeros(4), r"y: expected shape \(4, o\), got \(4,\)"),
        (X, np.zeros(3, int), r"y: expected shape \(4,\), got \(3,\)"),
        (X, np.zeros((4, 5), int), r"y: expected shape \(5, 4\), got \(4, 5\)"),
        (X, np.array([0, 1, -1, 0]), "y: expected classes 0, 1, ..., got -1"),
        (X, np.full((4, 1), np.nan), "y: expected finite numbers"),
        (X + np.inf, np.zeros((4, 1)), "x: expected finite numbers"),
        (X, np.zeros((4, 1), complex), "y: expected an array of real numbers"),
        (None, np.zeros((4, 1)), "x: expected numbers, got None"),
    ],
)
def test_bad_sequences_are_refused_by_name(x, y, message):
    with pytest.raises(ValueError, match=message):
        Sequences(x, y)


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.0, float("nan"), "half", None, True, 0.01])
def test_bad_shares_are_refused(share):
    with pytest.raises(ValueError, match="share: expected"):
        Sequences(X, np.zeros((4, 1))).split(share)


@pytest.mark.parametrize("length", [0, 5, 6, 1.0])
def test_bad_windows_are_refused(length):
    with pytest.raises(ValueError, match="length: expected"):
        windows(np.zeros(5), length)


def test_a_task_whose_parts_do_not_fit_each_other_is_refused():
    good, wide = Sequences(X, np.zeros((4, 1))), Sequences(np.zeros((5, 4, 3)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match="test: expected the lengths, widths and kind of target of train"):
        Task("a", "b", good, good, wide, 1, "mse", "rmse")
    with pytest.raises(ValueError, match="score: expected one of accuracy, mse, rmse"):
        Task("a", "b", good, good, good, 1, "mse", "r2")


def test_a_task_judges_in_the_unit_of_the_raw_data():
    part = Sequences(X, np.array([[0.0], [1.0], [2.0], [3.0]]))
    task = Task("a", "b", part, part, part, 1, "mse", "rmse", offset=100.0, scale=10.0)
    assert task.judge(part.y + 0.5) == pytest.approx(5.0, rel=1e-14)
    assert task.raw(part.y)[3, 0] == 130.0


def test_accuracy_of_each_step_counts_from_the_first_judged_step():
    x, y = np.zeros((3, 1, 1)), np.array([[0], [1], [0]])
    part = Sequences(x, y)
    task = Task("a", "b", part, part, part, 2, "cross_entropy", "accuracy", first_judged=2)
    output = np.array([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]]])  # wrong, wrong, right
    assert task.judge(output) == 1.0
    assert task.better == SCORES["accuracy"].better == "higher"
