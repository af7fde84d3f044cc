"""`seedtest lake`: the folder of answers and reports."""

from typing import Annotated

import typer

from seedtest_assets.cli.terminal import console, progress_line

lake = typer.Typer(no_args_is_help=True, help="The folder of answers and reports.")


@lake.callback()
def _lake() -> None:  # Typer drops the name of the one command of a group without this
    pass


@lake.command()
def rebucket(
    buckets: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Buckets of students (default: SEEDTEST_BUCKETS).")
    ] = None,
) -> None:
    """Write the lake's answers anew by another number of buckets. Can be interrupted and run again."""
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.cli.run_days import no_run_meanwhile
    from seedtest_assets.errors import number_of
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.lake import Lake

    settings = load_settings()
    n_buckets = buckets or settings.seedtest_buckets
    storage = Lake(settings.seedtest_lake)
    days, n_anew = storage.all_days(), 0
    with (
        open_instance() as instance,
        progress_line(len(days)) as show,
        no_run_meanwhile(instance, prepared_database(settings), show),
    ):
        for day in days:
            show(f"{day}")
            n_anew += storage.rebucket(day, n_buckets)
        storage.set_n_buckets(n_buckets)
    console.print(
        f"{settings.seedtest_lake}: {number_of(n_buckets, 'bucket')}, "
        f"{number_of(n_anew, 'day')} of {len(days):,} written anew",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    if n_buckets != settings.seedtest_buckets:
        console.print(f"Set SEEDTEST_BUCKETS={n_buckets} now: nights refuse another number", highlight=False)
