"""The deployment's environment variables, typed and checked once."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from seedtest_assets.errors import SettingsError
from seedtest_assets.thresholds import Thresholds

Model = Literal["Rasch", "2PL", "3PL"]
LinkingMethod = Literal["stocking_lord", "haebara", "mean_sigma", "mean_mean", "fixed", "none"]
LINKING_METHODS: tuple[str, ...] = get_args(LinkingMethod)

HOME = Path(".seedtest")
"""Where everything lives that was given no other place, below the folder the commands are run in."""


class Settings(Thresholds):
    """Every setting, under the name of its environment variable in lower case; the checks' limits among them."""

    model_config = SettingsConfigDict(alias_generator=None, frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: Annotated[str | None, Field(repr=False)] = None
    seedtest_attempt_source: Annotated[
        str, Field(pattern=r"^(auto|attempt|responses|exam_results|.+\.(parquet|csv|csv\.gz))$")
    ] = "auto"
    seedtest_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "seedtest"
    seedtest_publish: bool = True
    seedtest_published_version: Annotated[str, Field(min_length=1)] = "v1"
    seedtest_keep_days: Annotated[int, Field(ge=60)] = 400
    seedtest_lake: str = str(HOME / "lake")
    seedtest_start_date: date = date(2025, 1, 1)

    mirt_lookback_days: Annotated[int, Field(ge=1, le=3660)] = 60
    mirt_model: Model = "2PL"
    mirt_max_obs: Annotated[int, Field(ge=0)] = 0
    mirt_linking_method: LinkingMethod = "stocking_lord"
    mirt_max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    mirt_retry_delay_secs: Annotated[float, Field(ge=0, le=3600)] = 5.0

    r_irt_base_url: str | None = None
    r_irt_timeout_secs: Annotated[float, Field(gt=0)] = 60.0
    r_irt_internal_token: Annotated[str | None, Field(repr=False)] = None

    agg_include_theta: bool = True
    metrics_use_irt_theta: bool = True
    irt_update_question_meta: bool = False

    seedtest_alert_urls: Annotated[str | None, Field(repr=False)] = None
    seedtest_alert_interval_secs: Annotated[int, Field(ge=1, le=3600)] = 30
    seedtest_irt_failures: Annotated[int, Field(ge=1, le=100)] = 3
    seedtest_ui_url: str = "http://localhost:3000"
    seedtest_reports_url: str | None = None


def load_settings() -> Settings:
    """Read the environment.

    Raises SettingsError naming the variable, its value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{str(problem['loc'][0]).upper()}={problem['input']!r} is not allowed: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("; ".join(lines)) from None
