"""What Dagster must know when it loads the code: the only settings that are read at import."""

import dagster as dg

from seedtest_assets.settings import load_settings

_settings = load_settings()

daily = dg.DailyPartitionsDefinition(start_date=_settings.seedtest_start_date.isoformat(), timezone="UTC")
"""One partition is one UTC day, available when it is over."""

weekly = dg.WeeklyPartitionsDefinition(
    start_date=_settings.seedtest_start_date.isoformat(), timezone="UTC", day_offset=1
)
"""One partition is a week from Monday to Sunday (UTC), named by its Monday, available when it is over."""

RETRIES = dg.RetryPolicy(
    max_retries=_settings.mirt_max_retries, delay=_settings.mirt_retry_delay_secs, backoff=dg.Backoff.LINEAR
)
"""Waits of 5, 10 and 15 s with the default settings."""

ALERT_INTERVAL_SECONDS = _settings.seedtest_alert_interval_secs
"""Between two evaluations of an alerting sensor."""

FRESH_BY_HOUR = _settings.fresh_by_hour
"""Hour (UTC) by which yesterday's calibration should be there."""
