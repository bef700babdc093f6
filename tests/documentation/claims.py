"""The claims of the derivation as `ode2rnn reproduce` finds them: all of them in claims.md, counted in the README."""

from __future__ import annotations

import re
import time
from pathlib import Path

from ode2rnn.core.trajectory import write_whole
from ode2rnn.derivation import CLAIMS
from ode2rnn.derivation.claim import sunspots
from ode2rnn.derivation.report import COLUMNS, Row, check, summary

SAVED = Path(__file__).parent / "claims.md"
SECTIONS = {
    "C": "the differential equation",
    "D": "sampling it: the canonical RNN",
    "U": "unrolling",
    "B": "back-propagation, vanishing and exploding gradients",
    "T": "from the RNN to the LSTM",
    "L": "the Vanilla LSTM",
    "X": "the Augmented LSTM",
    "K": "the LSTM as a differential equation",
    "S": "what the slides add",
}


def page(rows: list[Row]) -> str:
    """The text of claims.md."""
    lines = [
        "# Claims",
        "",
        "What each claim of the derivation expects, and what was measured, on the yearly sunspots. Written by",
        f"`python -m tests.documentation --claims` on {time.strftime('%Y-%m-%d')}.",
        "",
        summary(sunspots().series),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def measure(saved: Path = SAVED) -> None:
    """Check every claim, which takes half a minute, and write claims.md."""
    experiment = sunspots()
    text = page([check(claim, experiment) for claim in CLAIMS])
    write_whole(saved, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def found(saved: Path = SAVED) -> list[tuple[str, ...]]:
    """The rows of claims.md: id, claim, expected, measured, verdict."""
    lines = [line for line in saved.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    return [tuple(cell.replace("\\|", "|") for cell in re.split(r" (?<!\\)\| ", line[2:-2])) for line in lines]


def table() -> str:
    """How many claims of each section hold, in Markdown."""
    rows = found()
    lines = ["| section | claims | hold |", "| --- | ---: | ---: |"]
    for letter, words in SECTIONS.items():
        verdicts = [row[-1] for row in rows if row[0][0] == letter]
        lines.append(f"| {letter}: {words} | {len(verdicts)} | {verdicts.count('holds')} |")
    lines.append(f"| all | {len(rows)} | {[row[-1] for row in rows].count('holds')} |")
    return "\n".join(lines)
