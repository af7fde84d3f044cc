"""The file `.env` in the project's folder: variables below those of the environment."""

import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from seedtest_assets.errors import SettingsError
from seedtest_assets.project import find_project

NAME = ".env"
_ASSIGNED = re.compile(r"\s*(?:export\s+)?(?P<name>\w+)\s*=\s*(?P<value>.+)$")
_AMBIGUOUS = re.compile(r"[^'].*(\\|\s#)|.*\$\{")


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


def names_read_otherwise(folder: Path) -> list[str]:
    """List the variables whose values systemd's EnvironmentFile may read otherwise than this program does.

    Without single quotes it keeps or drops a backslash or a ` #` by rules of its own. It never replaces a `${…}`, which this
    program does in any quotes.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    assigned = (_ASSIGNED.match(line) for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [match["name"] for match in assigned if match and _AMBIGUOUS.match(match["value"])]


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
