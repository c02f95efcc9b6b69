"""The README.md in a student's folder: what it was trained from, on which data by hash, how, and how to do it again."""

from typing import Any

import yaml


def model_card(card: dict[str, Any], packages: dict[str, str]) -> str:
    """Return the model card of a finished training, from the same content as gradatim.json."""
    base, metrics, rows = card["base"], card["metrics"], card["rows"]
    lora = card["config"]["sft"]["lora"]
    head = {"base_model": base["name"], "library_name": "transformers", "tags": ["sft", "trl", "gradatim"]}
    if lora:
        head["tags"] = [*head["tags"], "lora"]
    data = "\n".join(f"| `{each['run']}` | `{each['hash']}` |" for each in card["data"])
    left_out = "".join(f", {count:,} left out ({why})" for why, count in rows["left out"].items() if count)
    notes = "".join(f"- {note}: {count:,} rows\n" for note, count in card["notes"].items())
    settings = yaml.safe_dump(card["config"], sort_keys=False, allow_unicode=True)
    validation = f", validation loss {metrics['validation_loss']:.4f}" if "validation_loss" in metrics else ""
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# {base['name']}, fine-tuned on verified traces\n\n"
        f"Base: `{base['name']}` at revision `{base['revision']}`; {'low-rank adapters' if lora else 'all weights'} "
        "trained by TRL's SFTTrainer, with the loss on the completion only.\n\n"
        f"## Data\n\n| run | hash of the manifest |\n|---|---|\n{data}\n\n"
        f"{rows['train']:,} rows trained on, {rows['validation']:,} for validation{left_out}. "
        f"Longest row {card['max_length']} tokens at most; none was cut.\n{notes}\n"
        f"## Training\n\n{metrics['steps']:.0f} steps in {metrics['seconds'] / 60:.1f} minutes, loss "
        f"{metrics['first_loss']:.4f} to {metrics['last_loss']:.4f}{validation} (nats per token).\n"
        f"Packages: {', '.join(f'{name} {number}' for name, number in packages.items())}.\n\n"
        f"Training `{card['fingerprint']}` of `python training/distill.py --config` with:\n\n```yaml\n{settings}```\n"
    )
