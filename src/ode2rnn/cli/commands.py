"""The command line: ode2rnn reproduce, figures, simulate, steps, analyze, train, compile.  Messages and exit codes.

Exit codes: 0 done, 1 a claim fails, a figure differs or a run diverges, 2 bad input, told in one line. What draws
or needs torch is imported by the command that needs it, so that help comes at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ode2rnn import kernels
from ode2rnn.cli.compiling import compile_all
from ode2rnn.cli.config import configured, load_config, numbers_in
from ode2rnn.cli.errors import clean_errors, fail, named
from ode2rnn.cli.files import check_files, check_folder
from ode2rnn.cli.saved import load_saved
from ode2rnn.cli.studies.length_scores import LengthStudy
from ode2rnn.cli.studies.steps import default_steps, step_study, usual_schemes
from ode2rnn.core.arrays import check_choice
from ode2rnn.core.series import load_series
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.derivation import Experiment, figure_scripts, paper, report
from ode2rnn.training import Comparison

app = typer.Typer(
    help="Recurrent networks as delay differential equations: integrated, sampled, checked.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SERIES = "The input: 'sunspots' (one a year, 1700 to 2008), or FILE.csv:COLUMN."
Config = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Model, input, solver and output.")]


@app.command()
def reproduce(
    series: Annotated[str, typer.Option(help=SERIES)] = "sunspots",
    out: Annotated[Path, typer.Option(help="Folder for report.md and the figures.")] = Path("reproduce"),
) -> None:
    """Check the derivation on a real series.

    The series drives a network: its delay equation is integrated and sampled, and the canonical RNN is run.
    Prints what every claim expects and what was measured, and writes report.md. Ends with 1 if a claim fails.

    \b
    Example:
      ode2rnn reproduce --series data.csv:temperature --out report
    """
    with clean_errors():
        check_folder("--out", out)
        with named("--series", {"spec": "--series", "x": "--series"}):
            values = load_series(series)
            values.standardized()

        from tqdm import tqdm

        drawn = figure_scripts.report_figures(figure_scripts.paper_folder())
        with tqdm(total=len(report.CLAIMS) + len(drawn), desc="reproduce", unit="check", file=sys.stderr) as bar:
            rows = report.reproduce(values, out, drawn, lambda what: bar.update())
    typer.echo(f"{report.summary(values)}\n\n{report.table(rows)}")
    typer.echo(f"\nwrote {out / 'report.md'} and its figures")
    failed = sum(not row.finding.holds for row in rows)
    if failed:
        fail(f"{failed} of {len(rows)} claims FAIL", 1)


@app.command()
def figures(
    folder: Annotated[
        Path | None, typer.Argument(help="The scripts fig_NN_slug.py; by default paper_figures, else the package's.")
    ] = None,
    only: Annotated[
        list[int] | None, typer.Option(metavar="NN", help="One figure by its number; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the files; by default FOLDER or paper_figures, quick/ in it with --quick."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="At small size, in seconds.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare with the arrays there; write nothing.")] = False,
) -> None:
    """Make the figures of the paper.

    Computes and draws each figure, as PDF and PNG, and writes its arrays (NPZ), manifest.json with versions, seeds,
    commit and hashes, and a table README.md of what the figures show. With --check the arrays are computed again and
    compared with those of the last time. Ends with 1 if a claim fails or a figure differs.

    \b
    Example:
      ode2rnn figures --only 23 --out pictures
    """
    with clean_errors():
        from tqdm import tqdm

        source, place = figure_scripts.folders(folder, out, quick, check)
        scripts = figure_scripts.find_scripts(source, only or [])
        check_folder("--out", place)
        work = paper.check_figure if check else paper.make_figure
        with tqdm(scripts, desc="check" if check else "figures", unit="figure", file=sys.stderr) as bar:
            outcomes = [work(script, place, quick) for script in bar]
        written = None if check else paper.write_table(figure_scripts.find_scripts(source), place)
    for one in outcomes:
        verdict = "holds" if one.holds else "FAILS"
        typer.echo(f"{one.name}: " + (one.error or f"{verdict}: {one.measured} (expected {one.expected})"))
    if written is not None:
        typer.echo(f"\nwrote PDF, PNG and NPZ files, manifest.json and README.md into {place}")
    failed = sum(bool(one.error) or not one.holds for one in outcomes)
    if failed:
        fail(f"{failed} of {len(outcomes)} figures {'differ or fail' if check else 'FAIL'}", 1)


@app.command()
def simulate(
    config: Config,
    out: Annotated[Path, typer.Option(help="Folder for the files that [output] names.")] = Path(),
) -> None:
    """Integrate a network from a TOML file.

    With [model] file = "FILE.py:NAME" the model is an object in a Python file of your own, whose code is run. That file
    and CSV files are looked for beside the config; files that it writes go into --out (the current folder). A
    simulation that diverges writes the part before that and ends with 1.

    \b
    Example:
      ode2rnn simulate demos/simulate.toml --out results
    """
    with clean_errors():
        simulation = load_config(config)
        names = {f"output.{kind}": name for kind, name in simulation.output.items()}
        files = check_files(names, out, simulation.sources)
        failure = None
        try:
            solution = simulation.run(progress=sys.stderr.isatty())
        except SimulationError as error:
            if error.trajectory is None:
                raise
            solution, failure = error.trajectory, str(error)
        for key, path in files.items():
            if key == "output.plot":
                from ode2rnn.cli.figures import draw_simulation, save_figure

                save_figure(draw_simulation(simulation, solution), path)
            else:
                solution.save(path)
        stats = solution.stats
        typer.echo(f"method {stats.method}: {stats.steps} steps ({stats.rejected} rejected), ", nl=False)
        typer.echo(f"{stats.evaluations} evaluations, {stats.breaking_points} breaking points")
        typer.echo(f"t from {solution.t[0]:g} to {solution.t[-1]:g}: {len(solution.t)} times")
        for path in files.values():
            typer.echo(f"wrote {path}")
    if failure is not None:
        kept = "the files hold the valid part" if files else "no file was asked for"
        fail(f"stopped at t = {solution.end:g}: {failure} ({kept})", 1)


@app.command()
def steps(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG.toml]", help="Model, input and range; by default the derivation's network."),
    ] = None,
    dts: Annotated[str, typer.Option(help="Steps dT, separated by commas; each divides the delays.")] = "",
    count: Annotated[
        int,
        typer.Option(help="Instead of --dts: so many steps, the coarsest divided by 1, 2, 3, ...; thousands will do."),
    ] = 0,
    schemes: Annotated[str, typer.Option(help="Schemes, separated by commas; gbt:0.7 gives alpha.")] = "",
    series: Annotated[str, typer.Option(help=SERIES + " Without CONFIG.toml.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for steps.png and three CSV files.")] = Path("steps"),
) -> None:
    """Study what the sampling step dT does.

    Prints the error, the fitted order and the stability of each scheme for each dT, or for some of very many, and the
    dT* where a scheme loses or gains stability. The delays of the network stay as they are. From a config the sections
    [model] and [input] and the keys t, history and s0 of [solver] are used.

    \b
    Example:
      ode2rnn steps --dts 1,0.5,0.25,0.125 --schemes backward_euler,tustin
    """
    with clean_errors():
        check_folder("--out", out)
        numbers = numbers_in("--dts", dts) if dts else None
        if count and numbers:
            raise ValueError("--count: expected none beside --dts")
        if config is not None and series:
            raise ValueError("--series: expected none beside a config, which has its own input")

        from tqdm import tqdm

        from ode2rnn.cli.figures import draw_steps, save_figure

        arguments, unit = configured(config) if config is not None else _derivation(series or "sunspots")
        usual = usual_schemes(arguments["model"])
        chosen = [name.strip() for name in schemes.split(",")] if schemes else list(usual)
        others = {"dt": "--dts", "dts": "--dts", "scheme": "--schemes", "schemes": "--schemes", "alpha": "--schemes"}
        bar = tqdm(total=len(chosen), desc="steps", unit="scheme", file=sys.stderr, disable=None)
        with bar, named("solver", others | {"x": "input", "count": "--count"}):
            if count:
                numbers = default_steps(arguments["model"], arguments["t"], count)
            study = step_study(**arguments, dts=numbers, schemes=chosen, on_scheme=lambda name: bar.update())
        files = [study.save(out / "steps.csv"), save_figure(draw_steps(study, unit), out / "steps.png")]
        if study.stability is not None:
            files += study.stability.save(out)
    typer.echo(study.table())
    typer.echo("\nwrote " + " and ".join(map(str, files)))


@app.command()
def analyze(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Config (.toml), layer (.safetensors), state_dict, or FILE.py:NAME.")
    ],
    kind: Annotated[str, typer.Option(help="rnn, rnn-relu, gru, lstm; by default by the shapes.")] = "",
    prefix: Annotated[str | None, typer.Option(help="Which network of a state_dict: its names begin so.")] = None,
    dt: Annotated[float | None, typer.Option(help="Of an equation: its samples with this step.")] = None,
    scheme: Annotated[str, typer.Option(help="Of these samples.")] = "backward_euler",
    over: Annotated[
        str, typer.Option(metavar="NAME=LOW,HIGH", help="The parameter of the diagram; by default the gain.")
    ] = "",
    length: Annotated[int | None, typer.Option(help="Steps, or time, that Lyapunov exponents are taken over.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.md and its pictures.")] = Path("analyze"),
) -> None:
    """Analyze the dynamics of a saved network, or of a system of your own.

    Fixed points with their roots or multipliers, a phase plane, exponents, bifurcations, gradient flow. A state_dict
    (.safetensors, or .pt, .pth, .bin from torch.save) is one of torch's RNN, LSTM or GRU, or holds one. FILE.py:NAME is
    a Flow, a Map, another System or a layer in a Python file, whose code is run; FILE.py alone has one of them. Ends
    with 1 if the motion diverges or a part was interrupted; the report has the rest.

    \b
    Example:
      ode2rnn analyze lstm.pt
      ode2rnn analyze demos/fhn.py:model --over current=0,1.5
    """
    with clean_errors():
        check_folder("--out", out)
        from tqdm import tqdm

        from ode2rnn.cli.analyze import PARTS, analyze_saved

        saved = load_saved(file, kind, prefix, dt, scheme)
        bar = tqdm(total=len(PARTS), desc="analyze", unit="part", file=sys.stderr, disable=None)
        with bar, named("", {"length": "--length", "over": "--over"}):
            sections = analyze_saved(saved, out, length=length, over=over, on_part=lambda title: bar.update())
    for section in sections:
        typer.echo(f"{section.title}: {section.brief}")
    typer.echo(f"\nwrote {out / 'report.md'} and its pictures")
    if failed := [section.title for section in sections if section.failed]:
        fail(f"no result for: {', '.join(failed)}", 1)


@app.command()
def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="adding, copy, sine, sunspots or digits.")],
    networks: Annotated[
        str,
        typer.Option(help="Some of rnn, gru, lstm, no-peepholes, augmented, feed-forward, with commas; or all."),
    ] = "",
    lengths: Annotated[
        str, typer.Option(help="Steps in a sequence, separated by commas: the score against the length. adding, copy.")
    ] = "",
    seeds: Annotated[
        int | None, typer.Option(help="How many seeds; each trains every network. By default 5, with --lengths 3.")
    ] = None,
    weights: Annotated[
        int | None, typer.Option(help="Weights of each network, nearly; by default chosen for the task.")
    ] = None,
    units: Annotated[int | None, typer.Option(help="Hidden units of each network, in place of equal weights.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs at most; by default chosen for the task.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for TASK.csv and TASK.png.")] = Path("train"),
) -> None:
    """Train networks with and without gates, of as many weights, on a task.

    Prints the mean score over the seeds and its spread, beside what simple methods reach on the same test part.
    With --lengths: at each length of the sequence, as many trainings at once as NUMBA_NUM_THREADS says, or as there are
    cores. A training that is interrupted goes on where it was when the same
    command is given again. 'digits' needs scikit-learn.

    \b
    Example:
      ode2rnn train sunspots --seeds 3
      ode2rnn train adding --lengths 25,50,100,200
    """
    with clean_errors():
        check_folder("--out", out)
        from ode2rnn.cli.studies.lengths import MEMORIES, length_study
        from ode2rnn.cli.studies.train import SETUPS, Choice, train_study

        check_choice("TASK", task, MEMORIES if lengths else SETUPS)
        steps = numbers_in("--lengths", lengths, int, "25,50,100") if lengths else None
        chosen = [name.strip() for name in networks.split(",")] if networks else None
        name = f"{task}-lengths" if lengths else task
        kept = out / f"{name}-unfinished"
        choice = Choice(chosen, weights, units, epochs)
        options = {key: f"--{key}" for key in ("seeds", "epochs", "networks", "weights", "lengths")}
        with named("", options | {"hidden": "--units", "checkpoint": f"--out: {kept}"}):
            try:
                study: Comparison | LengthStudy
                if steps is not None:
                    study = length_study(task, steps, 3 if seeds is None else seeds, choice, checkpoint=kept)
                else:
                    study = train_study(task, 5 if seeds is None else seeds, choice, checkpoint=kept)
            except KeyboardInterrupt:
                typer.echo("interrupted: the same command goes on from here", err=True)
                raise

        from ode2rnn.cli.figures import draw_lengths, draw_training, save_figure

        figure = draw_training(study) if isinstance(study, Comparison) else draw_lengths(study)
        files = [study.save(out / f"{name}.csv"), save_figure(figure, out / f"{name}.png")]
    typer.echo(study.table())
    typer.echo("\nwrote " + " and ".join(map(str, files)))


def _derivation(spec: str) -> tuple[dict, str]:
    """The arguments of step_study for the network of the derivation, driven by a series, and the unit of time."""
    with named("--series", {"spec": "--series", "x": "--series"}):
        e = Experiment(load_series(spec))
        return {"model": e.model, "x": e.signal, "t": e.window, "history": e.rest}, e.series.unit_of_time


@app.command("compile")
def compile_kernels() -> None:
    """Compile all kernels ahead, once on this machine.

    Otherwise they are compiled when a job is long enough for it to pay, some seconds for each family of them. They
    are kept in the user's folder of caches, or in the folder that the variable NUMBA_CACHE_DIR names.

    \b
    Example:
      ode2rnn compile
    """
    with clean_errors():
        count = compile_all()
    typer.echo(f"{count} kernels are compiled, in {kernels.folder()}")
