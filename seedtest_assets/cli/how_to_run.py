"""The command that runs days again, for messages."""

from collections.abc import Sequence
from datetime import date, timedelta


def how_to_run(days: Sequence[date]) -> str:
    """Give the command that runs some days, oldest first; one for each stretch of days."""
    stretches: list[list[date]] = []
    for day in days:
        if stretches and day - stretches[-1][-1] == timedelta(days=1):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return ", then ".join(
        f"seedtest run --date {stretch[-1]}" + (f" --days {len(stretch)}" if len(stretch) > 1 else "")
        for stretch in stretches
    )
