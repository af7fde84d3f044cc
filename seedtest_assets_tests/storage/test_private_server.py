"""The embedded PostgreSQL lets in its owner and root, works under any path, and needs nothing that users share."""

import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from seedtest_assets.errors import InputError
from seedtest_assets.storage import postgres_server
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.embedded import embedded_address, start_embedded, stop_embedded
from seedtest_assets.storage.postgres_server import start_server, stop_server
from seedtest_assets_tests.conftest import rows_of, server_folder
from seedtest_assets_tests.other_users import OTHER_USER, needs_other_user, run_as_other_user

ROOT_STARTS = os.geteuid() == 0

pytestmark = pytest.mark.slow


@pytest.fixture
def open_folder():
    """A folder that every user of the machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def homes(open_folder):
    """Folders of servers, which end with the test, before the folder that they may be in."""
    opened = []

    def new(path: Path) -> Path:
        opened.append(path)
        return path

    yield new
    for home in opened:
        stop_embedded(home)
        shutil.rmtree(postgres_server.socket_folder(home.resolve()))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def socket_folder_of(url: str) -> Path:
    return Path(sa.make_url(url).query["host"])


def connect(url: str) -> str:
    """Give the user that the server sees, or the reason why it lets nobody in."""
    try:
        return rows_of(Database(url), "SELECT current_user")[0][0]
    except Exception as error:
        return str(error)


def test_below_a_long_path_the_socket_is_in_a_private_folder_of_the_servers_user(homes, open_folder):
    home = homes(open_folder / ("long" * 30) / ".seedtest")
    url = start_embedded("kept", home)
    folder = socket_folder_of(url)
    assert folder.parent == Path(tempfile.gettempdir())
    assert mode(folder) == 0o700
    assert folder.stat().st_uid == (home / "postgres").stat().st_uid
    assert connect(url) == "postgres"
    stop_embedded(home)
    assert start_embedded("kept", home) == url
    folder.chmod(0o755)  # as another user may have made it after a restart of the machine
    stop_embedded(home)
    assert socket_folder_of(start_embedded("kept", home)) != folder
    folder.rmdir()


@needs_other_user
def test_another_user_cannot_connect_to_it_even_through_an_open_socket_folder(homes, open_folder):
    home = homes(open_folder / ".seedtest")
    url = start_embedded("kept", home)
    folder = socket_folder_of(url)
    assert "Permission denied" in run_as_other_user(connect, url)
    folder.chmod(0o755)
    try:
        for role in ("postgres", OTHER_USER.pw_name):
            assert "Peer authentication failed" in run_as_other_user(connect, url.replace("postgres:@", f"{role}:@"))
    finally:
        folder.chmod(0o700)


def test_it_trusts_nobody_and_listens_on_no_port(template):
    rules = rows_of(template, "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules")
    assert rules == [("local", ["all"], ["all"], "peer")]
    assert rows_of(template, "SHOW listen_addresses") == [("",)]


def test_it_orders_text_by_its_bytes_on_every_machine(template):
    locale = "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
    assert rows_of(template, locale) == [("b", "C.UTF-8")]


def test_rows_that_go_into_an_empty_table_need_no_log(template):
    assert rows_of(template, "SHOW wal_level") == [("minimal",)]


def test_the_indexes_of_a_large_night_fit_its_memory(template):
    assert rows_of(template, "SHOW shared_buffers") == [("512MB",)]


def test_data_of_an_earlier_version_start_and_no_longer_trust_everybody(homes, tmp_path, template):
    home = homes(tmp_path / "earlier" / ".seedtest")
    start_embedded("kept", home)
    rules = home / "postgres" / "pg_hba.conf"
    rules.write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    assert connect(start_embedded("kept", home)) == "postgres"  # while the server of the earlier version still runs
    assert "trust" not in rules.read_text()
    stop_embedded(home)
    rules.write_text("local all all trust\n")
    database = Database(start_embedded("kept", home))
    assert rows_of(database, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("peer",)]


def test_permissions_of_folders_above_are_never_changed(homes, tmp_path):
    above = tmp_path / "a" / "b"
    above.mkdir(parents=True)
    folders = [above, *above.parents]
    above.chmod(0o700)
    before = [mode(folder) for folder in folders]
    home = homes(above / ".seedtest")
    assert connect(start_embedded("kept", home)) == "postgres"
    stop_embedded(home)
    assert connect(start_embedded("kept", home)) == "postgres"
    assert [mode(folder) for folder in folders] == before


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_everything_in_the_project_folder_is_private_whatever_the_umask(homes, tmp_path, umask):
    home = homes(tmp_path / ".seedtest")
    before = os.umask(umask)
    try:
        start_embedded("kept", home)
    finally:
        os.umask(before)
    assert mode(home) == 0o700
    for path in (home, *home.rglob("*")):
        if path.is_dir():
            assert mode(path) == 0o700, path
        elif not path.is_socket():  # every user may open a socket, where the folders above let him
            assert mode(path) == 0o600, path


def test_a_project_folder_that_was_open_to_all_is_closed(homes, tmp_path):
    home = homes(tmp_path / ".seedtest")
    home.mkdir()
    home.chmod(0o755)
    start_embedded("kept", home)
    assert mode(home) == 0o700


@pytest.mark.skipif(not ROOT_STARTS, reason="the warning is for root")
def test_root_is_warned(homes, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        start_embedded("kept", homes(tmp_path / ".seedtest"))
    assert [record.message for record in caplog.records] == [
        f"running as root: the embedded PostgreSQL runs as the user pgserver, and other files in {tmp_path}/.seedtest "
        "belong to root. Run seedtest as an ordinary user"
    ]


@needs_other_user
def test_a_second_user_runs_a_server_beside_that_of_the_first(homes, open_folder, template):
    home = open_folder / "project" / ".seedtest"
    home.parent.mkdir()
    os.chown(home.parent, OTHER_USER.pw_uid, OTHER_USER.pw_gid)
    url = run_as_other_user(start_embedded, "kept", home)
    assert url == f"postgresql://postgres:@/kept?host={home}/postgres"
    assert run_as_other_user(connect, url) == "postgres"
    assert {path.stat().st_uid for path in (home, *home.rglob("*"))} == {OTHER_USER.pw_uid}
    # Root starts the server of another user as that user, and leaves it usable for that user.
    assert run_as_other_user(stop_embedded, home) is True
    homes(home)
    assert connect(start_embedded("kept", home)) == "postgres"
    assert run_as_other_user(connect, run_as_other_user(start_embedded, "kept", home)) == "postgres"


@needs_other_user
def test_a_folder_of_another_user_is_refused_in_one_line_at_once(template):
    home = server_folder()
    for call in (start_embedded, embedded_address):
        error = str(run_as_other_user(call, "kept", home))
        assert error.startswith("InputError: ")
        assert error.endswith(
            f"may not be opened by this user. Run this as the owner of {home}, use a copy of the project, or set DATABASE_URL"
        )
        assert "\n" not in error


@pytest.mark.parametrize("name", ["two words", "문항 은행", """o'clock "$HOME" `a`, 50% + x"""])
def test_a_path_with_spaces_and_other_characters_works(homes, tmp_path, name):
    home = homes(tmp_path / name / ".seedtest")
    assert connect(start_embedded("kept", home)) == "postgres"
    stop_embedded(home)
    assert connect(start_embedded("kept", home)) == "postgres"


def test_data_that_a_link_leads_to_have_one_server(homes, tmp_path):
    home = homes(tmp_path / ".seedtest")
    start_embedded("kept", home)
    stop_embedded(home)
    (home / "postgres").rename(tmp_path / "elsewhere")
    (home / "postgres").symlink_to(tmp_path / "elsewhere")
    start_embedded("kept", home)
    server = (tmp_path / "elsewhere" / "postmaster.pid").read_text()
    start_embedded("kept", home)
    assert (tmp_path / "elsewhere" / "postmaster.pid").read_text() == server


def test_a_folder_for_temporary_files_with_an_unusable_path_is_refused_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "with space").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "with space"))
    with pytest.raises(InputError, match=r"^the folder for temporary files, .*with space, .* Set TMPDIR=/tmp$"):
        start_embedded("kept", tmp_path / ("long" * 30))


def test_a_user_without_a_name_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(
        InputError, match=r"^the embedded PostgreSQL needs a user with a name, and user id 54321 has none"
    ):
        start_embedded("kept", tmp_path / ".seedtest")


@pytest.mark.skipif(not ROOT_STARTS, reason="an ordinary user may run what he has installed")
def testprograms_that_the_servers_user_may_not_run_are_refused_in_one_line(tmp_path, monkeypatch):
    closed = tmp_path / "closed" / "bin"
    closed.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    shutil.copy(postgres_server.programs() / "initdb", closed)
    monkeypatch.setattr(postgres_server, "programs", lambda: closed)
    with pytest.raises(
        InputError, match=r"as whom PostgreSQL runs, may not run .*initdb. Run seedtest as an ordinary user"
    ):
        start_embedded("kept", tmp_path / ".seedtest")


def test_a_server_that_does_not_start_says_why_at_once(homes, tmp_path):
    home = homes(tmp_path / ".seedtest")
    start_embedded("kept", home)
    stop_embedded(home)
    (home / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'none'\n")
    with pytest.raises(Exception, match=r"does not start \(.*FATAL:.*postgresql.auto.conf.*\)\. See .*postgres/log$"):
        start_embedded("kept", home)


def test_the_server_does_not_know_the_secrets_of_the_process_that_starts_it(homes, tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", "slack://secret")
    home = homes(tmp_path / ".seedtest")
    start_embedded("kept", home)
    environment = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])).environ()
    assert "PGDATA" in environment
    assert "SEEDTEST_ALERT_URLS" not in environment


def test_a_folder_of_data_that_is_a_link_is_filled_where_it_leads(homes, tmp_path):
    home, other = homes(tmp_path / "linked"), tmp_path / "another disk" / "data"
    home.mkdir()
    other.mkdir(parents=True)
    (home / "postgres").symlink_to(other)
    start_server(home)
    assert (other / "PG_VERSION").exists()
    assert stop_server(home)


def test_a_folder_of_data_with_other_files_is_refused_and_stays_as_it_is(tmp_path):
    home = tmp_path / "strange"
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"postgres has files, but none of a PostgreSQL server.*Move them away"):
        start_server(home)
    assert [file.name for file in (home / "postgres").iterdir()] == ["letter.txt"]
