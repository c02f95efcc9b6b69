"""The README.md in a student's folder: what it was trained from, on which data by hash, how, and how to do it again."""

from typing import Any, Final, NamedTuple

import yaml


class _Method(NamedTuple):
    """A way to train: what it made of the base, by which trainer, and the script that did it."""

    title: str
    trainer: str
    script: str


_PREFERENCES: Final = "preferences.py"
METHODS: Final = {
    "sft": _Method("fine-tuned on verified traces", "SFTTrainer, with the loss on the completion only", "distill.py"),
    "grpo": _Method("reinforced by verifiers", "GRPOTrainer, with the verifiers' reward", "grpo.py"),
    "rloo": _Method("reinforced by verifiers", "RLOOTrainer, with the verifiers' reward", "grpo.py"),
    "dpo": _Method("trained on verified preferences", "DPOTrainer on correct and incorrect completions", _PREFERENCES),
    "tpo": _Method("trained on judged thoughts (TPO)", "DPOTrainer on pairs that a judge has made", _PREFERENCES),
}


def model_card(card: dict[str, Any]) -> str:
    """Return the model card of a finished training, from the content of gradatim.json."""
    base, metrics, config = card["base"], card["metrics"], card["config"]
    kind = method_of(config)
    method = METHODS[kind]
    lora = config.get("sft", {}).get("lora")
    tags = [kind, "trl", "gradatim", *(["lora"] if lora else [])]
    head = {"base_model": base["name"], "library_name": "transformers", "tags": tags}
    settings = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    validation = f", validation loss {metrics['validation_loss']:.4f}" if "validation_loss" in metrics else ""
    unit = " (nats per token)" if kind == "sft" else ""
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# {base['name']}, {method.title}\n\n"
        f"Base: `{base['name']}` at revision `{base['revision']}`; {'low-rank adapters' if lora else 'all weights'} "
        f"trained by TRL's {method.trainer}.\n\n"
        f"## Data\n\n{_data(card)}\n"
        f"## Training\n\n{metrics['steps']:.0f} steps in {metrics['seconds'] / 60:.1f} minutes, loss "
        f"{metrics['first_loss']:.4f} to {metrics['last_loss']:.4f}{validation}{unit}; {card['arithmetic']}.\n"
        f"Packages: {', '.join(f'{name} {number}' for name, number in card['packages'].items())}.\n\n"
        f"Training `{card['fingerprint']}` of `python training/{method.script} --config` with:\n\n"
        f"```yaml\n{settings}```\n"
    )


def method_of(config: dict[str, Any]) -> str:
    """Return the name of the method that a configuration trains by."""
    if "grpo" in config:
        return str(config["grpo"]["algorithm"])
    if "tpo" in config:
        return "tpo" if config["tpo"]["instructions"] else "dpo"
    return "sft"


def _data(card: dict[str, Any]) -> str:
    """Tell the runs by hash (or the files of instructions), and the rows that they gave."""
    rows = card["rows"]
    lines = [f"| `{each['run']}` | `{each['hash']}` |" for each in card.get("data", ())]
    if lines:
        told = "\n".join(("| run | hash of the manifest |", "|---|---|", *lines))
    else:
        files = ", ".join(f"`{path}`" for path in card["config"]["tpo"]["instructions"])
        told = f"Instructions: {files}."
    validation = f", {rows['validation']:,} for validation" if "validation" in rows else ""
    left_out = "".join(f", {count:,} left out ({why})" for why, count in rows.get("left out", {}).items() if count)
    length = f" Longest row {card['max_length']} tokens at most; none was cut." if "max_length" in card else ""
    notes = "".join(f"- {note}: {count:,} rows\n" for note, count in card.get("notes", {}).items())
    return f"{told}\n\n{rows['train']:,} rows trained on{validation}{left_out}.{length}\n{notes}"
