"""Every limit of every check, in one place; each is an environment variable, `SEEDTEST_` and its name in upper case."""

from typing import Annotated, Any

from pydantic import AliasGenerator, Field
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Environment(EnvSettingsSource):
    """The environment, without asking of each setting anew whether its value is JSON, which takes 2 ms: none is."""

    def __call__(self) -> dict[str, Any]:
        """Give the variables that are set, by the settings' names in the environment."""
        names = (str(field.validation_alias or name) for name, field in self.settings_cls.model_fields.items())
        return {name: self.env_vars[name] for name in names if name in self.env_vars}


class Thresholds(BaseSettings):
    """Limits of the checks; settings.Settings has them all. The default's reason stands beside it where it is not the field's usual."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: f"seedtest_{name}")  # the environment's names
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given, then the environment: variables of a file `.env` are there already."""
        return init_settings, _Environment(settings_cls)

    history_partitions: Annotated[
        int, Field(ge=1, le=365, description="earlier partitions that a calibration is compared with, by their median")
    ] = 7

    # window_complete
    window_missing_error_above: Annotated[
        Share,
        Field(
            description="share of the look-back window's days, since the first answers, that the lake lacks: above it the calibration is not written"
        ),
    ] = 0.2

    # item_count_drop
    item_count_error_below: Annotated[
        Share, Field(description="items fitted, as a share of the usual: below it the calibration is not written")
    ] = 0.8
    item_count_warn_below: Annotated[Share, Field(description="the same, for a WARN")] = 0.9

    # plausible_ranges
    range_a_low: Annotated[float, Field(description="lowest plausible discrimination")] = 0.2
    range_a_high: Annotated[Positive, Field(description="highest plausible discrimination")] = 4.0
    range_b: Annotated[Positive, Field(description="largest plausible difficulty, either side of 0")] = 6.0
    range_c: Annotated[Positive, Field(description="guessing must stay below it")] = 0.5
    outside_warn_above: Annotated[
        Share, Field(description="share of items outside, a WARN above it when it is also twice the usual share")
    ] = 0.05
    outside_error_above: Annotated[
        Share, Field(description="share of items outside: above it the calibration is not written")
    ] = 0.2

    # discrimination
    to_review_warn_above: Annotated[
        Share,
        Field(
            description="share of items that may not discriminate, a WARN above it when it is also twice the usual share"
        ),
    ] = 0.1

    # answer_volume: against the same weekday of the last 4 weeks
    volume_warn_below: Annotated[Share, Field(description="answers, as a share of the smallest of those days")] = 0.6
    volume_warn_above: Annotated[Positive, Field(description="answers, as a multiple of the largest of those days")] = (
        2.0
    )

    # source_matches_lake
    late_warn_above: Annotated[
        Share, Field(description="answers of the last 7 days that the source and the lake differ by, as a share")
    ] = 0.005

    # anchors_present, linking_constants
    anchors_warn_below: Annotated[Share, Field(description="anchors that link, as a share of the usual number")] = 0.5
    linking_a_low: Annotated[Positive, Field(description="lowest plausible A, as a multiple of the usual")] = 0.5
    linking_a_high: Annotated[Positive, Field(description="highest plausible A, as a multiple of the usual")] = 2.0
    linking_b: Annotated[Positive, Field(description="largest plausible distance of B from the usual")] = 1.0

    # anchor_drift, item_drift
    drift_b_moderate: Annotated[Positive, Field(description="change of a difficulty, for a WARN")] = 0.25
    drift_b_severe: Annotated[Positive, Field(description="change of a difficulty, for an ERROR")] = 0.5
    drift_a_moderate: Annotated[Positive, Field(description="change of a discrimination, for a WARN")] = 0.2
    drift_a_severe: Annotated[Positive, Field(description="change of a discrimination, for an ERROR")] = 0.4
    item_drift_z: Annotated[
        Positive, Field(description="a change must also be as many standard errors: every item is tested every night")
    ] = 5.0
    anchor_drift_z: Annotated[
        Positive, Field(description="the same for an anchor against its bank value, which the nights do not share")
    ] = 4.0
    anchor_residual_z: Annotated[
        Positive,
        Field(description="or the anchor's answers this many standard errors from what its bank value expects"),
    ] = 4.5
    drift_min_answers: Annotated[
        int, Field(ge=1, description="items with fewer answers are not judged: their standard errors are no guide yet")
    ] = 50

    # predictive_validity
    prediction_min_answers: Annotated[int, Field(ge=1, description="first answers of the day needed to judge")] = 300
    slope_warn_below: Annotated[
        Positive,
        Field(description="slope of the day's answers on their predictions, 1 when predictions are calibrated"),
    ] = 0.6
    slope_z: Annotated[Positive, Field(description="and the slope must be this many standard errors below 1")] = 4.0
    surprise_z: Annotated[
        Positive, Field(description="an item answered unlike predicted today: this many standard errors")
    ] = 5.0
    surprise_share: Annotated[Share, Field(description="and its share correct this far from the predicted one")] = 0.15

    # ability_distribution
    ability_mean: Annotated[Positive, Field(description="change of the mean ability, in usual SDs")] = 0.2
    ability_sd: Annotated[Positive, Field(description="change of the SD of the abilities, as a share of it")] = 0.2
    ability_ends: Annotated[
        Share, Field(description="share of abilities 5 SDs of the group or more from its mean, above the usual share")
    ] = 0.001

    # item_statistics, flagged_items
    item_flag_min_answers: Annotated[
        int, Field(ge=2, description="items with fewer answers in the window get no flag but provisional")
    ] = 50
    item_flag_z: Annotated[
        Positive,
        Field(
            description="an item's share correct or correlation must also be this many standard errors beyond its limit"
        ),
    ] = 3.0
    item_point_biserial: Annotated[
        Share, Field(description="correlation with the rest score below which an item does not discriminate")
    ] = 0.1
    item_hard: Annotated[Share, Field(description="share correct below which an item is too hard")] = 0.1
    item_easy: Annotated[Share, Field(description="share correct above which an item is too easy")] = 0.95
    item_rmsd: Annotated[Positive, Field(description="RMSD from which an item does not fit its curve")] = 0.1
    item_misfit_p: Annotated[Share, Field(description="and the p of its chi-square must be below this")] = 0.00001
    item_exposure: Annotated[
        Share, Field(description="share of the sessions of 7 days in which an item may come at most")
    ] = 0.3
    # In a test of fixed forms every item comes in every session: only an item unlike the others stands out.
    item_exposure_ratio: Annotated[
        Positive, Field(description="and an overexposed item comes this many times as often as the median item")
    ] = 3.0
    item_rare_score: Annotated[
        int, Field(ge=0, description="answers below which a score of an item with partial credit is rare")
    ] = 10
    item_provisional_se_b: Annotated[
        Positive, Field(description="standard error of b above which an item is provisional")
    ] = 0.3

    # student_topic_theta, features_topic_daily
    coverage_error_below: Annotated[
        Share, Field(description="share of the day's (student, topic) pairs that have an ability")
    ] = 0.99
    theta_limit: Annotated[Positive, Field(description="largest plausible ability, either side of 0")] = 10.0

    # freshness
    fresh_by_hour: Annotated[
        int,
        Field(
            ge=4, le=23, description="UTC hour by which yesterday's calibration must be there; read when the code loads"
        ),
    ] = 6
