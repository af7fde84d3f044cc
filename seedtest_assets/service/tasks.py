"""The functions that a worker process runs.

The work itself is imported where it is done: the process that answers the network never loads the numerical libraries.
"""

from seedtest_assets.service.messages import Outcome, Task


def prepare() -> None:
    """Make this process ready."""
    from seedtest_assets.service import work

    work.prepare()


def calibrate(task: Task) -> Outcome:
    """Answer POST /irt/calibrate."""
    from seedtest_assets.service import work

    return work.calibrate(task)


def score(task: Task) -> Outcome:
    """Answer POST /irt/score."""
    from seedtest_assets.service import work

    return work.score(task)
