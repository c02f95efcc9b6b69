"""What a trace is and how it is written from a correct completion. Which ones become traces is decided elsewhere."""

from pipeline.assess import Judged
from pipeline.config import Select
from pipeline.prompts import WHOLE_REPLY, render_prompt
from pipeline.records import Assessment, Message, Problem, Trace
from pipeline.run import Run
from pipeline.store import read_records


def solved_problems(run: Run, shard: str) -> list[tuple[Problem, Assessment]]:
    """Return a shard's problems that some model solved, each with its assessment for the reference model."""
    problems = read_records(Problem, run.file(run.manifest.units[("agree", shard)], "settled"))
    assessments = read_records(Assessment, run.file(run.manifest.units[("assess", shard)], "assessments"))
    solved = {a.problem_id for a in assessments if a.successes}
    reference = {a.problem_id: a for a in assessments if a.model == run.config.reference_model}
    return [(p, reference[p.id]) for p in problems if p.id in solved]


def write_trace(
    problem: Problem,
    assessment: Assessment,
    judged: Judged,
    *,
    because: str,
    tags: tuple[str, ...],
    settings: Select,
) -> Trace:
    """Write a correct completion as a trace; its tags are the family, the decision on the problem, and `tags`."""
    completion, verdict = judged
    # A reply that is judged whole is the trace as it stands: a box would break what the question asks for.
    answer = None if problem.verifier in WHOLE_REPLY else verdict.extracted or ""
    text = Message("assistant", trace_text(completion.reasoning, completion.text, answer, settings))
    return Trace(
        problem_id=problem.id,
        completion_id=completion.id,
        messages=(*render_prompt(settings.prompt, problem.question, problem.verifier), text),
        tags=(problem.family, assessment.decision, *tags),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        chosen_because=because,
    )


def trace_text(reasoning: str | None, text: str, answer: str | None, settings: Select) -> str:
    """Write a trace: the model's own thinking block where it has one, else its whole text as the thinking; without an
    answer to be boxed, the text alone."""
    if reasoning is None and (settings.style == "plain" or answer is None):
        return text
    if reasoning is None:
        return f"<think>\n{text}\n</think>\n\n\\boxed{{{answer}}}"
    return f"<think>\n{reasoning}\n</think>\n\n{text}"
