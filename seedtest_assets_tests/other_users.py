"""A second user of this operating system, for tests of what one user keeps from another. Only root can become it."""

import multiprocessing
import os
import pwd
from collections.abc import Callable

import pytest

OTHER_USER = next((entry for entry in pwd.getpwall() if entry.pw_name in ("nobody", "daemon")), None)

needs_other_user = pytest.mark.skipif(
    os.geteuid() != 0 or OTHER_USER is None, reason="only root can run a part of a test as another user"
)


def run_as_other_user(function: Callable[..., object], *arguments: object) -> object:
    """Run a function in a process of OTHER_USER; give what it returns, or the exception that it raises."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_become_other_user, args=(sending, function, *arguments))
    process.start()
    sending.close()
    result = receiving.recv()
    process.join()
    return result


def _become_other_user(sending, function, *arguments):
    os.setgroups([])
    os.setgid(OTHER_USER.pw_gid)
    os.setuid(OTHER_USER.pw_uid)
    os.umask(0o022)
    try:
        result = function(*arguments)
    except Exception as error:
        result = RuntimeError(f"{type(error).__name__}: {error}")
    sending.send(result)
