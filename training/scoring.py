"""Scores of responses by a reward model: a sequence classifier with one output. It sees no thoughts."""

from collections.abc import Sequence

from pipeline.models import resolve
from training.preference_settings import Judge
from training.templates_check import PreflightError


def response_scores(judge: Judge, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Return a score for every (instruction, response), higher is better.

    Raises PreflightError if the model is no such classifier, or a conversation is longer than judge.max_length tokens:
    half a response cannot be scored.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = resolve(judge.model or "", revision=judge.revision).path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForSequenceClassification.from_pretrained(folder).to(device).eval()
    if model.config.num_labels != 1:
        raise PreflightError(f"{judge.model}: a reward model has one output, this one has {model.config.num_labels}")
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
    scores: list[float] = []
    for start in range(0, len(pairs), judge.batch_size):
        turns = [
            [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]
            for instruction, response in pairs[start : start + judge.batch_size]
        ]
        batch = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, return_tensors="pt", padding=True)
        longest = batch["input_ids"].shape[1]
        if longest > judge.max_length:
            raise PreflightError(
                f"a conversation of {longest} tokens is longer than judge.max_length {judge.max_length}"
            )
        with torch.no_grad():
            scores += model(**batch.to(device)).logits[:, 0].float().tolist()
    return scores
