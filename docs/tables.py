"""Write the tables of the documentation that the code can give: `make tables`, or `python docs/tables.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic.fields import FieldInfo

from seedtest_assets.settings import Settings
from seedtest_assets.thresholds import Thresholds


@dataclass(frozen=True)
class Table:
    """A table on a page of docs/, between two marks, of some fields of the module `source`."""

    page: Path
    name: str
    source: str
    fields: Mapping[str, FieldInfo]

    def lay_out(self) -> str:
        """Lay out a row for each field: variable, default, meaning."""
        rows = [
            f"| `{str(field.validation_alias or name).upper()}` | {_shown(field.default)} | {field.description} |"
            for name, field in self.fields.items()
        ]
        return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])

    def put_into(self, text: str) -> str:
        """Replace what stands between the two marks of the page's text."""
        start = f"<!-- {self.name}: written by `make tables` from seedtest_assets/{self.source} -->\n"
        end = f"<!-- end of {self.name.lower()} -->\n"
        before, rest = text.split(start)
        return f"{before}{start}\n{self.lay_out()}\n{end}{rest.split(end)[1]}"


def _shown(default: object) -> str:
    if default is None:
        return "unset"
    return str(default).lower() if isinstance(default, bool) else str(default)


DOCS = Path(__file__).parent
SETTINGS = {name: field for name, field in Settings.model_fields.items() if name not in Thresholds.model_fields}
TABLES = (
    Table(DOCS / "checks.md", "The limits", "thresholds.py", Thresholds.model_fields),
    Table(DOCS / "guide.md", "The settings", "settings.py", SETTINGS),
)

if __name__ == "__main__":
    for table in TABLES:
        table.page.write_text(table.put_into(table.page.read_text(encoding="utf-8")), encoding="utf-8")
