"""What goes wrong on a platform, one kind at a time, put into a healthy night."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.nights import SHADOW, Night
from seedtest_assets import irt
from seedtest_assets.checks.judgement import Judgement, Verdict
from seedtest_assets.days import day_bounds
from seedtest_assets.engines.coded_request import code_request
from seedtest_assets.engines.in_process import result_of
from seedtest_assets.storage.history import fitted_at
from seedtest_assets.storage.publishing import write_features, write_topic_theta

Inject = Callable[[Night, np.random.Generator], list[Judgement]]


@dataclass(frozen=True)
class Fault:
    """name: what goes wrong; check: who has to tell, at least at this level; inject: gives the night's judgements."""

    name: str
    check: str
    level: Verdict
    inject: Inject


def items_gone(night: Night, rng: np.random.Generator) -> list[Judgement]:
    gone = some_items(night, rng, rng.uniform(0.25, 0.7))
    return night.with_answers(night.window.filter(pc.invert(is_in(night.window, gone)))).of_calibration()


def stopped_early(night: Night, rng: np.random.Generator) -> list[Judgement]:
    coded = code_request(replace(night.request, previous=night.request.previous.head(0)))
    calibration = irt.calibrate(
        coded.responses, anchors=coded.anchors, options=irt.Options(max_iterations=int(rng.integers(1, 4)))
    )
    return night.of_calibration(result_of(calibration, coded, night.request.model, 0.0))


def not_a_number(night: Night, rng: np.random.Generator) -> list[Judgement]:
    items, abilities = night.result.items.copy(), night.result.abilities.copy()
    if rng.random() < 0.5:
        items.loc[rng.integers(len(items)), str(rng.choice(list("abc")))] = rng.choice([np.nan, np.inf])
    else:
        abilities.loc[rng.integers(len(abilities)), "theta"] = rng.choice([np.nan, -np.inf])
    return night.of_calibration(replace(night.result, items=items, abilities=abilities))


def keys_inverted(share_low: float, share_high: float) -> Inject:
    def inject(night: Night, rng: np.random.Generator) -> list[Judgement]:
        return inverted(
            night, is_in(night.window, some_items(night, rng, rng.uniform(share_low, share_high)))
        ).of_calibration()

    return inject


def one_key_inverted(night: Night, rng: np.random.Generator) -> list[Judgement]:
    return inverted(night, is_in(night.window, [rng.choice(well_known(night))])).of_calibration()


def two_items_swapped(night: Night, rng: np.random.Generator) -> list[Judgement]:
    b = night.result.items.set_index("item_id")["b"]
    names = rng.permutation(well_known(night))
    first = names[0]
    second = next(name for name in names[1:] if 1.0 <= abs(b[name] - b[first]) <= 2.5)
    ids = night.window["item_id"].to_pandas().astype(object)
    swapped = ids.map({first: second, second: first}).fillna(ids)
    return night.with_answers(with_column(night.window, "item_id", swapped)).of_calibration()


def an_anchor_replaced(night: Night, rng: np.random.Generator) -> list[Judgement]:
    anchors = night.anchors.copy()
    row = rng.integers(len(anchors))
    anchors.loc[row, "b"] += rng.choice([-1, 1]) * rng.uniform(1.0, 2.0)
    return replace(night, anchors=anchors).of_calibration()


def anchors_untagged(least: float, most: float) -> Inject:
    def inject(night: Night, rng: np.random.Generator) -> list[Judgement]:
        kept = night.anchors.sample(frac=1 - rng.uniform(least, most), random_state=int(rng.integers(1000)))
        return replace(night, anchors=kept.reset_index(drop=True)).of_calibration()

    return inject


def bank_on_another_scale(least: float, most: float) -> Inject:
    def inject(night: Night, rng: np.random.Generator) -> list[Judgement]:
        shift = rng.choice([-1, 1]) * rng.uniform(least, most)
        return replace(night, anchors=night.anchors.assign(b=night.anchors["b"] + shift)).of_calibration()

    return inject


def abilities_rescaled(night: Night, rng: np.random.Generator) -> list[Judgement]:
    abilities = night.result.abilities
    return night.of_calibration(
        replace(night.result, abilities=abilities.assign(theta=abilities["theta"] * rng.choice([1 / 1.702, 1.702])))
    )


def students_all_right(night: Night, rng: np.random.Generator) -> list[Judgement]:
    students = night.window["student_id"].unique().to_numpy(zero_copy_only=False)
    cheats = rng.choice(students, int(rng.uniform(0.2, 0.5) * len(students)), replace=False)
    correct = pc.or_(night.window["correct"], pc.is_in(night.window["student_id"].cast(pa.string()), pa.array(cheats)))
    return night.with_answers(with_column(night.window, "correct", correct)).of_calibration()


def at_the_ends(night: Night, rng: np.random.Generator) -> list[Judgement]:
    abilities = night.result.abilities.copy()
    few = rng.choice(len(abilities), int(rng.uniform(0.01, 0.05) * len(abilities)), replace=False)
    abilities.loc[few, "theta"] = 6 * rng.choice([-1, 1])
    return night.of_calibration(replace(night.result, abilities=abilities))


def students_mixed_up(night: Night, rng: np.random.Generator) -> list[Judgement]:
    mixed = night.earlier.abilities.assign(user_id=rng.permutation(night.earlier.abilities["user_id"]))
    return replace(night, earlier=replace(night.earlier, abilities=mixed)).of_calibration()


def marks_of_the_day_wrong(night: Night, rng: np.random.Generator) -> list[Judgement]:
    today = pc.greater_equal(
        night.window["completed_at"], pa.scalar(day_bounds(night.day)[0], pa.timestamp("us", "UTC"))
    )
    client = pa.array(rng.random(len(night.window)) < rng.uniform(0.25, 0.75))
    return inverted(night, pc.and_(today, client)).of_calibration()


def volume(least: float, most: float) -> Inject:
    return lambda night, rng: night.of_volume(round(night.counts[night.day] * rng.uniform(least, most)))


def a_suspect_key(night: Night, rng: np.random.Generator) -> list[Judgement]:
    """The key of an item is another since before the window."""
    again = inverted(night, is_in(night.window, [rng.choice(well_known(night))]))
    return night.of_items(again.statistics())


def an_overexposed_item(night: Night, rng: np.random.Generator) -> list[Judgement]:
    """An item comes in 35 to 80 % of the sessions of a week."""
    item = rng.choice(well_known(night))
    exposure = night.exposure.copy()
    exposure.loc[exposure["item_id"] == item, "exposure_7_days"] = rng.uniform(0.35, 0.8)
    return night.of_items(night.statistics(exposure))


def an_item_that_a_group_misreads(night: Night, rng: np.random.Generator) -> list[Judgement]:
    """For 40 to 60 days 90 to 100 % of the right answers of the smaller group to an item have been wrong."""
    item, share = rng.choice(well_known(night)), rng.uniform(0.9, 1.0)
    since = pa.scalar(day_bounds(night.day - timedelta(days=int(rng.integers(40, 60))))[0], pa.timestamp("us", "UTC"))
    group = pa.array([student for student, group in night.groups.items() if group == "second"])
    misread = pc.and_(
        pc.and_(is_in(night.window, [item]), pc.greater_equal(night.window["completed_at"], since)),
        pc.and_(
            pc.is_in(night.window["student_id"].cast(pa.string()), group),
            pa.array(rng.random(len(night.window)) < share),
        ),
    )
    window = with_column(night.window, "correct", pc.and_(night.window["correct"], pc.invert(misread)))
    return night.of_dif(night.dif_rows(window))


def damaged(table: str, damage: Callable[[pd.DataFrame, np.ndarray], pd.DataFrame]) -> Inject:
    """Write the table with 2 to 20 % of its rows damaged, judge it, and write it as it was."""

    def inject(night: Night, rng: np.random.Generator) -> list[Judgement]:
        database, day = night.platform.database, night.day
        of_topics = table == "student_topic_theta"
        whole, write = (night.topic_rows, write_topic_theta) if of_topics else (night.feature_rows, write_features)
        rows = whole.to_pandas()
        few = rng.random(len(rows)) < rng.uniform(0.02, 0.2)
        changed = pa.Table.from_pandas(damage(rows, few), schema=whole.schema, preserve_index=False)
        write(database, day, changed, publishing=SHADOW)
        judgements = night.of_table(table)
        write(database, day, whole, publishing=SHADOW)
        return judgements

    return inject


def gone(rows: pd.DataFrame, few: np.ndarray) -> pd.DataFrame:
    return rows[~few]


def twice(rows: pd.DataFrame, few: np.ndarray) -> pd.DataFrame:
    return pd.concat([rows, rows[few]])


def made(column: str, value: float | None) -> Callable[[pd.DataFrame, np.ndarray], pd.DataFrame]:
    return lambda rows, few: rows.assign(**{column: rows[column].mask(few, value)})


def some_items(night: Night, rng: np.random.Generator, share: float) -> list[str]:
    names = night.result.items["item_id"].to_numpy()
    return rng.choice(names, max(1, round(share * len(names))), replace=False).tolist()


def well_known(night: Night) -> list[str]:
    """Items with as many answers as drift is judged from, of usual difficulty and discrimination, on the last nights, too."""
    items, known = night.result.items, set(night.earlier.newest_parameters["item_id"])
    usual = items[(items["n_responses"] >= 100) & items["b"].abs().lt(1.5) & items["a"].between(0.7, 2)]
    return [name for name in usual["item_id"] if name in known]


def is_in(window: pa.Table, names: list[str]) -> pa.ChunkedArray:
    return pc.is_in(window["item_id"].cast(pa.string()), pa.array(names, pa.string()))


def inverted(night: Night, which: pa.ChunkedArray) -> Night:
    correct = pc.xor(night.window["correct"], which)
    return night.with_answers(with_column(night.window, "correct", correct))


def with_column(window: pa.Table, name: str, values: object) -> pa.Table:
    array = values if isinstance(values, pa.ChunkedArray | pa.Array) else pa.array(values, pa.string())
    return window.set_column(window.schema.get_field_index(name), name, array)


WARN, ERROR = Verdict.WARN, Verdict.ERROR
THETA, FEATURES = "student_topic_theta", "features_topic_daily"
FAULTS = (
    Fault("25 to 70 % of the items are gone", "item_count_drop", WARN, items_gone),
    Fault("the estimation stops after 1 to 3 iterations", "converged", ERROR, stopped_early),
    Fault("one parameter or ability is no number", "finite", ERROR, not_a_number),
    Fault("a wrong answer key for 10 to 20 % of the items", "plausible_ranges", WARN, keys_inverted(0.1, 0.2)),
    Fault("a wrong answer key for 25 to 40 % of the items", "plausible_ranges", ERROR, keys_inverted(0.25, 0.4)),
    Fault("a wrong answer key for one item, its answers marked again", "item_drift", ERROR, one_key_inverted),
    Fault("two items 1 to 2.5 apart in difficulty swap their ids", "item_drift", ERROR, two_items_swapped),
    Fault("the bank's values move by 0.3 to 0.9", "item_drift", WARN, bank_on_another_scale(0.3, 0.9)),
    Fault("the bank's values move by 1.2 to 2", "linking_constants", WARN, bank_on_another_scale(1.2, 2.0)),
    Fault("an anchor's bank value is 1 to 2 off", "anchor_drift", WARN, an_anchor_replaced),
    Fault("all anchors lose their tag", "anchors_present", ERROR, anchors_untagged(1.0, 1.0)),
    Fault("70 to 90 % of the anchors lose their tag", "anchors_present", WARN, anchors_untagged(0.7, 0.9)),
    Fault("abilities come in another metric (D = 1.702)", "ability_distribution", WARN, abilities_rescaled),
    Fault("20 to 50 % of the students have every answer right", "ability_distribution", WARN, students_all_right),
    Fault("1 to 5 % of the abilities stick at an end of the grid", "ability_distribution", WARN, at_the_ends),
    Fault("abilities are mixed up between students", "predictive_validity", WARN, students_mixed_up),
    Fault(
        "a client reports 25 to 75 % of the day's marks inverted", "predictive_validity", WARN, marks_of_the_day_wrong
    ),
    Fault("60 to 95 % of the day's answers are missing", "answer_volume", WARN, volume(0.05, 0.4)),
    Fault("no answer of the day arrives", "answer_volume", ERROR, volume(0, 0)),
    Fault("the day's answers arrive 3 to 5 times", "answer_volume", WARN, volume(3, 5)),
    Fault(
        "1 to 10 % of a week's answers come late",
        "source_matches_lake",
        WARN,
        lambda n, rng: n.of_source(rng.uniform(0.01, 0.1)),
    ),
    Fault("2 to 20 % of the topic abilities are missing", "theta_coverage", ERROR, damaged(THETA, gone)),
    Fault("2 to 20 % of the topic abilities come twice", "keys_unique", ERROR, damaged(THETA, twice)),
    Fault("2 to 20 % of the topic abilities are NULL", "no_nulls", ERROR, damaged(THETA, made("theta", None))),
    Fault("2 to 20 % of the topic abilities' errors are 0", "values_in_range", ERROR, damaged(THETA, made("se", 0.0))),
    Fault("2 to 20 % of the features' rows are missing", "theta_coverage", ERROR, damaged(FEATURES, gone)),
    Fault("2 to 20 % of the features' rows come twice", "keys_unique", ERROR, damaged(FEATURES, twice)),
    Fault(
        "2 to 20 % of the features have an error but no ability",
        "no_nulls",
        ERROR,
        damaged(FEATURES, made("theta_estimate", None)),
    ),
    Fault(
        "2 to 20 % of the improvements are beyond 1",
        "values_in_range",
        ERROR,
        damaged(FEATURES, made("improvement", 1.5)),
    ),
    Fault("the key of an item is inverted since before the window", "flagged_items", WARN, a_suspect_key),
    Fault("an item comes in 35 to 80 % of a week's sessions", "flagged_items", WARN, an_overexposed_item),
    Fault("a group misreads an item from a day 40 to 60 days ago on", "dif", WARN, an_item_that_a_group_misreads),
    Fault(
        "no calibration by 06:00",
        "freshness",
        ERROR,
        lambda n, _: n.of_freshness(fitted_at(n.platform.database, n.day, 7)),
    ),
)
