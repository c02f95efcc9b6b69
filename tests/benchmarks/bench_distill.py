"""distill.py beside a plain SFTTrainer script on the same rows, and the preflight on ten thousand rows.

    python tests/benchmarks/bench_distill.py                       # SmolLM2-135M, 12 steps of 4 rows, three pairs
    python tests/benchmarks/bench_distill.py --rows 16 --repeat 1  # --rows 0: the preflight alone

Tokens are those of the rows, without padding; seconds are the trainer's own. The two train in turn, plain first in one
pair and distill.py first in the next, so that a machine that grows busier favours neither; what counts is the median of
the pairs' ratios, and their range is the measurement's spread. Exit status 1 if the median is below 1.0 by more than
the tolerance (none unless asked for), or the preflight, from reading the tokenizer and the run on, takes over 20 s.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console

from pipeline.hardware import training_precision
from pipeline.models import resolve
from tests.training.examples import problems, sft_row, write_run
from training import distill
from training.exports import read_sft
from training.preflight import preflight
from training.settings import Sft
from training.templates_check import render
from training.trainer import load_tokenizer

BUDGET: Final = 20.0
STEPS_OF_A_TRACE: Final = 12

# What a practitioner would write; settings and arithmetic are those of the configuration below.
PLAIN: Final = """
import sys
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

student, rows, output, batch, precision = sys.argv[1:6]
trainer = SFTTrainer(
    model=student,
    args=SFTConfig(
        output_dir=output,
        per_device_train_batch_size=int(batch),
        per_device_eval_batch_size=int(batch),
        num_train_epochs=1,
        learning_rate=2e-4,
        warmup_steps=0.05,
        lr_scheduler_type="cosine",
        max_length=1024,
        completion_only_loss=True,
        bf16=precision == "autocast",
        gradient_checkpointing=False,
        use_cpu=True,
        dataloader_pin_memory=False,
        model_init_kwargs={"dtype": "float32"},
        logging_steps=1,
        report_to="none",
        seed=0,
    ),
    train_dataset=load_dataset("parquet", data_files=rows, split="train").select_columns(["prompt", "completion"]),
)
print("seconds", trainer.train().metrics["train_runtime"])
"""


def rows(count: int) -> list[dict[str, Any]]:
    """Training rows of some 450 tokens, no two alike."""
    made = []
    for number, problem in enumerate(problems(count)):
        row = sft_row(problem)
        steps = "\n".join(f"Step {k}: {number} + {k} is {number + k}, so we go on." for k in range(STEPS_OF_A_TRACE))
        content = row["completion"][0]["content"].replace("add the rates.", f"add the rates.\n{steps}")
        made.append({**row, "completion": [{"role": "assistant", "content": content}]})
    return made


def seconds_plain(folder: Path, student: Path, batch: int, number: int) -> float:
    """Train with the plain script; returns the trainer's seconds."""
    data = folder / "run" / "export" / "sft" / "train.parquet"
    given = (student, data, folder / f"plain-{number}", batch, training_precision("auto"))
    command = [sys.executable, "-c", PLAIN, *map(str, given)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(shown.split("seconds ")[1].split()[0])


def seconds_ours(folder: Path, student: Path, batch: int, number: int) -> float:
    """Train with distill.py; returns the trainer's seconds."""
    output, config = folder / f"ours-{number}", folder / "student.yaml"
    config.write_text(
        f"student: {student}\ndata: [{folder / 'run'}]\noutput: {output}\n"
        f"sft: {{epochs: 1, batch_size: {batch}, checkpoint_steps: 100000}}\n"
    )
    command = [sys.executable, distill.__file__, "--config", str(config)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    card = json.loads((output / "gradatim.json").read_text(encoding="utf-8"))
    return float(card["metrics"]["seconds"])


def compare(student: Path, count: int, batch: int, repeat: int, tolerance: float) -> bool:
    """Train with both in turn, print the ratio of every pair. Returns whether their median is high enough."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder / "run", sft_train=rows(count))
        tokenizer, special = load_tokenizer(student)
        tokens = sum(len(r.tokens) for r in render(tokenizer, special.stops, read_sft([folder / "run"]).train))
        train = {"plain": seconds_plain, "distill.py": seconds_ours}
        times: dict[str, list[float]] = {who: [] for who in train}
        for number in range(repeat):
            for who in sorted(train, reverse=number % 2 == 0):
                times[who].append(train[who](folder, student, batch, number))
    for who, each in times.items():
        print(f"{who:<11} {tokens / median(each):8.1f} tokens/s  (seconds: {', '.join(f'{s:.1f}' for s in each)})")
    ratios = [plain / ours for plain, ours in zip(times["plain"], times["distill.py"], strict=True)]
    print(
        f"distill.py / plain: {median(ratios):.3f}x, the median of {repeat} pairs from {min(ratios):.3f}x to "
        f"{max(ratios):.3f}x, on {count} rows, {tokens:,} tokens, {-(-count // batch)} steps; at least 1.0x is wanted"
    )
    return median(ratios) >= 1 - tolerance


def time_preflight(student: Path, count: int) -> bool:
    """Print what the preflight takes on so many rows. Returns whether that is within the budget."""
    with tempfile.TemporaryDirectory() as name:
        run = write_run(Path(name) / "run", sft_train=rows(count))
        started, spent = time.perf_counter(), time.process_time()
        tokenizer, special = load_tokenizer(student)
        given = read_sft([run]).train
        checked = preflight(tokenizer, special, given, Sft(), seed=0, console=Console(file=io.StringIO()))
        seconds, processor = time.perf_counter() - started, time.process_time() - spent
    tokens = sum(len(row.tokens) for row in checked.rows)
    print(
        f"preflight: {count:,} rows, {tokens:,} tokens in {seconds:.1f} s ({processor:.1f} s of processor time); "
        f"at most {BUDGET:g} s for 10,000 rows"
    )
    return seconds <= BUDGET * max(count / 10_000, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="smollm2-135m-instruct", help="catalogue name, folder or Hub id")
    parser.add_argument("--rows", type=int, default=48, help="rows to train on, one epoch; 0 trains nothing")
    parser.add_argument("--batch-size", type=int, default=4, help="rows per step")
    parser.add_argument("--repeat", type=int, default=3, help="how often each trains; the median ratio counts")
    parser.add_argument("--tolerance", type=float, default=0.0, help="how much slower is put down to the machine")
    parser.add_argument("--preflight-rows", type=int, default=10_000, help="rows of the preflight; 0 leaves it out")
    options = parser.parse_args()
    student = resolve(options.student).path
    fine = not options.preflight_rows or time_preflight(student, options.preflight_rows)
    if options.rows:
        fine &= compare(student, options.rows, options.batch_size, options.repeat, options.tolerance)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
