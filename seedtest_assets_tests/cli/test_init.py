"""`seedtest init`: a folder from which everything else works."""

import stat
import sys

import pytest
import yaml
from dotenv import dotenv_values
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.cli.init import env_template
from seedtest_assets.settings import Settings
from seedtest_assets_tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    done = CliRunner().invoke(app, ["init", str(tmp_path / "school")])
    assert done.exit_code == 0, done.output
    return tmp_path / "school"


def test_it_writes_dagsters_files_as_they_are_here(folder):
    for name in ("dagster.yaml", "workspace.yaml"):
        assert yaml.safe_load((folder / name).read_text()) == yaml.safe_load((ROOT / name).read_text())


def test_its_settings_are_all_there_are_with_their_defaults(folder):
    uncommented = "\n".join(
        line.removeprefix("#") for line in (folder / ".env").read_text().splitlines() if "# " not in line
    )
    (folder / "all").write_text(uncommented)
    written = dotenv_values(folder / "all")
    assert written.pop("DAGSTER_POSTGRES_URL") == ""
    fields = {str(field.validation_alias or name).upper(): field for name, field in Settings.model_fields.items()}
    assert written.keys() == fields.keys()
    for name, value in written.items():
        default = fields[name].default
        assert value == ("" if default is None else str(default).lower() if isinstance(default, bool) else str(default))
    assert not dotenv_values(folder / ".env")  # as it is, it changes nothing


def test_every_setting_says_what_it_means():
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
    assert "None" not in env_template()


def test_nobody_else_can_read_it(folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_units_name_this_installation_and_this_folder(folder):
    units = {path.relative_to(ROOT / "deploy") for path in (ROOT / "deploy/systemd").rglob("*") if path.is_file()}
    assert units == {path.relative_to(folder) for path in (folder / "systemd").rglob("*") if path.is_file()}
    for unit in units:
        text = (folder / unit).read_text()
        assert "/opt/seedtest" not in text
        assert "/var/lib/seedtest" not in text
        assert text.count("ExecStart=") == text.count(f"ExecStart={sys.prefix}/bin/")
    assert f"WorkingDirectory={folder}\n" in (folder / "systemd/seedtest-.service.d/common.conf").read_text()


@pytest.mark.parametrize("existing", [".env", "dagster.yaml"])
def test_it_overwrites_nothing(tmp_path, existing):
    (tmp_path / existing).write_text("mine")
    done = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert done.stderr.strip() == (
        f"error: {tmp_path} has {existing} already. Choose another folder; nothing was written"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "mine")]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["init", str(tmp_path / "file/school")])
    assert done.exit_code == 1
    assert done.stderr.strip() == f"error: {tmp_path / 'file'} cannot be written: File exists"
