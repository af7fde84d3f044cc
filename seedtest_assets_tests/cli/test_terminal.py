"""Text of users in a terminal: shown, not obeyed."""

import io

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.cli.terminal import plain

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
