"""`gradatim preflight CONFIG`: what the training of a configuration checks before its first step, and nothing else.

Of every kind: distillation (with the validation rows, and whether rows may be packed), GRPO and RLOO, DPO, TPO, STaR.
Weights are loaded for packing alone. Exit status 1 for rows that are unfit, 2 for a bad configuration.
"""

import os
import sys
from collections.abc import Sequence

from rich.console import Console

from pipeline.config_files import check_model
from pipeline.errors import GradatimError
from pipeline.hardware import training_precision
from pipeline.models import ModelFolder, resolve
from pipeline.prompts import render_prompt
from pipeline.records import Message
from pipeline.star_settings import StarConfig
from pipeline.traces import trace_text
from training.dpo import check_sides, limited
from training.evaluation_plan import read_config
from training.exports import SftRow, open_export, read_sft
from training.grpo_pool import check_pool, draw, read_pool
from training.grpo_settings import GrpoConfig
from training.mixture import chosen_rows
from training.outputs import told
from training.packing import check_packing
from training.pairs import read_pairs
from training.preference_settings import PreferenceConfig
from training.preflight import check_splits, check_tokenisation
from training.settings import StudentConfig, config_parser
from training.tpo import check_instructions
from training.trainer import load_model, load_tokenizer


def main(arguments: Sequence[str] | None = None) -> int:
    kinds = StudentConfig, GrpoConfig, PreferenceConfig, StarConfig
    options = config_parser("gradatim preflight", __doc__, *kinds).parse_args(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    try:
        config, _ = read_config(options.config, options.set)
        student = resolve(config.student, revision=config.revision)
        if isinstance(config, StudentConfig):
            found = _distillation(config, student)
        elif isinstance(config, GrpoConfig):
            found = _reinforcement(config, student)
        elif isinstance(config, PreferenceConfig):
            found = _preferences(config, student)
        else:
            found = _star(config, student, str(options.config))
    except GradatimError as error:
        return told(error)
    print(f"{student.name}: {found}.")
    return 0


def _distillation(config: StudentConfig, student: ModelFolder) -> str:
    data, sft = read_sft(config.data), config.sft
    tokenizer, special = load_tokenizer(student.path, sft.chat_template_path)
    splits = chosen_rows(data.train, config), data.validation
    checked, validation = check_splits(tokenizer, special, splits, sft, seed=config.seed, console=Console())
    if sft.packing:
        model = load_model(student.path, sft.precision, sft.attn_implementation)
        check_packing(model, checked.rows, autocast=training_precision(sft.precision) == "autocast")
    left_out = f", {checked.too_long:,} left out as too long" if checked.too_long else ""
    held_out = f" and {len(validation):,} for validation" if validation else ""
    return f"{len(checked.rows):,} rows are fit to train on{held_out}{left_out}"


def _reinforcement(config: GrpoConfig, student: ModelFolder) -> str:
    rows = draw(read_pool([open_export(run) for run in config.data]), config.grpo, config.seed)
    check_pool(*load_tokenizer(student.path), rows, config.grpo, seed=config.seed, console=Console())
    return f"{len(rows):,} problems are fit to train on"


def _preferences(config: PreferenceConfig, student: ModelFolder) -> str:
    tokenizer, special = load_tokenizer(student.path)
    if config.tpo.instructions:
        prompts = check_instructions(tokenizer, special, config, console=Console())
        return f"{len(prompts):,} instructions are fit to think about; the pairs are checked in each round"
    rows = limited(read_pairs([open_export(run) for run in config.data]), config.dpo.limit, config.seed)
    pairs = check_sides(tokenizer, special, rows, config.dpo, seed=config.seed, console=Console())
    check_tokenisation(tokenizer, [pair.chosen for pair in pairs], config.seed)
    return f"{len(pairs):,} pairs are fit to train on"


def _star(config: StarConfig, student: ModelFolder, name: str) -> str:
    """Check a trace of the kind that the rounds will train on, with the student's template and the rounds' prompt."""
    base = {"student": config.student, "data": [config.output], "output": config.output, "sft": config.sft}
    sft = check_model(StudentConfig, base, name).sft
    question, reply = "What is 6 times 7?", "6 times 7 is \\boxed{42}."
    trace = Message("assistant", trace_text(None, reply, "42", config.select))
    row = SftRow("6 times 7", "example", render_prompt(config.select.prompt, question), (trace,), answer="42")
    tokenizer, special = load_tokenizer(student.path, sft.chat_template_path)
    check_splits(tokenizer, special, ([row], []), sft, seed=config.seed, console=Console())
    return "an example trace is fit to train on; each round checks its own before it trains"


if __name__ == "__main__":
    sys.exit(main())
