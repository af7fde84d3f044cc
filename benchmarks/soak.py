"""Many nights through a real deployment: what grows, and by how much a night.

    python -m benchmarks.soak [nights] [folder]

Webserver, daemon and code server run on an embedded PostgreSQL in a temporary folder, and the nightly job runs for one day
after the other, as from the UI. A small school answers; a night of the month before is the history that SEEDTEST_KEEP_DAYS=60 drops
on the way. Nights follow each other at once, so ticks of sensors are fewer than in as many real days: what they cost is
counted a tick, and their number limited by `retention` of dagster.yaml.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from scipy.stats import linregress

from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.storage.database import Database, migrate, sql
from seedtest_assets.storage.embedded import DAGSTER, PLATFORM, start_embedded, stop_embedded
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.postgres_server import socket_folder
from seedtest_assets_tests.deployment import Deployment, wait_for

LAST = date(2025, 3, 31)
KEEP_DAYS = 60
"""The least that the setting allows."""
BEFORE = 32
"""The night of the month before is so many days older than the first of the nights in a row."""
WINDOW = 60
"""Days of answers before the first night; MIRT_LOOKBACK_DAYS is as long, so all nights have the same to do."""
FLAT_NIGHTS = 40
"""Memory settles in the first nights; growth is measured over the nights after them."""
FLAT = {"MB": 0.3, "connections": 0.05}
"""Growth a night that is called flat: some 100 MB a year, and a connection that happens to be open."""
PROGRAMS = {"daemon": "dagster-daemon", "code server": "dagster", "webserver": "dagster-webserver"}
SIZES = {  # database, and its size in bytes
    "Dagster's database": (DAGSTER, "SELECT pg_database_size(current_database())"),
    "history": (
        PLATFORM,
        "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class AS c "
        "WHERE c.relnamespace = 'seedtest'::regnamespace AND c.relkind = 'r'",
    ),
}
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
TABLES = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 5"""
MONTHS = "SELECT right(relname, 7) FROM pg_class WHERE relname ~ '^item_history_[0-9]{4}_[0-9]{2}$' ORDER BY 1"


def main() -> None:
    nights = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with soaked(Path(sys.argv[2]) if len(sys.argv) > 2 else None) as folder:
        days = [LAST - timedelta(days=n) for n in reversed(range(nights))]
        environment = prepare(folder, days[0] - timedelta(days=BEFORE + WINDOW))
        with Deployment(folder, environment) as deployment:
            wait_for("the webserver", deployment.answers)
            run(deployment, days[0] - timedelta(days=BEFORE))
            rows = []
            for number, day in enumerate(days, 1):
                seconds = run(deployment, day)
                rows.append({"night": number, "seconds": seconds, **measured(deployment, folder)})
                if number == 1 or number % 10 == 0:
                    print(line(rows[-1], header=number == 1), flush=True)
            report(pd.DataFrame(rows), folder)


@contextmanager
def soaked(folder: Path | None) -> Iterator[Path]:
    """A folder for the deployment; a temporary one is removed with its server."""
    home = folder or Path(tempfile.mkdtemp(prefix="soak-"))
    home.mkdir(exist_ok=True)
    try:
        yield home
    finally:
        stop_embedded(home / "server")
        if folder is None:
            shutil.rmtree(socket_folder(home / "server"), ignore_errors=True)
            shutil.rmtree(home)


def prepare(folder: Path, first: date) -> dict[str, str]:
    """Load the school into the platform's database and the days before the nights into the lake; give the environment."""
    platform = Database(url(PLATFORM, folder))
    with platform.transaction() as connection:
        connection.exec_driver_sql(sql("platform.sql"))
    migrate(platform)
    n_days = (LAST - first).days + 1
    school = simulate_school(LAST, SimulatedBank(n_items=40, n_topics=4, n_anchors=12), n_days=n_days, n_students=150)
    load_school(platform, school)
    lake, completed = Lake(str(folder / "lake")), school.answers["completed_at"].cast(pa.date32())
    for day in (first + timedelta(days=n) for n in range(n_days)):
        lake.write_observations(day, school.answers.filter(pc.equal(completed, pa.scalar(day))))
    return {
        "DATABASE_URL": platform.url,
        "DAGSTER_POSTGRES_URL": url(DAGSTER, folder),
        "SEEDTEST_LAKE": str(folder / "lake"),
        "SEEDTEST_START_DATE": str(first),
        "SEEDTEST_KEEP_DAYS": str(KEEP_DAYS),
        "SEEDTEST_ALERT_INTERVAL_SECS": "10",
    }


def url(database: str, folder: Path) -> str:
    return start_embedded(database, folder / "server")


def run(deployment: Deployment, day: date) -> float:
    """Run a night to its end; gives its seconds."""
    began = time.monotonic()
    run_id, status = deployment.run(day, pause=1)
    assert status == "SUCCESS", f"the run {run_id} of {day} ended with {status}"
    return time.monotonic() - began


def asked(folder: Path, database: str, query: str) -> list[sa.Row]:
    engine = sa.create_engine(url(database, folder), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)))


def measured(deployment: Deployment, folder: Path) -> dict[str, float]:
    """Memory of the processes in MB, connections, sizes in kB."""
    memory = {
        name: psutil.Process(deployment.processes[program].pid).memory_info().rss / 1e6
        for name, program in PROGRAMS.items()
    }
    sizes = {name: asked(folder, *where)[0][0] / 1e3 for name, where in SIZES.items()}
    files = {name: size(folder / path) for name, path in {"run files": ".seedtest", "lake": "lake"}.items()}
    months = {"months of history": len(asked(folder, PLATFORM, MONTHS))}
    return memory | months | {"connections": asked(folder, PLATFORM, CONNECTIONS)[0][0]} | sizes | files


def size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e3


def line(row: dict[str, float], *, header: bool) -> str:
    text = " | ".join(f"{value:>{max(len(name), 6)},.0f}" for name, value in row.items())
    return " | ".join(f"{name:>6}" for name in row) + "\n" + text if header else text


def unit_of(name: str) -> str:
    return "MB" if name in PROGRAMS else name if name == "connections" else "kB"


def report(rows: pd.DataFrame, folder: Path) -> None:
    """Print what a night adds, and the verdict."""
    last = rows.tail(FLAT_NIGHTS)
    print(f"load {os.getloadavg()[0]:.1f}; growth a night over the last {len(last)} nights, with its standard error:")
    growing = []
    for name in last.columns.drop(["night", "seconds", "months of history"]):
        fit = linregress(last["night"], last[name])
        print(f"{name:>20} {fit.slope:8.2f} ± {fit.stderr:.2f} {unit_of(name)}")
        if fit.slope > FLAT.get(unit_of(name), float("inf")):
            growing.append(name)
    for table, n_bytes in asked(folder, DAGSTER, TABLES):
        count = asked(folder, DAGSTER, f"SELECT count(*) FROM {table}")[0][0]
        print(f"Dagster's {table}: {n_bytes / 1e3:,.0f} kB, {count:,} rows, {n_bytes / max(count, 1):,.0f} bytes a row")
    parts = {part.name: size(part) for part in (folder / "lake").iterdir()}
    print("lake: " + ", ".join(f"{name} {kb:,.0f} kB" for name, kb in parts.items()))
    gone = rows.loc[rows["months of history"].diff() < 0, "night"]
    print(f"a month of history was dropped in the nights {', '.join(map(str, gone)) or 'none'}")
    print("months of history kept: " + ", ".join(month for (month,) in asked(folder, PLATFORM, MONTHS)))
    print(f"GROWS: {', '.join(growing)}" if growing else "memory and connections are flat")


if __name__ == "__main__":
    main()
