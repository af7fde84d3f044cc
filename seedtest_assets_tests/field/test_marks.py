"""Marks as they come: words, letters with a key, points, codes of omitted and not reached answers."""

from datetime import date

import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.errors import InputError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.answer_files import AnswerFile, read_answer_file
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.marks import mark_rules
from seedtest_assets.storage.sources import find_source
from seedtest_assets_tests.conftest import rows_of


@pytest.fixture
def read(tmp_path):
    """Read a wide or long file with rules; key: text of the key file."""

    def read(content: str, key: str | None = None, **codes: str) -> AnswerFile:
        (tmp_path / "log.csv").write_text(content, encoding="utf-8")
        if key is not None:
            (tmp_path / "key.csv").write_text(key, encoding="utf-8")
        rules = mark_rules(key=tmp_path / "key.csv" if key is not None else None, **codes)
        return read_answer_file(tmp_path / "log.csv", needs_time=False, rules=rules)

    return read


def correct(file: AnswerFile) -> list[bool]:
    return [row["correct"] for row in sorted(file.answers.to_pylist(), key=lambda row: row["item_id"])]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1", "0"),
        ("1.00", "0.0"),
        ("true", "FALSE"),
        ("T", "F"),
        ("O", "X"),
        ("○", "×"),
        ("정답", "오답"),
        ("yes", "No"),
    ],
)
@pytest.mark.parametrize(
    "layout", ["user_id,q1,q2\nu1,{0},{1}\n", "user_id,item_id,is_correct\nu1,q1,{0}\nu1,q2,{1}\n"]
)
def test_marks_are_read_as_people_write_them(read, right, wrong, layout):
    file = read(layout.format(right, wrong))
    assert correct(file) == [True, False]
    assert file.notes == []


def test_points_of_a_maximum_are_read_and_it_is_told(read):
    file = read("user_id,q1,q2,q3\nu1,100,0,100.0\n")
    assert correct(file) == [True, False, True]
    assert file.notes == ["the marks are 0 and 100: 100 was read as correct"]


@pytest.mark.parametrize("others", ["2,5", "1,5", "5,x"])
def test_points_between_are_bad_rows_with_their_value(read, others):
    first, _, second = others.partition(",")
    file = read(f"user_id,q1,q2,q3\nu1,0,{first},{second}\n")
    assert "the mark 5 is neither correct nor incorrect" in file.bad["reason"].tolist()


def test_a_negative_number_is_no_full_mark(read):
    file = read("user_id,q1,q2\nu1,-1,0\n")
    assert file.bad["reason"].tolist() == ["the mark -1 is neither correct nor incorrect"]


@pytest.mark.parametrize("codes", [{"omitted": "9=wrong", "not_reached": "9.0=ignored"}, {"omitted": "0=ignored"}])
def test_codes_that_contradict_each_other_or_are_marks_are_refused(codes):
    with pytest.raises(InputError, match=r"the same code|'0' is a mark"):
        mark_rules(**codes)


def test_a_nights_file_has_omitted_answers(tmp_path, monkeypatch, platform):
    path = tmp_path / "log.csv"
    path.write_text(
        "user_id,item_id,is_correct,completed_at\nu1,q1,1,2025-03-01\nu1,q2,NA,2025-03-01\nu1,q3,,2025-03-01\n"
    )
    day = date(2025, 3, 1)
    monkeypatch.setenv("SEEDTEST_ATTEMPT_SOURCE", str(path))
    for policy, n in (("ignored", 1), ("wrong", 3)):
        monkeypatch.setenv("SEEDTEST_OMITTED", policy)
        assert find_source(load_settings(), platform).counts(day, day) == {day: n}


def test_marks_of_many_kinds_are_one_reason(read):
    file = read("user_id,item_id,is_correct\n" + "".join(f"u{n},q1,{n / 7:.4f}\n" for n in range(1, 50)))
    assert len(file.count_bad()) == 1
    assert file.describe_bad().startswith("the mark 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, … is neither correct")


@pytest.mark.parametrize("nothing", ["", "NA", "na", ".", "-", "N/A", "NaN", "null"])
def test_marks_of_no_answer_are_counted_and_are_no_fault_of_a_wide_file(read, nothing):
    file = read(f"user_id,q1,q2\nu1,1,{nothing}\nu2,0,1\n")
    assert (len(file.answers), len(file.bad)) == (3, 0)
    assert file.not_answered == {nothing or "blank": 1}


def test_a_row_of_a_long_file_without_a_mark_is_named(read):
    file = read("user_id,item_id,is_correct\nu1,q1,NA\nu1,q2,1\n")
    assert file.bad.to_dict("records") == [{"row": 1, "reason": "no correct"}]


@pytest.mark.parametrize(
    ("policy", "marks", "not_answered"), [("wrong", [True, False], {}), ("ignored", [True], {"9 (omitted)": 1})]
)
@pytest.mark.parametrize("layout", ["user_id,q1,q2\nu1,1,9\n", "user_id,item_id,is_correct\nu1,q1,1\nu1,q2,9.0\n"])
def test_omitted_answers_are_wrong_or_ignored_as_asked(read, policy, marks, not_answered, layout):
    file = read(layout, omitted=f"9={policy}")
    assert correct(file) == marks
    assert [name.replace("9.0", "9") for name in file.not_answered] == list(not_answered)
    assert len(file.bad) == 0


def test_omitted_and_not_reached_have_a_policy_each_and_a_blank_may_be_a_code(read):
    file = read("user_id,q1,q2,q3\nu1,1,,8\n", omitted="=wrong", not_reached="8=ignored")
    assert correct(file) == [True, False]
    assert file.not_answered == {"8 (not reached)": 1}


def test_a_code_does_not_hide_the_maximum(read):
    assert correct(read("user_id,q1,q2,q3\nu1,100,0,9\n", omitted="9=wrong")) == [True, False, False]


@pytest.mark.parametrize("code", ["9", "9=right", ""])
def test_a_code_without_a_policy_is_refused(code):
    with pytest.raises(InputError, match="Write CODE=wrong or CODE=ignored"):
        mark_rules(omitted=code)


KEY = "item_id,key\nq1,a\nq2,B\nq2,C\n"


@pytest.mark.parametrize(
    "layout", ["user_id,q1,q2\nu1,A,c\nu2,B,\nu3, a ,D\n", "user_id,item_id,resp,is_correct\n" + "".join(
        f"{person},{item},x,{response}\n" for person, item, response in
        [("u1", "q1", "A"), ("u1", "q2", "c"), ("u2", "q1", "B"), ("u3", "q1", " a "), ("u3", "q2", "D")])]
)  # fmt: skip
def test_responses_are_scored_by_a_key_with_several_right_ones(read, layout):
    rows = read(layout, key=KEY).answers.to_pylist()
    assert {(row["student_id"], row["item_id"]): row["correct"] for row in rows} == {
        ("u1", "q1"): True,
        ("u1", "q2"): True,
        ("u2", "q1"): False,
        ("u3", "q1"): True,
        ("u3", "q2"): False,
    }


def test_numbers_are_responses_like_letters(read):
    assert correct(read("user_id,q1,q2\nu1,3.0,4\n", key="item_id,key\nq1,3\nq2,3\n")) == [True, False]


def test_a_key_must_have_every_item_and_unused_rows_are_told(read):
    with pytest.raises(InputError, match="the key has no row for the items q3"):
        read("user_id,q1,q3\nu1,A,B\n", key=KEY)
    assert read("user_id,q1\nu1,A\n", key=KEY).notes == ["1 items of the key are not in the file: q2"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("item,key\nq1,A\n", "no column item_id and key"),
        ("item_id,key\nq1,\n", r"row 1 \(item_id or key is missing\)"),
        ("item_id,key\nq1\n", "row 1 .1 cell where the header has 2"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_line(read, key, message):
    with pytest.raises(InputError, match=message):
        read("user_id,q1\nu1,A\n", key=key)


def test_the_commands_take_the_rules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    persons = range(60)
    pd.DataFrame({f"q{n}": ["AB"[(person * 7 + n) % 5 < 2] for person in persons] for n in range(4)}).assign(
        q3=["9" if person % 6 == 0 else "AB"[person % 3 == 0] for person in persons]
    ).rename_axis("user_id").to_csv("log.csv")
    pd.DataFrame({"item_id": [f"q{n}" for n in range(4)], "key": "A"}).to_csv("key.csv", index=False)
    done = CliRunner().invoke(
        app, ["calibrate", "log.csv", "--key", "key.csv", "--omitted", "9=ignored", "--model", "Rasch", "--out", "out"]
    )
    assert done.exit_code == 0, done.output
    assert "10 9 (omitted)" in " ".join(done.output.split())
    refused = CliRunner().invoke(app, ["calibrate", "log.csv", "--omitted", "9"])
    assert (refused.exit_code, "Write CODE=wrong or CODE=ignored" in refused.stderr) == (1, True)


def test_an_import_takes_the_rules(platform, settings, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,topic_id,is_correct,completed_at\nu1,q1,t,O,2025-03-01\nu1,q2,t,9,2025-03-01\n")
    imported = import_answers(path, settings, rules=mark_rules(omitted="9=wrong"))
    assert imported.n_new == 2
    assert rows_of(platform, "SELECT item_id, correct FROM attempt ORDER BY 1") == [("q1", True), ("q2", False)]
