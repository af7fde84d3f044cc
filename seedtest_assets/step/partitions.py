"""Days: one partition is one UTC day, available when it is over."""

import dagster as dg

from seedtest_assets.settings import load_settings

daily = dg.DailyPartitionsDefinition(start_date=load_settings().seedtest_start_date.isoformat(), timezone="UTC")
