"""Run the claims on a series and write what came of them: a table, the figures, report.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ode2rnn.core.series import Series
from ode2rnn.core.trajectory import write_whole
from ode2rnn.derivation import CLAIMS
from ode2rnn.derivation.claim import Claim, Experiment, Finding
from ode2rnn.derivation.figure_scripts import FigureScript

COLUMNS = ("id", "claim", "expected", "measured", "verdict")


@dataclass(frozen=True)
class Row:
    """A claim and its finding."""

    claim: Claim
    finding: Finding

    @property
    def cells(self) -> tuple[str, ...]:
        """The row in words."""
        verdict = "holds" if self.finding.holds else "FAILS"
        return (self.claim.id, self.claim.statement, self.finding.expected, self.finding.measured, verdict)


def check(claim: Claim, experiment: Experiment) -> Row:
    """Decide one claim; a check that breaks is a claim that fails, not a lost report."""
    try:
        return Row(claim, claim.check(experiment))
    except Exception as error:
        return Row(claim, Finding("a number", f"{type(error).__name__}: {error}", False))


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned plain text."""
    cells = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def reproduce(
    series: Series, out: Path, figures: Sequence[FigureScript] = (), on_step: Callable[[str], None] = lambda what: None
) -> list[Row]:
    """Check every claim on ``series``, draw every one of ``figures``, and write report.md, all into the folder ``out``.

    ``on_step`` is told what was just finished, once for each claim and each figure. A figure that cannot be drawn
    is a row that fails, like a check that breaks.
    """
    experiment = Experiment(series)
    rows = []
    for claim in CLAIMS:
        rows.append(check(claim, experiment))
        on_step(f"{claim.id}: {claim.statement}")
    out.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        drawn = check(Claim("figure", figure.slug, partial(_draw, figure, out)), experiment)
        rows += [] if drawn.finding.holds else [drawn]
        on_step(f"figure {figure.slug}")
    write_whole(out / "report.md", lambda path: _write(path, report(experiment, rows, figures)))
    return rows


def summary(series: Series) -> str:
    """What the claims were checked on, in a line."""
    experiment = Experiment(series)
    count = f"{experiment.samples} of {len(series.t)}" if experiment.samples < len(series.t) else str(len(series.t))
    return (
        f"Series: {series.name}, {count} values (one {series.unit_of_time} apart), standardized to mean 0 and"
        f" deviation 1; the studies of the step size take the first {int(experiment.window[1]) + 1} of them."
    )


def report(experiment: Experiment, rows: list[Row], figures: Sequence[FigureScript] = ()) -> str:
    """report.md: what was run, the table, the figures."""
    series = experiment.series
    failed = sum(not row.finding.holds for row in rows)
    verdict = "Every claim holds." if not failed else f"{failed} of {len(rows)} claims FAIL."
    lines = [
        "# From the differential equation to the canonical RNN, its gradients, and the LSTM",
        "",
        summary(series),
        f"The network is C9 with three states and tau = dT = 1 {series.unit_of_time}. {verdict}",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells) + " |" for row in rows),
        "",
    ]
    missing = {row.claim.statement for row in rows if row.claim.id == "figure"}
    for figure in figures:
        if figure.slug not in missing:
            lines += [f"![{figure.caption}]({figure.slug}.png)", "", figure.caption, ""]
    lines += ["Written by `ode2rnn reproduce`. The ids are those of the package's documentation.", ""]
    return "\n".join(lines)


def _draw(figure: FigureScript, out: Path, experiment: Experiment) -> Finding:
    from ode2rnn.plotting import save_figure

    drawn = figure.module.draw(figure.module.data(experiment=experiment))
    path = save_figure(drawn, out / f"{figure.slug}.png")
    return Finding("a picture", path.name, True)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
