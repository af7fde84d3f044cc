"""Backups: a folder with PostgreSQL's own dumps and, of a local lake, its files."""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg2.extensions import make_dsn, parse_dsn

from seedtest_assets.errors import InputError, first_line
from seedtest_assets.storage.addresses import connection_string, shown_address
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.postgres_server import programs
from seedtest_assets.storage.private_files import PRIVATE_FILE, PRIVATE_FOLDER, make_private_folder
from seedtest_assets.storage.statements import identifier

LAKE_FILE = "lake.tar"


@dataclass(frozen=True, kw_only=True)
class Dumped:
    """A database of a backup. schemas: those that it has of ours. whole: it is dumped with everything else that it has."""

    name: str
    url: str
    variable: str
    schemas: tuple[str, ...]
    whole: bool

    @property
    def only(self) -> tuple[str, ...]:
        """The schemas that are dumped; none where all are."""
        return () if self.whole else self.schemas

    @property
    def file(self) -> str:
        """The name of its dump in the folder."""
        return f"{self.name}.dump"


def back_up(folder: Path, databases: Sequence[Dumped], lake: Lake) -> list[str]:
    """Write a new folder, whole or not at all; gives a line for each part.

    Raises InputError for a folder that is there already, for a database that cannot be dumped, and where answers are written
    to the lake meanwhile.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    if folder.exists():
        raise InputError(f"{folder} is there already. Name a new folder")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=PRIVATE_FOLDER, parents=True)
        lines = [_dump(database, unfinished) for database in databases]
        if lake.local_folder is None:
            lines.append(f"not {lake.url}: a bucket keeps copies of its own")
        elif lake.local_folder.exists():
            _archive(lake.local_folder, unfinished / LAKE_FILE)
            lines.append(f"{LAKE_FILE}: {lake.url}")
        for file in unfinished.iterdir():
            file.chmod(PRIVATE_FILE)  # also where it is copied from this folder to an open one
        unfinished.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or first_line(error)}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return lines


def restore(folder: Path, databases: Sequence[Dumped], lake: Lake) -> list[str]:
    """Replace what is there by what a backup has, each database in one transaction; gives a line for each part.

    Raises InputError for a folder that is no backup, for a lake that is not empty, and for a dump that cannot be restored.
    """
    missing = [database.file for database in databases if not (folder / database.file).exists()]
    if missing:
        raise InputError(f"{folder} is no backup: it has no {', '.join(missing)}")
    target = lake.local_folder if (folder / LAKE_FILE).exists() else None
    if target and target.exists() and any(target.iterdir()):
        raise InputError(
            f"{lake.url} is not empty, and nothing was restored. Move it away, or set SEEDTEST_LAKE to a new folder"
        )
    lines = [_load(database, folder) for database in databases]
    if target:
        try:
            make_private_folder(target)
            with tarfile.open(folder / LAKE_FILE) as archive:
                archive.extractall(target, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"{lake.url} cannot be restored from {folder / LAKE_FILE}: {first_line(error)}") from None
        lines.append(f"{lake.url}: from {LAKE_FILE}")
    return lines


def _archive(lake: Path, path: Path) -> None:
    """Write the files of a lake into one. A day that is written meanwhile would be named by its new files, and lack them."""
    before, whole = _files_of_answers(lake), True
    with tarfile.open(path, "w") as archive:
        try:
            archive.add(lake, arcname=".")
        except FileNotFoundError:
            whole = False
    if not whole or _files_of_answers(lake) != before:
        raise InputError(f"{lake} was written to meanwhile, and nothing was kept. Run this when no night runs")


def _files_of_answers(lake: Path) -> set[Path]:
    """List the files of all days, whose names change when a day is written."""
    return {path for path in (lake / "observations").rglob("*") if path.is_file()}


def _dump(database: Dumped, folder: Path) -> str:
    schemas = [f"--schema={schema}" for schema in database.only]
    _run(database, "pg_dump", "--format=custom", *schemas, f"--file={folder / database.file}")
    return f"{database.file}: {_described(database)}"


def _load(database: Dumped, folder: Path) -> str:
    # As SQL behind a DROP, in one transaction: pg_restore's own --clean cannot drop partitions.
    with TemporaryDirectory() as temporary:
        empty, filled = Path(temporary) / "empty.sql", Path(temporary) / "filled.sql"
        dropped = "".join(f"DROP SCHEMA IF EXISTS {identifier(schema)} CASCADE;\n" for schema in database.schemas)
        empty.write_text(dropped + ("" if database.only else "CREATE SCHEMA public;\n"), encoding="utf-8")
        _run(None, "pg_restore", "--no-owner", "--no-privileges", f"--file={filled}", str(folder / database.file))
        once = (
            "--no-psqlrc",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--quiet",
            f"--file={empty}",
            f"--file={filled}",
        )
        _run(database, "psql", *once)
    return f"{_described(database)}: from {database.file}"


def _described(database: Dumped) -> str:
    of = f"the schema {database.only[0]} of " if database.only else ""
    return f"{of}{shown_address(database.url, database.variable)}"


def _run(database: Dumped | None, program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, on a database where one is given."""
    command, environment = [str(programs() / program), *arguments], dict(os.environ)
    if database:
        given = parse_dsn(connection_string(database.url, database.variable))
        # Of all that the command line says, `ps` shows everything to everybody.
        environment |= {"PGPASSWORD": given.pop("password", ""), "PGOPTIONS": "-c lock_timeout=60s"}
        command.append(f"--dbname={make_dsn(**given)}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error:" in line.lower()] or done.stderr.splitlines()
        reason = re.sub("^.*?error: *", "", lines[0], flags=re.IGNORECASE) if lines else "no reason is given"
        of = f" of {_described(database)}" if database else ""
        raise InputError(f"{program}{of} failed: {reason}")
