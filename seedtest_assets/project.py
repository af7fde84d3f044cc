"""Locate the project's folder, and name the environment that Dagster's processes need there."""

import os
from pathlib import Path

from seedtest_assets.errors import SettingsError


def find_project(start: Path | None = None) -> Path | None:
    """Give the nearest folder, from `start` upwards, that has dagster.yaml and workspace.yaml; None when there is none."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").exists() and (folder / "workspace.yaml").exists():
            return folder
    return None


def project_root(start: Path | None = None) -> Path:
    """Give the nearest folder, from `start` upwards, that has dagster.yaml and workspace.yaml.

    Raises SettingsError when there is none.
    """
    folder = find_project(start)
    if folder is None:
        here = (start or Path.cwd()).resolve()
        raise SettingsError(
            f"no dagster.yaml and workspace.yaml in {here} or above it. Run this in the project's folder"
        )
    return folder


def enter_project() -> Path:
    """Make the project's folder the working directory; `.seedtest/` and the paths of dagster.yaml are relative to it."""
    root = project_root()
    os.chdir(root)
    return root
