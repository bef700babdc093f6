"""The scores of a study of memory: a table, a CSV file, and who is best at which length."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ode2rnn.core.trajectory import write_whole
from ode2rnn.training.scores import SCORES


@dataclass(frozen=True)
class LengthScore:
    """One training: where, of which network, and the score on the test part."""

    length: int
    network: str
    units: int
    weights: int
    seed: int
    score: float
    epochs: int
    best_epoch: int


@dataclass(frozen=True, eq=False)
class LengthStudy:
    """The scores of networks on a task at several lengths, from several seeds.

    Attributes:
        task: its name.
        score: the name of the score, see ``SCORES``.
        scores: one for each length, network and seed.
        baselines: by length, what is reached without a network, by name.
    """

    task: str
    score: str
    scores: tuple[LengthScore, ...]
    baselines: Mapping[int, Mapping[str, float]]

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in the order they were given."""
        return list(dict.fromkeys(score.network for score in self.scores))

    @property
    def lengths(self) -> list[int]:
        """The lengths, in increasing order."""
        return sorted({score.length for score in self.scores})

    def of(self, network: str, length: int) -> np.ndarray:
        """The scores of one network at one length, one for each seed."""
        return np.array([s.score for s in self.scores if (s.network, s.length) == (network, length)])

    def means(self, network: str) -> np.ndarray:
        """The mean over the seeds at each length."""
        return np.array([self.of(network, length).mean() for length in self.lengths])

    def best(self, length: int) -> str:
        """The network whose mean is best at a length."""
        sign = 1 if SCORES[self.score].better == "lower" else -1
        return min(self.networks, key=lambda network: sign * self.of(network, length).mean())

    def rows(self) -> list[list[str]]:
        """The table by cells: heads; mean and spread of each network at each length; the baselines; the best."""
        lengths = self.lengths
        rows = [["", "units", "weights", *map(str, lengths)]]
        for network in self.networks:
            own = [s for s in self.scores if s.network == network]
            cells = [_scatter(self.of(network, length)) for length in lengths]
            rows.append([network, _range(s.units for s in own), _range(s.weights for s in own), *cells])
        for name in self.baselines[lengths[0]]:
            rows.append([name, "", "", *(f"{self.baselines[length][name]:.3g}" for length in lengths)])
        return [*rows, ["best mean", "", "", *(self.best(length) for length in lengths)]]

    @property
    def title(self) -> str:
        """What the table shows."""
        score = SCORES[self.score]
        seeds = sorted({s.seed for s in self.scores})
        return (
            f"{self.task} by length of the sequence: {score.title} on the test part, {score.better} is better;\n"
            f"mean (standard deviation) over seeds {', '.join(map(str, seeds))}"
        )

    def table(self) -> str:
        """Mean and spread over the seeds for each network at each length, as aligned text."""
        rows = self.rows()
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        return "\n".join([self.title, "", *(line.rstrip() for line in lines)])

    def markdown(self) -> str:
        """The same table in Markdown."""
        head, *rows = self.rows()
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def save(self, path: str | Path) -> Path:
        """Every score as a CSV file, whole or not at all; a baseline has no seed."""
        path = Path(path)
        names = ["length", "network", "units", "weights", "seed", self.score, "epochs", "best_epoch"]
        rows: list[list[object]] = [
            [s.length, s.network, s.units, s.weights, s.seed, s.score, s.epochs, s.best_epoch] for s in self.scores
        ]
        for length, known in self.baselines.items():
            rows += [[length, name, "", "", "", value, "", ""] for name, value in known.items()]

        def write(temporary: Path) -> None:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([names, *rows])

        write_whole(path, write)
        return path


def _scatter(values: np.ndarray) -> str:
    spread = f" ({values.std(ddof=1):.2g})" if len(values) > 1 else ""
    return f"{values.mean():.3g}{spread}"


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
