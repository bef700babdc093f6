"""ode2rnn figures: what it writes, compares, refuses; and the table of the figures is not stale."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tests.paper_figures.scripts import FOLDER, PATHS, script
from typer.testing import CliRunner

from ode2rnn.cli import app
from ode2rnn.derivation.figure_scripts import (
    difference,
    file_hash,
    find_scripts,
    flat_arrays,
    load_script,
    paper_folder,
)
from ode2rnn.derivation.paper import read_manifest, table

GOOD = """
import numpy as np
from ode2rnn.derivation.claim import Finding
from ode2rnn.plotting import new_axes
SECTION, EQUATIONS, CLAIM = "The Roots of RNN", ("D5",), "A line | is straight."
def data(quick=False):
    return {"t": np.arange(3.0 if quick else 9.0)}
def draw(data):
    figure, ax = new_axes()
    ax.plot(data["t"])
    return figure
def verdict(data):
    return Finding("a line", f"{len(data['t'])} points", True)
"""


def figures(*words):
    return CliRunner().invoke(app, ["figures", *map(str, words)])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fig_01_line.py").write_text(GOOD)
    (tmp_path / "fig_02_line.py").write_text(GOOD.replace("9.0", "5.0"))
    return tmp_path


def test_a_figure_is_pdf_png_arrays_and_a_manifest(folder):
    done = figures(folder)
    assert done.exit_code == 0, done.output
    assert "fig_01_line: holds: 9 points (expected a line)" in done.output
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["figures"]["fig_01_line"]
    assert entry["script_sha256"] == file_hash(folder / "fig_01_line.py")
    assert entry["arrays"] == {"t": [9]}
    assert entry["outputs"].keys() == {f"fig_01_line.{kind}" for kind in ("pdf", "png", "npz")}
    for name, hashed in entry["outputs"].items():
        assert file_hash(folder / name) == hashed
    assert {"python", "numpy", "matplotlib", "ode2rnn"} <= entry["versions"].keys()
    assert "A line \\| is straight." in (folder / "README.md").read_text()
    assert not list(folder.glob(".*"))


def test_the_same_figure_is_the_same_bytes(folder):
    figures(folder, "--only", 1)
    first = read_manifest(folder)["figures"]["fig_01_line"]["outputs"]
    figures(folder, "--only", 1)
    assert read_manifest(folder)["figures"]["fig_01_line"]["outputs"] == first


def test_one_figure_leaves_the_others_as_they_were(folder):
    figures(folder)
    before = read_manifest(folder)["figures"]["fig_02_line"]
    figures(folder, "--only", 1)
    assert read_manifest(folder)["figures"]["fig_02_line"] == before


def test_check_is_quiet_about_what_is_the_same_and_fails_on_what_is_not(folder):
    figures(folder)
    files = {path: file_hash(path) for path in folder.iterdir() if path.is_file()}
    assert figures(folder, "--check").exit_code == 0
    (folder / "fig_02_line.py").write_text(GOOD.replace("9.0)", "5.0) + 1e-3"))
    found = figures(folder, "--check")
    assert found.exit_code == 1
    assert "fig_02_line: t: off by 1.0e-03" in found.output
    assert "fig_01_line: holds" in found.output
    assert {path for path, hashed in files.items() if file_hash(path) != hashed} == {folder / "fig_02_line.py"}


def test_check_says_what_was_never_made_or_made_otherwise(folder):
    assert "fig_01_line: not made yet" in figures(folder, "--check").output
    figures(folder, "--quick", "--out", folder)
    assert "was made with --quick" in figures(folder, "--check").output


def test_quick_has_a_folder_of_its_own(folder):
    assert figures(folder, "--quick").exit_code == 0
    with np.load(folder / "quick" / "fig_01_line.npz") as kept:
        assert len(kept["t"]) == 3
    assert not (folder / "manifest.json").exists()


def test_a_script_that_breaks_fails_alone(folder):
    (folder / "fig_03_bad.py").write_text(GOOD.replace("np.arange(3.0", "1 / 0 + np.arange(3.0"))
    (folder / "fig_04_false.py").write_text(GOOD.replace("True)", "False)"))
    done = figures(folder)
    assert done.exit_code == 1
    assert "fig_03_bad: ZeroDivisionError" in done.output
    assert "fig_04_false: FAILS" in done.output
    assert "2 of 4 figures FAIL" in done.output
    assert (folder / "fig_02_line.png").exists()
    assert not (folder / "fig_03_bad.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "FOLDER: expected the folder of the figure scripts, got 'nowhere'"),
        ([".", "--only", "1"], "FOLDER: expected scripts fig_NN_slug.py, got none"),
        ([FOLDER, "--only", "99"], "--only: expected one of 00, 01"),
        ([FOLDER, "--out", __file__], "--out: expected a folder to write into"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = figures(*words)
    assert done.exit_code == 2
    assert told in done.output.replace("\n", " ")


def test_without_a_folder_the_scripts_of_the_package_are_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paper_folder() == FOLDER
    done = figures("--only", 20)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "paper_figures" / "fig_20_rnn_cell.png").exists()
    assert "fig_20_rnn_cell: holds" in figures("--only", 20, "--check").output  # beside the arrays of the package
    (tmp_path / "paper_figures" / "fig_01_line.py").write_text(GOOD)
    assert "fig_01_line: holds" in figures().output


def test_a_script_imports_what_is_beside_it_and_no_other_folder_does(folder):
    for place, value in ((folder, 9.0), (folder / "other", 4.0)):
        place.mkdir(exist_ok=True)
        (place / "beside.py").write_text(f"LENGTH = {value}")
        text = GOOD.replace("import numpy as np", "import numpy as np\nfrom beside import LENGTH")
        (place / "fig_05_beside.py").write_text(text.replace("9.0", "LENGTH"))
        assert len(load_script(place / "fig_05_beside.py").module.data()["t"]) == value
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("beside")


@pytest.mark.parametrize("number", [1, 20, 34])
def test_a_script_runs_on_its_own(number, tmp_path):
    subprocess.run([sys.executable, PATHS[number]], cwd=tmp_path, check=True, timeout=120)


def test_a_script_without_its_parts_is_told_of(folder):
    (folder / "fig_02_line.py").write_text(GOOD.replace("def verdict", "def other"))
    done = figures(folder)
    assert "fig_02_line: ValueError: fig_02_line.py: expected SECTION" in done.output
    assert "got no verdict" in done.output


def test_two_scripts_of_a_number_are_refused(folder):
    shutil.copy(folder / "fig_01_line.py", folder / "fig_01_other.py")
    with pytest.raises(ValueError, match="two of 01"):
        find_scripts(folder)


def test_arrays_are_compared_number_by_number():
    a = {"x": np.array([1.0, np.nan, np.inf]), "name": np.array(["s", "r"])}
    assert difference(a, dict(a), 1e-6) == ""
    assert difference(a, a | {"x": np.array([1.0 + 1e-8, np.nan, np.inf])}, 1e-6) == ""
    assert "off by" in difference(a, a | {"x": np.array([1.1, np.nan, np.inf])}, 1e-6)
    assert "off by inf" in difference(a, a | {"x": np.array([1.0, 2.0, np.inf])}, 1e-6)
    assert "other text" in difference(a, a | {"name": np.array(["s", "v"])}, 1e-6)
    assert "shape" in difference(a, a | {"x": np.ones(2)}, 1e-6)
    assert "other arrays: y" in difference(a, a | {"y": np.ones(2)}, 1e-6)
    with pytest.raises(ValueError, match="b/0: expected numbers or text, got set"):
        flat_arrays({"b": [{1}]})


def test_the_table_of_the_figures_is_the_one_that_the_command_writes():
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == table(list(PATHS.values()), read_manifest(FOLDER))


@pytest.mark.parametrize("number", PATHS)
def test_a_figure_in_the_folder_is_that_of_its_script(number):
    entry = read_manifest(FOLDER)["figures"][script(number).name]
    assert entry["script_sha256"] == script(number).hash, "run: ode2rnn figures"
    assert entry["holds"]
    assert not entry["quick"]
    for kind in ("png", "npz"):
        assert file_hash(FOLDER / f"{script(number).name}.{kind}") == entry["outputs"][f"{script(number).name}.{kind}"]
