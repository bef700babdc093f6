"""The command line given anything: one line that says what is wrong, exit code 2, and never a traceback."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ode2rnn.cli import app
from ode2rnn.training import TASKS

ODD = settings(
    max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "nan",
        "inf",
        "-1",
        "0",
        "1e999",
        "sunspot",
        "SUNSPOTS",
        "x.csv:y",
        ":",
        "a:b:c",
        "gbt",
        "gbt:2",
        "eulr",
        "0.3",
        "--",
    ]
)
LISTS = st.lists(WORDS, min_size=1, max_size=4).map(",".join)
# what would be a valid study is left to the other tests: it takes seconds
WRONG = st.sampled_from(["nan", "-0.5", "0", "0.3", "inf", "1e-300", "x"])

COUNTS = st.integers(max_value=0).map(str)


def counts_nothing(text: str) -> bool:
    """Whether int() takes ``text`` for no number above 0."""
    try:
        return int(text) < 1
    except ValueError:
        return True


def refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, (arguments, result.output)
    assert isinstance(result.exception, SystemExit), (arguments, result.exception)
    assert "Traceback" not in result.output
    assert result.output.strip()


@ODD
@given(WORDS.filter(lambda text: text != "sunspots"))
def test_any_series_that_is_none_is_refused(text: str) -> None:
    refused(["reproduce", f"--series={text}"])


@ODD
@given(LISTS, WRONG)
def test_steps_that_are_no_numbers_or_divide_no_delay_are_refused(text: str, wrong: str) -> None:
    refused(["steps", f"--dts={text},{wrong}"])


@ODD
@given(LISTS.filter(lambda text: not set(text.split(",")) <= {""}))
def test_schemes_that_do_not_exist_are_refused(text: str) -> None:
    refused(["steps", f"--schemes=no such scheme,{text}"])


@ODD
@given(WORDS)
def test_a_config_that_does_not_exist_is_refused(text: str) -> None:
    refused(["simulate", "--out", "x", f"./{text}.no"])


@ODD
@given(WORDS.filter(lambda text: text not in TASKS))
def test_a_task_that_does_not_exist_is_refused(text: str) -> None:
    refused(["train", "--", text])


@ODD
@given(st.sampled_from(["--seeds", "--units", "--epochs"]), WORDS.filter(counts_nothing) | COUNTS)
def test_counts_that_are_none_are_refused(option: str, text: str) -> None:
    refused(["train", "sine", f"{option}={text}"])
