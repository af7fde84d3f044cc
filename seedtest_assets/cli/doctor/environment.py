"""Judge the environment and the file .env: names that nothing reads, secrets that others can read."""

import difflib
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from seedtest_assets import env_file
from seedtest_assets.cli.doctor.finding import DoctorFinding
from seedtest_assets.settings import Settings

PREFIXES = ("SEEDTEST_", "MIRT_", "R_IRT_")
SECRETS = ("DATABASE_URL", "DAGSTER_POSTGRES_URL", "R_IRT_INTERNAL_TOKEN", "SEEDTEST_ALERT_URLS")


def judge_names(environment: Mapping[str, str], known_otherwise: Iterable[str]) -> Iterator[DoctorFinding]:
    """Judge variables that look like settings and are none. known_otherwise: names that other judgements speak of."""
    known = {str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()}
    for name in sorted(set(environment) - known - set(known_otherwise)):
        if name.startswith(PREFIXES):
            near = difflib.get_close_matches(name, known, 1)
            meant = f". Did you mean {near[0]}?" if near else ""
            yield DoctorFinding(
                level="yellow", subject="settings", text=f"{name} is no setting, and has no effect{meant}"
            )


def judge_env_file(folder: Path) -> Iterator[DoctorFinding]:
    """Judge the project's .env: whether other users can read its secrets, and whether systemd reads the same values."""
    secrets = [name for name in SECRETS if env_file.read_env_file(folder).get(name)]
    path = folder / env_file.NAME
    if secrets and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield DoctorFinding(
            level="yellow",
            subject="settings",
            text=f"other users of this machine can read {', '.join(secrets)} in {path}. Run chmod 600 {path}",
        )
    if otherwise := env_file.names_read_otherwise(folder):
        yield DoctorFinding(
            level="yellow",
            subject="settings",
            text=f"systemd may read {', '.join(otherwise)} in {path} otherwise than seedtest does. "
            "Write a value with a backslash or a # after a blank in single quotes, and none with ${",
        )
