"""A damaged day of the lake is extracted again by itself while the source has it, and never calibrated."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from seedtest_assets.assets.observations import observations
from seedtest_assets.errors import InputError
from seedtest_assets.resources import AnswerLake, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, UsableAnswers
from seedtest_assets.storage.window import days_to_extract, read_window
from seedtest_assets_tests.assets.test_resources_of_a_run import DAY, SimulatedSource

ONLY_MISSING = {"ops": {"observations": {"config": {"only_missing": True}}}}


class SourceThatForgot(SimulatedSource):
    """No answers any more."""

    def answers_by_day(self, first, last):
        yield first, UsableAnswers(OBSERVATION_SCHEMA.empty_table(), {})


@pytest.fixture
def damaged(platform, instance):
    """A day in the lake of which one bit has changed; gives the resources of a run, and the file."""
    resources = resources_from(load_settings()) | {"source": SimulatedSource()}
    assert dg.materialize([observations], partition_key=str(DAY), resources=resources, instance=instance).success
    (file,) = map(Path, AnswerLake().storage.observation_files([DAY]))
    content = bytearray(file.read_bytes())
    content[40] ^= 4
    file.write_bytes(content)
    return resources, file


def test_it_is_to_be_extracted_and_is_not_read(damaged, monkeypatch):
    monkeypatch.setenv("SEEDTEST_START_DATE", str(DAY))
    lake = AnswerLake().storage
    assert days_to_extract(lake, DAY, load_settings(), 3) == [DAY]
    earlier = load_settings().model_copy(update={"seedtest_start_date": DAY - timedelta(days=1)})
    assert days_to_extract(lake, DAY, earlier, 3) == [DAY - timedelta(days=1), DAY]
    with pytest.raises(
        InputError, match=r"bucket=00/\w+\.parquet is damaged: it is not what was written. Materialise the day"
    ):
        read_window(lake, DAY, load_settings())


def test_a_run_of_missing_days_extracts_it_again_and_says_so(damaged, instance):
    resources, _ = damaged
    done = dg.materialize(
        [observations], partition_key=str(DAY), resources=resources, instance=instance, run_config=ONLY_MISSING
    )
    assert done.success
    assert len(AnswerLake().storage.read_observations([DAY])) == 3
    lines = [record.user_message for record in instance.all_logs(done.run_id)]
    assert f"{DAY}: the file of its answers was damaged, and they were extracted again" in lines


def test_it_stays_where_the_source_has_its_answers_no_more(damaged, instance):
    resources, file = damaged
    before = file.read_bytes()
    done = dg.materialize(
        [observations],
        partition_key=str(DAY),
        resources=resources | {"source": SourceThatForgot()},
        instance=instance,
        run_config=ONLY_MISSING,
        raise_on_error=False,
    )
    assert not done.success
    assert (
        "simulated has no answers of 2025-03-09 any more"
        in done.failure_data_for_node("observations").error.to_string()
    )
    assert file.read_bytes() == before


def test_a_folder_in_the_place_of_the_file_is_an_error(platform):
    lake = AnswerLake().storage
    Path(lake.day_folder(date(2025, 3, 10)), "day.json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"cannot read .*/day.json in the lake: Is a directory"):
        lake.write_observations(date(2025, 3, 10), OBSERVATION_SCHEMA.empty_table())
