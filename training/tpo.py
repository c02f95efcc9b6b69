"""Thought preference optimization (Wu et al. 2024, arXiv 2410.10630): learn to think where no verifier can check.

A round has the student think and respond several times to each instruction, has a judge rate the responses alone, and
makes a pair of the best and the worst, thoughts included. Completions and judgements are journaled as they finish; a
killed round asks for nothing twice.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.config import Sampling, VllmEngine, Writer
from pipeline.errors import GradatimError
from pipeline.journal import Journal
from pipeline.models import ModelFolder
from pipeline.records import Completion, Message, content_id
from pipeline.seeds import rng_for
from pipeline.solve import side_by_side
from pipeline.store import write_text
from pipeline.teacher import Request, complete, identity_of, open_teacher
from training.exports import SftRow
from training.judge import (
    PROMPT_VERSION,
    JudgeQuality,
    Order,
    Verdict,
    comparison_prompt,
    judge_quality,
    non_answer,
    orders,
    parse_verdict,
    win_rates,
)
from training.pairs import PairRow
from training.preference_settings import PreferenceConfig, Tpo
from training.preflight import check_room, show_rows, tell_notes
from training.templates_check import Rendered, Special, check_special_tokens, render_prompts
from training.thoughts import THOUGHT_VERSION, Group, best_and_worst, pair_of, response_of, thought_prompt


class InstructionFileError(GradatimError):
    """A file of instructions that cannot be used, with the line and what was expected."""


@dataclass
class RoundReport:
    """What a round did, in counts."""

    instructions: int = 0
    completions: int = 0
    cut_off: int = 0
    non_answers: int = 0
    pairs: int = 0
    without_a_pair: int = 0
    judge: JudgeQuality = field(default_factory=JudgeQuality)

    def line(self) -> str:
        """Return the counts as one line."""
        judged = f"; {self.judge.line()}" if self.judge.asked else ""
        return (
            f"{self.instructions:,} instructions, {self.completions:,} completions ({self.cut_off:,} cut off, "
            f"{self.non_answers:,} say nothing), {self.pairs:,} pairs, {self.without_a_pair:,} instructions without "
            f"one{judged}"
        )


def read_instructions(settings: Tpo, seed: int) -> list[str]:
    """Read the instructions, each once, in order; a limit draws by the seed. Raises InstructionFileError."""
    found: dict[str, None] = {}
    for path in settings.instructions:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InstructionFileError(f"{path}: cannot be read ({error})") from None
        found |= dict.fromkeys(_instruction(line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip())
    instructions = list(found)
    if not instructions:
        raise InstructionFileError(f"{', '.join(map(str, settings.instructions))}: no instructions")
    if settings.limit is None or settings.limit >= len(instructions):
        return instructions
    chosen = rng_for("tpo/limit", seed, 0).sample(range(len(instructions)), settings.limit)
    return [instructions[place] for place in sorted(chosen)]


def _instruction(line: str, place: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        raise InstructionFileError(f"{place}: not JSON") from None
    given = row.get("instruction") if isinstance(row, dict) else None
    if not isinstance(given, str) or not given.strip():
        raise InstructionFileError(f"{place}: instruction: a text expected")
    return given


def check_instructions(
    tokenizer: Any, special: Special, config: PreferenceConfig, *, console: Console
) -> list[Rendered]:
    """Check what the student's thoughts start from, print three prompts, and return all of them.

    Raises PreflightError, in one line with the instruction and the reason.
    """
    check_special_tokens(tokenizer, special)
    asked = [
        (content_id("instruction", text), thought_prompt(text)) for text in read_instructions(config.tpo, config.seed)
    ]
    prompts = render_prompts(tokenizer, [SftRow(identity, "", messages, ()) for identity, messages in asked])
    tell_notes(prompts, console, refuse_prefilled="dpo" if config.dpo.prefilled_think == "refuse" else None)
    check_room(prompts, special, config.tpo.max_tokens, "tpo.max_tokens")
    show_rows(tokenizer, prompts, config.seed, console)
    return prompts


def make_round(config: PreferenceConfig, student: ModelFolder, folder: Path, number: int) -> list[PairRow]:
    """Generate, judge and pair up. Writes round.json to `folder`. Raises TeacherError when a model cannot go on."""
    report = RoundReport()
    groups = _generate(config, student, folder, number, report)
    if config.judge.kind == "pairwise":
        groups = _compare(config, groups, folder, report)
    else:
        groups = _score(config, groups, folder)
    found = [(group, best_and_worst(group, config.tpo.length_weight)) for group in groups]
    rows = [pair_of(group, *pair) for group, pair in found if pair is not None]
    report.pairs, report.without_a_pair = len(rows), len(groups) - len(rows)
    write_text(json.dumps(asdict(report), indent=2) + "\n", folder / "round.json")
    print(f"round {number}: {report.line()}")
    return rows


def _generate(
    config: PreferenceConfig, student: ModelFolder, folder: Path, number: int, report: RoundReport
) -> list[Group]:
    tpo = config.tpo
    name = str(student.path) if isinstance(tpo.engine, VllmEngine) else tpo.served_as or config.student
    sampling = Sampling(temperature=tpo.temperature, top_p=tpo.top_p, max_tokens=tpo.max_tokens)
    writer = Writer(model=name, revision=config.revision if number == 1 else None, engine=tpo.engine, sampling=sampling)
    instructions = read_instructions(tpo, config.seed)
    asked = [(text, thought_prompt(text), draw) for text in instructions for draw in range(tpo.completions)]
    key = (THOUGHT_VERSION, config.seed, student.revision)
    answers = ask_all(writer, asked, key, folder / "completions.jsonl", f"think {number}")
    groups = []
    for place, text in enumerate(instructions):
        own = answers[place * tpo.completions : (place + 1) * tpo.completions]
        whole = tuple(completion for completion in own if completion.finish_reason == "stop")
        groups.append(Group(text, whole, tuple(map(response_of, whole))))
    report.instructions, report.completions = len(groups), len(answers)
    report.cut_off = len(answers) - sum(len(group.completions) for group in groups)
    report.non_answers = sum(non_answer(response) for group in groups for response in group.responses)
    return groups


def ask_all(
    writer: Writer,
    asked: Sequence[tuple[str, tuple[Message, ...], int]],
    key: tuple[object, ...],
    journal_path: Path,
    name: str,
) -> list[Completion]:
    """Return an answer to every (about, messages, draw), in order; the model is loaded only if one is missing."""
    identity = identity_of(writer)
    requests = []
    for about, messages, draw in asked:
        turns = [[m.role, m.content] for m in messages]
        identifier = content_id("thought", *identity, *key, turns, writer.sampling.model_dump(), draw)
        requests.append(
            Request(identifier, content_id("instruction", about), messages, str(key[0]), writer.sampling, draw)
        )
    journal = Journal(journal_path)
    missing = [request for request in {r.id: r for r in requests}.values() if request.id not in journal.completions]
    if missing:
        print(f"{name}: {len(missing):,} of {len(requests):,} to ask of {writer.model}")
        asyncio.run(_answer(writer, missing, journal))
        journal.close()
    return [journal.completions[request.id] for request in requests]


async def _answer(writer: Writer, missing: Sequence[Request], journal: Journal) -> None:
    remaining = iter(missing)
    async with open_teacher(writer) as model:

        async def work() -> None:
            for request in remaining:
                journal.add(await complete(model, request))

        await side_by_side(min(model.window, len(missing)), work)


def _compare(config: PreferenceConfig, groups: Sequence[Group], folder: Path, report: RoundReport) -> list[Group]:
    """Have the judge compare every two responses in both orders."""
    judge = config.judge
    sampling = Sampling(temperature=0.0, max_tokens=judge.max_tokens)
    writer = Writer(model=judge.model or "", revision=judge.revision, engine=judge.engine, sampling=sampling)
    places = [(number, order) for number, group in enumerate(groups) for order in orders(group.responses)]
    asked = [
        (
            groups[n].instruction,
            comparison_prompt(groups[n].instruction, *(groups[n].responses[i] or "" for i in order)),
            0,
        )
        for n, order in places
    ]
    answers = ask_all(writer, asked, (PROMPT_VERSION,), folder / "judgements.jsonl", "judge") if asked else []
    verdicts: list[dict[Order, Verdict | None]] = [{} for _ in groups]
    for (number, order), answer in zip(places, answers, strict=True):
        verdicts[number][order] = parse_verdict(answer)
    report.judge = sum(map(judge_quality, verdicts), JudgeQuality())
    return [
        replace(group, rewards=tuple(win_rates(group.responses, own)))
        for group, own in zip(groups, verdicts, strict=True)
    ]


def _score(config: PreferenceConfig, groups: Sequence[Group], folder: Path) -> list[Group]:
    """Have a reward model score every response that says something; the scores are kept in scores.json."""
    from training.scoring import response_scores

    path = folder / "scores.json"
    real = {
        completion.id: (group.instruction, response)
        for group in groups
        for completion, response in zip(group.completions, group.responses, strict=True)
        if response is not None and not non_answer(response)
    }
    scores: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    missing = [identity for identity in real if identity not in scores]
    if missing:
        found = response_scores(config.judge, [real[identity] for identity in missing])
        scores |= dict(zip(missing, found, strict=True))
        write_text(json.dumps(scores, indent=1) + "\n", path)
    return [replace(group, rewards=tuple(scores.get(c.id) for c in group.completions)) for group in groups]
