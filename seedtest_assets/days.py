"""UTC days, their bounds, and the windows that end with a day."""

from datetime import date, datetime, time, timedelta, timezone

FEATURE_WINDOW_DAYS = 14
"""Length of the recent window, which ends with the day, and of the previous one before it."""


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Give the first instant of a UTC day, and of the next."""
    start = datetime.combine(day, time(), tzinfo=timezone.utc)
    return start, start + timedelta(days=1)


def days_up_to(day: date, n_days: int) -> list[date]:
    """List the n_days that end with `day`, oldest first."""
    return [day - timedelta(days=before) for before in reversed(range(n_days))]


def feature_windows(day: date) -> tuple[date, date]:
    """Give the first days of the previous and of the recent window that belong to a day."""
    return day - timedelta(days=2 * FEATURE_WINDOW_DAYS - 1), day - timedelta(days=FEATURE_WINDOW_DAYS - 1)


def due_at(day: date, hour: int) -> datetime:
    """Give when a day should be calibrated: the next morning, at an hour of UTC."""
    return datetime.combine(day + timedelta(days=1), time(hour), tzinfo=timezone.utc)


def last_full_day() -> date:
    """Give yesterday (UTC), the day that the 03:00 schedule runs."""
    return datetime.now(timezone.utc).date() - timedelta(days=1)
