"""Heartbeats of the Dagster daemon, given at a moment that a test chooses."""

from datetime import datetime

import dagster as dg

# How the daemon says that it is alive: the instance takes and gives it.
from dagster._daemon.types import DaemonHeartbeat


def beat(instance: dg.DagsterInstance, part: str, at: datetime) -> None:
    """Let a part of the daemon give a heartbeat."""
    instance.add_daemon_heartbeat(
        DaemonHeartbeat(timestamp=at.timestamp(), daemon_type=part, daemon_id="test", errors=[])
    )
