"""Several networks on one task, each trained from several seeds, beside the baselines of the task."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ode2rnn.core.arrays import brief, check_count, check_positive
from ode2rnn.core.trajectory import write_whole
from ode2rnn.training.checkpoint import Checkpoint
from ode2rnn.training.data import Task
from ode2rnn.training.fit import fit, predict
from ode2rnn.training.loop import Fit
from ode2rnn.training.scores import SCORES

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Outcome:
    """One network after its training: the score on the test part, the output there, and the losses on the way."""

    network: str
    seed: int
    weights: int
    score: float
    output: np.ndarray
    fit: Fit


@dataclass(frozen=True, eq=False)
class Comparison:
    """The outcomes of all networks and seeds on a task."""

    task: Task
    outcomes: tuple[Outcome, ...]

    def of(self, network: str) -> list[Outcome]:
        """The outcomes of one network, one for each seed."""
        return [outcome for outcome in self.outcomes if outcome.network == network]

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in the order they were given."""
        return list(dict.fromkeys(outcome.network for outcome in self.outcomes))

    def table(self) -> str:
        """Mean and spread over the seeds for each network, and below them the baselines.

        The spread is the standard deviation of the scores (of a sample: divided by seeds - 1).
        """
        score = SCORES[self.task.score]
        seeds = [str(outcome.seed) for outcome in self.of(self.networks[0])]
        lines = [
            f"{self.task.name}: {self.task.goal}",
            f"{score.title} on the test part, {score.better} is better; seeds {', '.join(seeds)}",
            "",
            _row("", "weights", "mean", "spread", "lowest", "highest"),
        ]
        for network in self.networks:
            found = self.of(network)
            scores = np.array([outcome.score for outcome in found])
            spread = _number(scores.std(ddof=1)) if len(scores) > 1 else "-"
            lowest, highest = _number(scores.min()), _number(scores.max())
            lines.append(_row(network, str(found[0].weights), _number(scores.mean()), spread, lowest, highest))
        lines += [_row(name, "", _number(value)) for name, value in self.task.baselines.items()]
        return "\n".join(line.rstrip() for line in lines)

    def save(self, path: str | Path) -> Path:
        """Every score as a CSV file, whole or not at all; a baseline has no seed."""
        path = Path(path)
        rows: list[list[Any]] = [["network", "seed", "weights", self.task.score, "epochs", "best_epoch"]]
        rows += [[o.network, o.seed, o.weights, o.score, o.fit.epochs, o.fit.best_epoch] for o in self.outcomes]
        rows += [[name, "", "", value, "", ""] for name, value in self.task.baselines.items()]

        def write(temporary: Path) -> None:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows)

        write_whole(path, write)
        return path


def compare(
    task: Task,
    networks: Mapping[str, Callable[[], torch.nn.Module]],
    seeds: int | Iterable[int] = 5,
    *,
    rate: float | Mapping[str, float] = 1e-3,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> Comparison:
    """Train each network from each seed on the task, and judge it once, on the test part.

    A seed draws the initial weights and the order of the batches; the data stay the same.

    Args:
        task: what to learn.
        networks: by name, functions that build a new network.
        seeds: so many, from 0 on; or the seeds.
        rate: learning rate of Adam, one for all or one for each name.
        checkpoint: a folder that keeps an interrupted comparison: the same call goes on. Its checkpoints are
            deleted when all is done.
        progress: show a bar for each training.
        options: the other arguments of ``fit``.

    Raises:
        ValueError: bad arguments, or a checkpoint of other ones.
        TrainingError: a loss became NaN or infinite.

    Example:
        >>> import torch
        >>> from ode2rnn.training.networks import Recurrent
        >>> from ode2rnn.training.tasks import sine
        >>> build = lambda: Recurrent(torch.nn.RNN(1, 4), outputs=1)
        >>> compare(sine(samples=60), {"RNN": build}, seeds=2, epochs=2).networks
        ['RNN']
    """
    if not isinstance(task, Task):
        raise ValueError(f"task: expected a Task, as adding() gives, got {brief(task)}")
    if not networks:
        raise ValueError("networks: expected at least one, got none")
    chosen = _seeds(seeds)
    rates = {name: rate[name] if isinstance(rate, Mapping) else rate for name in networks}
    outcomes = []
    for name, build in networks.items():
        for seed in chosen:
            shown = f"{name}, seed {seed}" if progress else False
            place = place_of(checkpoint, name, seed)
            outcomes.append(train_one(task, name, build, seed, rates[name], place, progress=shown, **options))
    if checkpoint is not None:
        forget(checkpoint, [place_of(checkpoint, name, seed) for name in networks for seed in chosen])
    return Comparison(task, tuple(outcomes))


def train_one(
    task: Task,
    name: str,
    build: Callable[[], torch.nn.Module],
    seed: int,
    rate: float,
    checkpoint: Path | None = None,
    **options: Any,
) -> Outcome:
    """Train one network from one seed and judge it. Its checkpoint stays, so that the same call is done at once."""
    from torch.optim import Adam

    from ode2rnn.training.networks import seeded

    model = seeded(build, seed)
    result = fit(
        model,
        task.train,
        task.validation,
        loss=task.loss,
        optimizer=Adam(model.parameters(), lr=check_positive("rate", rate)),
        seed=seed,
        checkpoint=checkpoint,
        **options,
    )
    output = predict(model, task.test)
    weights = sum(p.numel() for p in model.parameters())
    return Outcome(name, seed, weights, task.judge(output), output, result)


def place_of(folder: str | Path | None, name: str, seed: int) -> Path | None:
    """The folder of one training within that of a study."""
    return None if folder is None else Path(folder) / f"{_slug(name)}-{seed}"


def forget(folder: str | Path, places: Iterable[Path | None]) -> None:
    """Delete the checkpoints of a study that is done, and its folder if nothing else is in it."""
    for place in places:
        if place is not None:
            Checkpoint.remove(place)
    if Path(folder).is_dir() and not any(Path(folder).iterdir()):
        Path(folder).rmdir()


def _seeds(seeds: Any) -> list[int]:
    if isinstance(seeds, int):
        return list(range(check_count("seeds", seeds)))
    try:
        chosen = [check_count("seeds", seed, 0) for seed in seeds]
    except TypeError:
        raise ValueError(f"seeds: expected how many, or a list of seeds, got {brief(seeds)}") from None
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds: expected different seeds, at least one, got {brief(seeds)}")
    return chosen


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"


def _row(name: str, *cells: str) -> str:
    return f"{name:<28}" + "".join(f"{cell:>10}" for cell in cells)
