"""What a network learns from: sequences with their targets, and a task that keeps its test part apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ode2rnn.core.arrays import brief, check_array, check_choice, check_count, check_shape, is_torch, to_numpy
from ode2rnn.training.scores import SCORES

LOSSES = ("mse", "cross_entropy")


@dataclass(frozen=True, eq=False)
class Sequences:
    """N input sequences of length T, and a target for each of them or for each of their steps.

    Attributes:
        x: inputs (T, N, m): time first, sequences between, features last.
        y: targets. Real numbers (N, o), or (T, N, o) where every step has one; whole numbers 0, 1, ... for
            classes, (N,) or (T, N). Kept as float64 or int64.

    Raises:
        ValueError: wrong shapes, no sequence at all, NaN or infinity, negative classes.

    Example:
        >>> data = Sequences(np.zeros((5, 3, 2)), np.zeros((3, 1)))
        >>> len(data), data.each_step, data.classes
        (3, False, False)
        >>> Sequences(np.zeros((5, 3, 2)), np.zeros((5, 3), dtype=int)).each_step
        True
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        x = check_shape("x", to_numpy(check_array("x", self.x)), ("T", "N", "m"))
        object.__setattr__(self, "x", x)
        y: Any = self.y
        y = y.detach().cpu().numpy() if is_torch(y) else np.asarray(y)
        if y.dtype.kind in "iu":
            y = y.astype(np.int64)
            if y.size and y.min() < 0:
                raise ValueError(f"y: expected classes 0, 1, ..., got {y.min()}")
            width, steps = [], y.ndim == 2
        else:
            y = to_numpy(check_array("y", y))
            width, steps = ["o"], y.ndim == 3
        length, count, _ = x.shape
        object.__setattr__(self, "y", check_shape("y", y, (*([length] if steps else []), count, *width)))

    def __len__(self) -> int:
        return self.x.shape[1]

    @property
    def classes(self) -> bool:
        """Whether the targets are classes."""
        return self.y.dtype.kind == "i"

    @property
    def each_step(self) -> bool:
        """Whether every step has a target, not the whole sequence only."""
        return self.y.ndim == (2 if self.classes else 3)

    def take(self, which: Any) -> Sequences:
        """The sequences with the numbers ``which``: a slice, or a vector of numbers."""
        return Sequences(self.x[:, which], self.y[:, which] if self.each_step else self.y[which])

    def split(self, share: float) -> tuple[Sequences, Sequences]:
        """The first sequences and the last ``share`` of them, in the order given.

        Nothing is shuffled, so that windows of a series are never trained on what comes after the split.

        Raises:
            ValueError: a share that leaves either part empty.

        Example:
            >>> first, last = Sequences(np.zeros((5, 10, 2)), np.zeros((10, 1))).split(0.2)
            >>> len(first), len(last)
            (8, 2)
        """
        value = share if isinstance(share, int | float) and not isinstance(share, bool) else None
        if value is None or not 0 < value < 1:
            raise ValueError(f"share: expected a number between 0 and 1, got {brief(share)}")
        count = round(value * len(self))
        if not 0 < count < len(self):
            raise ValueError(f"share: expected both parts of {len(self)} sequences not empty, got the share {value:g}")
        return self.take(slice(None, -count)), self.take(slice(-count, None))


@dataclass(frozen=True, eq=False)
class Task:
    """Sequences to train on, to choose the best epoch by, and to be judged on; and what others reach there.

    Attributes:
        name: a word.
        goal: one line: what is asked, and of which data.
        train, validation, test: sequences of one length and width.
        outputs: values, or classes, that a network puts out.
        loss: ``"mse"`` or ``"cross_entropy"``.
        score: the name of a score, see ``SCORES``; judged on ``test`` in the unit of the raw data.
        offset, scale: raw target = offset + scale * target.
        baselines: scores of methods that need no network, on the same test part, by name.
        first_judged: the steps from this one on count for the score (targets of each step).
        t: the times (N,) of the targets of ``test`` where they follow each other in time, else None.
        unit_of_time: the unit of t, for labels.

    Raises:
        ValueError: parts that do not fit each other.
    """

    name: str
    goal: str
    train: Sequences
    validation: Sequences
    test: Sequences
    outputs: int
    loss: str
    score: str
    offset: float = 0.0
    scale: float = 1.0
    baselines: Mapping[str, float] = field(default_factory=dict)
    first_judged: int = 0
    t: np.ndarray | None = None
    unit_of_time: str = ""

    def __post_init__(self) -> None:
        check_count("outputs", self.outputs)
        check_choice("loss", self.loss, LOSSES)
        check_choice("score", self.score, SCORES)
        kinds = [
            (part.x.shape[0], part.x.shape[2], part.each_step, part.classes)
            for part in (self.train, self.validation, self.test)
        ]
        if kinds[0] != kinds[1] or kinds[0] != kinds[2]:
            raise ValueError(f"test: expected the lengths, widths and kind of target of train, got {kinds}")

    @property
    def better(self) -> str:
        """ "lower" or "higher": which scores are better."""
        return SCORES[self.score].better

    def judge(self, output: np.ndarray) -> float:
        """The score of the network's output for ``test``, of shape (N, outputs) or (T, N, outputs)."""
        truth = self.test.y
        if self.test.each_step:
            output, truth = output[self.first_judged :], truth[self.first_judged :]
        if self.test.classes:
            return SCORES[self.score].of(output, truth)
        return SCORES[self.score].of(self.raw(output), self.raw(truth))

    def raw(self, values: np.ndarray) -> np.ndarray:
        """Targets or outputs in the unit of the raw data."""
        return self.offset + self.scale * values


def windows(values: np.ndarray, length: int) -> Sequences:
    """Every window of a series with the value that follows it: forecasting one step ahead.

    Args:
        values: the series (N,), or (N, m) of m features.
        length: values in a window; less than N.

    Returns:
        N - length sequences in the order of time: x (length, N - length, m), y (N - length, m). No window
        holds a value from its target on.

    Example:
        >>> data = windows(np.arange(5.0), 2)
        >>> data.x[:, :, 0].T, data.y[:, 0]
        (array([[0., 1.], [1., 2.], [2., 3.]]), array([2., 3., 4.]))
    """
    series = to_numpy(check_array("values", values))
    series = series[:, None] if series.ndim == 1 else series
    check_shape("values", series, ("N", "m"))
    if check_count("length", length) >= len(series):
        raise ValueError(f"length: expected fewer than the {len(series)} values of the series, got {length}")
    seen = np.lib.stride_tricks.sliding_window_view(series[:-1], length, axis=0)  # (N - length, m, length)
    return Sequences(np.ascontiguousarray(np.moveaxis(seen, 2, 0)), series[length:])
