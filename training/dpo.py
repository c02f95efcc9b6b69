"""DPO of a student on a set of pairs: TRL's DPOTrainer, nothing cut, both sides checked in the trainer's own rows."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.hardware import training_precision
from pipeline.models import ModelFolder
from pipeline.preferences import length_line, length_statistics
from pipeline.records import content_id
from pipeline.seeds import rng_for
from training.lengths import within_budget
from training.outputs import CHECKPOINTS, begin, finish, first_process, train_to_end
from training.pairs import PairRow, RenderedPair, check_pairs, columns, render_pairs, within_ratio
from training.preference_settings import Dpo
from training.preflight import check_answers, say, show_rows, tell_notes
from training.templates_check import PreflightError, Special, check_special_tokens
from training.trainer import load_model, load_tokenizer


def train_on_pairs(
    student: ModelFolder, rows: Sequence[PairRow], settings: Dpo, *, output: Path, seed: int, card: Mapping[str, Any]
) -> bool:
    """Train a student on pairs unless that is done already; returns whether there was anything to do. `card` is written
    down beside what is measured here."""
    chosen = limited(rows, settings.limit, seed)
    how = settings.model_dump(exclude={"report_to", "checkpoint_steps", "check_answers", "prefilled_think"})
    identity = content_id("preferences", student.revision, [row.id for row in chosen], how, seed)
    if begin(output, identity):
        return False
    tokenizer, special = load_tokenizer(student.path)
    pairs = check_sides(tokenizer, special, chosen, settings, seed=seed, console=Console(quiet=not first_process()))
    trainer = build_trainer(student.path, tokenizer, pairs, settings, folder=output / CHECKPOINTS, seed=seed)
    metrics = train_to_end(trainer, output)
    whole = {
        **card,
        "fingerprint": identity,
        "rows": {"train": len(pairs), "left out": {"by length": len(chosen) - len(pairs)}},
        "lengths": length_statistics([pair.lengths for pair in pairs]),
        "metrics": {**metrics, **last_margins(trainer.state.log_history)},
    }
    rows = [pair.row for pair in pairs]
    finish(output, trainer, whole, [row.problem_id for row in rows], [row.prompt for row in rows], base=student)
    if first_process():
        print(
            f"Trained {student.name} on {len(pairs):,} pairs: {metrics['steps']:.0f} steps in "
            f"{metrics['seconds'] / 60:.1f} min, loss {metrics['first_loss']:.3f} to {metrics['last_loss']:.3f}.\n"
            f"Student: {output}"
        )
    return True


def check_sides(
    tokenizer: Any, special: Special, rows: Sequence[PairRow], settings: Dpo, *, seed: int, console: Console
) -> list[RenderedPair]:
    """Check both sides of pairs, print what was found and the loss mask of three chosen ones, and return the pairs to
    train on. Raises PreflightError, in one line with the row and the reason."""
    check_special_tokens(tokenizer, special)
    rendered = render_pairs(tokenizer, special.stops, rows)
    pairs = within_ratio(rendered, settings.max_length_ratio)
    if not pairs:
        raise PreflightError(f"none of the {len(rendered)} pairs is within dpo.max_length_ratio")
    chosen, rejected = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
    tell_notes(chosen, console, refuse_prefilled="dpo" if settings.prefilled_think == "refuse" else None)
    within_budget([*chosen, *rejected], settings.max_length, remedy="raise dpo.max_length", console=console)
    for side in (chosen, rejected):
        check_answers(
            tokenizer,
            side,
            settings.check_answers,
            section="dpo",
            rejected=side is rejected,
            seed=seed,
            console=console,
        )
    show_rows(tokenizer, chosen, seed, console)
    left_out = f" ({len(rendered) - len(pairs):,} left out by length)" if len(pairs) < len(rendered) else ""
    say(console, f"{length_line([pair.lengths for pair in pairs])}{left_out}")
    return pairs


def limited(rows: Sequence[PairRow], limit: int | None, seed: int) -> list[PairRow]:
    """Return so many pairs, drawn by the seed, in their order."""
    if limit is None or limit >= len(rows):
        return list(rows)
    chosen = rng_for("preferences/limit", seed, 0).sample(range(len(rows)), limit)
    return [rows[place] for place in sorted(chosen)]


def build_trainer(
    student: Path, tokenizer: Any, pairs: Sequence[RenderedPair], settings: Dpo, *, folder: Path, seed: int
) -> Any:
    """Build the DPOTrainer; the model it starts from is also the reference. Raises PreflightError if the trainer's own
    rows are not the rendered pairs."""
    from datasets import Dataset, disable_progress_bars
    from transformers.trainer_callback import ProgressCallback
    from trl import DPOTrainer

    disable_progress_bars()
    longest = max(len(side.tokens) for pair in pairs for side in (pair.chosen, pair.rejected))
    trainer = DPOTrainer(
        model=load_model(student, settings.precision),
        ref_model=load_model(student, settings.precision),
        args=_arguments(settings, longest, folder, seed),
        train_dataset=Dataset.from_list([columns(pair.row) for pair in pairs]),
        processing_class=tokenizer,
    )
    check_pairs(pairs, list(trainer.train_dataset))
    trainer.remove_callback(ProgressCallback)
    bar = ProgressCallback()
    bar.on_log = partial(_margin_on_the_bar, bar)  # instead of a line of figures every step
    trainer.add_callback(bar)
    return trainer


def _arguments(settings: Dpo, max_length: int, folder: Path, seed: int) -> Any:
    import torch
    from trl import DPOConfig

    accelerated = torch.accelerator.is_available()
    both = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]}
    return DPOConfig(
        output_dir=str(folder),
        max_length=max_length,
        beta=settings.beta,
        ld_alpha=settings.ld_alpha,
        **(both if settings.sft_weight else {}),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        warmup_steps=settings.warmup,
        lr_scheduler_type=settings.scheduler,
        max_grad_norm=settings.max_grad_norm,
        bf16=training_precision(settings.precision) == "autocast",
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=not accelerated,
        dataloader_pin_memory=accelerated,
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,  # a kill while the second is written must leave the first
        logging_steps=1,
        report_to=settings.report_to,
        seed=seed,
    )


def _margin_on_the_bar(bar: Any, *_: object, logs: Mapping[str, Any], **__: object) -> None:
    if bar.training_bar is not None and "loss" in logs:
        margin = logs.get("rewards/margins", 0.0)
        bar.training_bar.set_postfix_str(f"loss {float(logs['loss']):.3f}, margin {float(margin):.2f}")


def last_margins(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the last step's implicit reward margin and the share of pairs it has in the right order."""
    last: Mapping[str, Any] = next((entry for entry in reversed(log) if "rewards/margins" in entry), {})
    names = {"rewards/margins": "last_margin", "rewards/accuracies": "last_accuracy"}
    return {name: float(last[key]) for key, name in names.items() if key in last}
