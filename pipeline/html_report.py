"""The page of a run: one HTML file that holds everything it shows and asks no host for anything.

All texts of a run are hostile: the template escapes them, the data for the script cannot end its element, and the
page's own content policy lets nothing run or load but the style sheet and the script written here, by their hashes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline import report_charts as charts
from pipeline import report_data as data
from pipeline.calibration import calibration
from pipeline.config import Config
from pipeline.mathml import Formula, pieces
from pipeline.prompts import PROMPTS, render_prompt
from pipeline.records import SCHEMA_VERSION, Assessment
from pipeline.report import COUNTED, StageCounts, tokens_per_second
from pipeline.report_sample import sample
from pipeline.run import Run
from pipeline.store import write_text
from pipeline.yields import Yield, strategy_yields

FILE: Final = "report.html"
SHOWN_TEXT: Final = 1500  # characters of a question or of evidence among the examples
OTHER_RULES: Final = {
    "undecided": "could not be judged: cut off, or out of time",
    "too easy": "above the difficulty band of the reference model",
    "too hard": "below the difficulty band of the reference model",
    "problem refused": "a completion of a problem that the agree stage refused",
    "import": "a row of an imported set that cannot be used",
}
_PAGE: Final = Path(__file__).parent / "page"


class Measured(NamedTuple):
    """A model with what its attempts at the run's problems came to."""

    model: str
    problems: int
    mean: float
    decisions: Mapping[str, int]
    outcomes: Sequence[data.Outcome]


def write_report(run: Run, output: Path, rules: Mapping[str, str], behaviours: Sequence[str]) -> int:
    """Write the page of a run, finished or not. Returns its size in bytes.

    `rules` says of each filter what it is for, `behaviours` which of the select stage's measures are behaviours.
    """
    text = render(run, rules, behaviours)
    write_text(text, output)
    return len(text.encode())


def render(run: Run, rules: Mapping[str, str], behaviours: Sequence[str]) -> str:
    """Return the page of a run."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"pieces": _pieces, "n": _number, "share": _share}
    facts = _facts(run, OTHER_RULES | dict(rules), behaviours)
    page = environment.get_template("page.html.j2")
    return page.render(charts=charts, style=style, script=script, policy=_policy(style, script), **facts) + "\n"


def _facts(run: Run, rules: Mapping[str, str], behaviours: Sequence[str]) -> dict[str, Any]:
    """Gather what the template shows, by the names it uses."""
    rows = data.assessments(run)
    drawn = sample(run, rows)
    stages = data.begun_stages(run)
    tokens, rate = tokens_per_second(run)
    yields = strategy_yields(run)
    measures = data.measures(run)
    found, found_clusters = data.clusters(run)
    leaks, found_leaks = data.leaks(run)
    return {
        "config": run.config,
        "config_text": (run.folder / "config.yaml").read_text(encoding="utf-8"),
        "finished": data.is_finished(run.folder),
        "stages": stages,
        "counts": dict.fromkeys(COUNTED) | {row.stage: row for row in stages},
        "largest": {kind: max((r.taken for r in stages if r.counted == kind), default=1) for kind in data.KINDS},
        "out_of_balance": _out_of_balance(stages),
        "refusals": data.refusals(run),
        "rules": rules,
        "models": _models(run.config, rows),
        "calibration": calibration(data.measured_problems(run, rows)) if rows else [],
        "lengths": data.lengths(run),
        "tokens": tokens,
        "tokens_per_second": rate,
        "prompt_tokens": data.prompt_tokens(run),
        "writing_tokens": sum(unit.tokens for unit in run.manifest.of_stage("generate")),
        "yields": yields,
        "most_per_thousand": max((_per_thousand(row) for row in yields), default=0) or 1,
        "per_thousand": _per_thousand,
        "clusters": found,
        "found_clusters": found_clusters,
        "leaks": leaks,
        "found_leaks": found_leaks,
        "behaviours": {name: measures[name] for name in behaviours if name in measures},
        "diversity": {name: measure for name, measure in measures.items() if name not in behaviours},
        "sample": drawn,
        "sample_json": embedded({"problems": drawn.problems, "formulas": drawn.formulas}),
        "versions": data.versions(run),
        "prompts": [
            {"label": PROMPTS[name].label, "messages": render_prompt(name, "{question}")}
            for name in sorted(set(_prompt_names(run.config)))
        ],
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "gradatim": version("gradatim"),
        "schema": SCHEMA_VERSION,
        "shown_text": SHOWN_TEXT,
    }


def _out_of_balance(stages: Sequence[StageCounts]) -> list[str]:
    """Return the stages that lost or invented a record."""
    return [row.stage for row in stages if row.taken != row.kept + sum(row.rejected.values())]


def _models(config: Config, rows: Sequence[Assessment]) -> list[Measured]:
    """Return the run's models with their outcomes, the reference model first."""
    found = []
    for model in dict.fromkeys([config.reference_model, *(teacher.model for teacher in config.teachers)]):
        rates = [row.pass_rate for row in rows if row.model == model and row.pass_rate is not None]
        decisions: dict[str, int] = {}
        for row in rows:
            if row.model == model:
                decisions[row.decision] = decisions.get(row.decision, 0) + 1
        mean = sum(rates) / len(rates) if rates else 0.0
        found.append(Measured(model, len(rates), mean, decisions, data.outcomes(rows, model)))
    return [one for one in found if one.decisions]


def _prompt_names(config: Config) -> list[Any]:
    return [config.select.prompt, *(teacher.prompt for teacher in config.teachers)]


def _per_thousand(row: Yield) -> float:
    return 1000 * row.kept / row.tokens if row.tokens else 0.0


def embedded(value: object) -> str:
    """Return JSON that may stand inside a script element: no letter of it can begin a tag, a comment or an entity."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _policy(style: str, script: str) -> str:
    """Return the content policy: nothing from anywhere, but this style sheet and this script."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _pieces(text: str) -> list[tuple[str, str]]:
    """Cut a text, shortened, into (plain text, "") and ("", MathML) for the template."""
    shown = text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"
    printable = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in shown)
    return [("", piece.mathml) if isinstance(piece, Formula) else (piece, "") for piece in pieces(printable)]


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"
