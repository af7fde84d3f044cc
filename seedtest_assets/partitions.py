"""Days: one partition is one UTC day, available when it is over."""

from datetime import date, timedelta

import dagster as dg

from seedtest_assets.settings import load_settings

daily = dg.DailyPartitionsDefinition(start_date=load_settings().seedtest_start_date.isoformat(), timezone="UTC")


def look_back(day: date, n_days: int) -> tuple[date, date]:
    """The first and last day of the window of n_days that ends with `day`."""
    return day - timedelta(days=n_days - 1), day
