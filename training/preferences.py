"""Train a student on preferences: DPO on a run's pairs of correct and incorrect completions, or TPO on instructions.

DPO reads export/preferences. TPO (thought preference optimization) makes its pairs itself, round by round, with a judge
that sees the responses only. A killed training goes on on the same command; a finished one is left alone.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from pipeline.config_files import ConfigError, parse_model
from pipeline.errors import GradatimError
from pipeline.models import resolve
from training.dpo import train_on_pairs
from training.exports import open_export
from training.foreign_rows import ExportError
from training.outputs import first_process, locked, told
from training.pairs import read_pairs
from training.preference_settings import PreferenceConfig
from training.settings import config_parser
from training.tpo import check_instructions, make_round
from training.trainer import keep_freed_memory, load_tokenizer


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")  # TRL reports every trainer that is built otherwise
    keep_freed_memory()
    try:
        config = parse_model(PreferenceConfig, options.config, options.set)
        with locked(config.output):
            if config.tpo.instructions:
                optimise_thoughts(config)
            else:
                prefer(config)
    except GradatimError as error:
        return told(error)
    return 0


def _options(arguments: Sequence[str] | None) -> Namespace:
    return config_parser("python training/preferences.py", __doc__, PreferenceConfig).parse_args(arguments)


def prefer(config: PreferenceConfig) -> None:
    """Train on the pairs of runs (DPO)."""
    exports = [open_export(run) for run in config.data]
    card = {
        "data": [{"run": export.run, "hash": export.hash} for export in exports],
        "config": config.model_dump(mode="json"),
    }
    student = resolve(config.student, revision=config.revision)
    rows = read_pairs(exports)
    if not train_on_pairs(student, rows, config.dpo, output=config.output, seed=config.seed, card=card):
        print(f"Nothing to do: {config.output} holds this student already.")


def optimise_thoughts(config: PreferenceConfig) -> None:
    """Generate, judge and train, round by round, each from the student of the round before (TPO)."""
    if not first_process() or os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError("TPO runs in one process; vLLM spreads its models over devices itself")
    student = resolve(config.student, revision=config.revision)
    check_instructions(*load_tokenizer(student.path), config, console=Console())
    for number in range(1, config.tpo.rounds + 1):
        folder = config.output / f"round-{number}"
        rows = make_round(config, student, folder, number)
        if not rows:
            raise ExportError(f"round {number}: the judge preferred no completion to another; see {folder}/round.json")
        output = config.output if number == config.tpo.rounds else folder / "student"
        card = {"round": number, "config": config.model_dump(mode="json")}
        if not train_on_pairs(student, rows, config.dpo, output=output, seed=config.seed, card=card):
            print(f"Nothing to do: {output} holds this student already.")
        student = resolve(str(output))


if __name__ == "__main__":
    sys.exit(main())
