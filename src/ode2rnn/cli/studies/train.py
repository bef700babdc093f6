"""The study of training: networks with and without gates on one task, several seeds, and its baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ode2rnn.cli.studies.networks import KINDS, check_networks, shape_of, units_for
from ode2rnn.core.arrays import check_choice, check_count
from ode2rnn.training import TASKS, Comparison, Task, compare


@dataclass(frozen=True)
class Setup:
    """How the networks of a task are trained: one setting for all of them, but for ``rates``.

    Attributes:
        weights: how many each network has, as nearly as whole units allow.
        rate: learning rate of Adam.
        rates: that of single networks, by their names in ``KINDS``, where it differs.
        open: the bias that the gates which keep the state start with: a unit forgets over about e^open steps.
    """

    weights: int
    rate: float
    epochs: int
    patience: int
    batch: int = 32
    clip: float = 1.0
    open: float = 1.0
    rates: Mapping[str, float] = field(default_factory=dict)

    def rate_of(self, network: str) -> float:
        """The learning rate of a network by its name in ``KINDS``."""
        return self.rates.get(network, self.rate)


SETUPS = {
    "adding": Setup(weights=1155, rate=3e-3, epochs=100, patience=20),
    "copy": Setup(weights=1400, rate=3e-3, epochs=150, patience=20),
    "sine": Setup(weights=2385, rate=3e-3, epochs=300, patience=30, batch=16),
    "sunspots": Setup(weights=2385, rate=1e-3, epochs=300, patience=30, batch=16),
    "digits": Setup(weights=1610, rate=1e-2, epochs=150, patience=15),
}


@dataclass(frozen=True)
class Choice:
    """What a study has in place of its own setting; None leaves that as it is.

    Attributes:
        networks: names among ``KINDS``: rnn, gru, lstm, no-peepholes, augmented, feed-forward; by default all.
        weights: how many each network has, as nearly as whole units allow.
        hidden: units of every network, in place of equal weights.
        epochs: passes over the data, at most.
    """

    networks: Sequence[str] | None = None
    weights: int | None = None
    hidden: int | None = None
    epochs: int | None = None

    def setup(self, usual: Setup) -> Setup:
        """The setting with the chosen weights and epochs.

        Raises:
            ValueError: numbers below 1, or both weights and hidden.
        """
        if self.hidden is not None:
            check_count("hidden", self.hidden)
            if self.weights is not None:
                raise ValueError("weights: expected none where the units are given")
        weights = usual.weights if self.weights is None else check_count("weights", self.weights)
        epochs = usual.epochs if self.epochs is None else check_count("epochs", self.epochs)
        return replace(usual, weights=weights, epochs=epochs)


USUAL = Choice()


def train_study(
    task: str | Task,
    seeds: int = 5,
    choice: Choice = USUAL,
    *,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Comparison:
    """Train recurrent nets with and without gates, and a feed-forward net, on a task, all with as many weights.

    Args:
        task: one of adding, copy, sine, sunspots, digits; or a Task of one of these names.
        seeds: how many, from 0 on.
        choice: the networks, and what differs from ``SETUPS``.
        checkpoint: a folder that keeps an interrupted study; the same call goes on.
        progress: show bars where stderr is a terminal.

    Raises:
        ValueError: bad arguments, or a checkpoint of a study with others.
        ModuleNotFoundError: digits without scikit-learn.
        TrainingError: a loss became NaN or infinite.

    Uses: S1, S6.
    """
    name = check_choice("task", task.name if isinstance(task, Task) else task, SETUPS)
    check_count("seeds", seeds)
    chosen, setup = check_networks(choice.networks), choice.setup(SETUPS[name])
    data = task if isinstance(task, Task) else TASKS[name]()

    # as many units each as make the numbers of weights equal
    shape = shape_of(data)
    builds, rates = {}, {}
    for network in chosen:
        kind, units = KINDS[network], units_for(network, shape, choice.hidden, setup.weights)
        title = f"{kind.title}, {units} unit{'s' * (units > 1)}"
        builds[title] = lambda kind=kind, units=units: kind.build(shape, units, setup.open)
        rates[title] = setup.rate_of(network)
    with one_thread():
        return compare(
            data,
            builds,
            seeds,
            rate=rates,
            epochs=setup.epochs,
            batch=setup.batch,
            patience=setup.patience,
            clip=setup.clip,
            checkpoint=checkpoint,
            progress=progress,
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, and on a busy machine far slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
