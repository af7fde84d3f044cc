"""Dagster definitions: assets, checks, jobs, schedules, sensors and resources."""

import warnings

import dagster as dg

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.sensors import alert_delivery_sensor, alerts_sent, incident_sensor, lost_run_sensor
from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.calibration_report import calibration_report
from seedtest_assets.assets.features_topic_daily import features_topic_daily
from seedtest_assets.assets.item_dif import item_dif
from seedtest_assets.assets.item_statistics import item_statistics
from seedtest_assets.assets.observations import observations
from seedtest_assets.assets.person_fit import person_fit
from seedtest_assets.assets.student_topic_theta import student_topic_theta
from seedtest_assets.checks.dagster_checks import (
    features_topic_daily_checks,
    freshness_check,
    item_dif_check,
    item_statistics_checks,
    observations_checks,
    published_check,
    student_topic_theta_checks,
)
from seedtest_assets.engines import engine_for
from seedtest_assets.resources import resources_from
from seedtest_assets.schedules import (
    check_resources_job,
    dif_job,
    dif_schedule,
    extract_job,
    freshness_job,
    freshness_schedule,
    nightly_job,
    nightly_schedule,
    publish_job,
)
from seedtest_assets.settings import load_settings, revealed
from seedtest_assets.step.executor import in_process_executor

settings = load_settings()
# An address that no engine or no alert channel can use is refused when the code loads, not at 03:00.
engine_for(settings)
read_channels(revealed(settings.seedtest_alert_urls))

with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # of the links to the code, in every process that loads it
    assets = dg.with_source_code_references(
        [
            observations,
            calibrate,
            student_topic_theta,
            features_topic_daily,
            item_statistics,
            person_fit,
            calibration_report,
            item_dif,
        ]
    )

defs = dg.Definitions(
    assets=assets,
    asset_checks=[
        observations_checks,
        student_topic_theta_checks,
        features_topic_daily_checks,
        item_statistics_checks,
        item_dif_check,
        freshness_check,
        published_check,
        alerts_sent,
    ],
    jobs=[nightly_job, extract_job, freshness_job, dif_job, publish_job, check_resources_job],
    schedules=[nightly_schedule, freshness_schedule, dif_schedule],
    sensors=[incident_sensor, alert_delivery_sensor, lost_run_sensor],
    resources=resources_from(settings),
    executor=in_process_executor,
)
