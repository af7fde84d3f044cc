"""The command that runs days again, for messages."""

from collections.abc import Sequence
from datetime import date, timedelta


def how_to_run(days: Sequence[date]) -> str:
    """Give the command that runs some days, oldest first; one for each stretch of days."""
    return ", then ".join(
        f"seedtest run --date {stretch[-1]}" + (f" --days {len(stretch)}" if len(stretch) > 1 else "")
        for stretch in stretches(days)
    )


def stretches(days: Sequence[date]) -> list[list[date]]:
    """Split days, oldest first, where one is missing between two."""
    found: list[list[date]] = []
    for day in days:
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return found
