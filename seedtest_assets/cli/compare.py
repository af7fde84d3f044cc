"""`seedtest compare`: the results of the job that publishes now beside ours."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from seedtest_assets.cli.terminal import console, plain, progress_line
from seedtest_assets.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

    from seedtest_assets.report.comparison import Comparison, Results
    from seedtest_assets.settings import Settings
    from seedtest_assets.storage.database import Database
    from seedtest_assets.storage.lake import Lake


def compare(
    day_given: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="UTC day of history (default: the newest)."),
    ] = None,
) -> None:
    """Compare what another job has published with our results of a day; writes a page beside the report.

    Of the day before it the page is made again, now that the answers are there that both can predict.
    """
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.lake import Lake

    enter_project()
    settings = load_settings()
    database, lake = prepared_database(settings), Lake(settings.seedtest_lake)
    newest = _newest_day(database, settings)
    day = day_given.date() if day_given else newest
    before = day - timedelta(days=1)
    days = [before] * (day_given is None and lake.read_published(before, "items") is not None) + [day]
    for wanted in days:
        with progress_line() as show:
            show(f"comparing the results of {wanted}", detail=True)
            comparison = _compared(database, lake, settings, wanted, is_newest=wanted == newest)
            path = lake.write_report(wanted, _page(comparison), "comparison")
        _print(comparison)
        console.print(f"written: {plain(str(path))}", soft_wrap=True, highlight=False)


def _newest_day(database: "Database", settings: "Settings") -> date:
    from seedtest_assets.errors import InputError
    from seedtest_assets.storage.publications import publication_state

    state = publication_state(database, settings.seedtest_published_version)
    if state.newest_accepted is None:
        raise InputError(
            "history has no calibration to compare. Run a night first: SEEDTEST_PUBLISH=false seedtest run"
        )
    if state.published and (state.old_job is None or state.old_job <= state.published):
        raise InputError(
            f"the published results are our own since {state.published}. Compare before switching, with SEEDTEST_PUBLISH=false"
        )
    return state.newest_accepted


def _compared(database: "Database", lake: "Lake", settings: "Settings", day: date, *, is_newest: bool) -> "Comparison":
    from seedtest_assets.errors import InputError
    from seedtest_assets.report.comparison import Results, compare_results
    from seedtest_assets.storage.history import abilities, fitted_items

    items, theta = fitted_items(database, day), abilities(database, day)
    if not len(items):
        raise InputError(f"history has no calibration of {day}")
    old = _published(database, lake, settings, day, keep=is_newest)
    ours = Results(items=items, abilities=theta.rename(columns={"user_id": "student_id"}))
    after = day + timedelta(days=1)
    has_next_day = bool(lake.days(after, after))
    return compare_results(
        day,
        old,
        ours,
        predicted=after if has_next_day else None,
        answers=_answers(lake, after) if has_next_day else None,
    )


def _published(database: "Database", lake: "Lake", settings: "Settings", day: date, *, keep: bool) -> "Results":
    """Take what was kept when the day was the newest, else what is published now: tomorrow it is overwritten."""
    from seedtest_assets.report.comparison import Results
    from seedtest_assets.storage.published_results import published_abilities, published_items

    items, abilities = lake.read_published(day, "items"), lake.read_published(day, "abilities")
    if items is None or abilities is None:
        version = settings.seedtest_published_version
        items, abilities = published_items(database, version), published_abilities(database, version)
        if keep:
            lake.keep_published(day, {"items": items, "abilities": abilities})
    return Results(
        items=items, abilities=abilities, fitted_at=max(items["fitted_at"].max(), abilities["fitted_at"].max())
    )


def _answers(lake: "Lake", day: date) -> "pd.DataFrame":
    table = lake.read_observations([day], ["student_id", "item_id", "correct", "completed_at"])
    frame = table.to_pandas()
    return frame.astype({"student_id": str, "item_id": str})


def _page(comparison: "Comparison") -> str:
    from seedtest_assets.report.comparison_page import comparison_page

    return comparison_page(comparison)


def _print(comparison: "Comparison") -> None:
    table = Table("", "both", "correlation", "A", "B", "rest", box=None, title=f"results of {comparison.day}")
    for name, agreement in comparison.agreements.items():
        values = (agreement.correlation, agreement.slope, agreement.intercept, agreement.rest)
        table.add_row(name, f"{len(agreement.both):,}", *("–" if value is None else f"{value:.3f}" for value in values))
    console.print(table)
    if comparison.other_scores:
        console.print(
            f"not compared, since scores or the model of partial credit differ: {plain(first_few(comparison.other_scores))}",
            highlight=False,
        )
    prediction = comparison.prediction
    if prediction.n_answers:
        console.print(
            f"log-loss on {prediction.n_answers:,} answers of {comparison.predicted}: "
            f"publishing job {prediction.old:.4f}, seedtest {prediction.ours:.4f}, the same chance for all {prediction.base:.4f}"
        )
    else:
        console.print("no answers yet that both can predict. Run seedtest compare again after the next night")
