"""Resources of steps, checks and sensors, with fields that run config can override.

A field has the name of its environment variable in lower case, and the deployment's value unless a run says otherwise:
`{"resources": {"engine": {"config": {"mirt_model": "Rasch"}}}}` calibrates one night with another model. Secrets are kept
as references to their variables: the UI shows the variable's name.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field, PrivateAttr, SecretStr
from typing_extensions import Self

from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.engines import engine_for
from seedtest_assets.engines.parts_at_work import PartsAtWork, at_work
from seedtest_assets.errors import SettingsError
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.publications import Publishing
from seedtest_assets.storage.sources import Source, find_source
from seedtest_assets.storage.student_groups import StudentGroups, read_student_groups
from seedtest_assets.storage.window import (
    Window,
    answers_since,
    days_to_extract,
    missing_days,
    read_answers_as_given,
    read_window,
)
from seedtest_assets.thresholds import Thresholds


def _setting(name: str) -> Any:
    """Declare a field with a setting's value; as a factory, so that a run that changes another field leaves it alone."""
    return Field(default_factory=_reader(name), description=Settings.model_fields[name].description)


def _reader(name: str) -> Callable[[], Any]:
    return lambda: _by_reference(name, getattr(load_settings(), name))


def _by_reference(name: str, value: Any) -> Any:
    """Replace a secret that an environment variable holds by a reference to the variable."""
    if not isinstance(value, SecretStr):
        return value
    secret = value.get_secret_value()
    holders = (key for key, held in os.environ.items() if key.lower() == name and held == secret)
    return next((dg.EnvVar(key) for key in holders), secret)


def _resolved(value: Any) -> Any:
    return value.get_value() if isinstance(value, dg.EnvVar) else value


class SettingsResource(dg.ConfigurableResource):
    """A part of the settings."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take the deployment's values."""
        return cls(**{name: _by_reference(name, getattr(settings, name)) for name in cls.model_fields})

    @property
    def settings(self) -> Settings:
        """The deployment's settings with this resource's values.

        Raises SettingsError for a value that is not allowed.
        """
        return load_settings(**{name: _resolved(getattr(self, name)) for name in type(self).model_fields})


class PlatformDatabase(SettingsResource):
    """The platform's PostgreSQL database: its address, our history's schema, and how results are published."""

    database_url: str | None = _setting("database_url")
    seedtest_schema: str = _setting("seedtest_schema")
    seedtest_publish: bool = _setting("seedtest_publish")
    seedtest_published_version: str = _setting("seedtest_published_version")
    seedtest_keep_days: int = _setting("seedtest_keep_days")
    seedtest_statement_timeout_secs: int = _setting("seedtest_statement_timeout_secs")
    seedtest_lock_timeout_secs: int = _setting("seedtest_lock_timeout_secs")
    irt_update_question_meta: bool = _setting("irt_update_question_meta")

    _prepared: Database | None = PrivateAttr(default=None)

    @property
    def database(self) -> Database:
        """The database, started where it is the embedded server, and migrated.

        Prepared at its first use, not by setup_for_execution: what fails there fails the run before its first step, without
        the step's retries.
        """
        if self._prepared is None:
            self._prepared = prepared_database(self.settings)
        return self._prepared

    @property
    def publishing(self) -> Publishing:
        """How results are published in the platform's tables."""
        return Publishing.from_settings(self.settings)


class AnswerSource(SettingsResource):
    """Where the day's answers come from: a table or view of the platform, or files."""

    seedtest_attempt_source: str = _setting("seedtest_attempt_source")
    seedtest_omitted: str = _setting("seedtest_omitted")
    seedtest_not_reached: str = _setting("seedtest_not_reached")

    def find(self, platform: PlatformDatabase) -> Source:
        """Find the source.

        Raises InputError when it does not exist, or lacks a column.
        """
        return find_source(self.settings, platform.database)


class AnswerLake(SettingsResource):
    """The folder or bucket with the days' answers and reports, and the look-back window that calibrations read from it."""

    seedtest_lake: str = _setting("seedtest_lake")
    seedtest_buckets: int = _setting("seedtest_buckets")
    mirt_lookback_days: int = _setting("mirt_lookback_days")
    mirt_max_obs: int = _setting("mirt_max_obs")
    seedtest_rapid_guesses: str = _setting("seedtest_rapid_guesses")
    seedtest_reports_url: str | None = _setting("seedtest_reports_url")

    @property
    def storage(self) -> Lake:
        """The opened lake.

        Raises InputError for an address that cannot be opened.
        """
        return Lake(self.seedtest_lake, self.seedtest_buckets)

    def window(self, day: date) -> Window:
        """Read the answers of the look-back window that ends with a day, rapid guesses counted by the policy."""
        return read_window(self.storage, day, self.settings)

    def window_as_given(self, day: date) -> Window:
        """Read the answers of the look-back window that ends with a day as they were given."""
        return read_answers_as_given(self.storage, day, self.settings)

    def answers_since(self, window: Window, find_source: Callable[[], Source]) -> date:
        """Give the first day of a window that may have answers."""
        return answers_since(window, self.storage, self.settings, find_source)

    def missing_days(self, day: date, n_days: int) -> list[date]:
        """List the days that the lake lacks, of the n_days that end with a day."""
        return missing_days(self.storage, day, self.settings, n_days)

    def days_to_extract(self, day: date, n_days: int) -> list[date]:
        """List the days that the lake lacks, and those whose file is damaged, of the n_days that end with a day."""
        return days_to_extract(self.storage, day, self.settings, n_days)


class IrtEngine(SettingsResource):
    """The calibration engine (this process, a Dask cluster or an IRT service), who works on parts of answers, the model, its
    linking method and its priors."""

    r_irt_base_url: str | None = _setting("r_irt_base_url")
    r_irt_timeout_secs: float = _setting("r_irt_timeout_secs")
    r_irt_internal_token: str | None = _setting("r_irt_internal_token")
    seedtest_dask: str | None = _setting("seedtest_dask")
    mirt_model: str = _setting("mirt_model")
    mirt_polytomous_model: str = _setting("mirt_polytomous_model")
    mirt_linking_method: str = _setting("mirt_linking_method")
    mirt_prior_a: str | None = _setting("mirt_prior_a")
    mirt_prior_b: str | None = _setting("mirt_prior_b")
    mirt_prior_c: str | None = _setting("mirt_prior_c")
    mirt_fixed_c: float | None = _setting("mirt_fixed_c")
    seedtest_item_features: str | None = _setting("seedtest_item_features")

    @property
    def name(self) -> str:
        """The engine's name.

        Raises SettingsError for an address that no engine can use.
        """
        return engine_for(self.settings).name

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link.

        Raises InputError for data that cannot be calibrated, TransientError for what may pass by itself.
        """
        return engine_for(self.settings).calibrate(request, progress)

    def at_work(self, tables: Sequence[pa.Table]) -> AbstractContextManager[PartsAtWork]:
        """Let the workers of a Dask cluster work on parts of answers where one is set, else this process.

        Raises TransientError where the scheduler is out of reach, SettingsError where a worker has another version.
        """
        return at_work(self.settings, tables)


class GroupQuery(SettingsResource):
    """Which group each student belongs to, for differential item functioning."""

    seedtest_group_sql: str | None = _setting("seedtest_group_sql")

    def read(self, platform: PlatformDatabase) -> StudentGroups | None:
        """Read the groups; None where no query is set.

        Raises InputError for a query that cannot be used.
        """
        query = self.settings.seedtest_group_sql
        return read_student_groups(platform.database, query) if query else None


class AlertChannels(SettingsResource):
    """Where alerts go, and where their links lead."""

    seedtest_alert_urls: str | None = _setting("seedtest_alert_urls")
    seedtest_ui_url: str = _setting("seedtest_ui_url")
    seedtest_irt_failures: int = _setting("seedtest_irt_failures")

    @property
    def addresses(self) -> str | None:
        """The channels' Apprise addresses, with their secrets, as alerting.channels reads them."""
        return _resolved(self.seedtest_alert_urls)


class FeatureRules(SettingsResource):
    """How abilities enter the daily features."""

    agg_include_theta: bool = _setting("agg_include_theta")
    metrics_use_irt_theta: bool = _setting("metrics_use_irt_theta")


def _limits_of_the_deployment() -> dict[str, float]:
    settings = load_settings()
    return {name: getattr(settings, name) for name in Thresholds.model_fields}


class CheckLimits(dg.ConfigurableResource):
    """Limits of the checks, by name; a run may change some of them."""

    limits: dict[str, float] = Field(default_factory=_limits_of_the_deployment)

    @property
    def thresholds(self) -> Thresholds:
        """The limits, checked.

        Raises SettingsError for a name or a value that is not allowed.
        """
        unknown = sorted(set(self.limits) - set(Thresholds.model_fields))
        if unknown:
            raise SettingsError(f"{', '.join(unknown)}: no such limit. thresholds.py lists them")
        return load_settings(**{f"seedtest_{name}": value for name, value in self.limits.items()})


def resources_from(settings: Settings) -> Mapping[str, dg.ConfigurableResource]:
    """Make the resources of a deployment, by the names under which steps, checks and sensors ask for them."""
    return {
        "platform": PlatformDatabase.from_settings(settings),
        "source": AnswerSource.from_settings(settings),
        "lake": AnswerLake.from_settings(settings),
        "engine": IrtEngine.from_settings(settings),
        "group_query": GroupQuery.from_settings(settings),
        "channels": AlertChannels.from_settings(settings),
        "feature_rules": FeatureRules.from_settings(settings),
        "limits": CheckLimits(limits={name: getattr(settings, name) for name in Thresholds.model_fields}),
    }
