"""The study of memory: the same networks on sequences of several lengths.  Uses: S1, S5, S6, S7.

Every length, network and seed is a training of its own; they share the cores, one each.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import RLock

from ode2rnn.cli.studies.length_scores import LengthScore, LengthStudy
from ode2rnn.cli.studies.networks import KINDS, check_networks, shape_of, units_for
from ode2rnn.cli.studies.train import USUAL, Choice, Setup, one_thread
from ode2rnn.core.arrays import check_choice, check_count
from ode2rnn.kernels import cores
from ode2rnn.training import Task, adding, copy_memory
from ode2rnn.training.compare import forget, place_of, train_one

SYMBOLS = 5  # that the copy task recalls
TRAIN = 5000
PLAIN = {"rnn": 3e-3, "feed-forward": 3e-3}  # learning rates without gates


@dataclass(frozen=True)
class MemoryLength:
    """A task of any length, the lengths to try it at, and how its networks are trained."""

    task: Callable[[int], Task]
    least: int
    lengths: tuple[int, ...]
    setup: Setup


def _adding(length: int) -> Task:
    return adding(length, train=TRAIN)


def _copy(length: int) -> Task:
    return copy_memory(delay=length - 2 * SYMBOLS, count=SYMBOLS, train=TRAIN)


MEMORIES = {
    "adding": MemoryLength(
        _adding,
        2,
        (25, 50, 100),
        Setup(4350, rate=1e-2, epochs=30, patience=12, batch=50, open=3.0, rates=PLAIN),
    ),
    "copy": MemoryLength(
        _copy,
        2 * SYMBOLS + 1,
        (12, 20),
        Setup(4850, rate=1e-2, epochs=20, patience=10, batch=20, open=3.0, rates=PLAIN),
    ),
}


@dataclass(frozen=True)
class LengthJob:
    """One training, in words and numbers that another process can take."""

    task: str
    length: int
    network: str
    units: int
    seed: int
    setup: Setup
    place: Path | None

    def run(self) -> LengthScore:
        """Train and judge."""
        task, kind = MEMORIES[self.task].task(self.length), KINDS[self.network]
        shape = shape_of(task)
        with one_thread():
            outcome = train_one(
                task,
                kind.title,
                lambda: kind.build(shape, self.units, self.setup.open),
                self.seed,
                self.setup.rate_of(self.network),
                self.place,
                epochs=self.setup.epochs,
                batch=self.setup.batch,
                patience=self.setup.patience,
                clip=self.setup.clip,
                progress=False,
            )
        fit = outcome.fit
        return LengthScore(
            self.length, kind.title, self.units, outcome.weights, self.seed, outcome.score, fit.epochs, fit.best_epoch
        )


def length_study(
    task: str,
    lengths: Sequence[int] | None = None,
    seeds: int = 3,
    choice: Choice = USUAL,
    *,
    jobs: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> LengthStudy:
    """Train networks of equal size on a task of memory at several lengths, from several seeds.

    A recurrent net has the same weights at every length; the feed-forward net, which sees the whole sequence, has
    the fewer units the longer it is.

    Args:
        task: "adding" or "copy".
        lengths: steps in a sequence; by default those of ``MEMORIES``.
        seeds: how many, from 0 on.
        choice: the networks, and what differs from the setting of ``MEMORIES``.
        jobs: trainings at once, each in a process of its own; by default `kernels.cores()` of them. 1: in this process.
        checkpoint: a folder that keeps an interrupted study; the same call goes on.
        progress: show a bar where stderr is a terminal.

    Returns:
        LengthStudy: every score, the table, the CSV file. The same on any number of processes.

    Raises:
        ValueError: bad arguments, or a checkpoint of a study with others.
        TrainingError: a loss became NaN or infinite.
    """
    name = check_choice("task", task, MEMORIES)
    memory = MEMORIES[name]
    chosen, setup = check_networks(choice.networks), choice.setup(memory.setup)
    steps = _check_lengths(memory.lengths if lengths is None else lengths, memory.least)
    count = check_count("seeds", seeds)
    at_once = cores() if jobs is None else check_count("jobs", jobs)

    tasks = {length: memory.task(length) for length in steps}
    planned = []
    for length in steps:
        for network in chosen:
            units = units_for(network, shape_of(tasks[length]), choice.hidden, setup.weights)
            for seed in range(count):
                place = place_of(checkpoint, f"{network} {length}", seed)
                planned.append(LengthJob(name, length, network, units, seed, setup, place))
    scores = _run(planned, at_once, f"{name} at {len(steps)} lengths", progress)
    if checkpoint is not None:
        forget(checkpoint, [job.place for job in planned])
    first = tasks[steps[0]]
    baselines = {length: dict(one.baselines) for length, one in tasks.items()}
    return LengthStudy(name, first.score, tuple(scores), baselines)


def _run(jobs: list[LengthJob], at_once: int, name: str, progress: bool) -> list[LengthScore]:
    """The scores of all jobs, in their order."""
    from tqdm import tqdm

    # the longest first, so that no core is left alone with one at the end
    order = sorted(range(len(jobs)), key=lambda k: -jobs[k].length)
    scores: dict[int, LengthScore] = {}
    with tqdm(total=len(jobs), desc=name, unit="training", file=sys.stderr, disable=None if progress else True) as bar:
        for k, score in _scores([jobs[k] for k in order], min(at_once, len(jobs))):
            scores[order[k]] = score
            bar.set_postfix_str(f"{score.network}, length {score.length}: {score.score:.3g}")
            bar.update()
    return [scores[k] for k in range(len(jobs))]


def _scores(jobs: list[LengthJob], at_once: int) -> Iterator[tuple[int, LengthScore]]:
    if at_once == 1:
        yield from ((k, job.run()) for k, job in enumerate(jobs))
        return
    # a fresh process each: a fork of one that has used threads may hang
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        running = {pool.submit(job.run): k for k, job in enumerate(jobs)}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        except BrokenProcessPool:
            raise ChildProcessError("a process ended before its training; the same call goes on from there") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _quiet() -> None:
    """Ctrl-C ends this process without a word: what it has done is kept by its checkpoint."""
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tqdm.set_lock(RLock())  # its own is shared by processes, and is missed when one of them ends like that


def _check_lengths(lengths: Iterable[int], least: int) -> list[int]:
    chosen = [check_count("lengths", length, least) for length in lengths]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"lengths: expected different lengths, at least one, got {chosen}")
    return sorted(chosen)
