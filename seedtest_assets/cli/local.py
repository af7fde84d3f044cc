"""`seedtest env`, `down`: the environment of Dagster's own commands, and the end of the embedded PostgreSQL."""

import shlex

from seedtest_assets.cli.terminal import console


def env() -> None:
    """Print the environment that `dagster …` commands need: eval "$(seedtest env)"."""
    from seedtest_assets.cli.instance import dagster_environment

    for name, value in dagster_environment().items():
        print(f"export {name}={shlex.quote(value)}")


def down() -> None:
    """Stop the embedded PostgreSQL; the data stays in .seedtest/."""
    from seedtest_assets.project import enter_project
    from seedtest_assets.storage.embedded import stop_embedded

    enter_project()
    console.print("stopped" if stop_embedded() else "was not running")
