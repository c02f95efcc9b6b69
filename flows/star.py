"""The flow star: STaR (Zelikman et al. 2022, arXiv 2203.14465), rounds of generate, rationalise and train.

`gradatim star CONFIG`, `python flows/star.py CONFIG` and a deployment all run this one flow. Tasks pass the output
folder, never rows; a flow that was killed goes on with the first step that is not finished.
"""

import sys
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact

from flows.build_dataset import RETRIES, RETRY_DELAY_SECONDS, StageFailed, may_be_retried
from flows.prefect_progress import progress_artifacts
from flows.star_report import finished_rounds, rounds_markdown
from flows.star_rounds import begin, finish, load_star, run_step, steps_left
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock


@task(
    task_run_name="round {number}: {step}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
    retry_condition_fn=may_be_retried,
)
def round_task(step: str, number: int, output: str) -> None:
    """Run one step of a round."""
    try:
        run_step(step, Path(output), number)
    except GradatimError as error:
        raise StageFailed(f"round {number}, {step}: {error}") from error


@flow(name="star", flow_run_name="star-{config}")
def star(config: str, overrides: list[str] | None = None) -> str:
    """Let a student learn from its own verified solutions.

    Args:
        config: path of the YAML file, such as training/configs/star.yaml.
        overrides: changes of single keys, each "key.path=value".

    Returns the folder of the last round's student.
    """
    settings = load_star(Path(config), overrides or ())
    with run_lock(settings.output):
        begin(settings)
        with progress_artifacts(settings.output.name):
            for number, step in steps_left(settings):
                round_task(step, number, str(settings.output))
        student = finish(settings)
    table = rounds_markdown(finished_rounds(settings.output))
    create_markdown_artifact(table, key="star-rounds", description=f"Rounds of {settings.output}")
    return str(student)


if __name__ == "__main__":
    star(sys.argv[1], sys.argv[2:])
