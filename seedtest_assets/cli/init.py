"""`seedtest init`: the folder of a deployment, for a package that was installed without its repository."""

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console
from seedtest_assets.errors import InputError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # not in Python 3.10

    from pydantic.fields import FieldInfo

PROJECT_FILES = ("dagster.yaml", "workspace.yaml")
VENV_OF_UNITS, FOLDER_OF_UNITS = "/opt/seedtest", "/var/lib/seedtest"
"""The paths in deploy/systemd/, which are replaced by those of this installation."""


def init(
    folder: Annotated[
        Path, typer.Argument(help="Where the deployment keeps its settings and data; may not exist yet.")
    ],
) -> None:
    """Write what a deployment needs into a folder: Dagster's two files, an annotated .env, units of systemd."""
    folder = folder.absolute()
    contents = _contents(folder)
    existing = [name for name in contents if (folder / name).exists()]
    if existing:
        raise InputError(f"{folder} has {', '.join(existing)} already. Choose another folder; nothing was written")
    _write(folder, contents)
    for name in contents:
        console.print(f"written: {folder / name}", highlight=False, soft_wrap=True, markup=False)
    console.print(
        f"Next: cd {folder}, then seedtest demo for a look, seedtest import FILE for answers of your own, "
        "or DATABASE_URL into .env and seedtest doctor. "
        "deploy/README.md of the repository says how its units for systemd are used",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def _write(folder: Path, contents: dict[str, str]) -> None:
    from seedtest_assets.storage.private_files import PRIVATE_FILE, make_private_folder

    try:
        make_private_folder(folder)
        for name, text in contents.items():
            path = folder / name
            make_private_folder(path.parent)
            path.touch(PRIVATE_FILE, exist_ok=False)  # .env will hold passwords
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def _contents(folder: Path) -> dict[str, str]:
    """Give the text of each file by its path in the folder."""
    texts = {name: (_shipped() / name).read_text(encoding="utf-8") for name in PROJECT_FILES}
    texts[".env"] = env_template()
    for name, text in _texts_below(_units(), "systemd"):
        texts[name] = text.replace(VENV_OF_UNITS, sys.prefix).replace(FOLDER_OF_UNITS, str(folder))
    return texts


def _texts_below(folder: "Traversable", name: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _texts_below(entry, path)
        else:
            yield path, entry.read_text(encoding="utf-8")


def _shipped() -> "Traversable":
    """Find the files in the wheel, or in the repository that an editable installation stands in."""
    packed = files("seedtest_assets") / "deployment"
    return packed if packed.is_dir() else Path(__file__).parents[2]


def _units() -> "Traversable":
    shipped = _shipped()
    return shipped / "systemd" if (shipped / "systemd").is_dir() else shipped / "deploy" / "systemd"


def env_template() -> str:
    """Lay out every setting as a comment: its meaning, its name and its default."""
    from seedtest_assets.settings import Settings
    from seedtest_assets.thresholds import Thresholds

    fields = Settings.model_fields
    limits = Thresholds.model_fields.keys()
    lines = [
        "# Settings. Remove the # before a name to set it. Variables of the environment go before this file.",
        "# Values with blanks, # or backslashes go into single quotes.",
        "",
        "# where Dagster keeps its runs, a PostgreSQL database; unset: an embedded one under .seedtest/",
        "#DAGSTER_POSTGRES_URL=",
        *(line for name, field in fields.items() if name not in limits for line in _setting(name, field)),
        "",
        "# Limits of the checks: docs/checks.md has their reasons.",
        *(line for name in limits for line in _setting(name, fields[name])),
    ]
    return "\n".join(lines) + "\n"


def _setting(name: str, field: "FieldInfo") -> list[str]:
    default = "" if field.default is None else str(field.default)
    value = default.lower() if isinstance(field.default, bool) else default
    return ["", f"# {field.description}", f"#{str(field.validation_alias or name).upper()}={value}"]
