"""The rules for reading marks: what the user says of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

from seedtest_assets.errors import InputError
from seedtest_assets.storage.answer_keys import Key, read_key
from seedtest_assets.storage.mark_names import ALL_MARKS, plain

Policy = Literal["wrong", "ignored", "ignored-then-wrong"]
"""What a code counts as; ignored-then-wrong: ignored in a calibration, and wrong in the abilities that rest on it."""


@dataclass(frozen=True, kw_only=True)
class MarkRules:
    """What the user says of the marks.

    key: right responses by item; empty if the marks are marks. codes: {code: (what it is, policy)} of answers that were
    omitted or not reached. full_mark: a number other than 1 that stands for correct.
    """

    key: Key = field(default_factory=dict)
    codes: Mapping[str, tuple[str, Policy]] = field(default_factory=dict)
    full_mark: str | None = None

    @property
    def for_abilities(self) -> "MarkRules | None":
        """The rules for abilities, where they are not those of the calibration."""
        codes: dict[str, tuple[str, Policy]] = {
            code: (kind, "wrong" if policy == "ignored-then-wrong" else policy)
            for code, (kind, policy) in self.codes.items()
        }
        return replace(self, codes=codes) if codes != self.codes else None


MARKS_AS_THEY_ARE = MarkRules()


def mark_rules(
    *,
    key: Path | None = None,
    omitted: str | None = None,
    not_reached: str | None = None,
    full_mark: float | None = None,
) -> MarkRules:
    """Make the rules of options: a file of right responses, codes as "CODE=POLICY", and a full mark."""
    options = ((omitted, "omitted"), (not_reached, "not reached"))
    parsed = [_parse_code(option, kind) for option, kind in options if option is not None]
    codes = dict(parsed)
    if len(codes) < len(parsed):
        raise InputError(f"{omitted!r} and {not_reached!r} have the same code. Give each a code of its own")
    full = None if full_mark is None else _full_mark(full_mark)
    if full and key:
        raise InputError("--full-mark is for marks and --key for responses. Leave one of them out")
    marks = sorted(codes.keys() & (ALL_MARKS | {full or "1"})) if not key else []
    if marks:
        raise InputError(f"{marks[0]!r} is a mark and cannot be the code of an omitted or not reached answer")
    return MarkRules(key=read_key(key) if key else {}, codes=codes, full_mark=full)


def _parse_code(option: str, kind: str) -> tuple[str, tuple[str, Policy]]:
    """Read CODE=POLICY; kind: "omitted" or "not reached". Raises InputError for anything else."""
    code, separator, policy = option.rpartition("=")
    if not separator or policy not in get_args(Policy):
        raise InputError(
            f"{option!r} does not say what a {kind} answer counts as. Write CODE=wrong or CODE=ignored, or for a calibration "
            "also CODE=ignored-then-wrong"
        )
    return plain(code), (kind, cast(Policy, policy))


def _full_mark(value: float) -> str:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"--full-mark {value:g} is not possible. It must be a number above 0")
    return plain(str(value))
