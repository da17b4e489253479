"""The permission table as docs/permissions.md has it: read, and written again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs/permissions.md"
LEADING = ("Application", "Route", "Situation", "Permission")


@dataclass(frozen=True)
class Row:
    """One route in one situation, and the status that each kind of caller is answered."""

    application: str
    route: str
    situation: str
    permission: str
    statuses: Mapping[str, int]

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.application, self.route, self.situation) if part)

    def line(self, statuses: Mapping[str, object]) -> str:
        """The row as it stands in the document, with these statuses."""
        cells = [self.application, f"`{self.route}`", self.situation, self.permission]
        return "| " + " | ".join([*cells, *map(str, statuses.values())]) + " |"


def read_table(text: str) -> tuple[Sequence[str], list[Row]]:
    """The kinds of callers, and the rows."""
    lines = [_cells(line) for line in text.splitlines() if line.startswith("|")]
    start = next(place for place, cells in enumerate(lines) if tuple(cells[: len(LEADING)]) == LEADING)
    callers = lines[start][len(LEADING) :]
    rows = []
    for cells in lines[start + 2 :]:
        application, route, situation, permission = cells[: len(LEADING)]
        statuses = dict(zip(callers, map(int, cells[len(LEADING) :]), strict=True))
        rows.append(Row(application, route.strip("`"), situation, permission, statuses))
    return callers, rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
