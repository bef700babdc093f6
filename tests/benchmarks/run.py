"""The command: which jobs to run, progress, the tables and the files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks import activations, dde, ensembles, flows, limits, ode, report, scaling, sweeps
from tests.benchmarks.harness import Job, Row, compare, rows
from tests.benchmarks.pictures import draw_ratios, draw_scaling
from tqdm import tqdm

from ode2rnn import kernels
from ode2rnn.plotting import save_figure

FAMILIES: dict[str, Callable[[bool], dict[str, Callable[[], Job]]]] = {
    "ode": ode.jobs,
    "flows": flows.jobs,
    "dde": dde.jobs,
    "ensembles": ensembles.jobs,
    "sweeps": sweeps.jobs,
    "activation": activations.jobs,
}
OTHERS = ("startup", "scaling")  # in processes of their own
ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")


def measure(families: list[str], quick: bool, tell: Callable[[str], None]) -> tuple[list[Row], dict[str, Any]]:
    """The rows of all jobs of the families named, and the curves of "scaling"."""
    found: list[Row] = []
    curves: dict[str, Any] = {}
    plan = [(name, job) for family in families if family in FAMILIES for name, job in FAMILIES[family](quick).items()]
    extras = [name for name in OTHERS if name in families]
    with tqdm(total=len(plan) + len(extras), desc="benchmarks", unit="job") as bar:

        def say(line: str) -> None:
            bar.set_postfix_str(line.strip()[:60])
            if "left out" in line:
                tqdm.write(line)

        for name, prepare in plan:
            say(f"{name}: reference")
            job = prepare()
            lines = rows(job, compare(job, rounds=3 if quick else 7, budget=1.0 if quick else 6.0, tell=say))
            found += lines
            tell("\n".join(f"{r.job} | {r.peer}: {report.number(r.ratio, r.percent)}" for r in lines))
            bar.update()
        for name in extras:
            if name == "startup":
                lines = scaling.startup(quick, say)
            else:
                lines, curves = scaling.measure(quick, say)
            found += lines
            tell("\n".join(f"{r.job} | {r.peer}: {report.number(r.ratio)}" for r in lines))
            bar.update()
    # the asks are for the full sizes
    return [replace(row, ask=None) for row in found] if quick else found, curves


@kernels.always()
def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write; a run of everything also renews the README."""
    everything = [*FAMILIES, *OTHERS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--jobs", default=",".join(everything), help="some of " + ", ".join(everything))
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to see that it works")
    parser.add_argument("--out", type=Path, help="folder for the files; of a part of the jobs nothing is written else")
    given = parser.parse_args(arguments)
    families = given.jobs.split(",")
    for name in families:
        if name not in everything:
            parser.error(f"--jobs: expected some of {', '.join(everything)}, got {name!r}")
    whole = not given.quick and set(families) == set(everything)
    out = given.out or (RESULTS if whole else None)
    about = report.machine()
    limits.all_limits()  # once now: of each rate the best of the process counts
    found, curves = measure(families, given.quick, tqdm.write)
    print("\n" + report.text_table(found))
    asked = [row for row in found if row.ask is not None]
    print(f"\n{sum(bool(row.met) for row in asked)} of {len(asked)} targets met.")
    print(f"{about['processor']}, load {about['load']}")
    if out is None:
        return
    rates = limits.all_limits()
    files = [
        report.write_text(out / "speed.md", report.markdown(found, about, rates)),
        report.write_text(out / "speed.json", report.as_json(found, about, rates, curves)),
    ]
    if any(row.ours_error is not None for row in found):
        files.append(save_figure(draw_ratios(found), out / "speed.png"))
    if curves:
        files.append(save_figure(draw_scaling(curves), out / "scaling.png"))
    if whole and given.out is None and report.write_readme(ROOT / "README.md", report.readme_block(found, about)):
        files.append(ROOT / "README.md")
    print("wrote " + ", ".join(str(file) for file in files))
