"""Heartbeats of the Dagster daemon, given at a moment that a test chooses."""

from datetime import datetime

import dagster as dg

from seedtest_assets.dagster_log.private import DaemonHeartbeat


def beat(instance: dg.DagsterInstance, part: str, at: datetime) -> None:
    """Let a part of the daemon give a heartbeat."""
    instance.add_daemon_heartbeat(
        DaemonHeartbeat(timestamp=at.timestamp(), daemon_type=part, daemon_id="test", errors=[])
    )
