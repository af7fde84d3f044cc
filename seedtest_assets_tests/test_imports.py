"""Who may import whom: the contracts of pyproject.toml, and what no contract can say."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedtest_assets_tests.conftest import ROOT

PACKAGE = ROOT / "seedtest_assets"
ARRAYS_ONLY = {"numpy", "numba", "scipy"}
# What `irt` may import within a function that takes or gives data frames.
ON_DEMAND = {"pandas"}


def test_the_contracts_of_pyproject_are_kept():
    """In a process of its own: the linter sets up logging anew."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_irt_imports_numpy_numba_and_scipy_only():
    for file in _files(PACKAGE / "irt"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        at_import = {name for statement in tree.body for name in _imported(statement, into_functions=False)}
        anywhere = set(_imported(tree))
        for names, allowed in ((at_import, ARRAYS_ONLY), (anywhere, ARRAYS_ONLY | ON_DEMAND)):
            foreign = {name for name in names if not name.startswith("seedtest_assets.irt") and not _standard(name)}
            assert {name.split(".")[0] for name in foreign} <= allowed, f"{file.name} imports {sorted(foreign)}"


@pytest.mark.slow
def test_importing_irt_loads_no_pandas_dagster_sql_or_http_library():
    loaded = _loaded_by("from seedtest_assets.irt import *")
    assert "seedtest_assets.irt.em" in loaded
    assert not {"pandas", "pyarrow", "dagster", "sqlalchemy", "requests", "fastapi"} & loaded


@pytest.mark.slow
def test_the_models_of_irt_load_no_compiled_engine():
    loaded = _loaded_by("import seedtest_assets.irt, seedtest_assets.irt.models, seedtest_assets.settings")
    assert "seedtest_assets.irt.models" in loaded
    assert not {"numba", "scipy"} & loaded


@pytest.mark.slow
def test_the_definitions_load_nothing_that_draws_or_serves():
    """Every process of Dagster loads them."""
    loaded = _loaded_by("import seedtest_assets.definitions")
    assert "seedtest_assets.assets.calibration_report" in loaded
    assert not {"matplotlib", "jinja2", "scipy.stats", "fastapi"} & loaded


def _loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and give the modules that it loads."""
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.py"))
    assert files
    return files


def _imported(tree: ast.AST, into_functions: bool = True) -> Iterator[str]:
    """Give the dotted name of everything that a piece of code imports when it runs."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    if into_functions or not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        for child in ast.iter_child_nodes(tree):
            yield from _imported(child, into_functions)


def _standard(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names
