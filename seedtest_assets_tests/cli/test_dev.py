"""`seedtest dev`: UI, daemon and reports, from the first line to the signal that ends them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
import requests
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets_tests.conftest import ROOT, new_database
from seedtest_assets_tests.deployment import free_port, listens

ADDRESS = re.compile(r"(?:UI|Reports): +(http://localhost:(\d+))")


@pytest.fixture
def project(tmp_path, template):
    """A project's folder, and the environment of its commands, whose INT is ignored as in a background job."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    page = tmp_path / "lake/reports/date=2025-03-09/calibration.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html><p>a report</p>")
    return tmp_path, {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": new_database(template).url,
        "DAGSTER_POSTGRES_URL": new_database(template, like="template0").url,
        "SEEDTEST_LAKE": str(tmp_path / "lake"),
    }


def start_dev(project, *options: str) -> subprocess.Popen:
    folder, environment = project
    return subprocess.Popen(
        [Path(sys.executable).with_name("seedtest"), "dev", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )


def test_it_serves_the_ui_and_the_reports_until_it_is_stopped_and_leaves_nothing_behind(project):
    ports = {free_port(), free_port()}
    port, reports_port = map(str, ports)
    dev = start_dev(project, "--port", port, "--reports-port", reports_port)
    try:
        found = (ADDRESS.fullmatch(line.strip()) for line in dev.stdout)  # Dagster's daemon writes there, too
        ui, reports = islice(filter(None, found), 2)
        assert {ui[2], reports[2]} == {port, reports_port}
        assert requests.get(f"{ui[1]}/server_info", timeout=30).ok
        assert "a report" in requests.get(f"{reports[1]}/date=2025-03-09/calibration.html", timeout=30).text
        children = psutil.Process(dev.pid).children(recursive=True)
        assert len(children) >= 3  # `dagster dev`, webserver, daemon, the code's server
    finally:
        dev.send_signal(signal.SIGTERM)
        _, shown = dev.communicate(timeout=120)
    assert dev.returncode == 0, shown
    assert "Traceback" not in shown
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert not any(map(listens, ports))


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
