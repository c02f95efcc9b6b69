"""A model's draft of a problem, for the tests of what is made of it."""

import json

from pipeline.records import Completion, FinishReason


def draft(problem: object, finish: FinishReason = "stop", text: str | None = None) -> Completion:
    """Return a draft that holds a problem, or the given text."""
    return Completion(
        id="d1",
        problem_id="p1",
        model="m",
        revision="1",
        prompt_version="test/1",
        sampling="{}",
        sample_index=0,
        reasoning=None,
        text=json.dumps({"problem": problem}) if text is None else text,
        finish_reason=finish,
        prompt_tokens=1,
        completion_tokens=1,
        engine="test",
        engine_version="0",
    )
