"""Rapid guesses of a file of answers: `seedtest calibrate --rapid-guesses`."""

from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from seedtest_assets.errors import InputError
from seedtest_assets.rapid_guesses import Policy, apply_policy, find_rapid_guesses
from seedtest_assets.storage.answer_files import AnswerFile


def with_rapid_guesses(file: AnswerFile, policy: str, path: Path) -> AnswerFile:
    """Count the rapid guesses of a file as the policy says.

    Raises InputError for an unknown policy, and for one that needs response times where the file has none.
    """
    if policy not in get_args(Policy):
        raise InputError(f"--rapid-guesses {policy} is not known. Choose keep, wrong or ignore")
    times = file.answers["response_time_ms"]
    if policy == "keep" and times.null_count == len(times):
        return file
    rapid = find_rapid_guesses([file.answers])
    if policy != "keep" and not rapid.n_timed.any():
        raise InputError(
            f"{path} has no response times, which --rapid-guesses {policy} needs. Add a column response_time_ms, or leave the option out"
        )
    answers, count = apply_policy(file.answers, rapid, cast(Policy, policy))
    return replace(file, answers=answers, rapid_guesses=count)
