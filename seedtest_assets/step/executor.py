"""The executor of every run: Dagster's in-process one, with the run's sign of life and kept connections."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.dagster_log.sign_of_life import sign_of_life


class _WithSignOfLife(dg.Executor):
    """Holds the run's lock while another executor executes it."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> Any:
        return self._executor.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._executor.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        with kept_connections(instance), sign_of_life(instance, run_id) as tags:
            instance.add_run_tags(run_id, tags)
            yield from self._executor.execute(plan_context, execution_plan)


@dg.executor(name=dg.in_process_executor.name, config_schema=dg.in_process_executor.config_schema.as_field())
def in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Execute all steps in the run's process, which holds the run's lock."""
    create = dg.in_process_executor.executor_creation_fn
    assert create is not None
    return _WithSignOfLife(create(context))
