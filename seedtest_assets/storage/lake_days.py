"""The manifest of a day of the lake: which files have its answers, of which students, and how many."""

import hashlib
import json
from dataclasses import dataclass

from seedtest_assets.errors import InputError
from seedtest_assets.storage.bucket import EVERYBODY, Bucket

MANIFEST = "day.json"
WITHOUT_BUCKETS = "answers.parquet"
"""The one file of a day in lakes without buckets, which had no manifest."""


@dataclass(frozen=True, kw_only=True)
class DayFile:
    """A Parquet file of a day. path: below the day's folder; n_answers: None where only the file itself has the number."""

    path: str
    bucket: Bucket
    n_answers: int | None


@dataclass(frozen=True, kw_only=True)
class DayFiles:
    """The files of a day, of buckets that are apart; those without answers have none."""

    n_buckets: int
    files: tuple[DayFile, ...]

    def of(self, bucket: Bucket) -> list[DayFile]:
        """List the files that may have answers of a bucket's students."""
        return [file for file in self.files if file.bucket.meets(bucket)]


ONE_FILE = DayFiles(n_buckets=1, files=(DayFile(path=WITHOUT_BUCKETS, bucket=EVERYBODY, n_answers=None),))
"""A day of a lake without buckets."""


def damaged(path: str) -> InputError:
    """Say that a manifest or a file of answers is not what was written."""
    return InputError(
        f"{path} is damaged: it is not what was written. Materialise the day's observations again, or restore the file"
    )


def manifest_of(day: DayFiles) -> bytes:
    """Write a manifest, with a digest by which a changed bit is noticed."""
    files = [{"bucket": file.bucket.number, "path": file.path, "answers": file.n_answers} for file in day.files]
    return json.dumps(_with_digest({"buckets": day.n_buckets, "files": files}), indent=1).encode()


def day_files_of(manifest: bytes) -> DayFiles | None:
    """Read a manifest; None where it is not what was written."""
    try:
        content = json.loads(manifest)
        known = {"buckets": content["buckets"], "files": content["files"]}
        if content != _with_digest(known):
            return None
    except (ValueError, KeyError, TypeError):
        return None
    n_buckets = content["buckets"]
    files = (
        DayFile(path=file["path"], bucket=Bucket(number=file["bucket"], n_buckets=n_buckets), n_answers=file["answers"])
        for file in content["files"]
    )
    return DayFiles(n_buckets=n_buckets, files=tuple(files))


def _with_digest(content: dict[str, object]) -> dict[str, object]:
    return content | {"sha256": hashlib.sha256(json.dumps(content).encode()).hexdigest()}
