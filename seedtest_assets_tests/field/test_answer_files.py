"""Answer files as people have them: pasted together, in other encodings, from Excel; every row is used, refused or counted."""

import builtins
import gzip
import json

import numpy as np
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.errors import InputError
from seedtest_assets.storage.answer_files import read_answer_file

LONG = "user_id,item_id,is_correct\nu1,q1,1\nu1,q2,0\n"


@pytest.fixture
def write(tmp_path):
    """Write a file, and read it as a log."""

    def write(content: str | bytes, name: str = "log.csv", encoding: str = "utf-8"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_answer_file(tmp_path / name, needs_time=False)

    return write


def marks(file) -> dict[tuple[str, str], bool]:
    rows = file.answers.to_pylist()
    return {(row["student_id"], row["item_id"]): row["correct"] for row in rows}


def bad(file) -> list[tuple[int, str]]:
    return list(file.bad.itertuples(index=False, name=None))


def test_rows_of_a_second_export_with_one_more_column_are_named(write):
    file = write(LONG + "user_id,item_id,is_correct,completed_at\nu2,q1,1,2024-05-01\n")
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False}
    assert bad(file) == [(3, "below a second header, in row 3"), (4, "below a second header, in row 3")]


def test_rows_below_a_second_header_of_another_order_are_not_read_under_the_first(write):
    file = write("user_id,q1,q2\nu1,1,0\nuser_id,q2,q1\nu2,1,0\n")
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False}
    assert [row for row, _ in bad(file)] == [2, 3]
    assert {reason for _, reason in bad(file)} == {"below a second header, in row 2"}


def test_the_same_header_again_is_one_bad_row(write):
    file = write(LONG + "user_id,item_id,is_correct\nu2,q1,1\n")
    assert bad(file) == [(3, "the header again")]
    assert ("u2", "q1") in marks(file)
    assert (file.students, file.items, file.notes) == (["u1", "u2"], ["q1", "q2"], [])


def test_the_header_is_the_first_row_with_the_needed_columns(write):
    file = write("Export of the spring test\n\n" + LONG)
    assert len(marks(file)) == 2
    assert file.notes == ["not read: 1 row above the header"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(write, delimiter):
    assert len(marks(write(LONG.replace(",", delimiter)))) == 2


def test_a_footer_and_short_rows_are_named_and_blank_lines_are_not(write):
    file = write(LONG + "\n   \nu2,q1\nTotal: 2\n")
    assert [reason for _, reason in bad(file)] == ["2 cells where the header has 3", "1 cell where the header has 3"]


def test_mixed_ends_of_lines_and_line_breaks_in_cells(write):
    file = write('user_id,item_id,is_correct,text\r\nu1,q1,1,"a\nb"\r\nu1,q2,0,\r\nu2\nu1,"q\n3",0,\r')
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False}
    assert bad(file) == [(3, "1 cell where the header has 4"), (4, "item_id holds a line break")]


def test_every_row_is_used_or_left_out(write):
    random = np.random.default_rng(5)
    rows = [",".join(random.choice(["u1", "", "1", "x", "0"], random.integers(1, 6))) for _ in range(300)]
    file = write("user_id,item_id,is_correct\n" + "\n".join(rows))
    assert file.n_rows == sum(bool(row.strip(",")) for row in rows)
    assert len(file.answers) + len(file.bad) == file.n_rows


def test_a_quote_that_is_not_closed_costs_its_own_row_only(write):
    rows = [f"u{n},q{n % 5},{n % 2}" for n in range(102)]
    rows[20], rows[60] = rows[20].replace(",q", ',"q'), rows[60].replace(",q", ',"q')
    file = write("user_id,item_id,is_correct\n" + "\n".join(rows) + "\n")
    assert len(file.answers) == 100
    assert bad(file) == [(21, "a quote is not closed"), (61, "a quote is not closed")]
    file = write("user_id,item_id,is_correct\n" + "\n".join(rows[:61]))
    assert (len(file.answers), file.n_rows) == (59, 61)


def test_a_file_pasted_below_another_is_found_by_its_header(write):
    other = "item_id,user_id,is_correct\nq1,u3,1\n"
    for text in (LONG + "\ufeff" + other, LONG[:-1] + "\ufeff" + other):
        assert [row for row, _ in bad(write(text))] == [3, 4]
    file = write(LONG[:-1] + other)  # the last row and the second header are one line
    assert marks(file) == {("u1", "q1"): True}
    assert bad(file) == [(2, "below a second header, in row 2"), (3, "below a second header, in row 2")]
    assert len(marks(write(LONG[:-1] + "\ufeff" + LONG.replace("u1", "u2")))) == 4


def test_a_quote_above_the_header_does_not_hide_it(write):
    assert len(marks(write('"Spring test\n' + LONG))) == 2


def test_rows_with_more_cells_than_names(write):
    file = write("user_id,item_id,is_correct,,\nu1,q1,1,,\nu1,q2,0,,late\n")
    assert marks(file) == {("u1", "q1"): True}
    assert bad(file) == [(2, "a cell in a column without a name")]
    assert len(marks(write("user_id,q1,q2,\nu1,1,0,\n"))) == 2
    with pytest.raises(InputError, match=r"has a column without a name, its column 1. Name it, or remove it"):
        write(",user_id,q1\n0,u1,1\n")


def test_two_names_of_the_same_column_are_told(write):
    file = write("user_id,student_id,item_id,is_correct\nu1,s1,q1,1\n")
    assert marks(file) == {("s1", "q1"): True}
    assert file.notes == ["only student_id was read of the columns user_id, student_id"]


def test_items_keep_their_names(write):
    assert set(marks(write("user_id,q1,Q1, Q 2\nu1,1,0,1\n"))) == {("u1", "q1"), ("u1", "Q1"), ("u1", "Q 2")}


@pytest.mark.parametrize("header", ["user_id,Q1,Q1", "user_id,Q1, Q1 ", "user_id,item_id,item_id,is_correct"])
def test_equal_names_are_refused_by_name(write, header):
    with pytest.raises(InputError, match=r"several columns named (Q1|item_id)"):
        write(header + "\n" + ",".join("1" * len(header.split(","))) + "\n")


KOREAN = "user_id,item_id,is_correct\n학생1,문항1,1\n학생1,문항2,0\n"


@pytest.mark.parametrize(
    ("encoding", "notes"),
    [("utf-8", []), ("utf-8-sig", []), ("utf-16", ["read as UTF-16"]), ("cp949", ["read as CP949"])],
)
def test_encodings_of_spreadsheets_are_read(write, encoding, notes):
    file = write(KOREAN, encoding=encoding)
    assert marks(file) == {("학생1", "문항1"): True, ("학생1", "문항2"): False}
    assert file.notes == notes


def test_a_compressed_file_is_read(write):
    assert len(marks(write(gzip.compress(LONG.encode()), "log.csv.gz"))) == 2
    assert len(marks(write(gzip.compress(LONG.encode()), "log.csv"))) == 2
    with pytest.raises(InputError, match="compressed data are not whole"):
        write(gzip.compress(LONG.encode())[:-12], "log.csv.gz")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_without_its_mark(write, encoding):
    assert len(marks(write(KOREAN, encoding=encoding))) == 2


@pytest.mark.parametrize(
    ("content", "what_it_is"),
    [
        (b"", "is empty"),
        (b" \n\n", "has blank lines only"),
        (b"<html><table></table></html>", "is a web page or XML"),
        (b"PAR1....PAR1", "is a Parquet file. Name it .parquet"),
        (LONG.encode("utf-32"), "is UTF-32. Save it as UTF-8"),
        (b"PK\x03\x04", "Name an Excel file .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel. Save it as .xlsx"),
    ],
)
def test_what_is_no_text_gets_a_line_that_says_what_it_is(write, content, what_it_is):
    with pytest.raises(InputError, match=what_it_is):
        write(content)


@pytest.mark.parametrize("name", ["José", "Åsa", "Müller, Ö", "naïve café"])
def test_another_encoding_is_refused_with_its_line_and_how_to_save_it(write, name):
    with pytest.raises(InputError, match=r"line 3 has the byte 0x.*Save it as UTF-8"):
        write(f'user_id,item_id,is_correct\nu1,q1,1\n"{name}",q1,0\n', encoding="latin-1")


def test_an_excel_file_is_read_and_its_other_sheets_are_told(tmp_path):
    book = openpyxl.Workbook()
    for row in (["Spring test"], [], ["user_id", "q1", "q2"], ["u1", 1, 0], ["u2", 1.0, None], [], ["u3", None, None]):
        book.active.append(row)
    book.create_sheet("notes")
    book.save(tmp_path / "log.xlsx")
    file = read_answer_file(tmp_path / "log.xlsx", needs_time=False)
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False, ("u2", "q1"): True}
    assert file.students_without_answers == ["u3"]
    assert file.notes == ["only the first of 2 sheets was read: Sheet", "not read: 1 row above the header"]


def test_formulas_that_nothing_has_computed_are_refused(tmp_path):
    book = openpyxl.Workbook()
    for row in (["user_id", "q1", "q2"], ["u1", 1, "=IF(1=1,1,0)"]):
        book.active.append(row)
    book.save(tmp_path / "log.xlsx")
    with pytest.raises(
        InputError, match=r"formulas without values, the first in row 2, column 3. Open it in a spreadsheet"
    ):
        read_answer_file(tmp_path / "log.xlsx", needs_time=False)


def test_a_header_of_two_rows_is_one_line(write):
    with pytest.raises(InputError, match=r"no row that fits its header.* The names of all columns belong in one row"):
        write("user_id,Part A\nuser_id,q1\nu1,1\n")
    with pytest.raises(InputError, match="no row that fits its header"):
        write("user_id,q1,q2\n")


def test_an_item_that_nobody_answered_and_a_blank_column(write):
    file = write("user_id,,q1,q2,q3\nu1,,1,,\nu2,,0,,\n")
    assert marks(file) == {("u1", "q1"): True, ("u2", "q1"): False}
    assert file.notes == ["2 items without a usable answer: q2, q3"]


def test_answers_to_an_item_answered_before_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(3)
    log = pd.DataFrame(random.integers(0, 2, (60, 5)), columns=[f"q{n}" for n in range(5)]).rename_axis("user_id")
    log = pd.concat([log, 1 - log.iloc[:7]])
    log.to_csv("log.csv")
    pd.DataFrame({"item_id": ["q0", "q1", "other"], "a": 1.0, "b": [0.0, 0.1, 0.2]}).to_csv("anchors.csv", index=False)
    done = CliRunner().invoke(
        app, ["calibrate", "log.csv", "--out", "out", "--model", "Rasch", "--anchors", "anchors.csv"]
    )
    screen = " ".join(done.output.split())
    assert "35 answers to an item answered before: the first counts" in screen
    assert "1 of 3 have no answer: other" in screen
    facts = json.loads((tmp_path / "out" / "fit_meta.json").read_text())
    assert (facts["file"]["answers"], facts["file"]["used"], facts["file"]["repeated"]) == (335, 300, 35)
    assert facts["model_spec"]["n_observations"] == 300


def test_what_is_no_excel_file_is_one_line(write, monkeypatch):
    with pytest.raises(InputError, match=r"is no Excel file. If it is text, name it .csv"):
        write("no", "log.xlsx")
    importing = builtins.__import__

    def without_openpyxl(name, *arguments, **options):
        if name == "openpyxl":
            raise ImportError(name)
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_openpyxl)
    with pytest.raises(InputError, match=r"pip install 'seedtest-assets\[excel\]'"):
        write("no", "log.xlsx")


def test_names_in_any_case_and_those_of_the_item_response_warehouse(write):
    assert len(marks(write("User_ID,ITEM_ID,Is_Correct\nu1,q1,1\n"))) == 1
    file = write("id,item,resp,date\nu1,q1,1,1714557600\nu1,q2,0,1714557600\n")
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False}
    assert str(file.answers["completed_at"][0]) == "2024-05-01 10:00:00+00:00"


@pytest.mark.parametrize(
    "time",
    ["1714557600", "1714557600.0", "1714557600000", "1714557600000000", "2024-05-01 10:00:00", "2024. 5. 1. 10:00"],
)
def test_times_of_many_forms(write, time):
    file = write(f"user_id,item_id,is_correct,completed_at\nu1,q1,1,{time}\n")
    assert str(file.answers["completed_at"][0]) == "2024-05-01 10:00:00+00:00"


@pytest.mark.parametrize("time", ["1.7e9", "05/01/2024", "45413.5", "2024-13-01"])
def test_what_is_no_time_is_named(write, time):
    file = write(f"user_id,item_id,is_correct,completed_at\nu1,q1,1,{time}\n")
    assert bad(file) == [(1, f"completed_at is no time: {time}")]


def test_answers_of_a_glob_without_times_come_one_file_after_the_other(write, tmp_path):
    header = "user_id,item_id,is_correct\n"
    (tmp_path / "a.csv").write_text(header + "s,i,1\nt,i,0\n")
    (tmp_path / "b.csv").write_text(header + "s,i,0\nt,i,1\n")
    file = read_answer_file(tmp_path / "*.csv", needs_time=False)
    assert not len(file.bad)
    of_student = {row["student_id"]: row["correct"] for row in reversed(file.answers.to_pylist())}
    assert of_student == {"s": True, "t": False}  # the first answers


def test_files_of_a_glob_are_read_each_by_its_header(write, tmp_path):
    write(LONG, "part1.csv")
    write("item_id;is_correct;user_id\nq1;0;u2\nq1\n", "part2.csv")
    file = read_answer_file(str(tmp_path / "part*.csv"), needs_time=False)
    assert marks(file) == {("u1", "q1"): True, ("u1", "q2"): False, ("u2", "q1"): False}
    assert bad(file) == [(2, "1 cell where the header has 3 in part2.csv")]


def test_rows_left_out_are_on_the_screen_and_in_the_files_and_students_without_answers_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    correct = (random.normal(size=(200, 1)) + random.logistic(size=(200, 6)) > 0).astype(int)
    log = pd.DataFrame(correct, columns=[f"q{n}" for n in range(6)]).astype(object)
    log.iloc[0, 0], log.iloc[1] = "perhaps", ""
    log.rename_axis("user_id").to_csv("log.csv")
    done = CliRunner().invoke(app, ["calibrate", "log.csv", "--out", "out", "--skip-bad"])
    assert done.exit_code == 0, done.output
    screen = " ".join(done.output.split())
    assert "1 of 1,194: the mark perhaps is neither correct nor incorrect (1 cell: 0 q0)" in screen
    assert "1 person, with the population's mean and SD" in screen
    facts = json.loads((tmp_path / "out" / "fit_meta.json").read_text())
    assert facts["file"] == {
        "answers": 1194,
        "used": 1193,
        "repeated": 0,
        "left_out": {"the mark perhaps is neither correct nor incorrect": 1},
        "not_answered": {"blank": 6},
        "students_without_answers": 1,
        "notes": [],
    }
    abilities = pd.read_csv(tmp_path / "out" / "abilities.csv").set_index("user_id")
    assert len(abilities) == 200
    spec = facts["model_spec"]
    assert abilities.loc[1].tolist() == pytest.approx([spec["group_mean"], spec["group_sd"], 0])
