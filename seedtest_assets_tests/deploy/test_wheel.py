"""The wheel holds all that the package needs, and works where it is installed without the repository."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from seedtest_assets_tests.conftest import ROOT

pytestmark = pytest.mark.slow

SHIPPED = {"dagster.yaml": "dagster.yaml", "workspace.yaml": "workspace.yaml", "deploy/systemd": "systemd"}
"""What `seedtest init` writes: its place in the repository, and below seedtest_assets/deployment."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run(
        [hatchling, "build", "--target", "wheel", "--directory", folder], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment with the wheel, and with the packages that it needs from the environment of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    return folder / "bin"


def run(program: Path, *arguments: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["NUMBA_DISABLE_JIT"] = "1"  # compiling in a new place would take 15 s, and is not what this is about
    done = subprocess.run([program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(place: Path) -> set[Path]:
    return {path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_has_every_file_of_the_package_and_of_a_deployment_and_nothing_else(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {
        path.relative_to(ROOT).as_posix()
        for name in ("seedtest_assets", "seedtest_client")
        for path in files_below(ROOT / name)
    }
    shipped = set()
    for place, name in SHIPPED.items():
        for path in files_below(ROOT / place) or {ROOT / place}:
            below = path.relative_to(ROOT / place).as_posix()
            shipped.add(f"seedtest_assets/deployment/{name}/{below}".removesuffix("/."))
    assert packed == package | shipped


def test_it_calibrates_a_file_where_it_is_installed(installed, tmp_path):
    marks = [[p, *(int(p % (j + 2) > 0) for j in range(4))] for p in range(60)]
    pd.DataFrame(marks, columns=["user_id", "q1", "q2", "q3", "q4"]).to_csv(tmp_path / "answers.csv", index=False)
    where = run(installed / "python", "-c", "import seedtest_assets; print(seedtest_assets.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed.parent))
    run(installed / "seedtest", "calibrate", "answers.csv", "--model", "Rasch", cwd=tmp_path)
    assert list(pd.read_csv(tmp_path / "calibration/item_params.csv")["item_id"]) == ["q1", "q2", "q3", "q4"]


def test_it_makes_a_deployment_where_it_is_installed(installed, tmp_path):
    run(installed / "seedtest", "init", "school", cwd=tmp_path)
    assert (tmp_path / "school/dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
    unit = (tmp_path / "school/systemd/seedtest-daemon.service").read_text()
    assert f"ExecStart={installed}/dagster-daemon run --workspace {tmp_path}/school/systemd/workspace.yaml" in unit


def test_the_version_without_git_is_that_of_the_changelog_and_of_the_citation():
    (fallback,) = re.findall(r'^fallback-version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    (cited,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert fallback == released[0] == cited
