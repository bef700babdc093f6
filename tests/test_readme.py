"""What the README and the page of the demos show works as it is pasted, and their tables and links are up to date.

Python blocks run in their order in one namespace. Commands run as they stand, but studies that take minutes get
smaller arguments (SMALLER), and `ode2rnn reproduce` a few of its claims. What installs the package is not run here: the
second block of the README is how these tests are started, and of the others the extras, their pinned versions and the
program are checked. Of commands within a sentence the name and the options are checked.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.documentation import __main__ as documentation
from tests.documentation import claims, convergence, derivation
from typer.testing import CliRunner

import ode2rnn
from ode2rnn.cli import app
from ode2rnn.derivation import figure_scripts, report
from ode2rnn.derivation.claim import Claim, Finding

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "demos" / "README.md")
README = PAGES[0].read_text(encoding="utf-8")

# what takes long as it stands -> what a test writes in its place; the last of two equal options counts
SMALLER = {
    "ode2rnn steps --count": "--count 40",
    "ode2rnn train sunspots": "--seeds 1 --epochs 1 --units 2",
    "ode2rnn train adding": "--lengths 5 --networks rnn --seeds 1 --epochs 1 --weights 100",
}
EPOCHS = "epochs=300", "epochs=2"  # the same for the block that trains


def blocks(language: str, page: Path = PAGES[0]) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    """Every line of every bash block, without its comment."""
    for page in PAGES:
        for block in blocks("bash", page):
            yield from (" ".join(shlex.split(line, comments=True, posix=False)) for line in block.splitlines())


INSTALLING = [command for command in commands() if "pip install" in command]
RUNNING = [command for command in commands() if "pip install" not in command]
# `ode2rnn figures --only 02` and `python -m tests.documentation` within a sentence
NAMED = sorted({found for page in PAGES for found in re.findall(r"`((?:ode2rnn|python) [^`]+)`", page.read_text())})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the commands take."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "demos", tmp_path / "demos", ignore=shutil.ignore_patterns("pictures", "__pycache__"))
    rows = "".join(f"{2 + k % 7 + 0.1 * (k % 3)}\n" for k in range(40))
    (tmp_path / "data.csv").write_text(f"temperature\n{rows}")
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"encoder": torch.nn.ModuleDict({"rnn": torch.nn.LSTM(1, 2)})})
    torch.save(model.state_dict(), tmp_path / "lstm.pt")
    return tmp_path


def test_there_are_commands_and_blocks_to_run() -> None:
    assert len(blocks("python")) > 5
    assert {command.split()[1] for command in RUNNING} >= {"simulate", "steps", "analyze", "train", "reproduce"}
    for start in SMALLER:
        assert any(command.startswith(start) for command in RUNNING), start


def test_the_python_blocks_run_in_their_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    printed = []
    smaller = 0
    for number, block in enumerate(blocks("python")):
        smaller += EPOCHS[0] in block
        exec(compile(block.replace(*EPOCHS), f"README.md, python block {number}", "exec"), names)
        printed.append(capsys.readouterr().out)
    assert smaller == 1
    # "The second error is a quarter to a third of the first"
    retimed = next(out for out, block in zip(printed, blocks("python"), strict=True) if "exact.readout" in block)
    first, second = (float(word) for word in retimed.split())
    assert 1 / 4.2 < second / first < 1 / 2.9
    # the table of bifurcations stands below its block
    found = next(out for out in printed if "Neimark-Sacker" in out)
    shown = next(block for block in blocks("text") if "Neimark-Sacker  " in block)
    words = shown.split()[:-2]  # without the state, which is 0 but for rounding
    assert found.split()[: len(words)] == words


@pytest.mark.parametrize("command", RUNNING)
def test_a_command_works_as_it_is_pasted(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = next((more for start, more in SMALLER.items() if command.startswith(start)), "")
    program, *arguments = shlex.split(f"{command} {extra}")
    if program == "python":
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(arguments[0], run_name="__main__")
        assert list(folder.glob("demo_output/*"))
        return
    assert program == "ode2rnn"
    if arguments[0] == "reproduce":  # all of it is run by the tests of the command line, which take their time
        monkeypatch.setattr(report, "CLAIMS", report.CLAIMS[:4])
        first = figure_scripts.report_figures(figure_scripts.paper_folder())[:1]
        monkeypatch.setattr(figure_scripts, "report_figures", lambda folder: first)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    places = {"simulate": "results", "steps": "steps", "analyze": "report", "train": "train", "reproduce": "report"}
    assert list((folder / places[arguments[0]]).iterdir())


@pytest.mark.parametrize("command", INSTALLING)
def test_what_a_command_installs_is_pinned_and_has_what_it_starts(command: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    extras = [name for found in re.findall(r"\.\[(.*?)\]", command) for name in found.split(",")]
    for needed in [
        *project["dependencies"],
        *(name for extra in extras for name in project["optional-dependencies"][extra]),
    ]:
        assert re.split(r"[<>=]", needed)[0].lower() in pinned
    *_, started = command.split("&& ")
    assert started.startswith(".venv/bin/")
    program = started.removeprefix(".venv/bin/").split()
    if program[:2] == ["python", "-m"]:
        assert program[2] == "pytest" or (ROOT / program[2].replace(".", "/") / "__main__.py").exists()
    elif program[0] == "pdoc":
        for page in program[program.index("build/api") + 1 :]:
            path = ROOT / "src" / page.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").exists(), page
    else:
        assert program[:2] == ["ode2rnn", "reproduce"]
        assert "ode2rnn" in project["scripts"]


def test_the_second_bash_block_runs_the_tests() -> None:
    assert "-m pytest" in blocks("bash")[1]


@pytest.mark.parametrize("command", NAMED)
def test_a_command_within_a_sentence_exists_with_its_options(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "ode2rnn":
        shown = CliRunner().invoke(app, [arguments[0], "--help"])
        assert shown.exit_code == 0
        text = shown.output
    else:
        module = arguments[0] == "-m"
        path = ROOT / (arguments[1].replace(".", "/") if module else arguments[0])
        text = (path / "__main__.py" if module else path).read_text(encoding="utf-8")
        if module and arguments[1] == "tests.benchmarks":
            text += (ROOT / "tests" / "benchmarks" / "run.py").read_text(encoding="utf-8")
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert option in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_and_pictures_are_small(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"(!?)\[[^\]]*\]\(([^)#]+)\)", text)
    assert found
    for picture, link in found:
        path = page.parent / link
        assert path.exists(), link
        assert not picture or path.stat().st_size < 300_000, link


def test_the_tables_made_from_the_code_are_up_to_date() -> None:
    assert documentation.renewed(README) == README, "run python -m tests.documentation"


def test_the_claims_that_were_measured_are_those_of_the_package_and_hold() -> None:
    rows = claims.found()
    assert [row[:2] for row in rows] == [(c.id, c.statement) for c in report.CLAIMS], (
        "run python -m tests.documentation --claims"
    )
    assert {row[-1] for row in rows} == {"holds"}
    assert {row[0][0] for row in rows} == claims.SECTIONS.keys()


def test_a_claim_is_read_as_it_was_written(tmp_path: Path) -> None:
    findings = Finding("<= 1 | 2", "0.5", True), Finding("1", "2", False)
    claim = Claim("D9", "|s| falls.", lambda experiment: findings[0])
    rows = [report.Row(claim, finding) for finding in findings]
    saved = tmp_path / "claims.md"
    saved.write_text(claims.page(rows), encoding="utf-8")
    assert claims.found(saved) == [row.cells for row in rows]


def test_every_home_of_equations_is_a_step_and_every_step_a_home() -> None:
    assert derivation.STEPS.keys() == derivation.homes().keys()


@pytest.mark.parametrize("step", derivation.steps(), ids=lambda step: step.home)
def test_a_step_names_what_exists_and_is_tested(step: derivation.Step) -> None:
    tests = "".join((ROOT / "tests" / f"{test}.py").read_text(encoding="utf-8") for test in step.tests)
    for name in step.names:
        found: Any = ode2rnn
        for part in name.split("."):
            found = getattr(found, part)
        assert re.search(rf"\b{name.split('.')[-1]}\b", tests), name


def test_a_table_that_is_out_of_date_is_told_and_written_again(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(README.replace("| C1-C7 |", "| C1-C8 |").replace("| 2.00 | 2 |", "| 1.90 | 2 |"), encoding="utf-8")
    assert documentation.main(["--check"], page) == 1
    assert documentation.main([], page) == 0
    assert documentation.main(["--check"], page) == 0
    assert page.read_text(encoding="utf-8") == README


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the marks"):
        documentation.renewed("no marks")


def test_the_table_of_convergence_has_every_scheme_but_the_family() -> None:
    rows = convergence.table().splitlines()[3:]
    assert [row.split("`")[1] for row in rows] == [name for name in ode2rnn.SCHEMES if name != "gbt"]
