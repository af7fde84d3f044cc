"""Only the owner of a lake may open its days, its reports and what it keeps, whatever the umask."""

import os
import stat
import tempfile
from datetime import date, datetime, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets_tests.other_users import needs_other_user, run_as_other_user

DAY = date(2025, 5, 1)


def write_everything(root: Path) -> None:
    lake, frames = Lake(str(root)), {"items": pd.DataFrame({"a": [1.0]})}
    row = {
        "student_id": "s",
        "item_id": "i",
        "correct": True,
        "completed_at": datetime(2025, 5, 1, 12, tzinfo=timezone.utc),
    }
    lake.write_observations(DAY, pa.Table.from_pylist([row], OBSERVATION_SCHEMA))
    lake.write_report(DAY, "<p>report</p>")
    lake.keep_rejected(DAY, "run", frames, {"why": "test"})
    lake.keep_published(DAY, frames)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask_of(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.parametrize("umask_of", [0o000, 0o022, 0o277], indirect=True)
def test_folders_and_files_of_a_lake_are_private(tmp_path, umask_of):
    write_everything(tmp_path / ".seedtest" / "lake")
    paths = list(tmp_path.rglob("*"))
    assert {mode(path) for path in paths if path.is_dir()} == {0o700}
    assert {mode(path) for path in paths if path.is_file()} == {0o600}
    names = {path.name for path in paths}
    assert {"bucket=00", "day.json", "lake.json", "calibration.html", "facts.json", "items.parquet"} <= names


def test_a_lake_that_was_open_to_all_is_closed_and_the_folders_above_stay_as_they_are(tmp_path):
    above = tmp_path / "data"
    lake = above / "lake"
    lake.mkdir(parents=True)
    above.chmod(0o755)
    lake.chmod(0o755)
    write_everything(lake)
    assert (mode(above), mode(lake)) == (0o755, 0o700)


@needs_other_user
def test_another_user_can_read_no_answers_and_no_report():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        write_everything(Path(folder) / "lake")
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert "PermissionError" in str(run_as_other_user(path.read_bytes))
