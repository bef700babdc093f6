"""The house rules that a machine can check: import order, one home per equation, small folders, files and functions.

What is not yet as it should be stands in a constant below, in full: it may only shrink.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import subprocess
import sys
from collections import Counter, defaultdict
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
    {"derivation"},
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
    "K": 6,
}  # the last equation of every section that is here
EQUATIONS = [f"{section}{n}" for section, last in LAST.items() for n in range(1, last + 1)]
HEAVY = ("torch", "numba", "matplotlib", "scipy", "tqdm", "torchdiffeq", "typer")
LONGEST = 350  # lines
MOST_FILES = 12  # of a folder
MOST_ARGUMENTS = 8  # of a function, outside kernels
MOST_ANY = 0.05  # of the parameters
MOST_INSIDE = 15  # imports of own modules inside functions

# Functions of more arguments than MOST_ARGUMENTS, and how many they take: to be 8 functions at most
LONG_SIGNATURES = {
    "analysis.step_size.convergence.convergence": 12,
    "analysis.motion.lyapunov.lyapunov": 10,
    "analysis.equilibria.phase_plane.phase_plane": 10,
    "core.trajectory.Trajectory.__init__": 11,
    "nn.layer.recurrent.RecurrentLayer.__init__": 10,
    "nn.lstm.layer.LSTMLayer.__init__": 10,
    "solvers.integrate.integrate": 11,
    "training.fit.fit": 12,
}

# Circles of imports that are there for the type checker alone: to be empty
CIRCLES: set[frozenset[str]] = set()


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
def imports_of(module: str, typing: bool = False) -> frozenset[str]:
    """The modules that ``module`` imports anywhere, inside functions too; those of this package as files.

    With ``typing`` also what it imports for the type checker alone.
    """
    found = set()
    is_package = MODULES[module].name == "__init__.py"
    for node in ast.walk(tree_of(module)) if typing else nodes_that_run(tree_of(module)):
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


def own_imports(module: str, typing: bool = False) -> set[str]:
    return {other for other in imports_of(module, typing) if other.split(".")[0] == ROOT.name}


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
        for other in own_imports(module, typing=True)
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


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The largest sets of modules that all import each other, directly or through others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = list(graph[start])
        while left:
            module = left.pop()
            if module not in seen:
                seen.add(module)
                left += graph.get(module, ())
        return seen

    reach = {module: reached(module) for module in graph}
    found = {frozenset(other for other in of if module in reach.get(other, ())) for module, of in reach.items()}
    return {circle for circle in found if circle}


def test_the_circles_for_the_type_checker_are_those_that_are_left() -> None:
    graph = {module: own_imports(module, typing=True) - {module} for module in INSIDE}
    left = {frozenset(module.removeprefix("ode2rnn.") for module in circle) for circle in circles(graph)}
    assert left == CIRCLES, "a new circle is to be dissolved, one that is gone is to be taken off CIRCLES"


def test_a_circle_is_found_and_what_leads_to_it_is_not_in_it() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {frozenset({"b", "c"})}


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
    assert len(homes().get(equation, [])) == 1, f"at home in {homes().get(equation, [])}"


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


def test_folders_have_few_files() -> None:
    counts = Counter(f.parent.relative_to(ROOT).as_posix() for f in FILES if f.name != "__init__.py")
    full = {folder: count for folder, count in counts.items() if count > MOST_FILES}
    assert not full, full


def test_the_scripts_of_the_figures_are_imported_by_no_module() -> None:
    shared = {file.stem for file in (ROOT.parents[1] / "paper_figures").glob("*.py")}
    assert shared
    assert not {m: found for m in MODULES if (found := {i.split(".")[0] for i in imports_of(m, True)} & shared)}


def functions_of(module: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of a module with its name, Class.method or outer.inner, from the module on."""

    def inside(node: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            full = f"{name}.{child.name}" if named else name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield full, child
            yield from inside(child, full)

    yield from inside(tree_of(module), module.removeprefix("ode2rnn."))


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """The parameters but for self and cls, *args and **options as one each."""
    own = function.args
    listed = [*own.posonlyargs, *own.args, *own.kwonlyargs, *filter(None, (own.vararg, own.kwarg))]
    return [parameter for parameter in listed if parameter.arg not in ("self", "cls")]


def test_functions_take_few_arguments() -> None:
    modules = [module for module in INSIDE if package_of(module) != "kernels"]
    counts = {name: len(parameters_of(function)) for module in modules for name, function in functions_of(module)}
    many = {name: count for name, count in counts.items() if count > MOST_ARGUMENTS}
    assert many.keys() == LONG_SIGNATURES.keys(), "one that has become short is to be taken off LONG_SIGNATURES"
    assert all(count <= LONG_SIGNATURES[name] for name, count in many.items()), many


def test_few_parameters_are_typed_any() -> None:
    typed: Counter[str] = Counter()
    loose: Counter[str] = Counter()
    for module in INSIDE:
        for _, function in functions_of(module):
            for parameter in parameters_of(function):
                if parameter.annotation is not None:
                    typed[package_of(module)] += 1
                    loose[package_of(module)] += ast.unparse(parameter.annotation) in ("Any", "Any | None")
    share = loose.total() / typed.total()
    assert share <= MOST_ANY, f"{share:.1%} of {typed.total()} parameters, by folder: {dict(loose)}"


def test_few_imports_of_own_modules_are_inside_functions() -> None:
    found = {
        f"{module}:{node.lineno}"
        for module in INSIDE
        for _, function in functions_of(module)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == ROOT.name)
    }
    assert len(found) <= MOST_INSIDE, f"{len(found)}: {Counter(place.split('.')[1].split(':')[0] for place in found)}"


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
    assert imports_of.__wrapped__("ode2rnn.discrete.new", typing=True) == found | {"ode2rnn.cli"}


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for module in INSIDE:
        for node in ast.parse(MODULES[module].read_text()).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(package_of(module))
    same = {name: sorted(where) for name, where in homes.items() if len(where) > 1}
    # but for the layers, which are named as the cells that they run
    layers = {"VanillaLSTM": ["gated", "nn"], "AugmentedLSTM": ["gated", "nn"], "GRU": ["gated", "nn"]}
    assert same == {**layers, "StandardRNN": ["discrete", "nn"], "CanonicalRNN": ["discrete", "nn"]}
