"""The flow publish: a finished run in, a dataset on the Hub out. `gradatim publish` does the same without a server.

The Hub's token is looked up where the flow runs; it is no parameter, so no server stores it.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.release_command import publish_run, release_text


@flow(name="publish", flow_run_name="publish-{repo}")
def publish(
    run: str,
    repo: str,
    *,
    private: bool = False,
    configs: list[str] | None = None,
    dry_run: bool = False,
    allow_removal: bool = False,
) -> str:
    """Publish a finished run as a dataset on the Hugging Face Hub, in one commit.

    Args:
        run: the run's folder, such as data/runs/demo.
        repo: the repository, name or organisation/name.
        private: make the repository private if it is made.
        configs: the tables to publish, by default sft, grpo and preferences.
        dry_run: make the release's folder and contact no host.
        allow_removal: let rows go that the published version has.

    Returns what was published, in lines.
    """
    found = publish_run(
        Path(run),
        repo,
        private=private,
        configs=configs or ("sft", "grpo", "preferences"),
        dry_run=dry_run,
        allow_removal=allow_removal,
    )
    text = release_text(found)
    card = (found.release.folder / "README.md").read_text(encoding="utf-8").split("---", 2)[-1]
    key = f"card-{Path(run).name.lower().replace('_', '-').replace('.', '-')}"
    create_markdown_artifact(f"```text\n{text}\n```\n{card}", key=key, description=f"Card of {repo}")
    return text
