"""What irt exports is documented: sections in numpydoc's form, and examples that give what they say."""

import ast
import doctest
import inspect
import re

import pytest

from seedtest_assets import irt
from seedtest_assets_tests.conftest import ROOT

DOCUMENTED = sorted(
    name for name in irt.__all__ if inspect.isfunction(getattr(irt, name)) or inspect.isclass(getattr(irt, name))
)
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_give_what_they_say(name):
    tests = doctest.DocTestFinder(recurse=True).find(getattr(irt, name), name, globs={})
    examples = [test for test in tests if test.examples]
    assert examples, f"{name} has no example"
    output: list[str] = []
    for test in examples:
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=output.append)
    assert not output, "".join(output)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_have_the_sections_of_numpydoc(name):
    value = getattr(irt, name)
    text = inspect.getdoc(value) or ""
    assert re.match(r".+\.\n", text), f"{name} starts with no sentence of one line"
    assert "Examples\n--------\n" in text
    described = set(re.findall(r"^(\w[\w, ]*) : ", text, re.MULTILINE))
    described = {part.strip() for names in described for part in names.split(",")} | set(
        re.findall(r"^(\w+)$", text, re.MULTILINE)
    )
    if inspect.isfunction(value):
        assert "Returns\n-------\n" in text
        assert set(inspect.signature(value).parameters) <= described
    elif not issubclass(value, Exception):
        assert set(inspect.signature(value).parameters) <= described


def test_every_public_name_can_be_imported_and_is_typed_for_checkers():
    for name in irt.__all__:
        assert getattr(irt, name) is not None
    tree = ast.parse(inspect.getsource(irt))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for statement in block.body for alias in statement.names}  # type: ignore[attr-defined]
    assert typed == set(irt.__all__)
    assert (ROOT / "seedtest_assets" / "py.typed").exists()


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_readme_examples_run(page, capsys):
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(first, page, "exec"), names)
    assert "Rasch" in capsys.readouterr().out
    exec(compile(second, page, "exec"), names)
    items = names["calibration"].to_frames()[0].set_index("item_id")  # type: ignore[attr-defined]
    assert items["model"][["q0", "q19"]].tolist() == ["2PL", "GRM"]
