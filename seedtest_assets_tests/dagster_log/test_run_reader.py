"""Why steps fail and retry, as the log of real runs has it: told apart by the classes of the errors, never by their text."""

from collections.abc import Callable

import dagster as dg
import pytest

from seedtest_assets.dagster_log.logged_run import LoggedRun
from seedtest_assets.dagster_log.run_reader import read_run
from seedtest_assets.errors import (
    InputError,
    IrtServiceError,
    IrtServiceRefusal,
    IrtServiceTimeout,
    SeedtestError,
    TransientError,
)
from seedtest_assets.step.failures import failures_in_one_line

N_TRIES = 3


def run_of(body: Callable[[], None]) -> LoggedRun:
    """Run a step that does this; gives what the log has of the run."""

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=N_TRIES - 1))
    def step() -> None:
        with failures_in_one_line():
            body()

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([step], instance=instance, raise_on_error=False)
        return read_run(instance, instance.get_run_record_by_id(done.run_id))


def raising(error: Exception) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "n_failures", "n_timeouts"),
    [
        (IrtServiceTimeout("slow"), N_TRIES, N_TRIES),
        (IrtServiceError("nobody there"), N_TRIES, 0),
        (IrtServiceRefusal("no anchors"), 1, 0),
        (TransientError("the IRT service at http://irt/irt/calibrate did not answer in full within 1 s"), 0, 0),
        (InputError("no answers"), 0, 0),
        (ValueError("a fault of ours"), 0, 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_of_the_irt_service_are_known_by_their_class(error, n_failures, n_timeouts):
    run = run_of(raising(error))
    assert len(run.service_failures) == n_failures
    assert sum(failure.timed_out for failure in run.service_failures) == n_timeouts
    (step,) = run.failed_steps
    assert step.by_service is (n_failures > 0)


def test_a_wait_that_the_service_asked_for_is_a_failure_of_the_service_too():
    """Without a policy's wait: Dagster wraps the error in another class then."""
    run = run_of(raising(IrtServiceError("busy", retry_after=0.01)))
    assert run.step_retries["step"] == len(run.service_failures) - 1 > 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("no item can be calibrated"), "no item can be calibrated"),
        (TransientError("the lake: does not answer\nand more"), "the lake: does not answer and more"),
        (ValueError("odd\nand more"), "unexpected ValueError: odd and more"),
        (dg.Failure("rejected: too few items", allow_retries=False), "rejected: too few items"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_reason_of_a_failure_is_what_the_step_says(error, reason):
    (step,) = run_of(raising(error)).failed_steps
    assert step.reason == reason


def test_the_advice_of_a_failure_is_its_metadata():
    failure = dg.Failure("rejected", metadata={"what_to_do": "accept it, or not"}, allow_retries=False)
    (step,) = run_of(raising(failure)).failed_steps
    assert step.advice == "accept it, or not"


def test_retries_are_counted_by_step_and_those_of_a_failed_step_are_with_it():
    (step,) = run_of(raising(TransientError("busy"))).failed_steps
    assert step.retries == N_TRIES - 1
    tries = iter([TransientError("busy"), None])

    def works_at_the_second_try() -> None:
        if error := next(tries):
            raise error

    run = run_of(works_at_the_second_try)
    assert run.succeeded
    assert (run.step_retries, run.failed_steps) == ({"step": 1}, ())


def test_service_failures_are_classes_of_ours():
    """The log has only a class's name: it must be one that our code raises."""
    assert issubclass(IrtServiceTimeout, IrtServiceError)
    assert issubclass(IrtServiceError, TransientError)
    assert issubclass(IrtServiceRefusal, SeedtestError)
