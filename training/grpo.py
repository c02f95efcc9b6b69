"""Train a student by reinforcement on the calibrated pool: TRL's GRPOTrainer, or its RLOOTrainer, with our verifiers.

What could not be judged gets no reward and moves nothing; every step logs how many groups carried no signal. A killed
training goes on from its last checkpoint on the same command; a finished one is left alone.
"""

import json
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from rich.console import Console

from pipeline.config_files import parse_model
from pipeline.errors import GradatimError
from pipeline.hardware import training_precision
from pipeline.models import ModelFolder, resolve
from pipeline.records import content_id
from pipeline.store import write_text
from training.exports import Export, open_export
from training.group_signal import step_reward
from training.grpo_pool import JUDGED_BY, Row, check_pool, draw, messages_of, read_pool
from training.grpo_settings import Grpo, GrpoConfig
from training.outputs import CHECKPOINTS, begin, finish, first_process, locked, told, train_to_end
from training.settings import config_parser
from training.trainer import keep_freed_memory, load_model, load_tokenizer

STEPS: Final = "steps.jsonl"
SHOWN: Final = ("reward", "groups/zero_variance", "groups/zero_variance_accuracy", "rewards/undecided")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    keep_freed_memory()
    changes = [*options.set, *(["grpo.algorithm=rloo"] if options.rloo else [])]
    try:
        config = parse_model(GrpoConfig, options.config, changes)
        with locked(config.output):
            reinforce(config)
    except GradatimError as error:
        return told(error)
    return 0


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = config_parser("python training/grpo.py", __doc__, GrpoConfig)
    parser.add_argument("--rloo", action="store_true", help="short for --set grpo.algorithm=rloo")
    return parser.parse_args(arguments)


def reinforce(config: GrpoConfig) -> None:
    """Train the student of a configuration unless that is done already."""
    exports = [open_export(run) for run in config.data]
    rows = draw(read_pool(exports), config.grpo, config.seed)
    student = resolve(config.student, revision=config.revision)
    if begin(config.output, fingerprint(config, exports, rows, student)):
        print(f"Nothing to do: {config.output} holds this student already.")
        return
    trainer = build_trainer(student.path, rows, config.grpo, config.output / CHECKPOINTS, config.seed)
    if first_process():
        print(f"{student.name}: {len(rows):,} problems, {config.grpo.algorithm}, groups of {config.grpo.group_size}.")
    metrics = {**train_to_end(trainer, config.output), **signal(trainer.state.log_history)}
    steps = [entry for entry in trainer.state.log_history if "reward" in entry]
    if first_process():
        write_text("".join(json.dumps(step, sort_keys=True) + "\n" for step in steps), config.output / STEPS)
    card = {
        "fingerprint": fingerprint(config, exports, rows, student),
        "data": [{"run": export.run, "hash": export.hash} for export in exports],
        "rows": {"train": len(rows)},
        "metrics": metrics,
        "config": config.model_dump(mode="json"),
    }
    prompts = list(map(messages_of, rows))
    finish(config.output, trainer, card, [row["problem_id"] for row in rows], prompts, base=student)
    if first_process():
        print(_summary(config, student, metrics))


def fingerprint(config: GrpoConfig, exports: Sequence[Export], rows: Sequence[Row], student: ModelFolder) -> str:
    """Return the id of a training: the student, the data in their order, and how it is trained."""
    free = {"report_to", "checkpoint_steps", "log_completions", "vllm_memory", "vllm_server"}
    settings = {"seed": config.seed, **config.grpo.model_dump(exclude=free)}
    data = [[[export.run, export.hash] for export in exports], [row["problem_id"] for row in rows]]
    return content_id("reinforcement", student.revision, data, settings)


def build_trainer(student: Path, rows: Sequence[Row], settings: Grpo, folder: Path, seed: int) -> Any:
    """Build the trainer; its checkpoints go to `folder`. Raises PreflightError if its rows are unfit."""
    from datasets import Dataset, disable_progress_bars
    from transformers.trainer_callback import ProgressCallback
    from trl import GRPOTrainer, RLOOTrainer

    disable_progress_bars()
    tokenizer, special = load_tokenizer(student)
    check_pool(tokenizer, special, rows, settings, seed=seed, console=Console(quiet=not first_process()))
    model = load_model(student, settings.precision)
    columns = [{"prompt": row["prompt"], **{name: row.get(name) for name in JUDGED_BY}} for row in rows]
    kind = RLOOTrainer if settings.algorithm == "rloo" else GRPOTrainer
    logging.getLogger(kind.__module__).addFilter(_no_complaint)
    trainer = kind(
        model=model,
        reward_funcs=step_reward(settings),
        args=_arguments(settings, folder, seed),
        train_dataset=Dataset.from_list(columns),
        processing_class=tokenizer,
    )
    trainer.remove_callback(ProgressCallback)
    bar = ProgressCallback()
    bar.on_log = partial(_reward_on_the_bar, bar)  # instead of a line of figures every step
    trainer.add_callback(bar)
    return trainer


def _no_complaint(record: logging.LogRecord) -> bool:
    """Drop TRL's page-long warning about a completion that has no reward: that is meant, and counted in the log."""
    return "All reward functions returned None" not in record.getMessage()


def _arguments(settings: Grpo, folder: Path, seed: int) -> Any:
    import torch
    from trl import GRPOConfig, RLOOConfig

    accelerated = torch.accelerator.is_available()
    shared = {
        "output_dir": str(folder),
        "num_generations": settings.group_size,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_completion_length": settings.max_completion_length,
        "mask_truncated_completions": settings.mask_truncated,
        "shuffle_dataset": settings.distribution != "curriculum",
        "beta": settings.kl_weight,
        "epsilon": settings.epsilon,
        "epsilon_high": settings.epsilon_high,
        "num_iterations": settings.iterations,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup,
        "lr_scheduler_type": settings.scheduler,
        "max_grad_norm": settings.max_grad_norm,
        "bf16": training_precision(settings.precision) == "autocast",
        "gradient_checkpointing": settings.gradient_checkpointing,
        "use_cpu": not accelerated,
        "dataloader_pin_memory": accelerated,
        "save_steps": settings.checkpoint_steps,
        "save_total_limit": 2,  # a kill while the second is written must leave the first
        "logging_steps": 1,
        "log_completions": settings.log_completions,
        "num_completions_to_print": 0,
        "report_to": settings.report_to,
        "seed": seed,
        **generation(settings, cuda=torch.cuda.is_available()),
    }
    if settings.algorithm == "rloo":
        return RLOOConfig(**shared)
    return GRPOConfig(**shared, loss_type=settings.loss_type, scale_rewards=settings.scale_rewards)


def generation(settings: Grpo, *, cuda: bool) -> dict[str, Any]:
    """Return TRL's arguments for who makes the completions: vLLM beside the trainer, a server, or the model itself."""
    mode = settings.vllm
    if mode == "auto":
        mode = "colocate" if cuda and find_spec("vllm") is not None else "off"
    if mode == "off":
        return {"use_vllm": False}
    chosen: dict[str, Any] = {"use_vllm": True, "vllm_mode": mode}
    if mode == "server":
        return {**chosen, "vllm_server_base_url": settings.vllm_server}
    return {**chosen, "vllm_gpu_memory_utilization": settings.vllm_memory}


def _reward_on_the_bar(bar: Any, *_: object, logs: Mapping[str, Any], **__: object) -> None:
    if bar.training_bar is not None and "groups/zero_variance" in logs:
        reward = logs.get("reward")  # none where nothing could be judged
        shown = "–" if reward is None else f"{reward:.3f}"
        bar.training_bar.set_postfix_str(f"reward {shown}, no signal {logs['groups/zero_variance']:.0%}")


def signal(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the means over all steps of the reward and of what the groups could teach."""
    values = {name: [entry.get(name) for entry in log] for name in SHOWN}
    found = {name: [v for v in given if v is not None and not isnan(v)] for name, given in values.items()}
    return {f"mean {name}": fmean(there) for name, there in found.items() if there}


def _summary(config: GrpoConfig, student: ModelFolder, metrics: Mapping[str, float]) -> str:
    silent, undecided = (metrics.get(f"mean {name}", 0.0) for name in ("groups/zero_variance", "rewards/undecided"))
    return (
        f"Trained {student.name} by {config.grpo.algorithm}: {metrics['steps']:.0f} steps in "
        f"{metrics['seconds'] / 60:.1f} min, mean reward {metrics.get('mean reward', 0.0):.3f}.\n"
        f"{silent:.0%} of the groups carried no signal, {undecided:.0%} of the completions could not be judged; "
        f"every step: {config.output / STEPS}\n"
        f"Student: {config.output}"
    )


if __name__ == "__main__":
    sys.exit(main())
