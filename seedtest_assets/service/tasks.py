"""The functions that a worker process runs.

They import what they need when they run: the process that answers the network never loads the numerical libraries.
"""

from seedtest_assets.service.messages import Outcome, Task


def prepare() -> None:
    """Load and compile everything that tasks need."""
    from seedtest_assets.service import work

    work.prepare()


def calibrate(task: Task) -> Outcome:
    """Answer POST /irt/calibrate."""
    from seedtest_assets.service import work

    work.initialize()
    return work.at_low_priority(work.calibrate, task)


def score(task: Task) -> Outcome:
    """Answer POST /irt/score."""
    from seedtest_assets.service import work

    work.initialize()
    return work.score(task)


def update(task: Task) -> Outcome:
    """Answer POST /irt/update."""
    from seedtest_assets.service import work

    work.initialize()
    return work.update(task)
