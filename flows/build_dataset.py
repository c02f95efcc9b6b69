"""The flow build-dataset: a configuration in, a dataset out. It orchestrates; the stages compute.

`gradatim build CONFIG`, `python flows/build_dataset.py CONFIG` and a deployment all run this one flow. Tasks pass the
run's folder, never rows. A run that failed or was killed goes on from its manifest when it is started again.
"""

import sys
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.prefect_progress import progress_artifacts
from flows.stages import plan, run_stage
from pipeline.config import load_config
from pipeline.errors import GradatimError
from pipeline.manifest import run_lock
from pipeline.progress import say
from pipeline.report import funnel, funnel_markdown, write_funnel
from pipeline.run import create_run, open_run
from pipeline.show import traces_markdown
from pipeline.teacher import TeacherUnavailable

RETRIES = 2
RETRY_DELAY_SECONDS = 20


class StageFailed(GradatimError):
    """A stage that cannot go on; the text begins with its name."""


def may_be_retried(_task: Any, _run: Any, state: Any) -> bool:
    """A teacher that is away for a moment is worth waiting for, and it is said; a wrong name or a broken file is not.
    Prefect asks where there are tries left."""
    error = state.result(raise_on_failure=False)
    retried = isinstance(error, StageFailed) and isinstance(error.__cause__, TeacherUnavailable)
    if retried:
        say(f"{error}; tried again in {RETRY_DELAY_SECONDS} s")
    return retried


@task(
    task_run_name="{stage}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
    retry_condition_fn=may_be_retried,
)
def stage_task(stage: str, folder: str) -> dict[str, int]:
    """Run one stage of a run folder; returns its counts."""
    try:
        return run_stage(stage, Path(folder))
    except GradatimError as error:
        raise StageFailed(f"{stage}: {error}") from error


@flow(name="build-dataset", flow_run_name="build-{config}")
def build_dataset(config: str, overrides: list[str] | None = None) -> str:
    """Build the dataset of a configuration.

    Args:
        config: path of the YAML file, such as configs/demo.yaml.
        overrides: changes of single keys, each "key.path=value".

    Returns the run's folder.
    """
    loaded = load_config(Path(config), overrides or ())
    with run_lock(loaded.folder):
        run = create_run(loaded)
        with progress_artifacts(loaded.run):
            for stage in plan(loaded):
                stage_task(stage, str(run.folder))
        _report(run.folder)
    return str(run.folder)


def _report(folder: Path) -> None:
    """Check that all counts balance, and put the funnel and three traces on Prefect's page."""
    run = open_run(folder)
    rows = funnel(run)
    write_funnel(run, rows)
    name = run.config.run.lower().replace("_", "-").replace(".", "-")
    cells = [{"stage": r.stage, "of": r.counted, "in": r.taken, "kept": r.kept, "rejected": r.reasons} for r in rows]
    create_table_artifact(cells, key=f"funnel-{name}", description=f"Funnel of the run {run.config.run}")
    create_markdown_artifact(
        f"# {run.config.run}\n\n{funnel_markdown(rows)}\n\n{traces_markdown(run, 3)}",
        key=f"summary-{name}",
        description="Funnel and three example traces",
    )


if __name__ == "__main__":
    build_dataset(sys.argv[1], sys.argv[2:])
