"""`seedtest backup` and `seedtest restore`: what seedtest keeps, in a folder and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console, plain

if TYPE_CHECKING:
    from seedtest_assets.storage.backup import Dumped
    from seedtest_assets.storage.lake import Lake


def backup(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write history, Dagster's runs and a local lake into a new folder; of an embedded server all of its databases."""
    from seedtest_assets.storage.backup import back_up

    _show(back_up(folder.absolute(), *_kept()))


def restore(folder: Annotated[Path, typer.Argument(help="What `seedtest backup` wrote.")]) -> None:
    """Replace history and Dagster's runs by those of a backup, and fill an empty lake. Stop daemon and webserver before."""
    from seedtest_assets.storage.backup import restore as restore_from

    _show(restore_from(folder.absolute(), *_kept()))


def _kept() -> "tuple[list[Dumped], Lake]":
    """Name what a backup is of; enters the project's folder."""
    from seedtest_assets.cli.instance import STORAGE, dagster_environment
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.backup import Dumped
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.lake import Lake

    settings = load_settings()
    runs = dagster_environment()[STORAGE]
    # The platform's own tables have a backup of their own; an embedded server has none.
    whole = settings.database_url is None
    databases = [
        Dumped(
            name="history",
            url=prepared_database(settings).url,
            variable="DATABASE_URL",
            schemas=(settings.seedtest_schema, *["public"] * whole),
            whole=whole,
        ),
        Dumped(name="dagster", url=runs, variable=STORAGE, schemas=("public",), whole=True),
    ]
    return databases, Lake(settings.seedtest_lake)


def _show(lines: list[str]) -> None:
    for line in lines:
        console.print(plain(line), soft_wrap=True, highlight=False)
