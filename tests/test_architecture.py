"""The shape of the project: purity of the scheduler, size of files, and documentation that agrees with the code.

Which package may import which is import-linter's business (``[tool.importlinter]`` in pyproject.toml). Here is what
it cannot see: names used inside a module, and files that are not Python.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "haizea"
MODULES = sorted(PACKAGE.rglob("*.py"))
LINES_MAX = 600

# Loading a policy that a user wrote means importing it, which is I/O; it is done in this one module.
IMPURE = {PACKAGE / "policy" / "registry.py"}
PURE = [
    module
    for module in MODULES
    if module.relative_to(PACKAGE).parts[0] in {"core", "model", "plan", "policy"} and module not in IMPURE
]
# What the pure packages may import of the standard library: nothing here can see a clock, a file or another thread.
STANDARD_LIBRARY = {
    "abc",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "types",
    "typing",
}
IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
READ_ONLY = re.compile(r"(Final\[)?(Mapping|Sequence|Collection|Set)\b")
MUTABLE_CALLS = {"bytearray", "Counter", "defaultdict", "deque", "dict", "list", "OrderedDict", "set"}


def name(module: Path) -> str:
    """Return a module's path as a test's name shows it."""
    return str(module.relative_to(PACKAGE))


def parse(module: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below this one, without what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from running_nodes(child)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level packages that a module imports when it runs."""
    for node in running_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0] if node.level == 0 else "haizea"


def impurities(tree: ast.AST) -> list[str]:
    """Return what a module does that could make two runs of the same events differ."""
    found = [f"imports {package}" for package in imported(tree) if package not in STANDARD_LIBRARY | {"haizea"}]
    found += [
        f"line {node.lineno} calls {node.func.id}"
        for node in running_nodes(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]
    return found


def can_change(value: ast.expr) -> bool:
    """Whether an expression makes a list, set, dictionary or the like."""
    if isinstance(value, ast.Call):
        function = value.func
        return (function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")) in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp)


def is_table(declared: ast.AnnAssign) -> bool:
    """Whether a declaration is a table that nobody changes: of a read-only type, or final and written out in full."""
    type_ = ast.unparse(declared.annotation)
    written_out = not isinstance(declared.value, ast.Call) and ast.unparse(declared).split(" = ")[1] not in {"[]", "{}"}
    return READ_ONLY.match(type_) is not None or (type_.startswith("Final") and written_out)


def shared_state(tree: ast.Module) -> list[str]:
    """Return what a module keeps for all its users and could change: caches, registries, global statements."""
    found = [f"line {node.lineno} says global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
    for node in tree.body:
        if isinstance(node, ast.Assign) and can_change(node.value):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found += [f"line {node.lineno} shares {each}" for each in names if each != "__all__"]
        elif isinstance(node, ast.AnnAssign) and node.value and can_change(node.value) and not is_table(node):
            found.append(f"line {node.lineno} shares {ast.unparse(node.target)}")
    return found


@pytest.mark.parametrize("module", PURE, ids=name)
def test_the_scheduler_is_pure(module: Path) -> None:
    """A module of the scheduler imports no clock, chance, file or thread, and calls no built-in that does I/O."""
    assert impurities(parse(module)) == []


@pytest.mark.parametrize("module", PURE, ids=name)
def test_nothing_is_copied_that_may_be_compiled(module: Path) -> None:
    """Compiled objects cannot be copied by the standard library; only policies are, which say how if they are."""
    found = {
        alias.name
        for node in ast.walk(parse(module))
        if isinstance(node, ast.ImportFrom) and node.module == "copy"
        for alias in node.names
    }
    plain = {alias.name for node in ast.walk(parse(module)) if isinstance(node, ast.Import) for alias in node.names}
    assert found <= ({"deepcopy"} if module == PACKAGE / "core" / "scheduler.py" else set())
    assert "copy" not in plain


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_modules_share_no_mutable_state(module: Path) -> None:
    """Nothing at the top of a module can change while the program runs."""
    assert shared_state(parse(module)) == []


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_files_stay_readable(module: Path) -> None:
    """No module grows beyond what a person reads in one go."""
    assert len(module.read_text(encoding="utf-8").splitlines()) < LINES_MAX


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "def f():\n    from random import random",
        "import os.path",
        "print(1)",
        "def f():\n    return open('x')",
    ],
)
def test_the_check_of_purity_sees_impurity(source: str) -> None:
    """An import or call that reaches outside is found, wherever in the module it stands."""
    assert len(impurities(ast.parse(source))) == 1


def test_names_for_type_checkers_are_pure() -> None:
    """A policy may name the type of the generator it is handed without importing it when it runs."""
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from random import Random"
    assert impurities(ast.parse(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "CACHE = {}",
        "CACHE: Final = {}",
        "WAITING: Final[list[int]] = []",
        "SEEN: Final[set[int]] = set()",
        "import collections\nQUEUE: Final = collections.deque()",
        "def f():\n    global x",
    ],
)
def test_the_check_of_shared_state_sees_it(source: str) -> None:
    """A cache, a registry or a global statement at the top of a module is found."""
    assert len(shared_state(ast.parse(source))) == 1


@pytest.mark.parametrize("source", ["T: Mapping[int, str] = dict(a)", "T: Final = {1: 'one'}", "T = frozenset({1})"])
def test_a_table_is_no_shared_state(source: str) -> None:
    """A dictionary that is declared read-only, or final and written out in full, is a table."""
    assert shared_state(ast.parse(source)) == []


def test_generated_documentation_is_current() -> None:
    """The parts of the documentation that are made from code say what the code says now."""
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.name)
def test_links_in_documentation_lead_somewhere(page: Path) -> None:
    """Every link and picture of a page that points into the repository points at a file that is there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []
