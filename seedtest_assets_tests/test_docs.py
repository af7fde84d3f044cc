"""The documentation says what the code does: settings and their defaults, commands and their options, links."""

import os
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
import yaml

from seedtest_assets.cli.app import app
from seedtest_assets.definitions import defs
from seedtest_assets.settings import Settings
from seedtest_assets_tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
SETTINGS_TABLE = re.compile(
    r"^\| (?:variable|변수) \| (?:default|기본값) \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", re.MULTILINE
)
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| `?([^`|]*?)`? \|", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"(?:^|-- |\$\()(?:\.venv/bin/)?seedtest +([a-z].*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FETCHED = re.compile(r'<(?:script|img|iframe|link)[^>]+(?:src|href)="?(?:https?:)?//[^>]*>')
RUN_CONFIG = re.compile(r"^```yaml\n(ops:.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def test_every_setting_stands_in_a_table_with_its_default():
    documented = {}
    for page in PAGES:
        for table in SETTINGS_TABLE.findall(page.read_text(encoding="utf-8")):
            for name, default in ROW.findall(table):
                assert documented.setdefault(name, default) == default, f"{page.name}: {name} has two defaults"
    assert documented == {
        str(field.validation_alias or name).upper(): _written(field.default)
        for name, field in Settings.model_fields.items()
    }


def test_the_tables_of_settings_are_what_the_code_gives():
    for table in runpy.run_path(str(ROOT / "docs" / "tables.py"))["TABLES"]:
        page = table.page.read_text(encoding="utf-8")
        assert table.put_into(page) == page, "run `make tables`"


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    """Every page is in the navigation, every link leads somewhere, every docstring of irt can be read."""
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert "seedtest_assets.irt.calibrate" in pages["api.html"]
    assert "문항" in pages["index.ko.html"]
    for name, html in pages.items():
        assert not FETCHED.findall(html), f"{name} fetches from elsewhere"


@pages
def test_commands_and_their_options_exist(page):
    for call in _calls(page.read_text(encoding="utf-8")):
        command, rest = _command(call)
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"`seedtest {call}`"


@pages
def test_run_config_that_a_page_gives_is_accepted_by_the_nightly_job(page):
    for config in RUN_CONFIG.findall(page.read_text(encoding="utf-8")):
        dg.validate_run_config(defs.resolve_job_def("nightly"), yaml.safe_load(config))


@pages
def test_relative_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if heading:
            assert heading in _anchors(target), f"{page.name} links to {link}"


def _written(default: object) -> str:
    """A default as the tables write it."""
    if default is None:
        return "unset"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _calls(text: str) -> list[str]:
    """What follows `seedtest ` in code, to the end of the command."""
    lines = [line for code in CODE.findall(text) for line in code.strip("`").splitlines()]
    matches = [CALL.search(line.split("#")[0]) for line in lines]
    return [re.split(r"[\"')|;&]", match.group(1))[0].strip() for match in matches if match]


def _command(call: str) -> tuple[Any, str]:
    command: Any = typer.main.get_command(app)
    arguments = call.split()
    while arguments and hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"`seedtest {call}`: there is no command {arguments[0]}"
        command = command.commands[arguments.pop(0)]
    return command, " ".join(arguments)


@cache
def _anchors(page: Path) -> set[str]:
    headings = HEADING.findall(
        re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
