"""`seedtest publish`: choose the day that readers of the platform's tables see."""

from datetime import datetime
from typing import Annotated

import typer

from seedtest_assets.cli.terminal import console, plain
from seedtest_assets.errors import SettingsError


def publish(
    day_given: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Publish this earlier day again, and pin it."),
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="Unpin, and publish the newest accepted day.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the publication.")] = "by an operator",
) -> None:
    """Publish an accepted day again and pin it, or unpin and publish the newest. History stays as it is."""
    import getpass

    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.publications import Publishing
    from seedtest_assets.storage.rolling_back import choose_day

    if (day_given is None) is not newest:
        raise SettingsError("say which day: either --date YYYY-MM-DD or --newest")
    enter_project()
    settings = load_settings()
    outcome = choose_day(
        prepared_database(settings),
        day_given.date() if day_given else None,
        by=getpass.getuser(),
        why=reason,
        publishing=Publishing.from_settings(settings),
    )
    console.print(plain(outcome))
