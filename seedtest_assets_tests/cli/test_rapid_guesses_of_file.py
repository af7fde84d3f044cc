"""`seedtest calibrate --rapid-guesses`: counts, what it changes, and files without times."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets_tests.rapid_school import rapid_rows, school_with_rapid_guesses, with_policy


@pytest.fixture
def log(tmp_path, monkeypatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    log = school_with_rapid_guesses().answers.to_pandas()
    log = log.sort_values(["completed_at", "student_id", "item_id"], ignore_index=True)
    log.to_csv("log.csv", index=False)
    return log


def calibrate(*arguments):
    return CliRunner().invoke(app, ["calibrate", "log.csv", *arguments])


def result(folder: str) -> tuple[pd.DataFrame, dict]:
    with open(f"{folder}/fit_meta.json", encoding="utf-8") as file:
        return pd.read_csv(f"{folder}/item_params.csv").set_index("item_id").sort_index(), json.load(file)["file"]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["wrong", "ignore"])
def test_a_policy_calibrates_the_file_that_it_makes(log, policy):
    done = calibrate("--out", "treated", "--rapid-guesses", policy)
    assert done.exit_code == 0, done.output
    n, n_timed = rapid_rows(log).sum(), log["response_time_ms"].notna().sum()
    assert f"rapid guesses {n:,} of {n_timed:,} answers with a time" in " ".join(done.stdout.split())
    treated, reading = result("treated")
    assert (reading["rapid_guesses"]["policy"], reading["rapid_guesses"]["n"]) == (policy, n)
    left_out = reading["rapid_guesses"].get("answers_left_out", 0)
    assert reading["answers"] == reading["used"] + reading["repeated"] + sum(reading["left_out"].values()) + left_out

    with_policy(log, policy).drop(columns="response_time_ms").to_csv("log.csv", index=False)
    assert calibrate("--out", "expected").exit_code == 0
    expected, _ = result("expected")
    pd.testing.assert_frame_equal(treated, expected, atol=1e-5)


def test_keep_calibrates_as_without_times(log):
    assert calibrate("--out", "kept", "--rapid-guesses", "keep").exit_code == 0
    log.drop(columns="response_time_ms").to_csv("log.csv", index=False)
    done = calibrate("--out", "without")
    assert "rapid" not in done.stdout
    (kept, reading), (without, reading_without) = result("kept"), result("without")
    pd.testing.assert_frame_equal(kept, without, check_exact=True)
    assert reading["rapid_guesses"]["policy"] == "keep"
    assert "rapid_guesses" not in reading_without


@pytest.mark.parametrize("policy", ["wrong", "ignore"])
def test_a_file_without_times_is_refused_in_a_line(log, policy):
    log.drop(columns="response_time_ms").to_csv("log.csv", index=False)
    done = calibrate("--rapid-guesses", policy)
    assert done.exit_code == 1
    assert f"log.csv has no response times, which --rapid-guesses {policy} needs." in " ".join(done.stderr.split())


def test_an_unknown_policy_is_refused_in_a_line(log):
    done = calibrate("--rapid-guesses", "drop")
    assert done.exit_code == 1
    assert "--rapid-guesses drop is not known. Choose keep, wrong or ignore" in " ".join(done.stderr.split())
