"""`seedtest items` after a night."""

import shutil
from datetime import timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets_tests.conftest import ROOT, execute, rows_of
from seedtest_assets_tests.school import DAY_BEFORE, N_ITEMS


@pytest.fixture
def items(night, tmp_path, monkeypatch):
    """Run `seedtest items` on the database of a night, in which item 7 is given flags."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    execute(
        night,
        "UPDATE item_statistics_history SET flags = '{key_suspect,provisional}', point_biserial = -0.21 WHERE item_id = '7'",
    )
    return lambda *arguments: CliRunner().invoke(app, ["items", *arguments])


def test_lists_the_items_that_need_a_person_with_reason_and_action(items):
    done = items()
    assert done.exit_code == 0
    assert "7  key_suspect\n" in done.output
    assert "point-biserial -0.21" in done.output
    assert "Check the key." in done.output
    assert f"of the {N_ITEMS} items of {DAY_BEFORE} need a person" in done.output


def test_a_flag_chooses_its_items(items):
    provisional = items("--flag", "provisional", "--date", str(DAY_BEFORE)).output
    assert "7  provisional" in provisional
    assert "key_suspect" not in provisional
    assert (
        f"0 of the {N_ITEMS} items of {DAY_BEFORE} have the flag overexposed" in items("--flag", "overexposed").output
    )


def test_the_file_has_every_statistic_and_no_formula(items, night, tmp_path):
    execute(night, "UPDATE item_statistics_history SET item_id = '=1+2' WHERE item_id = '8'")
    done = items("--csv", "items.csv")
    assert f"{N_ITEMS} items of {DAY_BEFORE} written to items.csv" in done.output
    written = pd.read_csv(tmp_path / "below" / "items.csv", dtype={"item_id": str}).set_index("item_id")
    assert written.loc["7", "flags"] == "key_suspect;provisional"
    assert "'=1+2" in written.index
    columns = rows_of(
        night,
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'item_statistics_history'::regclass AND attnum > 0",
    )
    assert {"item_id", *written} == {name for (name,) in columns}
    chosen = tmp_path / "chosen.csv"
    assert items("--flag", "key_suspect", "--csv", str(chosen)).exit_code == 0
    assert len(pd.read_csv(chosen)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--flag", "bad"), "--flag bad: there is no such flag"),
        (("--date", "2024-01-01"), "there are no item statistics up to 2024-01-01"),
        (("--date", str(DAY_BEFORE + timedelta(days=3))), f"The newest before it are of {DAY_BEFORE}"),
        (("--csv", "no/such/folder/items.csv"), "no/such/folder/items.csv cannot be written"),
    ],
)
def test_a_mistake_is_one_line(items, arguments, message):
    done = items(*arguments)
    assert done.exit_code == 1
    assert message in done.output.replace("\n", " ")
    assert "Traceback" not in done.output
