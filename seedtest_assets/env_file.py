"""The file `.env` in the project's folder: variables below those of the environment."""

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from seedtest_assets.errors import SettingsError
from seedtest_assets.project import find_project

NAME = ".env"


def read_env_file(folder: Path) -> dict[str, str]:
    """Read the variables of a folder's file, empty ones too; none without a file.

    Raises SettingsError for a file that cannot be read, and for a line that sets nothing.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}") from None
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise SettingsError(
                f"{path} line {binding.original.line} is not NAME=value. Correct it, or begin it with #"
            )
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def apply_env_file() -> None:
    """Put the variables of the nearest project's file into the environment where they are unset or empty.

    Raises SettingsError as read_env_file does.
    """
    folder = find_project()
    if folder is None:
        return
    for name, value in read_env_file(folder).items():
        if not os.environ.get(name):
            os.environ[name] = value


def contradictions(folder: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """List the variables that the environment sets to other values than the folder's file."""
    return [name for name, value in read_env_file(folder).items() if environment.get(name) not in (None, "", value)]
