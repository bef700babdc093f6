"""The study of training: a recurrent and a feed-forward network on one task, several seeds, and its baselines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ode2rnn.core.arrays import check_choice, check_count
from ode2rnn.training import TASKS, Comparison, Task, compare


@dataclass(frozen=True)
class Setup:
    """How the networks of a task are trained; what was compared, was by the recurrent one's validation loss alone."""

    hidden: int
    rate: float
    epochs: int
    patience: int
    batch: int = 32
    clip: float = 1.0


SETUPS = {
    "adding": Setup(hidden=32, rate=3e-3, epochs=100, patience=20),
    "copy": Setup(hidden=32, rate=3e-3, epochs=150, patience=20),
    "sine": Setup(hidden=16, rate=3e-3, epochs=300, patience=30, batch=16),
    "sunspots": Setup(hidden=32, rate=1e-3, epochs=300, patience=30, batch=16),
    "digits": Setup(hidden=32, rate=1e-2, epochs=150, patience=15),
}


def train_study(
    task: str | Task,
    seeds: int = 5,
    hidden: int | None = None,
    epochs: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Comparison:
    """Train nn.StandardRNN under a linear readout, and a feed-forward net of as many units, on a task.

    Args:
        task: one of adding, copy, sine, sunspots, digits; or a Task of one of these names.
        seeds: how many, from 0 on.
        hidden, epochs: units and epochs; by default those of ``SETUPS``.
        checkpoint: a folder that keeps an interrupted study; the same call goes on.
        progress: show bars where stderr is a terminal.

    Raises:
        ValueError: bad arguments, or a checkpoint of a study with others.
        ModuleNotFoundError: digits without scikit-learn.
        TrainingError: a loss became NaN or infinite.

    Uses: S1.
    """
    name = check_choice("task", task.name if isinstance(task, Task) else task, SETUPS)
    check_count("seeds", seeds)
    changes = {"hidden": hidden, "epochs": epochs}
    given = {key: check_count(key, value) for key, value in changes.items() if value is not None}
    setup = replace(SETUPS[name], **given)
    chosen = task if isinstance(task, Task) else TASKS[name]()

    from ode2rnn.nn import StandardRNN
    from ode2rnn.training.networks import FeedForward, Recurrent

    length, _, inputs = chosen.train.x.shape
    outputs, each_step = chosen.outputs, chosen.train.each_step
    networks = {
        f"recurrent, {setup.hidden} units": lambda: Recurrent(StandardRNN(inputs, setup.hidden), outputs, each_step),
        f"feed-forward, {setup.hidden} units": lambda: FeedForward(length, inputs, setup.hidden, outputs, each_step),
    }
    with _one_thread():
        return compare(
            chosen,
            networks,
            seeds,
            rate=setup.rate,
            epochs=setup.epochs,
            batch=setup.batch,
            patience=setup.patience,
            clip=setup.clip,
            checkpoint=checkpoint,
            progress=progress,
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, and on a busy machine far slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
