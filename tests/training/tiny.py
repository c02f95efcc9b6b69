"""A random student of two layers, saved as a folder: small enough that a training step takes a moment."""

from pathlib import Path
from typing import Any

from tests.training.test_grpo_rewards import tiny_model


def tiny_student(folder: Path) -> Path:
    """Save the model and its tokenizer. Returns the folder."""
    model, tokenizer = tiny_model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def moved(before: Path, after: Path) -> bool:
    """Tell whether any parameter differs between two saved models; fails if one is not finite."""
    from transformers import AutoModelForCausalLM

    old: Any = AutoModelForCausalLM.from_pretrained(before).state_dict()
    new: Any = AutoModelForCausalLM.from_pretrained(after).state_dict()
    assert all(bool(value.isfinite().all()) for value in new.values())
    return any(bool((new[name] != old[name]).any()) for name in old)


def keep_gradient(gradients: list[Any], _module: Any, _given: Any, output: Any) -> None:
    """A forward hook of a backbone: keep the gradient that later reaches its last hidden states."""
    states = output.last_hidden_state
    if states.requires_grad:
        states.register_hook(lambda gradient: gradients.append(gradient.clone()))
