"""Where a command works: the folder with dagster.yaml, and the environment that Dagster's processes need there."""

import os
from pathlib import Path

from seedtest_assets.errors import SettingsError
from seedtest_assets.storage.embedded import DAGSTER, start_embedded


def project_root(start: Path | None = None) -> Path:
    """The nearest folder, from `start` upwards, that has dagster.yaml and workspace.yaml.

    Raises SettingsError when there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").exists() and (folder / "workspace.yaml").exists():
            return folder
    raise SettingsError(f"no dagster.yaml and workspace.yaml in {here} or above it; run this in the project's folder")


def dagster_environment() -> dict[str, str]:
    """DAGSTER_HOME and DAGSTER_POSTGRES_URL for this project; what is set already stays.

    Starts the embedded PostgreSQL where Dagster has no other.
    """
    root = project_root()
    os.chdir(root)  # `.seedtest/` and the paths of dagster.yaml are relative to it
    return {
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(root),
        "DAGSTER_POSTGRES_URL": os.environ.get("DAGSTER_POSTGRES_URL") or start_embedded(DAGSTER),
    }
