"""What gating buys: networks of as many weights against the length of the sequence, on the sunspots and on the digits.

Writes into results/ adding-lengths.csv, copy-lengths.csv, sunspots.csv, digits.csv and lengths.png, and the tables into
the README. Interrupted, the same command goes on.

Run from the root of the repository: python -m tests.benchmarks.training [--parts adding,copy,sunspots,digits]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tests.benchmarks.report import machine, write_text

from ode2rnn.cli.studies.length_scores import LengthScore, LengthStudy
from ode2rnn.cli.studies.lengths import length_study
from ode2rnn.cli.studies.train import train_study
from ode2rnn.plotting import add_legend, new_axes, plot_lengths, save_figure
from ode2rnn.training.scores import SCORES

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- gating: written by python -m tests.benchmarks.training -->", "<!-- end of gating -->"
BY_LENGTH, TASKS = ("adding", "copy"), ("sunspots", "digits")
LSTM, PLAIN = "VanillaLSTM", "StandardRNN"


def load_lengths(task: str, folder: Path) -> LengthStudy:
    """The study that was saved."""
    with open(folder / f"{task}-lengths.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    score = next(name for name in rows[0] if name in SCORES)
    whole = ("length", "units", "weights", "seed", "epochs", "best_epoch")
    scores, baselines = [], {}
    for row in rows:
        if row["seed"]:
            numbers = {name: int(row[name]) for name in whole}
            scores.append(LengthScore(network=row["network"], score=float(row[score]), **numbers))
        else:
            baselines.setdefault(int(row["length"]), {})[row["network"]] = float(row[score])
    return LengthStudy(task, score, tuple(scores), baselines)


def load_task(task: str, folder: Path) -> tuple[str, dict[str, tuple[int, np.ndarray]], dict[str, float]]:
    """The score's name; by network, its weights and the scores of its seeds; the baselines."""
    with open(folder / f"{task}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    score = next(name for name in rows[0] if name in SCORES)
    own = [row for row in rows if row["seed"]]
    found = {
        name: (
            int(next(r["weights"] for r in own if r["network"] == name)),
            np.array([float(r[score]) for r in own if r["network"] == name]),
        )
        for name in dict.fromkeys(row["network"] for row in own)
    }
    return score, found, {row["network"]: float(row[score]) for row in rows if not row["seed"]}


def where_it_wins(study: LengthStudy) -> str:
    """At which lengths the LSTM has the best mean and who has it elsewhere, and where it beats the standard RNN."""
    lengths = study.lengths
    won = [length for length in lengths if study.best(length) == LSTM]
    lost = [f"{length} ({study.best(length)})" for length in lengths if length not in won]
    said = f"{study.task}: the {LSTM} has the best mean at {_listed(won)}"
    if lost:
        said += f", another network at {_listed(lost)}"
    if {LSTM, PLAIN} <= set(study.networks):
        sign = 1 if SCORES[study.score].better == "lower" else -1
        better = [n for n in lengths if sign * (study.of(LSTM, n).mean() - study.of(PLAIN, n).mean()) < 0]
        said += f"; it beats the {PLAIN} at {_listed(better)}"
    return said + "."


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(map(str, words)) or "no length"


def task_table(task: str, folder: Path) -> str:
    """A Markdown table, the best first."""
    score, found, baselines = load_task(task, folder)
    sign, seeds = (1 if SCORES[score].better == "lower" else -1), len(next(iter(found.values()))[1])
    rows = [
        (
            values.mean(),
            name,
            str(weights),
            f"{values.mean():.4g} ({values.std(ddof=1):.2g})",
            f"{values.min():.4g} to {values.max():.4g}",
        )
        for name, (weights, values) in found.items()
    ]
    rows += [(value, f"*{name}*", "", f"{value:.4g}", "") for name, value in baselines.items()]
    lines = [
        f"| {task}, {SCORES[score].title} | weights | mean (sd) | range of {seeds} seeds |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += ["| " + " | ".join(row[1:]) + " |" for row in sorted(rows, key=lambda row: sign * row[0])]
    return "\n".join(lines)


def draw(studies: Iterable[LengthStudy]) -> Any:
    """Both tasks side by side."""
    chosen = list(studies)
    figure, axes = new_axes(12, 4.6, 1, len(chosen), squeeze=False)
    for ax, study in zip(axes[0], chosen, strict=True):
        lengths, score = study.lengths, SCORES[study.score]
        found = {name: [study.of(name, length) for length in lengths] for name in study.networks}
        known = {name: [study.baselines[length][name] for length in lengths] for name in study.baselines[lengths[0]]}
        plot_lengths(ax, lengths, found, known, logarithmic=score.better == "lower")
        ax.set_ylabel(f"{score.title} ({score.better} is better)")
        ax.set_title(f"{study.task}: networks of about {np.median([s.weights for s in study.scores]):.0f} weights")
    add_legend(axes[0, -1], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def block(folder: Path, about: Mapping[str, Any]) -> str:
    """What the README shows of all that was saved."""
    parts = []
    studies = [load_lengths(task, folder) for task in BY_LENGTH if (folder / f"{task}-lengths.csv").exists()]
    for study in studies:
        score = SCORES[study.score]
        parts += [
            f"{study.task}: {score.title} by length, mean (standard deviation) of {_seeds(study)} seeds.",
            study.markdown(),
        ]
    parts += [task_table(task, folder) for task in TASKS if (folder / f"{task}.csv").exists()]
    said = " ".join(where_it_wins(study) for study in studies)
    said = said[:1].upper() + said[1:]
    parts.append(f"{said} Measured on {about['day']}, {about['processor']}.")
    return "\n\n".join([BEGIN, *parts, END])


def _seeds(study: LengthStudy) -> int:
    return len({s.seed for s in study.scores})


def write_readme(path: Path, text: str) -> bool:
    """Put ``text`` between the two marks of the README; False where it has none."""
    whole = path.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        return False
    before, rest = whole.split(BEGIN, 1)
    write_text(path, before + text + rest.split(END, 1)[1])
    return True


def main(parts: Iterable[str], folder: Path = RESULTS, readme: Path | None = README, **options: Any) -> None:
    """Run the studies named in ``parts``; draw and write all that is there."""
    for part in parts:
        kept = folder / f"{part}-unfinished"
        if part in BY_LENGTH:
            study: Any = length_study(part, checkpoint=kept, **options)
            study.save(folder / f"{part}-lengths.csv")
        else:
            study = train_study(part, checkpoint=kept, **options)
            study.save(folder / f"{part}.csv")
        print(study.table(), flush=True)
    studies = [load_lengths(task, folder) for task in BY_LENGTH if (folder / f"{task}-lengths.csv").exists()]
    if studies:
        save_figure(draw(studies), folder / "lengths.png")
    if readme is not None and write_readme(readme, block(folder, machine())):
        print(f"wrote the tables of {readme.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join((*BY_LENGTH, *TASKS)), help="separated by commas; none: write only")
    main([part for part in parser.parse_args().parts.split(",") if part])
