"""Marks as they come: words, letters with a key, points, codes of omitted and not reached answers."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.errors import InputError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.answer_files import AnswerFile, read_answer_file
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.mark_rules import mark_rules
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


@pytest.mark.parametrize("code", ["9", "99", "8", "88", "999", "998", "7"])
def test_zero_and_a_usual_code_need_a_statement(read, code):
    content = f"user_id,q1,q2\nu1,{code},0\n"
    with pytest.raises(
        InputError, match=f"usual code of missing answers. .*--omitted {code}=wrong, .*--full-mark {code} if"
    ):
        read(content)
    assert correct(read(content, full_mark=float(code))) == [True, False]
    assert correct(read(content, omitted=f"{code}=ignored")) == [False]


def test_a_code_beside_ones_and_zeros_is_a_bad_row_that_names_the_option(read):
    file = read("user_id,q1,q2,q3\nu1,1,0,9\nu2,0,1,0\n")
    assert file.describe_bad() == (
        "the mark 9 is neither correct nor incorrect, and may be a code: --omitted 9=wrong or --omitted 9=ignored (1 cell: u1 q3)"
    )


def test_full_marks_differ_between_items(read):
    file = read("user_id,q1,q2,q3,q4\nu1,1,5,5,10\nu2,0,0,5,0\n")
    assert correct(file) == [True, False, True, False, True, True, True, False]
    assert file.notes == [
        "full marks differ between items. Read as correct: 5 in 2 items (q2, q3), 10 in 1 item (q4), 1 in 1 item (q1)"
    ]


def test_integers_of_a_wide_file_are_scores_of_partial_credit(read):
    file = read("user_id,q1,q2,q3\nu1,5,2,2\nu2,0,0,0\nu3,5,5,1\n")
    assert not len(file.bad)
    assert "2 items with partial credit: q2, q3" in file.notes
    rows = file.answers.to_pandas().set_index(["student_id", "item_id"])
    assert rows["score"].dropna().to_dict() == {
        ("u1", "q2"): 2, ("u1", "q3"): 2, ("u2", "q2"): 0, ("u2", "q3"): 0, ("u3", "q2"): 5, ("u3", "q3"): 1
    }  # fmt: skip
    assert rows["correct"].to_dict()["u1", "q3"]
    assert not rows["correct"].to_dict()["u1", "q2"]  # 2 of 5


def test_a_usual_code_of_missing_answers_is_no_score(read):
    file = read("user_id,q1,q2\nu1,1,9\nu2,0,1\nu3,1,2\nu4,0,0\n")
    assert file.bad.index.tolist() == ["u1 q2"]


def test_with_a_stated_full_mark_one_is_a_part_of_it(read):
    file = read("user_id,q1,q2,q3\nu1,5,1,0\nu2,1,5,1\n", full_mark=5)
    assert file.bad.index.tolist() == ["u1 q2", "u2 q1"]
    assert correct(file) == [True, True, False, True]


def test_an_item_whose_one_is_read_as_correct_beside_full_marks_is_named(read):
    file = read("user_id,easy,hard\nu1,4,1\nu2,0,0\n", full_mark=4)
    assert file.notes == ["full marks differ between items. Read as correct: 4 in 1 item (easy), 1 in 1 item (hard)"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [({"full_mark": 0}, "must be a number above 0"), ({"full_mark": 9, "omitted": "9=wrong"}, "'9' is a mark")],
)
def test_full_marks_that_are_none_are_refused(rules, message):
    with pytest.raises(InputError, match=message):
        mark_rules(**rules)


def test_a_code_that_no_row_has_is_mentioned(read):
    file = read("user_id,q1,q2\nu1,1,0\n", omitted="9=wrong", not_reached="8=ignored")
    assert file.notes == [
        "the code 9 of --omitted is not in the file",
        "the code 8 of --not-reached is not in the file",
    ]


@pytest.mark.parametrize("others", ["2,5", "1,5", "5,x"])
def test_points_between_are_bad_rows_with_their_value(read, others):
    first, _, second = others.partition(",")
    file = read(f"user_id,q1,q2,q3\nu1,0,{first},{second}\n")
    assert (
        "the mark 5 is neither correct nor incorrect, and scores of partial credit belong in a column score"
        in file.bad["reason"].tolist()
    )


def test_a_negative_number_is_no_full_mark(read):
    file = read("user_id,q1,q2\nu1,-1,0\n")
    assert file.bad["reason"].tolist() == [
        "the mark -1 is neither correct nor incorrect, and may be a code: --omitted -1=wrong or --omitted -1=ignored"
    ]


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
    file = read("user_id,item_id,is_correct\n" + "".join(f"u{n},q1,{n // 2 / 7:.4f}\n" for n in range(3, 50)))
    (reason,) = file.count_bad()
    assert reason.startswith(
        "marks of 23 kinds are neither correct nor incorrect, and scores of partial credit belong in a column score: 0.2857 (2), "
    )
    assert "0.1429" not in reason  # the least frequent of the 23


@pytest.mark.parametrize("nothing", ["", "NA", "na", ".", "-", "N/A", "NaN", "null"])
def test_marks_of_no_answer_are_counted_and_are_no_fault_of_a_wide_file(read, nothing):
    file = read(f"user_id,q1,q2\nu1,1,{nothing}\nu2,0,1\n")
    assert (len(file.answers), len(file.bad)) == (3, 0)
    assert file.not_answered == {nothing or "blank": 1}


def test_the_word_blank_and_a_blank_are_both_no_answer(read):
    file = read("user_id,q1,q2,q3\nu1,blank,1,0\nu2,,0,1\n")
    assert correct(file) == [True, False, False, True]
    assert file.not_answered == {"blank": 2}


def test_a_file_without_rows_has_no_marks(read):
    assert len(read("user_id,item_id,is_correct\n").answers) == 0


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


def test_each_row_has_the_meaning_of_its_own_mark(read):
    random = np.random.default_rng(6)
    full = {f"q{n}": (1, 5, 10)[n % 3] for n in range(9)}
    rows = [
        (f"u{n}", item, random.choice(["0", str(full[item]), f"{full[item]}.0", "0.00", "NA"]))
        for n in range(60)
        for item in full
    ]
    file = read("user_id,item_id,is_correct\n" + "\n".join(map(",".join, rows)), omitted="NA=ignored")
    assert {(row["student_id"], row["item_id"]): row["correct"] for row in file.answers.to_pylist()} == {
        (student, item): mark not in ("0", "0.00") for student, item, mark in rows if mark != "NA"
    }
    right = {item: "ABC"[n % 3] for n, item in enumerate(full)}
    rows = [(student, item, random.choice(["a", "B", "C ", ""])) for student, item, _ in rows]
    key = "item_id,key\n" + "\n".join(map(",".join, right.items()))
    file = read("user_id,item_id,is_correct\n" + "\n".join(map(",".join, rows)), key=key, omitted="=wrong")
    assert {(row["student_id"], row["item_id"]): row["correct"] for row in file.answers.to_pylist()} == {
        (student, item): mark.strip().upper() == right[item] for student, item, mark in rows
    }


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


@pytest.mark.parametrize("cell", ["B;C", "c | b", '"B,C"'])
@pytest.mark.parametrize("header", ["item_id,key", "Item,Answer", "ITEM,Correct_Response"])
def test_a_cell_of_the_key_may_hold_several_responses_and_its_columns_have_other_names(read, cell, header):
    file = read("user_id,q2\nu1,b\nu2,C\nu3,A\n", key=f"{header}\nq2,{cell}\n")
    assert [row["correct"] for row in file.answers.to_pylist()] == [True, True, False]


def test_a_response_may_hold_a_comma(read):
    assert correct(read('user_id,q1,q2\nu1,"1,5","2,5"\n', key='item_id,key\nq1,"1,5"\nq2,"1,5"\n')) == [True, False]


def test_long_numbers_are_not_rounded(read):
    assert correct(read("user_id,q1,q2\nu1,12345678,12345679\n", key="item,key\nq1,12345678\nq2,12345678\n")) == [
        True,
        False,
    ]


@pytest.mark.parametrize("marks", ["A,b,C,D", "1,2,3,4", "①,②,③,1", "A,B,F,E", "가,나,다,라"])
@pytest.mark.parametrize(
    "layout",
    [
        "user_id,q1,q2,q3,q4\nu1,{0},{1},{2},{3}\n",
        "user_id,item_id,resp,is_correct\nu1,q1,,{0}\nu1,q2,,{1}\nu1,q3,,{2}\nu1,q4,,{3}\n",
    ],
)
def test_responses_without_a_key_are_named_as_such(read, marks, layout):
    with pytest.raises(
        InputError, match=r"the marks look like responses, not marks: .* \(1\).*Score them with --key KEY.csv"
    ):
        read(layout.format(*marks.split(",")))


@pytest.mark.parametrize("marks", ["0,1,2,1", "O,X,A,X", "1,0,A,B", "1,1,NA,1"])
def test_a_few_other_marks_do_not_make_a_file_one_of_responses(read, marks):
    assert len(read("user_id,q1,q2,q3,q4\nu1," + marks + "\n").answers) >= 2


@pytest.mark.parametrize(
    ("marks", "message"),
    [("O,X", "scored already and are no responses: O .1., X .1.. Leave --key out"), ("1,0", "Leave --key out"),
     ("3,4", r"no response of the file is in the key. The file has 3 \(1\), 4 \(1\), the key has A, B, C")],
)  # fmt: skip
def test_marks_that_do_not_fit_a_key_are_refused(read, marks, message):
    with pytest.raises(InputError, match=message):
        read(f"user_id,q1,q2\nu1,{marks}\n", key=KEY)


def test_true_and_false_may_be_responses(read):
    assert correct(read("user_id,q1,q2\nu1,T,T\n", key="item_id,key\nq1,T\nq2,F\n")) == [True, False]


def test_a_key_must_have_every_item_and_unused_rows_are_told(read):
    with pytest.raises(InputError, match=r"the key has no row for the items q3\. It has rows for q1, q2"):
        read("user_id,q1,q3\nu1,A,B\n", key=KEY)
    assert read("user_id,q1\nu1,A\n", key=KEY).notes == ["not in the file: 1 item of the key (q2)"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("item,choice\nq1,A\n", "no column item_id and key"),
        ("item_id,key\nq1,\n", r"row 1 \(key is missing\)"),
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


def test_an_import_stores_one_mark_an_answer(tmp_path):
    with pytest.raises(InputError, match="Use wrong or ignored in place of ignored-then-wrong"):
        import_answers(tmp_path / "log.csv", load_settings(), rules=mark_rules(not_reached="8=ignored-then-wrong"))
