"""`gradatim reverify`: check a published set, or an export, from its own manifest: what it says against what it holds.

Every check is run, each difference is a line; nothing is changed and, but for a set on the Hub or a model that is asked
for, no host is contacted.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from flows import reverify_checks as plain
from flows import reverify_judged as judged
from flows import reverify_rows as rows
from flows.remeasure import Asked, remeasure
from pipeline.progress import track
from pipeline.published import Published, open_published

MOST_SHOWN: Final = 20
MOST_KEPT: Final = 10_000


class Outcome(NamedTuple):
    """What a check came to: its differences (at most MOST_KEPT), or why it was not made."""

    check: str
    differences: tuple[str, ...]
    skipped: str = ""


class Reverified(NamedTuple):
    """All outcomes for a published set."""

    published: Published
    outcomes: tuple[Outcome, ...]

    @property
    def equal(self) -> bool:
        """Tell whether no check found a difference."""
        return not any(outcome.differences for outcome in self.outcomes)


PLAIN: Final[dict[str, Callable[[Published], Iterator[str]]]] = {
    "hashes": plain.hashes,
    "schema": plain.schema,
    "problem ids and golds": plain.identities,
    "templates made again": plain.remade,
    "duplicate rows": plain.duplicates,
    "splits": plain.splits,
    "pass rates": plain.rates,
    "prompts": rows.prompts,
    "tags": rows.tags,
    "completion ids": rows.completion_ids,
}
JUDGED: Final[dict[str, Callable[[judged.Judging], Iterator[str]]]] = {
    "golds accepted": judged.golds,
    "traces verified": judged.traces,
    "questions screened": judged.ill_posed,
    "filters replayed": judged.filters,
    "near duplicates": judged.near_duplicates,
    "contamination": judged.contamination,
}
NEEDS_SETTINGS: Final = frozenset({"prompts", "questions screened", "filters replayed", "near duplicates"})


def reverify(
    place: str,
    *,
    revision: str | None = None,
    sample: int | None = None,
    against: Sequence[Path] = (),
    asked: Asked | None = None,
    workers: int = 2,
) -> Reverified:
    """Check a release's or export's folder, or a dataset on the Hub. `sample` bounds the rows of each configuration
    that are verified and filtered; the other checks look at all.

    With `asked` the difficulty of the sample's problems is measured again. Raises NotPublished, or the error of a file
    or model that was given.
    """
    published = open_published(place, revision)
    judging = judged.Judging(published, sample, tuple(against), workers)
    outcomes = []
    checks: dict[str, Callable[[], Iterator[str]]] = {name: partial(check, published) for name, check in PLAIN.items()}
    checks |= {name: partial(check, judging) for name, check in JUDGED.items()}
    with track("reverify", len(checks)) as progress:
        for name, check in checks.items():
            skipped = _skipped(name, judging)
            outcomes.append(Outcome(name, () if skipped else tuple(islice(check(), MOST_KEPT)), skipped))
            progress.advance()
    if asked is None:
        outcomes.append(Outcome("difficulty", (), "no --model given"))
    else:
        outcomes.append(Outcome("difficulty", tuple(remeasure(judging, asked))))
    return Reverified(published, tuple(outcomes))


def _skipped(name: str, judging: judged.Judging) -> str:
    if name in NEEDS_SETTINGS and judging.settings is None:
        return "the settings are not known: no config.yaml beside the export"
    if name == "completion ids" and "models" not in judging.published.manifest:
        return "the manifest lists no models: it is not a release's"
    if name == "contamination" and not judging.against:
        return "no --against given"
    return ""


def reverify_text(found: Reverified, shown: int = MOST_SHOWN) -> str:
    """Say what every check came to, with the first differences of each."""
    published = found.published
    total = sum(table.rows for table in published.tables)
    lines = [
        f"{published.name}: {total:,} rows in {len(published.tables)} tables, hash {published.manifest.get('hash')}"
    ]
    for outcome in found.outcomes:
        count = len(outcome.differences)
        more = "or more " if count == MOST_KEPT else ""
        told = (
            f"not checked: {outcome.skipped}" if outcome.skipped else f"{count:,} {more}differences" if count else "ok"
        )
        lines.append(f"  {outcome.check:<22} {told}")
        lines += [f"    {_plain(line)}" for line in outcome.differences[:shown]]
        lines += [f"    … and {count - shown:,} more"] if count > shown else []
    total = sum(len(outcome.differences) for outcome in found.outcomes)
    lines.append("no difference" if found.equal else f"{total:,} differences")
    return "\n".join(lines)


def _plain(line: str) -> str:
    """Rows are strangers' texts: show nothing that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)
