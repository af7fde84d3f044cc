"""`seedtest publish`: choose the day that readers of the platform's tables see."""

from datetime import datetime
from typing import Annotated

import typer

from seedtest_assets.cli.terminal import console
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
    from seedtest_assets.storage.rolling_back import publish_day, publish_newest

    if (day_given is None) is not newest:
        raise SettingsError("say which day: either --date YYYY-MM-DD or --newest")
    enter_project()
    settings = load_settings()
    if not settings.seedtest_publish:
        raise SettingsError("publishing is off (SEEDTEST_PUBLISH=false). Set it to true to publish a day")
    database, publishing = prepared_database(settings), Publishing.from_settings(settings)
    if day_given:
        done = publish_day(database, day_given.date(), by=getpass.getuser(), why=reason, publishing=publishing)
        console.print(f"published {done.day} and pinned it: nights go to history only until seedtest publish --newest")
    else:
        done = publish_newest(database, by=getpass.getuser(), why=reason, publishing=publishing)
        console.print(f"unpinned; published {done.day}" if done.published else f"unpinned; {done.reason}")
