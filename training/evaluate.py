"""Compare a student with its base on held-out problems: pass@1 with confidence intervals, and the paired difference.

Completions come from the same engine as a run's and are stored with their verdicts beside the results. Problems that a
model was trained on are refused.
"""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline import config
from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.prompts import PromptName, prompt_for, render_prompt
from pipeline.records import Completion, Problem, Verdict, VerdictValue, content_id
from pipeline.seeds import rng_for
from pipeline.solve import complete_requests
from pipeline.store import write_records, write_text
from pipeline.teacher import Request, Teacher, open_teacher
from pipeline.verifiers import verify
from training.comparison import Estimate, Line, compare_by_family
from training.held_out import HeldOut, read_problem_file, read_test_splits, refuse_overlap, trained_on
from training.settings import CARD, Evaluation, StudentConfig, help_text


@dataclass(frozen=True)
class Plan:
    """What is to be compared, on what, and where the results go."""

    base: str
    student: str
    base_revision: str | None
    problems: list[HeldOut]
    output: Path
    seed: int
    settings: Evaluation


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        plan = _plan(options)
        for model in (plan.base, plan.student):
            if not options.allow_overlap:
                refuse_overlap(plan.problems, model)
        evaluate(plan)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except GradatimError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def evaluate(plan: Plan) -> list[Line]:
    """Have both models solve the problems, verify, compare, write the results and show them."""
    verdicts = {}
    for role, model, revision in (("base", plan.base, plan.base_revision), ("student", plan.student, None)):
        completions = asyncio.run(_complete(plan, model, revision))
        verdicts[role] = _judge(plan, role, completions)
    families = {held.problem.id: held.problem.family for held in plan.problems}
    lines = compare_by_family(families, verdicts["base"], verdicts["student"], plan.settings.level, plan.seed)
    write_records(Problem, [held.problem for held in plan.problems], plan.output / "problems.parquet")
    write_text(json.dumps(_results(plan, lines), indent=2, ensure_ascii=False) + "\n", plan.output / "results.json")
    write_text(markdown(plan, lines), plan.output / "results.md")
    console = Console()
    console.print(_table(plan, lines))
    console.print(f"{verdict_in_words(lines[0])}\nResults: {plan.output}", highlight=False, soft_wrap=True)
    return lines


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python training/evaluate.py",
        description=__doc__,
        epilog=help_text(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="YAML file of the student; without it, give the next three")
    parser.add_argument("--models", nargs=2, metavar=("BASE", "STUDENT"), help="the two models to compare")
    parser.add_argument("--problems", nargs="+", type=Path, default=[], metavar="FILE", help="JSONL or Parquet files")
    parser.add_argument("--output", type=Path, help="folder for the results")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="change a key")
    parser.add_argument("--allow-overlap", action="store_true", help="evaluate on problems that were trained on, too")
    options = parser.parse_args(arguments)
    if options.config is None and (options.set or not (options.models and options.problems and options.output)):
        parser.error("give --config, or all of --models, --problems and --output (--set needs --config)")
    return options


def _plan(options: Namespace) -> Plan:
    """Make the plan from the configuration; what the command line gives comes first."""
    if options.config is None:
        whole = StudentConfig(student=options.models[0], data=(Path(),), output=Path(options.models[1]))
    else:
        whole = parse_model(StudentConfig, options.config, options.set)
    if options.models is None and not (whole.output / CARD).is_file():
        raise ConfigError(
            f"{whole.output}: no trained student; first: python training/distill.py --config {options.config}"
        )
    base, student = options.models or (whole.student, str(whole.output))
    settings, seed = whole.evaluation, whole.seed
    files = options.problems or settings.problems
    found = [held for path in files for held in read_problem_file(path, settings.prompt)]
    problems = list({held.problem.id: held for held in found or read_test_splits(whole.data, settings.prompt)}.values())
    if settings.limit is not None and settings.limit < len(problems):
        problems = rng_for("evaluate/limit", seed, 0).sample(problems, settings.limit)
    output = options.output or whole.output / "evaluation"
    revision = None if options.models else whole.revision
    return Plan(base, student, revision, problems, output, seed, settings)


async def _complete(plan: Plan, model: str, revision: str | None) -> list[Completion]:
    settings = plan.settings
    several = settings.completions > 1
    sampling = config.Sampling(temperature=settings.temperature if several else 0.0, max_tokens=settings.max_tokens)
    teacher_settings = config.Teacher(
        model=model, revision=revision, engine=settings.engine, sampling=sampling, completions=settings.completions
    )
    async with open_teacher(teacher_settings) as teacher:
        requests = [
            request_for(teacher, held, sampling, index, settings.prompt)
            for held in plan.problems
            for index in range(settings.completions)
        ]
        return await complete_requests(teacher, requests, f"evaluate {Path(model).name}")


def request_for(teacher: Teacher, held: HeldOut, sampling: config.Sampling, index: int, prompt: PromptName) -> Request:
    """Build the request for a problem that may bring its own messages (prompt version "given")."""
    own = held.prompt != render_prompt(prompt, held.problem.question, held.problem.verifier)
    version = "given" if own else prompt_for(prompt, held.problem.verifier).label
    asked = [[message.role, message.content] for message in held.prompt]
    identity = content_id(
        "completion", teacher.model, teacher.revision, asked, version, sampling.model_dump(), index, held.problem.id
    )
    return Request(identity, held.problem.id, held.prompt, version, sampling, index)


def _judge(plan: Plan, role: str, completions: list[Completion]) -> dict[str, list[VerdictValue]]:
    """Verify and store a model's completions. Returns the verdicts by problem."""
    problems = {held.problem.id: held.problem for held in plan.problems}
    with ThreadPoolExecutor(2) as threads:
        verdicts = list(threads.map(verify, [problems[c.problem_id] for c in completions], completions))
    write_records(Completion, completions, plan.output / f"completions-{role}.parquet")
    write_records(Verdict, verdicts, plan.output / f"verdicts-{role}.parquet")
    by_problem: dict[str, list[VerdictValue]] = {}
    for verdict in verdicts:
        by_problem.setdefault(verdict.problem_id, []).append(verdict.verdict)
    return by_problem


def _results(plan: Plan, lines: Sequence[Line]) -> dict[str, object]:
    overlap = {model: trained_on(plan.problems, model) for model in (plan.base, plan.student)}
    return {
        "base": plan.base,
        "student": plan.student,
        "problems": len(plan.problems),
        "trained_on": {model: None if seen is None else len(seen) for model, seen in overlap.items()},
        "seed": plan.seed,
        "settings": plan.settings.model_dump(mode="json"),
        "lines": [asdict(line) for line in lines],
    }


def verdict_in_words(line: Line) -> str:
    """Say in one sentence whether the student is better, beyond its interval."""
    gain = line.difference
    if gain.value is None:
        return "Nothing was decided for both models."
    claim = "better" if gain.low > 0 else "worse" if gain.high < 0 else "not clearly different"
    return (
        f"The student is {claim}: pass@1 changes by {_percent(gain, signed=True)} on the {line.paired} problems that "
        "are decided for both."
    )


def markdown(plan: Plan, lines: Sequence[Line]) -> str:
    """Return the results as a Markdown page."""
    settings = plan.settings
    how = "one greedy completion" if settings.completions == 1 else f"{settings.completions} sampled completions"
    intervals = (
        f"{settings.level:.0%} intervals: pass@1 by {lines[0].student.pass_at_1.method}, "
        f"difference by {lines[0].difference.method}"
    )
    header = "| problems | n | base | student | difference | undecided base / student |\n|---|--:|--:|--:|--:|--:|"
    rows = "\n".join(f"| {' | '.join(_cells(line))} |" for line in lines)
    return (
        f"# {plan.student} beside {plan.base}\n\n{header}\n{rows}\n\npass@1 from {how} per problem, at most "
        f"{settings.max_tokens} tokens; {intervals}. Undecided completions (cut off, or not judged in time) enter no "
        f"rate; counted as wrong they give {lines[0].base.floor:.1%} and {lines[0].student.floor:.1%}.\n\n"
        f"{verdict_in_words(lines[0])}\n"
    )


def _table(plan: Plan, lines: Sequence[Line]) -> Table:
    table = Table(title=f"pass@1 of {plan.student} beside {plan.base}", caption="undecided completions enter no rate")
    table.add_column("problems")
    for name in ("n", "base", "student", "difference", "undecided"):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(*_cells(line), end_section=line is lines[0])
    return table


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        str(line.base.problems),
        _percent(line.base.pass_at_1),
        _percent(line.student.pass_at_1),
        _percent(line.difference, signed=True),
        f"{line.base.undecided} / {line.student.undecided}",
    )


def _percent(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "undecided"
    form = "+.1f" if signed else ".1f"
    return f"{100 * estimate.value:{form}} % [{100 * estimate.low:{form}}, {100 * estimate.high:{form}}]"


if __name__ == "__main__":
    sys.exit(main())
