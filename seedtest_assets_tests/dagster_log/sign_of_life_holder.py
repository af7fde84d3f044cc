"""A process that executes a run and holds its lock until it is killed: python -m … RUN_ID."""

import sys

import dagster as dg

from seedtest_assets.dagster_log.sign_of_life import sign_of_life

with dg.DagsterInstance.get() as instance, sign_of_life(instance, sys.argv[1]) as tags:
    instance.add_run_tags(sys.argv[1], tags)
    print("held", flush=True)
    sys.stdin.read()
