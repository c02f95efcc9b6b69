"""Compare models on held-out problems: greedy, pass@k and cons@k with intervals, and paired differences with the first.

Completions come from the same engine as a run's and are kept with their verdicts beside the results. Problems that a
model was trained on are refused. A stopped evaluation goes on on the same command; a finished one is not made again.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from pipeline import config
from pipeline.config_help import SET_HELP, help_text
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.records import Completion, Problem, Verdict, content_id
from pipeline.store import write_text
from pipeline.teacher import identity_of
from pipeline.verifiers import VERSION as VERIFIER_VERSION
from training.answering import Model, Requests, answer_all, judge_all, outcomes_of, requests_for, sampled, store
from training.comparison import How, groups_of, line, pair
from training.evaluation_page import Results, as_json, markdown, summary
from training.evaluation_plan import Plan, plan_from_config, plan_from_flags
from training.evaluation_story import tell
from training.held_out import refuse_overlap, trained_on
from training.outputs import told
from training.plot import write_plot
from training.settings import EvaluationConfig
from training.votes import votes_of

VERSION: Final = "2"  # of the estimates: change what they mean, raise it
CARD: Final = "evaluation.json"  # written last: what the results are of
RESULTS: Final = ("results.json", "results.md", "results.png")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        if options.explain:
            print(tell(Path(options.explain[0]), options.explain[1]))
            return 0
        plan = _plan(options)
        if not options.allow_overlap:
            for model in _references(plan):
                refuse_overlap(plan.problems, model)
        with run_lock(plan.output):
            evaluate(plan)
    except GradatimError as error:
        return told(error)
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on", file=sys.stderr)
        return 130
    return 0


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python training/evaluate.py",
        description=__doc__,
        epilog=help_text(EvaluationConfig),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="YAML file of a training; without it, give the next three")
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="MODEL, NAME=MODEL, or NAME=MODEL,MODEL (seeds of one row); MODEL@REVISION for one of a Hub id; "
        "differences are taken from the first",
    )
    parser.add_argument("--problems", nargs="+", type=Path, default=[], metavar="FILE", help="JSONL or Parquet files")
    parser.add_argument("--output", type=Path, help="folder for the results")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=SET_HELP)
    parser.add_argument("--allow-overlap", action="store_true", help="evaluate on problems that were trained on, too")
    parser.add_argument("--explain", nargs=2, metavar=("DIR", "ID"), help="tell of a problem or completion in a folder")
    options = parser.parse_args(arguments)
    if not (options.explain or options.config or (options.models and options.problems and options.output)):
        parser.error("give --config, or all of --models, --problems and --output")
    return options


def _plan(options: Namespace) -> Plan:
    models, files, output = options.models, options.problems, options.output
    if options.config is None:
        return plan_from_flags(models, files, output, options.set)
    return plan_from_config(options.config, options.set, models=models, files=files, output=output)


def _references(plan: Plan) -> list[str]:
    return list(dict.fromkeys(model for row in plan.rows for model, _ in row.models))


def evaluate(plan: Plan) -> None:
    """Have the models solve the problems, verify, compare, write the results and show them; nothing of it if the folder
    holds this evaluation already."""
    models = {row.label: [_model(plan, *model) for model in row.models] for row in plan.rows}
    fingerprint = _fingerprint(plan, models)
    console = Console()
    if _finished(plan.output, fingerprint):
        console.print(f"Nothing to do: {plan.output} holds this evaluation already.", soft_wrap=True)
        return
    problems = {held.problem.id: held.problem for held in plan.problems}
    requests = {m: requests_for(m, plan.problems, plan.settings) for row in models.values() for m in row}
    known = answer_all(requests, plan.settings.engine, plan.output)
    judged = judge_all(requests, known, problems, plan.output)
    store(plan.output, list(problems.values()), known, judged)
    results = _results(plan, models, requests, judged)
    _write(plan, results, fingerprint)
    for part in summary(results, plan.settings):
        console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))
    console.print(f"Results: {plan.output}", highlight=False, soft_wrap=True)


def _model(plan: Plan, reference: str, revision: str | None) -> Model:
    found = identity_of(config.Teacher(model=reference, revision=revision, engine=plan.settings.engine))
    return Model(reference, revision, *found)


def _fingerprint(plan: Plan, models: dict[str, list[Model]]) -> str:
    """Return the id of an evaluation: models, problems with their prompts, and how completions and estimates are made,
    not how the engine is run."""
    rows = [[label, [[model.name, model.revision] for model in row]] for label, row in models.items()]
    problems = [[held.problem.id, *([m.role, m.content] for m in held.prompt)] for held in plan.problems]
    groups = [[held.problem.family, held.problem.level] for held in plan.problems]
    settings = plan.settings.model_dump(
        mode="json", exclude={"engine", "problems", "question_column", "answer_column", "limit"}
    )
    return content_id("evaluation", VERSION, VERIFIER_VERSION, rows, problems, groups, settings, plan.seed)


def _finished(output: Path, fingerprint: str) -> bool:
    card = output / CARD
    if not card.is_file() or not all((output / name).is_file() for name in RESULTS):
        return False
    return bool(json.loads(card.read_text(encoding="utf-8"))["fingerprint"] == fingerprint)


def _results(
    plan: Plan, models: dict[str, list[Model]], requests: Requests, judged: dict[str, tuple[Completion, Verdict]]
) -> Results:
    settings = plan.settings
    found: list[Problem] = [held.problem for held in plan.problems]
    problems = {problem.id: problem for problem in found}
    counted = any(k <= settings.completions for k in settings.cons)
    voters = [name for wanted in requests.values() for name in sampled(wanted)] if counted else []
    votes = votes_of(voters, judged, problems, plan.output)
    outcomes = {model: outcomes_of(wanted, judged, problems, votes) for model, wanted in requests.items()}
    how = How(settings.k, settings.cons, settings.level, plan.seed)
    groups = groups_of(found)
    rows = {label: [outcomes[model] for model in row] for label, row in models.items()}
    base, *students = rows
    return Results(
        models={label: [(model.name, model.revision) for model in row] for label, row in models.items()},
        lines={label: [line(group, ids, row, how) for group, ids in groups.items()] for label, row in rows.items()},
        pairs={
            label: [pair(group, ids, (base, label), (rows[base], rows[label]), how) for group, ids in groups.items()]
            for label in students
        },
    )


def _write(plan: Plan, results: Results, fingerprint: str) -> None:
    overlap = {model: trained_on(plan.problems, model) for model in _references(plan)}
    card = {
        "fingerprint": fingerprint,
        "problems": len(plan.problems),
        "trained_on": {model: None if seen is None else len(seen) for model, seen in overlap.items()},
        "seed": plan.seed,
        "settings": plan.settings.model_dump(mode="json"),
    }
    (plan.output / CARD).unlink(missing_ok=True)
    write_text(json.dumps(as_json(results), indent=2, ensure_ascii=False) + "\n", plan.output / "results.json")
    write_text(markdown(results, plan.settings), plan.output / "results.md")
    write_plot(results, plan.output / "results.png", plan.settings.level)
    write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", plan.output / CARD)


if __name__ == "__main__":
    sys.exit(main())
