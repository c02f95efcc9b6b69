"""The checks of `gradatim reverify` that need no verifier: files, columns, identities, duplicates, splits, rates.

A check gives a line for every difference it finds; none is an agreement. All rows are looked at, in constant memory but
for the ids. A manifest vouches for nothing outside it: who writes files, card, hashes and counts anew alike can drop
rows, and what no check makes again (the fingerprint, how a gold was confirmed, token counts, a whole model's name) can
be changed unseen. Against that, compare the `hash` with one that came another way.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import isclose
from typing import Any, Final, NamedTuple

import yaml

from generators.templates import FAMILIES, family
from pipeline.export import difficulty_bin
from pipeline.pass_rate import decide, interval
from pipeline.published import Published, Row, fault_of, problem_of, question_of, read_rows, row_count, schema_of
from pipeline.records import Problem, content_id
from pipeline.release_rows import KEYS, type_name
from pipeline.store import file_digest
from pipeline.verifiers.golds import PROVING_GENERATORS, PROVING_STRATEGIES
from pipeline.verifiers.notation import string_key

# What a row says of its problem: all rows of the problem have to say the same, and its template makes the same.
OF_PROBLEM: Final = (
    *("question", "domain", "family", "level", "answer_type", "tolerance", "strategy"),
    *("gold_status", "gold_original", "parents", "provenance"),
)
MADE: Final = ("question", "answer", "verifier", "answer_type", "tolerance", "domain", "family", "level", "strategy")
SHOWN: Final = 60
TEMPLATE: Final = "template/"
LEVEL: Final = re.compile(r'"level":(-?\d{1,9})\b')  # in a template's parameters
_ROWS: Final = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\d,]+) \|$", re.MULTILINE)  # of the card


class Gold(NamedTuple):
    """What one row says of a problem; every row of that problem has to say the same."""

    answer: str | None
    verifier: str
    about: str
    place: str


def hashes(published: Published) -> Iterator[str]:
    """Compare every file with its hash, and the card with the list."""
    listed = {table.path: table.sha256 for table in published.tables} | dict(published.others)
    for path, digest in listed.items():
        file = published.folder / path
        if not file.is_file():
            yield f"{path}: listed, but not there"
        elif file_digest(file) != digest:
            yield f"{path}: not the file that was published (another hash)"
    named = published.manifest.get("hash")
    if named != content_id("export", [file for file in published.manifest["files"] if "rows" in file]):
        yield f"manifest.json: the hash {str(named)[:SHOWN]} is not that of the tables it lists"
    there = {str(file.relative_to(published.folder)) for file in published.folder.rglob("*.parquet")}
    yield from (f"{path}: is there, but not listed" for path in sorted(there - set(listed)))
    card = published.folder / "README.md"
    if card.is_file():
        shown = _in_card(card.read_text(encoding="utf-8"))
        wanted = {table.path for table in published.tables}
        yield from (f"README.md: its configs name {path}, the manifest does not" for path in sorted(shown - wanted))
        yield from (f"README.md: its configs lack {path}" for path in sorted(wanted - shown))


def _in_card(text: str) -> set[str]:
    """Return the data files that a card's head names, none for a head that is none."""
    try:
        head: Any = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
        files = [file for config in head["configs"] for file in config["data_files"]]
        paths = [path for file in files for path in ([file["path"]] if isinstance(file["path"], str) else file["path"])]
    except (yaml.YAMLError, IndexError, KeyError, TypeError):
        return set()
    return {path for path in paths if isinstance(path, str)}


def schema(published: Published) -> Iterator[str]:
    """Compare columns with what the manifest lists and with what every table must have; count and read the rows."""
    listed = published.manifest.get("schemas", {})
    for table in published.tables:
        found = schema_of(published.folder / table.path)
        if found is None:
            yield f"{table.path}: cannot be read as Parquet"
            continue
        types = {field.name: type_name(field.type) for field in found}
        wanted = listed.get(table.config, {}) or dict.fromkeys(("problem_id", "prompt", *KEYS.get(table.config, ())))
        for name, kind in wanted.items():
            if name not in types:
                yield f"{table.path}: has no column {name}"
            elif kind is not None and types[name] != kind:
                yield f"{table.path}: column {name} is {types[name]}, not {kind}"
        if (rows := row_count(published.folder / table.path)) != table.rows:
            yield f"{table.path}: {rows:,} rows, {table.rows:,} are listed"
    yield from _counts_in_card(published)
    for row in read_rows(published, broken=True):
        yield f"{row.place}: {fault_of(row.config, row.fields)} is missing or of the wrong kind; no other check has it"


def _counts_in_card(published: Published) -> Iterator[str]:
    """Compare the numbers of rows that a card tells with those that are listed; any other text is left alone."""
    card = published.folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    listed: Counter[tuple[str, str]] = Counter()
    for table in published.tables:
        listed[(table.config, table.split)] += table.rows
    for name, split, told in _ROWS.findall(text):
        if int(told.replace(",", "")) != listed[(name, split)]:
            yield f"README.md: tells of {told} rows of {name} {split}, {listed[(name, split)]:,} are listed"


def identities(published: Published) -> Iterator[str]:
    """Compute every problem's id anew from its question and original gold; rows of one problem must agree on it."""
    golds: dict[str, Gold] = {}
    for row in read_rows(published):
        problem = problem_of(row.fields, published.settings)
        if problem is None:
            yield f"{row.place}: its question cannot be told from its prompt"
            continue
        original = row.fields.get("gold_original", problem.answer)
        judged = (problem.verifier, problem.answer_type, problem.tolerance)
        if content_id("problem", problem.question, original, *judged) != problem.id:
            yield f"{row.place}: problem_id {problem.id} is not that of its question and original gold"
        yield from _status_faults(row, original)
        about = content_id("about", {name: row.fields.get(name) for name in OF_PROBLEM if name != "question"})
        first = golds.setdefault(problem.id, Gold(problem.answer, problem.verifier, about, row.place))
        if (first.answer, first.verifier) != (problem.answer, problem.verifier):
            yield f"{row.place}: the answer is {problem.answer!r}, at {first.place} {first.answer!r}"
        elif first.about != about:
            yield f"{row.place}: tells of its problem's making otherwise than {first.place} does"


def _status_faults(row: Row, original: str | None) -> Iterator[str]:
    """Compare how a gold was settled with the answer, the original gold and what made the problem."""
    status, answer = row.fields.get("gold_status"), row.fields["answer"]
    if status in (None, "proved", "given", "confirmed") and original != answer:
        yield f"{row.place}: the answer is {answer!r}, the {status} gold {original!r}"
    made = row.fields.get("provenance")
    if status is None or made is None:
        return
    proved = row.fields["strategy"] in PROVING_STRATEGIES or made["generator"] in PROVING_GENERATORS
    expected = "adopted" if original is None else "proved" if proved else "repaired" if original != answer else None
    if status != expected and (expected is not None or status in ("proved", "adopted", "repaired")):
        yield f"{row.place}: gold_status is {status}, which neither its answer nor its making bears out"


def remade(published: Published) -> Iterator[str]:
    """Make every template problem again from its seed, where this version has the same generator."""
    seen: set[str] = set()
    for row in read_rows(published):
        made = row.fields.get("provenance")
        if not made or not str(made["generator"]).startswith(TEMPLATE):
            continue
        told = {name: row.fields.get(name) for name in MADE}
        told["question"] = question_of(row.fields, published.settings)
        key = content_id("told", row.fields["problem_id"], told, made)
        again = None if key in seen else _made_again(made)
        seen.add(key)
        for name in MADE if again is not None else ():
            if told[name] != getattr(again, name):
                gives = f"{getattr(again, name)!r:.{SHOWN}}"
                yield f"{row.place}: its seed gives the {name} {gives}, the row says {told[name]!r:.{SHOWN}}"
        if again is not None and again.provenance.parameters != made["parameters"]:
            yield f"{row.place}: its seed gives other parameters"


def _made_again(made: dict[str, Any]) -> Problem | None:
    """Return the problem that a template makes of a row's seed, None where that cannot be told."""
    own = FAMILIES.get(str(made["generator"]).removeprefix(TEMPLATE))
    numbers = (made["seed"], made["index"])
    if own is None or not all(isinstance(number, int) for number in numbers):
        return None
    level = LEVEL.search(str(made["parameters"]))
    if level is None or int(level[1]) not in own.levels or made["generator_version"] != str(own.version):
        return None
    return family.generate_problem(own, *numbers, int(level[1]))


def duplicates(published: Published) -> Iterator[str]:
    """Find rows that are there twice: by their key, or with the same texts under another key."""
    keys: dict[tuple[Any, ...], str] = {}
    texts: dict[str, str] = {}
    traces: Counter[str] = Counter()
    for row in read_rows(published):
        if row.config not in KEYS:
            continue
        first = keys.setdefault((row.config, *(row.fields.get(name) for name in KEYS[row.config])), row.place)
        if first != row.place:
            yield f"{row.place}: the same row as {first}"
            continue
        own = [row.fields.get(name) for name in ("prompt", "completion", "chosen", "rejected")]
        twin = texts.setdefault(content_id(row.config, own), row.place)
        if twin != row.place:
            yield f"{row.place}: the same texts as {twin}"
        traces[row.fields["problem_id"]] += row.config == "sft"
    if published.settings is not None:
        most = published.settings.select.traces_per_problem
        yield from (
            f"{name}: {n} traces of one problem, at most {most} were to be" for name, n in traces.items() if n > most
        )


def splits(published: Published) -> Iterator[str]:
    """Find problems, questions and relatives that are in two splits."""
    places: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in read_rows(published):
        question = question_of(row.fields, published.settings)
        names = [("problem", row.fields["problem_id"])]
        names += [("question", string_key(question))] if question else []
        names += [("problem", parent) for parent in row.fields.get("parents") or ()]
        for key in names:
            places[key].setdefault(row.split, row.place)
    for (kind, name), found in places.items():
        if len(found) > 1:
            yield f"{kind} {name[:60]}, or a relative of it, is in {' and in '.join(found.values())}"


def rates(published: Published) -> Iterator[str]:
    """Compute pass rates, intervals, bins and the band of the pool anew from its counts."""
    settings = published.settings
    for row in read_rows(published, "grpo"):
        fields = row.fields
        attempts, successes = fields["attempts"], fields["successes"]
        if not attempts or not 0 <= successes <= attempts or not isclose(fields["pass_rate"], successes / attempts):
            yield f"{row.place}: pass_rate {fields['pass_rate']} is not {successes} of {attempts}"
            continue
        if settings is not None:
            yield from _rate_faults(row, settings.assess, settings.export)


def _rate_faults(row: Row, assess: Any, export: Any) -> Iterator[str]:
    fields = row.fields
    low, high = interval(fields["successes"], fields["attempts"], assess.interval, assess.level)
    if not (
        isclose(low, fields["interval_low"], abs_tol=1e-9) and isclose(high, fields["interval_high"], abs_tol=1e-9)
    ):
        shown = f"[{fields['interval_low']:.3f}, {fields['interval_high']:.3f}]"
        yield f"{row.place}: the interval is [{low:.3f}, {high:.3f}], the row says {shown}"
    if decide(fields["successes"], fields["attempts"], assess.band) != "keep":
        yield f"{row.place}: pass_rate {fields['pass_rate']:.2f} is outside the band"
    own = fields.get("difficulty_bin")
    if own is not None and difficulty_bin(fields["pass_rate"], export) != own:
        yield f"{row.place}: difficulty_bin {own} is not that of {fields['pass_rate']:.2f}"
