"""Compute and draw every figure of this folder, as PNG beside its script (readme.png for the README).

Run: python paper_figures/make_all.py [--out FOLDER]
"""

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from ode2rnn.plotting import save_figure

HERE = Path(__file__).parent


def scripts() -> list[Path]:
    """The scripts of the figures, in order."""
    return sorted(HERE.glob("fig_*.py"))


def load(script: Path) -> ModuleType:
    """The module with data() and draw()."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(out: Path) -> None:
    """Draw all of them into ``out``."""
    for script in tqdm(scripts(), desc="figures"):
        module = load(script)
        name = "readme" if script.stem == "fig_00_readme" else script.stem
        save_figure(module.draw(module.data()), out / f"{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    main(parser.parse_args().out)
