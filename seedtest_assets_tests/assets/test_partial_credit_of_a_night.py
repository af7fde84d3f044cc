"""A night of a school with partial credit: scores reach the lake, steps reach history, readers and the bank, and the scale holds."""

from datetime import timedelta

import dagster as dg
import numpy as np
import pytest

from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.storage.history import fit_meta, fitted_items
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets_tests.conftest import deploy, new_database, rows_of
from seedtest_assets_tests.school import LAST, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")
SCORED = "SELECT id::text FROM question WHERE topic_id = (SELECT max(topic_id) FROM question) ORDER BY 1"


@pytest.fixture(scope="module")
def partial_credit(template, tmp_path_factory):
    """The database after the night of LAST, its lake, and the metadata of its observations."""
    database = new_database(template)
    school = simulate_school(
        LAST, SimulatedBank(n_items=40, n_topics=4, n_anchors=12, partial_credit=True), n_days=12, n_students=300
    )
    load_school(database, school)
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        lake = tmp_path_factory.mktemp("night") / "lake"
        deploy(environment, database, lake)
        environment.setenv("IRT_UPDATE_QUESTION_META", "true")
        assert run_night(instance, LAST).failure is None
        newest = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey("observations"), asset_partitions=[LAST.isoformat()]), limit=1
        )
        return database, lake, newest.records[0].asset_materialization.metadata


def test_scores_are_in_the_lake_and_counted(partial_credit):
    database, lake, shown = partial_credit
    answers = Lake(str(lake)).read_observations([LAST]).to_pandas()
    scored = answers["item_id"].isin([item for (item,) in rows_of(database, SCORED)])
    assert shown["partial_credit"].value == scored.sum() > 0
    assert answers["score"].notna().equals(scored)
    assert set(answers.loc[scored, "score"]) == {0, 1, 2, 3}
    assert (answers.loc[scored, "correct"] == (answers.loc[scored, "score"] == 3)).all()


def test_each_item_has_its_own_model_and_steps(partial_credit):
    database, _, _ = partial_credit
    scored = [item for (item,) in rows_of(database, SCORED)]
    items = fitted_items(database, LAST).set_index("item_id")
    assert sorted(items.index[items["model"] == "GPCM"]) == scored
    assert set(items["model"]) == {"GPCM", "2PL"}
    steps, errors = (steps_matrix(items.loc[scored, name]) for name in ("steps", "se_steps"))
    assert steps.shape == (len(scored), 3)  # of some items nobody has the highest score
    assert np.array_equal(errors > 0, np.isfinite(steps))
    np.testing.assert_allclose(np.nanmean(steps, axis=1), items.loc[scored, "b"], atol=1e-9)
    assert items.loc[items["model"] == "2PL", "steps"].isna().all()


def test_readers_of_the_published_parameters_get_the_steps_beside_a_b_and_c(partial_credit):
    database, _, _ = partial_credit
    items = fitted_items(database, LAST).set_index("item_id")
    published = rows_of(database, "SELECT item_id, model, params FROM mirt_item_params")
    assert len(published) == len(items)
    for item, model, params in published:
        expected = {name: items.at[item, name] for name in "abc"}
        if model == "GPCM":
            expected |= {f"b_{k}": step for k, step in enumerate(items.at[item, "steps"], 1)}
        assert params == pytest.approx(expected)


def test_the_bank_has_the_steps_of_all_but_the_anchors_which_keep_theirs(partial_credit):
    database, _, _ = partial_credit
    known, items = known_parameters(database), fitted_items(database, LAST).set_index("item_id")
    scored = [item for (item,) in rows_of(database, SCORED)]
    assert not known.warnings
    assert set(known.models) == set(scored)
    starts = known.starts.set_index("item_id")
    for item in set(scored) & set(starts.index):
        assert starts.at[item, "steps"] == pytest.approx(list(items.at[item, "steps"]))
    anchors = known.anchors.set_index("item_id")
    of_bank = sorted(set(scored) & set(anchors.index))
    assert of_bank
    difference = steps_matrix(items.loc[of_bank, "steps"]) - steps_matrix(anchors.loc[of_bank, "steps"])
    assert (np.abs(difference) < 4 * steps_matrix(items.loc[of_bank, "se_steps"])).all()


def test_anchors_of_both_kinds_link(partial_credit):
    database, _, _ = partial_credit
    constants = fit_meta(database, LAST)["model_spec"]["linking_constants"]
    assert constants["n_anchors_used"] >= 11  # of 12, three of them with partial credit
    assert constants["A"] == pytest.approx(1.1, abs=0.2)


def test_students_have_features_and_abilities_in_the_topic_with_partial_credit(partial_credit):
    database, _, _ = partial_credit
    topic = "(SELECT max(topic_id) FROM question)"
    ((n_features, n_correct, n_attempts, n_without),) = rows_of(
        database,
        f"SELECT count(*), sum(correct), sum(attempts), count(*) FILTER (WHERE theta_estimate IS NULL) "
        f"FROM features_topic_daily WHERE topic_id = {topic} AND date = :day",
        day=LAST,
    )
    ((full, n),) = rows_of(
        database,
        f"SELECT count(*) FILTER (WHERE score = 3), count(*) FROM attempt WHERE topic_id = {topic} "
        "AND completed_at >= :day AND completed_at < :next",
        day=LAST,
        next=LAST + timedelta(days=1),
    )
    assert (n_correct, n_attempts) == (full, n)
    assert n_features > 0
    assert n_without == 0
