"""The file .env: below the environment, for every command, and named where it is wrong or open to others."""

import os
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from seedtest_assets import env_file
from seedtest_assets.cli.app import app
from seedtest_assets.cli.doctor.environment import judge_env_file
from seedtest_assets.env_file import apply_env_file, contradictions, read_env_file
from seedtest_assets.errors import SettingsError
from seedtest_assets.settings import load_settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, in which the test stands."""
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(env_file, "NAME", ".env")
    with patch.dict(os.environ):
        for name in ("MIRT_MODEL", "MIRT_LOOKBACK_DAYS", "SEEDTEST_ITEM_COUNT_ERROR_BELOW"):
            os.environ.pop(name, None)
        yield tmp_path


def test_the_file_is_below_the_environment_and_an_empty_variable_is_none(project, monkeypatch):
    (project / ".env").write_text(
        "\ufeff# a comment\nMIRT_MODEL=3PL\nMIRT_LOOKBACK_DAYS=30\nSEEDTEST_KEEP_DAYS=\n", "utf-8"
    )
    monkeypatch.setenv("MIRT_MODEL", "Rasch")
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "")
    apply_env_file()
    settings = load_settings()
    assert (settings.mirt_model, settings.mirt_lookback_days, settings.seedtest_keep_days) == ("Rasch", 30, 400)


def test_it_is_found_from_a_folder_below_the_project(project, monkeypatch):
    (project / ".env").write_text("MIRT_MODEL=3PL\n")
    (project / "data").mkdir()
    monkeypatch.chdir(project / "data")
    apply_env_file()
    assert load_settings().mirt_model == "3PL"


def test_limits_of_checks_and_old_names_are_read_from_it(project):
    (project / ".env").write_text("IRT_MODEL=1PL\nSEEDTEST_ITEM_COUNT_ERROR_BELOW=0.5\n")
    apply_env_file()
    assert (load_settings().mirt_model, load_settings().item_count_error_below) == ("Rasch", 0.5)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"MIRT_MODEL=2PL\nMIRT LOOKBACK 30\n", "line 2 is not NAME=value"),
        ("SEEDTEST_LAKE=학교\n".encode("cp949"), "cannot be read: it is no UTF-8"),
    ],
)
def test_what_sets_nothing_is_one_line_of_every_command(project, content, problem):
    (project / ".env").write_bytes(content)
    done = CliRunner().invoke(app, ["calibrate", "none.csv"])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert f"error: {project / '.env'} {problem}" in done.stderr


def test_a_folder_that_is_no_file_is_refused(project):
    (project / ".env").mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_env_file(project)


def test_a_command_sees_a_value_of_the_file_that_is_not_allowed(project):
    (project / ".env").write_text("MIRT_MODEL=5PL\n")
    done = CliRunner().invoke(app, ["dev"])
    assert done.stderr.strip() == "error: MIRT_MODEL='5PL' is not allowed: Input should be 'Rasch', '2PL' or '3PL'"


def test_dev_refuses_a_variable_with_two_values_since_dagster_prefers_the_file(project, monkeypatch):
    (project / ".env").write_text("MIRT_MODEL=3PL\nMIRT_LOOKBACK_DAYS=30\n")
    monkeypatch.setenv("MIRT_MODEL", "2PL")
    assert contradictions(project) == ["MIRT_MODEL"]
    done = CliRunner().invoke(app, ["dev"])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: MIRT_MODEL in the environment differs from {project / '.env'}")


def test_doctor_names_secrets_that_others_can_read(project):
    path = project / ".env"
    path.write_text("DATABASE_URL=postgresql://me:secret@db.example/x\n")
    path.chmod(0o644)
    (finding,) = judge_env_file(project)
    assert (finding.level, finding.text) == (
        "yellow",
        f"other users of this machine can read DATABASE_URL in {path}. Run chmod 600 {path}",
    )
    path.chmod(0o600)
    assert not list(judge_env_file(project))


def test_doctor_names_values_that_systemd_reads_otherwise(project):
    (project / ".env").write_text(
        "SEEDTEST_UI_URL=http://ui\n"
        "R_IRT_INTERNAL_TOKEN=a\\b\n"
        "SEEDTEST_LAKE='quoted \\ #and $ fine'\n"
        "#MIRT_MODEL=a\\b\n"
        'export DATABASE_URL="postgresql://u:p${X}@h/d"\n'
        "MIRT_MAX_OBS=5 # newest\n"
        "DAGSTER_POSTGRES_URL='postgresql://u:p${X}@h/d'\n"
    )
    (project / ".env").chmod(0o600)
    (finding,) = judge_env_file(project)
    assert finding.level == "yellow"
    assert "may read R_IRT_INTERNAL_TOKEN, DATABASE_URL, MIRT_MAX_OBS, DAGSTER_POSTGRES_URL in" in finding.text
