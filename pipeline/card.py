"""The README.md beside an export: what the tables hold and how they were made, readable by people and by `datasets`."""

from collections.abc import Sequence

import yaml

from pipeline.config import Config, Teacher
from pipeline.manifest import FileEntry
from pipeline.prompts import HINT_LABEL, PROMPTS
from pipeline.report import funnel, funnel_markdown
from pipeline.run import Run

_COLUMNS = """\
`sft`: `prompt` and `completion` in TRL's conversational form (the loss belongs on the completion alone).
`grpo`: `prompt`, `answer` and `verifier`, with `attempts`, `successes`, `pass_rate` and its interval for
`reference_model`; a completion that could not be judged is in none of them.
`preferences`: `prompt`, `chosen` and `rejected`: a correct and an incorrect completion of one model, both whole, with
their lengths in that model's tokens.
"""


def card(run: Run, files: Sequence[FileEntry]) -> str:
    """Return the card of an export with these files ("export/<table>/<split>.parquet")."""
    tables = [(file.path.split("/")[1], file.path.split("/")[2], file.rows) for file in files if "parquet" in file.path]
    rows = "\n".join(f"| {name} | {split.removesuffix('.parquet')} | {count:,} |" for name, split, count in tables)
    return (
        f"---\n{_metadata(tables)}---\n\n# {run.config.run}\n\n"
        "Verified reasoning traces (`sft`), a problem pool with measured difficulty (`grpo`), and pairs of a correct "
        "and an incorrect completion (`preferences`), made by gradatim.\n\n"
        f"| table | split | rows |\n|---|---|---:|\n{rows}\n\n"
        f"## How it was made\n\n{funnel_markdown(funnel(run))}\n\n{_settings(run.config)}\n\n"
        f"## Columns\n\n{_COLUMNS}"
    )


def _metadata(tables: Sequence[tuple[str, str, int]]) -> str:
    """The YAML head that `datasets.load_dataset(folder, "sft")` reads."""
    names = list(dict.fromkeys(name for name, _, _ in tables))
    configs = [
        {
            "config_name": name,
            "data_files": [
                {"split": split.removesuffix(".parquet"), "path": f"{name}/{split}"}
                for table, split, _ in tables
                if table == name
            ],
        }
        for name in names
    ]
    head: str = yaml.safe_dump({"configs": configs, "tags": ["reasoning", "synthetic", "gradatim"]}, sort_keys=False)
    return head


def _settings(config: Config) -> str:
    band = config.assess.band
    lines = [_teacher(teacher) for teacher in config.teachers]
    lines.append(
        f"- difficulty: pass rate of `{config.reference_model}`, {config.assess.interval} interval at "
        f"{config.assess.level:g}, band {band.min_pass_rate:g} to {band.max_pass_rate:g}"
    )
    lines.append(f"- seed {config.seed}; the whole configuration is `config.yaml` beside this folder")
    return "\n".join(lines)


def _teacher(teacher: Teacher) -> str:
    return (
        f"- `{teacher.model}`: {teacher.completions} completions per problem, "
        f"prompt `{PROMPTS[teacher.prompt].label}{HINT_LABEL if teacher.hint else ''}`, "
        f"temperature {teacher.sampling.temperature:g}, at most {teacher.sampling.max_tokens} tokens"
    )
