"""`seedtest doctor`: can a night run on this database, and what should be looked at first?"""

from typing import TYPE_CHECKING

import typer

from seedtest_assets.cli.terminal import console, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedtest_assets.cli.doctor.diagnosis import DoctorFinding
    from seedtest_assets.settings import Settings

_NEVER_STARTED = "there is none yet. Set DATABASE_URL to the platform's, or load answers into an embedded one with `seedtest import FILE`"


def doctor() -> None:
    """Examine the platform's database and the settings; changes nothing. Exit code 1 where a line is red."""
    from seedtest_assets.cli.doctor.environment import judge_env_file
    from seedtest_assets.project import enter_project

    findings = [*judge_env_file(enter_project()), *_findings()]
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        colour = f"[{finding.level}]{finding.level:6}[/{finding.level}]"
        console.print(f"{colour}  {finding.subject:{width}}  {plain(finding.text)}", soft_wrap=True, highlight=False)
        for statement in finding.statements:
            console.print(f"{'':{width + 8}}  {plain(statement)}", soft_wrap=True, highlight=False)
    if any(finding.level == "red" for finding in findings):
        raise typer.Exit(1)


def _findings() -> "list[DoctorFinding]":
    import os
    from datetime import datetime, timezone

    from seedtest_assets.cli.doctor.diagnosis import DoctorFinding, diagnose
    from seedtest_assets.errors import SeedtestError
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import platform_database
    from seedtest_assets.storage.embedded import was_started
    from seedtest_assets.storage.platform_facts import platform_facts

    settings = load_settings()
    try:
        if settings.database_url is None and not was_started():
            return [DoctorFinding(level="yellow", subject="database", text=_NEVER_STARTED)]
        facts = platform_facts(platform_database(settings), settings)
    except SeedtestError as error:
        advice = (
            "" if settings.database_url else ". DATABASE_URL is unset, and `seedtest status` starts the embedded one"
        )
        return [DoctorFinding(level="red", subject="database", text=f"{error}{advice}")]
    found = diagnose(facts, settings, os.environ, datetime.now(timezone.utc))
    return [*found, *_of_lake(settings), *_of_cluster(settings)]


def _of_lake(settings: "Settings") -> "Iterator[DoctorFinding]":
    """Say why nights cannot use the lake, where that is so."""
    from seedtest_assets.cli.doctor.diagnosis import DoctorFinding
    from seedtest_assets.errors import SeedtestError
    from seedtest_assets.storage.lake import Lake

    try:
        Lake(settings.seedtest_lake, settings.seedtest_buckets).n_buckets()
    except SeedtestError as error:
        yield DoctorFinding(level="red", subject="lake", text=str(error))


def _of_cluster(settings: "Settings") -> "Iterator[DoctorFinding]":
    """Say which workers the cluster of SEEDTEST_DASK has, or why nights cannot use it; starts none."""
    from seedtest_assets.cli.doctor.diagnosis import DoctorFinding
    from seedtest_assets.engines import cluster_address
    from seedtest_assets.errors import SeedtestError, number_of

    try:
        address = cluster_address(settings)
        if address is None:
            return
        from seedtest_assets.engines.cluster.connection import LOCAL, connected

        if address.startswith(LOCAL):
            return
        with connected(address) as connection:
            workers, threads = len(connection.threads), sum(connection.threads.values())
        text = f"{address} has {number_of(workers, 'worker')} with {number_of(threads, 'thread')}, of our versions"
        yield DoctorFinding(level="green", subject="Dask cluster", text=text)
    except SeedtestError as error:
        yield DoctorFinding(level="red", subject="Dask cluster", text=str(error))
