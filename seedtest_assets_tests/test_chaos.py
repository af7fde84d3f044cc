"""A short plan of benchmarks/chaos.py: a night whose network and sessions break gives what an undisturbed one gives."""

import pytest

from benchmarks.chaos import main


@pytest.mark.slow
@pytest.mark.usefixtures("started_without_pictures")
def test_a_night_that_is_disturbed_gives_what_an_undisturbed_one_gives(capsys):
    assert main(nights=1, kills=1, seed=1, kinds=("network", "sessions")) == 0
    assert "after every fault: each table and day whole or absent, no process left" in capsys.readouterr().out
