"""Text of users in a terminal: shown, not obeyed."""

import io

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from seedtest_assets.cli import terminal
from seedtest_assets.cli.app import app
from seedtest_assets.cli.terminal import plain, progress_line

HOSTILE = "a\x1b]0;title\x07\x1b[31mred\u202e[/red]\r\n문항"
SHOWN = r"a\x1b]0;title\x07\x1b[31mred\u202e[/red]\r\n문항"


def test_text_is_shown_as_it_stands():
    written = io.StringIO()
    Console(file=written, width=200).print(plain(HOSTILE), soft_wrap=True, highlight=False)
    assert written.getvalue() == SHOWN + "\n"


@pytest.mark.parametrize("item", ["q\x1b[31m", "q[/red]"])
def test_an_item_id_reaches_the_screen_of_calibrate_as_text(tmp_path, monkeypatch, item):
    monkeypatch.chdir(tmp_path)
    log = pd.DataFrame(
        {"user_id": range(40), "q1": [0, 1] * 20, "q2": [0, 0, 1, 1] * 10, "q3": [0, 1, 1, 0] * 10, item: 1}
    )
    log.to_csv("log.csv", index=False)
    done = CliRunner().invoke(app, ["calibrate", "log.csv", "--out", "out", "--model", "Rasch"])
    assert "\x1b" not in done.output
    assert plain(item).replace("\\[", "[") in done.output


def test_a_pipe_gets_the_steps_without_their_details(capsys):
    with progress_line(2) as show:
        show("reading [a].csv")
        show("row 1", detail=True)
        show("writing")
    assert capsys.readouterr() == ("", "reading [a].csv\nwriting\n")


def test_a_terminal_gets_one_line_with_steps_details_and_the_time_left(monkeypatch):
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=120)
    monkeypatch.setattr(terminal, "errors", screen)
    with progress_line(2) as show:
        show("reading")
        show("row 1", detail=True)
        screen.print("seen")
    assert "reading" in written.getvalue() or "row 1" in written.getvalue()
    assert "left" in written.getvalue()
