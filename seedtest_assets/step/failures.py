"""Failures of a step: one line in the UI, and a retry only where it may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from seedtest_assets.errors import SeedtestError, TransientError
from seedtest_assets.step.load_time import RETRIES


@contextmanager
def failures_in_one_line() -> Iterator[None]:
    """Turn the errors of a step's body into what Dagster retries or fails at once."""
    try:
        yield
    except TransientError as error:
        # after the last try, show the reason on the run's page, not that the tries are over
        if error.retry_after is not None and dg.OpExecutionContext.get().retry_number < RETRIES.max_retries:
            raise dg.RetryRequested(RETRIES.max_retries, seconds_to_wait=error.retry_after) from error
        raise dg.Failure(str(error), allow_retries=True) from error
    except SeedtestError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except (dg.Failure, dg.DagsterError):
        raise
    except Exception as error:
        # A fault of ours: the cause stays attached, and trying the same again would not help.
        raise dg.Failure(f"unexpected {type(error).__name__}: {error}", allow_retries=False) from error
