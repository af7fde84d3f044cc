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
from seedtest_assets.irt.models import LinkingMethod, Model, PolytomousModel, model_named
from seedtest_assets.irt.priors import Priors, mean_and_sd, priors_from_text
from seedtest_assets.thresholds import Thresholds

HOME = Path(".seedtest")
"""Default folder of the lake and the embedded database, below the project's folder."""

DEFAULT_BUCKETS = 16
"""Buckets of students of a lake, where nothing else is set."""

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


def _features(text: str) -> str:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(
            "names are separated by commas, and none may be blank, such as topic_id,type,author_difficulty"
        )
    if "irt" in names:
        raise ValueError(
            "irt holds the item's own parameters, which cannot predict them. Name what is known of it otherwise"
        )
    return ",".join(dict.fromkeys(names))


FeatureNames = Annotated[str, AfterValidator(_features)]
"""Names of keys of `question.meta`, separated by commas."""


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


_DASK_ADDRESS = re.compile(r"(tcp|tls)://[^\s/@]+:[0-9]{1,5}|local:[1-9][0-9]*")


def _dask_address(text: str) -> str:
    if not _DASK_ADDRESS.fullmatch(text):
        raise ValueError(
            "an address of a Dask scheduler is tcp://HOST:PORT, tls://HOST:PORT, or local:N for N processes here"
        )
    return text


DaskAddress = Annotated[str, AfterValidator(_dask_address)]
"""Where the scheduler of a Dask cluster is, or how many workers are to be started."""


class Settings(Thresholds):
    """Every setting, under the name of its environment variable in lower case; the checks' limits among them."""

    model_config = SettingsConfigDict(alias_generator=None, frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: Annotated[
        SecretStr | None, Field(description="the platform's PostgreSQL; unset: an embedded one under `.seedtest/`")
    ] = None
    seedtest_attempt_source: Annotated[
        str,
        Field(
            pattern=r"^(auto|attempt|responses|exam_results|.+\.(parquet|csv|csv\.gz|xlsx))$",
            description="where answers are read from: `auto`, `attempt`, `responses`, `exam_results`, or a file or glob",
        ),
    ] = "auto"
    seedtest_omitted: Annotated[
        Literal["ignored", "wrong"],
        Field(description="what an answer without a mark counts as: `ignored` (left out and counted) or `wrong`"),
    ] = "ignored"
    seedtest_not_reached: Annotated[
        Literal["ignored", "wrong"],
        Field(
            description="what the questions of an exam after the last with a mark count as: `ignored` or `wrong`; of `exam_results` only, since the other sources do not say what came last"
        ),
    ] = "ignored"
    seedtest_rapid_guesses: Annotated[
        Literal["keep", "wrong", "ignore"],
        Field(
            description="what an answer in less than a tenth of its item's median time counts as: `keep` (the answer it is), `wrong` or `ignore` (left out and counted)"
        ),
    ] = "keep"
    seedtest_group_sql: Annotated[
        str | None,
        Field(
            description="a SELECT of two columns, student and group, for differential item functioning: `SELECT user_id, gender FROM students`; ids as the source has them; unset: none is computed"
        ),
    ] = None
    seedtest_schema: Annotated[
        str,
        Field(
            pattern=r"^[a-z_][a-z0-9_]{0,62}$",
            description="schema in the platform's database for history, incidents and publications",
        ),
    ] = "seedtest"
    seedtest_publish: Annotated[
        bool, Field(description="`false`: shadow, nothing is published, only history is written")
    ] = True
    seedtest_published_version: Annotated[
        str,
        Field(
            min_length=1,
            description="`version` of what is published; rows with another version in the same tables are never touched",
        ),
    ] = "v1"
    seedtest_keep_days: Annotated[
        int, Field(ge=60, description="history older than this is dropped, a month at a time")
    ] = 400
    seedtest_statement_timeout_secs: Annotated[
        int,
        Field(ge=0, le=86_400, description="how long one statement may take in the platform's database; 0: no limit"),
    ] = 1800
    seedtest_lock_timeout_secs: Annotated[
        int,
        Field(
            ge=0,
            le=86_400,
            description="how long a statement may wait in the platform's database for what another session has locked; 0: no limit",
        ),
    ] = 60
    seedtest_lake: Annotated[ShownAddress, Field(description="folder or URL of the lake")] = str(HOME / "lake")
    seedtest_buckets: Annotated[
        int,
        Field(
            ge=1,
            le=1024,
            description="buckets of students that a lake is made with, 1 to 1024: large windows are read in as many parts, and the memory of a night grows with a part; `seedtest lake rebucket` changes them",
        ),
    ] = DEFAULT_BUCKETS
    seedtest_start_date: Annotated[date, Field(description="the first daily partition")] = date(2025, 1, 1)

    mirt_lookback_days: Annotated[
        int, Field(ge=1, le=3660, description="days in a calibration's window, 1 to 3660")
    ] = 60
    mirt_model: Annotated[
        Model, BeforeValidator(model_named), Field(description="model of the items: `Rasch` (or `1PL`), `2PL` or `3PL`")
    ] = "2PL"
    mirt_polytomous_model: Annotated[
        PolytomousModel,
        BeforeValidator(str.upper),
        Field(
            description="model of the items with partial credit: `GRM`, `GPCM` or `PCM`; `question.meta.irt.model` names that of single ones"
        ),
    ] = "GRM"
    mirt_max_obs: Annotated[int, Field(ge=0, description="the newest answers of the window to keep; 0 is all")] = 0
    mirt_linking_method: Annotated[
        LinkingMethod,
        Field(
            description="how a calibration is put on the bank's scale: `stocking_lord`, `haebara`, `mean_sigma`, `mean_mean`, `fixed` or `none`"
        ),
    ] = "stocking_lord"
    mirt_prior_a: Annotated[
        Prior | None,
        Field(
            description="log-normal prior of each a: mean and SD of log a, such as `0,0.5`; for banks with few answers"
        ),
    ] = None
    mirt_prior_b: Annotated[Prior | None, Field(description="normal prior of each b: mean and SD, such as `0,2`")] = (
        None
    )
    mirt_prior_c: Annotated[
        Prior | None, Field(description="3PL: normal prior of logit c in place of `-1.386,0.5`")
    ] = None
    mirt_fixed_c: Annotated[
        float | None, Field(gt=0, lt=1, description="3PL: c of every item, in place of an estimate")
    ] = None
    seedtest_item_features: Annotated[
        FeatureNames | None,
        Field(
            description="names of keys of `question.meta`, separated by commas, and `topic_id`: what they say of the calibrated bank gives every item a prior of a and b; unset: no such priors"
        ),
    ] = None
    mirt_max_retries: Annotated[
        int, Field(ge=0, le=20, description="retries of a step, 0 to 20; read when the code location loads")
    ] = 3
    mirt_retry_delay_secs: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="the first wait; they grow linearly: 5, 10, 15 s; read when the code location loads",
        ),
    ] = 5.0

    r_irt_base_url: Annotated[
        ShownAddress | None, Field(description="an IRT service that calibrates; unset: this process does")
    ] = None
    r_irt_timeout_secs: Annotated[float, Field(gt=0, description="how long the service may take to answer")] = 60.0
    r_irt_internal_token: Annotated[
        SecretStr | None, Field(description="the bearer token: sent to the service, and required by `seedtest serve`")
    ] = None

    seedtest_dask: Annotated[
        DaskAddress | None,
        Field(
            description="a Dask cluster that calibrates, and works on the parts of a window: `tcp://HOST:PORT` or `tls://HOST:PORT` of its scheduler, or `local:N` for N processes of this machine; needs `pip install 'seedtest-assets[cluster]'`; unset: this process does"
        ),
    ] = None

    seedtest_steps_at_a_time: Annotated[
        int,
        Field(
            ge=1,
            le=8,
            description="steps of a run that may work side by side where none waits for another, 1 to 8; with `1` a night is slower and needs less memory",
        ),
    ] = 2

    agg_include_theta: Annotated[
        bool, Field(description="write theta_estimate and theta_sd to `features_topic_daily`; `false`: NULL")
    ] = True
    metrics_use_irt_theta: Annotated[
        bool, Field(description="improvement by ability where there is one; `false`: always by accuracy")
    ] = True
    irt_update_question_meta: Annotated[
        bool,
        Field(
            description="write the newest a, b, c, b_1, b_2, … and model to `question.meta.irt` as well; anchors keep theirs"
        ),
    ] = False

    seedtest_alert_urls: Annotated[
        SecretStr | None, Field(description="addresses of the channels that alerts go to, separated by blanks")
    ] = None
    seedtest_alert_interval_secs: Annotated[
        int,
        Field(
            ge=1,
            le=3600,
            description="seconds between evaluations of the alert sensors; read when the code location loads",
        ),
    ] = 30
    seedtest_irt_failures: Annotated[
        int, Field(ge=1, le=100, description="failures of the IRT service in a row that make an alert")
    ] = 3
    seedtest_ui_url: Annotated[ShownAddress, Field(description="the UI's address in alerts")] = "http://localhost:3000"
    seedtest_reports_url: Annotated[
        ShownAddress | None,
        Field(
            description="where a browser opens the lake's folder `reports/`, for the links to reports; unset, those of a local lake lead to `seedtest dev`"
        ),
    ] = None

    @property
    def item_features(self) -> tuple[str, ...]:
        """Names of the features that predict items' parameters."""
        return tuple(self.seedtest_item_features.split(",")) if self.seedtest_item_features else ()

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
            lines.append(
                f"{read_from.get(name, name)}{value} is not allowed: {problem['msg'].removeprefix('Value error, ')}"
            )
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
