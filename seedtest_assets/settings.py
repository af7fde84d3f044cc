"""The deployment's environment variables, typed and checked once."""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from seedtest_assets.errors import SettingsError
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import LinkingMethod, Model, model_named
from seedtest_assets.irt.priors import Priors, mean_and_sd, priors_from_text
from seedtest_assets.thresholds import Thresholds

HOME = Path(".seedtest")
"""Default folder of the lake and the embedded database, below the project's folder."""

REPORTS_PORT = 3001
REPORTS_URL = f"http://localhost:{REPORTS_PORT}"
"""Where `seedtest dev` serves the reports of a local lake."""

OLD_NAMES = {"IRT_MODEL": "MIRT_MODEL", "IRT_CALIB_LOOKBACK_DAYS": "MIRT_LOOKBACK_DAYS"}
"""Variables of the replaced job. Each is read if its new name is unset."""


def _mean_and_sd(text: str) -> str:
    try:
        mean_and_sd(text)
    except DataError as error:
        raise ValueError(str(error)) from None
    return text


Prior = Annotated[str, AfterValidator(_mean_and_sd)]
"""Mean and SD of a prior, such as "0,0.5"."""


_PASSWORD = re.compile(r"https?://[^/?]*@|://[^@]*:.*@")


def _without_password(address: str) -> str:
    if _PASSWORD.search(address):
        raise ValueError(
            "an address that pages and messages show may not hold a name or password. "
            "R_IRT_INTERNAL_TOKEN is the IRT service's token, and a lake's password goes into variables such as FSSPEC_FTP_PASSWORD"
        )
    return address


ShownAddress = Annotated[str, AfterValidator(_without_password)]
"""A URL without secrets."""


class Settings(Thresholds):
    """Every setting, under the name of its environment variable in lower case; the checks' limits among them."""

    model_config = SettingsConfigDict(alias_generator=None, frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr | None = None
    seedtest_attempt_source: Annotated[
        str, Field(pattern=r"^(auto|attempt|responses|exam_results|.+\.(parquet|csv|csv\.gz|xlsx))$")
    ] = "auto"
    seedtest_omitted: Literal["ignored", "wrong"] = "ignored"
    seedtest_not_reached: Literal["ignored", "wrong"] = "ignored"
    seedtest_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "seedtest"
    seedtest_publish: bool = True
    seedtest_published_version: Annotated[str, Field(min_length=1)] = "v1"
    seedtest_keep_days: Annotated[int, Field(ge=60)] = 400
    seedtest_statement_timeout_secs: Annotated[int, Field(ge=0, le=86_400)] = 1800
    seedtest_lock_timeout_secs: Annotated[int, Field(ge=0, le=86_400)] = 60
    seedtest_lake: ShownAddress = str(HOME / "lake")
    seedtest_start_date: date = date(2025, 1, 1)

    mirt_lookback_days: Annotated[int, Field(ge=1, le=3660)] = 60
    mirt_model: Annotated[Model, BeforeValidator(model_named)] = "2PL"
    mirt_max_obs: Annotated[int, Field(ge=0)] = 0
    mirt_linking_method: LinkingMethod = "stocking_lord"
    mirt_prior_a: Prior | None = None
    mirt_prior_b: Prior | None = None
    mirt_prior_c: Prior | None = None
    mirt_fixed_c: Annotated[float | None, Field(gt=0, lt=1)] = None
    mirt_max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    mirt_retry_delay_secs: Annotated[float, Field(ge=0, le=3600)] = 5.0

    r_irt_base_url: ShownAddress | None = None
    r_irt_timeout_secs: Annotated[float, Field(gt=0)] = 60.0
    r_irt_internal_token: SecretStr | None = None

    agg_include_theta: bool = True
    metrics_use_irt_theta: bool = True
    irt_update_question_meta: bool = False

    seedtest_alert_urls: SecretStr | None = None
    seedtest_alert_interval_secs: Annotated[int, Field(ge=1, le=3600)] = 30
    seedtest_irt_failures: Annotated[int, Field(ge=1, le=100)] = 3
    seedtest_ui_url: ShownAddress = "http://localhost:3000"
    seedtest_reports_url: ShownAddress | None = None

    @property
    def priors(self) -> Priors:
        """Priors of item parameters.

        Raises SettingsError for two that exclude each other.
        """
        try:
            return priors_from_text(self.mirt_prior_a, self.mirt_prior_b, self.mirt_prior_c, self.mirt_fixed_c)
        except DataError as error:
            raise SettingsError(f"MIRT_PRIOR_C, MIRT_FIXED_C: {error}") from None


def revealed(secret: SecretStr | None) -> str | None:
    """Give what a secret setting holds, for what connects or sends with it."""
    return None if secret is None else secret.get_secret_value()


def load_settings(**given: Any) -> Settings:
    """Read the environment, old names of variables included. given: values that stand in for the environment's.

    Raises SettingsError naming the variable, its value and what is allowed.
    """
    old = [name for name in _old_names_read(os.environ) if OLD_NAMES[name].lower() not in given]
    values: dict[str, Any] = {OLD_NAMES[name].lower(): os.environ[name] for name in old}
    try:
        return Settings(**values, **given)
    except ValidationError as error:
        read_from = {OLD_NAMES[name]: name for name in old}
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0]).upper()
            value = "" if "@" in str(problem["input"]) else f"={problem['input']!r}"
            lines.append(f"{read_from.get(name, name)}{value} is not allowed: {problem['msg']}")
        raise SettingsError("; ".join(lines)) from None


def old_name_warnings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """List a line for each variable that is set under an old name."""
    read = _old_names_read(environment)
    lines = []
    for old, new in OLD_NAMES.items():
        if old in read:
            lines.append(f"{old} is an old name of {new}. Its value {environment[old]} is used. Set {new} instead")
        elif environment.get(old):
            lines.append(f"{old} is an old name of {new}, and ignored because {new} is set. Remove {old}")
    return lines


def _old_names_read(environment: Mapping[str, str]) -> list[str]:
    return [old for old, new in OLD_NAMES.items() if environment.get(old) and not environment.get(new)]
