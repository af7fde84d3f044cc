"""`seedtest dev` where it starts nothing; test_ui_in_browser.py runs it."""

import os
import shutil
import socket
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets_tests.conftest import ROOT, new_database
from seedtest_assets_tests.deployment import free_port


@pytest.fixture
def project(tmp_path, template):
    """A project's folder, and the environment of its commands."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path, {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": new_database(template).url,
        "DAGSTER_POSTGRES_URL": new_database(template, like="template0").url,
        "SEEDTEST_LAKE": str(tmp_path / "lake"),
    }


@pytest.mark.parametrize("option", ["--port", "--reports-port"])
def test_a_taken_port_is_one_line(project, monkeypatch, option):
    folder, environment = project
    monkeypatch.chdir(folder)
    with socket.create_server(("127.0.0.1", 0)) as taken, patch.dict(os.environ, environment):
        options = {"--port": str(free_port()), "--reports-port": str(free_port()), option: str(taken.getsockname()[1])}
        done = CliRunner().invoke(app, ["dev", *[word for pair in options.items() for word in pair]])
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        f"error: cannot listen on 127.0.0.1 port {options[option]}: Address already in use. Choose another with {option}"
    )


@pytest.mark.parametrize("option", ["--port", "--reports-port"])
def test_a_port_that_cannot_be_is_refused_as_wrong_usage(option):
    done = CliRunner().invoke(app, ["dev", option, "99999"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr
