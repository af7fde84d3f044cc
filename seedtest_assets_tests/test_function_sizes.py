"""Functions stay short, and take few parameters."""

import ast
from collections.abc import Iterator

import pytest

from seedtest_assets_tests.conftest import ROOT

FOLDERS = ("seedtest_assets", "seedtest_client", "benchmarks")
# With the docstring.
MOST_LINES = 59
MOST_PARAMETERS = 7
# Each option of a command is a parameter of its function: Typer has no other form of them.
COMMANDS = {"seedtest_assets/cli/calibrate.py: calibrate", "seedtest_assets/cli/dif.py: dif"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def sizes() -> dict[str, tuple[int, int]]:
    """Lines and parameters of every function that is no compiled kernel, by file, name and line."""
    return {
        f"{file.relative_to(ROOT).as_posix()}: {node.name} (line {node.lineno})": (_n_lines(node), _n_parameters(node))
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in _functions(ast.parse(file.read_text(encoding="utf-8")))
        if not _is_kernel(node)
    }


def test_functions_have_under_60_lines(sizes):
    assert {function: n_lines for function, (n_lines, _) in sizes.items() if n_lines > MOST_LINES} == {}


def test_functions_have_under_8_parameters_but_for_commands_with_more_options(sizes):
    long = {function: n for function, (_, n) in sizes.items() if n > MOST_PARAMETERS}
    assert {function.split(" (")[0] for function in long} == COMMANDS, long


@pytest.mark.parametrize(
    ("source", "n_lines", "n_parameters", "kernel"),
    [
        ("def f(self, a, *, b=1, **c):\n    '''Doc.'''\n    return a", 3, 3, False),
        ("@kernel(fastmath=True)\ndef f(a, /, *b): ...", 1, 2, True),
        ("@njit\nasync def f(): ...", 1, 0, True),
    ],
)
def test_lines_parameters_and_kernels_are_counted(source, n_lines, n_parameters, kernel):
    (node,) = _functions(ast.parse(source))
    assert (_n_lines(node), _n_parameters(node), _is_kernel(node)) == (n_lines, n_parameters, kernel)


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _n_lines(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _n_parameters(node: Function) -> int:
    """Count the parameters without self and cls, `*args` and `**kwargs` as one each."""
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return sum(each is not None and each.arg not in ("self", "cls") for each in named)


def _is_kernel(node: Function) -> bool:
    """Whether numba compiles it, for which bundles of arguments cost time."""
    decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return any(ast.unparse(each).split(".")[-1] in ("kernel", "njit", "jit") for each in decorators)
