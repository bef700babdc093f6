"""The house rules that a machine can check: import order, one home per equation, short files, light import."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ode2rnn

ROOT = Path(ode2rnn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# each package imports only from packages of a lower rank
RANKS = [
    {"core"},
    {"kernels"},
    {"continuous"},
    {"solvers"},
    {"discrete"},
    {"gated"},
    {"training"},
    {"nn"},
    {"analysis"},
    {"plotting"},
    {"derivation", "sweep", "explorer"},
    {"cli"},
]
RANK = {package: rank for rank, packages in enumerate(RANKS) for package in packages}
LAST = {
    "C": 10,
    "D": 11,
    "U": 5,
    "B": 6,
    "T": 7,
    "L": 11,
    "X": 7,
    "K": 4,
}  # the last equation of every section that is here
EQUATIONS = [f"{section}{n}" for section, last in LAST.items() for n in range(1, last + 1)]
HEAVY = ("torch", "numba", "matplotlib", "scipy", "tqdm", "torchdiffeq", "typer")
LONGEST = 350  # lines


def name_of(file: Path) -> str:
    """The module that ``file`` is, from "ode2rnn" on."""
    parts = [ROOT.name, *file.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def nodes_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below ``node`` but those under ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from nodes_that_run(other)
            continue
        yield child
        yield from nodes_that_run(child)


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """The modules that ``module`` imports anywhere, inside functions too; those of this package as files."""
    found = set()
    is_package = MODULES[module].name == "__init__.py"
    for node in nodes_that_run(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            # "from package import name" imports the submodule of that name where there is one
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names}
    return frozenset(found)


def own_imports(module: str) -> set[str]:
    return {other for other in imports_of(module) if other.split(".")[0] == ROOT.name}


def package_of(module: str) -> str:
    return module.split(".")[1]


INSIDE = sorted(m for m in MODULES if "." in m and m != "ode2rnn.__main__")


def test_every_package_has_a_rank() -> None:
    assert {package_of(m) for m in INSIDE} <= RANK.keys()


@pytest.mark.parametrize("module", INSIDE)
def test_a_module_imports_only_from_its_own_package_and_earlier_ones(module: str) -> None:
    package = package_of(module)
    late = [
        other
        for other in own_imports(module)
        # the root names everything: whoever imports it depends on all packages
        if other == ROOT.name or (package_of(other) != package and RANK[package_of(other)] >= RANK[package])
    ]
    assert not late, f"{module} (rank {RANK[package]}) imports {late}"


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: own_imports(module) - {module} for module in INSIDE}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_only_plotting_imports_matplotlib() -> None:
    users = {package_of(m) for m in INSIDE if any(i.split(".")[0] == "matplotlib" for i in imports_of(m))}
    assert users <= {"plotting"}
    assert not any(i.startswith("matplotlib") for i in imports_of("ode2rnn"))


@functools.cache
def homes() -> dict[str, list[str]]:
    """Equation id -> the places whose docstring says that they are its home."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for line in re.findall(r"Home of:([^.]*)\.", ast.get_docstring(node) or ""):
                    for equation in line.split(","):
                        found[equation.strip()].append(f"{module}:{getattr(node, 'name', '')}".rstrip(":"))
    return dict(found)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_each_equation_has_exactly_one_home(equation: str) -> None:
    assert len(homes().get(equation, [])) == 1, f"{equation} is at home in {homes().get(equation, [])}"


def test_homes_and_uses_name_equations_as_ids() -> None:
    for equation, places in homes().items():
        assert re.fullmatch(r"[CDUBTLXK]\d{1,2}", equation), f"{places}: Home of: {equation!r}"
    for module, file in MODULES.items():
        for line in re.findall(r"Uses: ([^.(\n]*)", file.read_text(encoding="utf-8")):
            for equation in re.split(r", | to | and ", line.strip()):
                assert re.fullmatch(r"[CDUBTLXKS]\d{1,2}", equation), f"{module}: Uses: {line!r}"


@pytest.mark.parametrize("name", ode2rnn.__all__)
def test_each_public_name_exists_and_is_documented(name: str) -> None:
    public = getattr(ode2rnn, name)
    if inspect.isclass(public) or inspect.isroutine(public) or inspect.ismodule(public):
        assert (inspect.getdoc(public) or "").strip(), name
        assert public.__doc__, f"{name} has an inherited docstring only"
    if inspect.isclass(public):
        for member, value in vars(public).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if not member.startswith("_") and inspect.isfunction(function):
                assert inspect.getdoc(getattr(public, member)), f"{name}.{member}"


def test_the_public_names_are_listed_once() -> None:
    assert len(set(ode2rnn.__all__)) == len(ode2rnn.__all__)


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = "import sys, ode2rnn; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = {module.split(".")[0] for module in run.stdout.split()}
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < LONGEST


def test_the_checks_see_imports_in_functions_and_pass_over_type_checking(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
if TYPE_CHECKING:
    from ode2rnn.cli import app
def f():
    from ode2rnn.core import signals
    from ..core.arrays import stack
    import matplotlib.pyplot as plt
"""
    monkeypatch.setitem(MODULES, "ode2rnn.discrete.new", ROOT / "discrete" / "new.py")
    monkeypatch.setattr(sys.modules[__name__], "tree_of", lambda module: ast.parse(source))
    found = imports_of.__wrapped__("ode2rnn.discrete.new")
    assert found == {"ode2rnn.core.signals", "ode2rnn.core.arrays", "matplotlib.pyplot"}
