"""The folder of the lake, and which days have something in it: lists without reading."""

import re
from datetime import date
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from seedtest_assets.errors import InputError, SeedtestError, TransientError, first_line
from seedtest_assets.storage.lake_days import MANIFEST, WITHOUT_BUCKETS


class LakeFolder:
    """One folder.

    url: a local folder or an fsspec URL such as gs://bucket/folder.
    """

    def __init__(self, url: str) -> None:
        try:
            self.filesystem, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(f"SEEDTEST_LAKE={url!r} cannot be opened: {first_line(error)}") from None
        except OSError as error:  # some connect at once
            raise self.out_of_reach("open", url, error) from error
        self.url = url

    @property
    def local_folder(self) -> Path | None:
        """Its folder, where it is one of this machine."""
        return Path(self.root) if self.is_local else None

    def days(self, first: date, last: date) -> list[date]:
        """List the written days of first..last, empty ones too, oldest first."""
        return [day for day in self.all_days() if first <= day <= last]

    def all_days(self) -> list[date]:
        """List every written day, oldest first."""
        return self._days_with("observations", MANIFEST, WITHOUT_BUCKETS)

    def _days_with(self, kind: str, *names: str) -> list[date]:
        """List the days that have a file with one of the names."""
        folder = f"{self.root}/{kind}"
        try:
            self.filesystem.invalidate_cache()  # a long-lived process would go on seeing yesterday's listing
            # An object store lists all of them at once; a folder is not entered further than to the files of the day itself.
            paths = self.filesystem.find(folder, maxdepth=2 if self.is_local else None)
        except OSError as error:
            raise self.out_of_reach("read", folder, error) from error
        of_day = re.compile(rf"/date=(\d{{4}}-\d\d-\d\d)/(?:{'|'.join(map(re.escape, names))})$")
        matches = (of_day.search(path) for path in paths)
        return sorted({date.fromisoformat(match[1]) for match in matches if match})

    def report_days(self) -> list[date]:
        """List the days that have a calibration report, oldest first."""
        return self._days_with("reports", "calibration.html")

    def report_path(self, day: date, name: str = "calibration") -> str:
        """Give the path of a page about a day."""
        return f"{self.root}/reports/date={day.isoformat()}/{name}.html"

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return isinstance(self.filesystem, LocalFileSystem)

    def out_of_reach(self, verb: str, path: str, error: OSError) -> SeedtestError:
        """Translate an error of the file system."""
        kind = (
            InputError
            if isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError | FileExistsError)
            else TransientError
        )
        return kind(
            f"cannot {verb} {path} in the lake: {error.strerror or first_line(error)}. Check SEEDTEST_LAKE and its permissions"
        )
