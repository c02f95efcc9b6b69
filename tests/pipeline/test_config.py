"""Every mistake in a configuration is one line that names the key and what is allowed."""

from pathlib import Path

import pytest

from pipeline.config import Config, load_config
from pipeline.config_files import ConfigError

GOOD = """
run: demo
generate: {sources: [{strategy: template, count: 8}]}
teachers: [{model: some/model}]
"""

MISTAKES = [
    ("run: a b", [], "run"),
    ("colour: red", [], "unknown key colour; allowed here: agree, assess, budget, export, generate"),
    ("assess: {band: {min: 0.1}}", [], "unknown key assess.band.min; allowed here: max_pass_rate, min_pass_rate"),
    ("assess: {band: {min_pass_rate: 0.9, max_pass_rate: 0.1}}", [], "assess.band: min_pass_rate 0.9 must be below"),
    ("assess: {band: {min_pass_rate: -1}}", [], "assess.band.min_pass_rate: input should be greater than or equal"),
    ("assess: {reference_model: other}", [], "assess.reference_model must be one of the teachers: some/model"),
    ("teachers: []", [], "teachers: tuple should have at least 1 item"),
    ("screen: {decontaminate: {ngram: 9}}", [], "screen: decontaminate.benchmarks names no file; name a benchmark, or"),
    ("screen: {decontaminate: {benchmarks: []}}", [], "screen: decontaminate.benchmarks names no file"),
    ("teachers: [{model: m, engine: {kind: tgi}}]", [], "teachers.0.engine"),
    (
        "teachers: [{model: m, engine: {kind: vllm, gpus: 2}}]",
        [],
        "unknown key teachers.0.engine.gpus; allowed here: d",
    ),
    ("generate: {sources: [{strategy: imported}]}", [], "give either path or dataset"),
    ("generate: {sources: [{strategy: template}]}", [], "missing key generate.sources.0.count"),
    ("generate: {sources: [{strategy: template, count: many}]}", [], "count: input should be a valid integer"),
    (
        "teachers: [{model: m, prompt: free}]",
        [],
        "teachers.0.prompt: input should be 'bare', 'boxed', 'brief', 'plan' or 'think'",
    ),
    ("", ["seed"], "--set seed: expected key.path=value"),
    ("", ["teachers.3.model=x"], "--set teachers.3.model=x: 3 is not a position in a list of 1"),
    ("", ["run.name=x"], "run is not a section"),
    ("", ["seeds=1"], "unknown key seeds"),
    ("}{", [], "not YAML"),
]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("change", "overrides", "message"), MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key(
    tmp_path: Path, change: str, overrides: list[str], message: str
) -> None:
    keys = {line.split(":")[0] for line in change.splitlines()}
    kept = [line for line in GOOD.strip().splitlines() if line.split(":")[0] not in keys]
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "\n".join([*kept, change])), overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_reach_lists_and_sections(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    config = load_config(path, ["teachers.0.completions=8", "assess.band.max_pass_rate=0.5", "run=other"])
    assert config.teachers[0].completions == 8
    assert config.assess.band.max_pass_rate == 0.5
    assert config.folder == Path("data/runs/other")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "absent.yaml")


def test_a_saved_config_loads_to_the_same_config(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert Config.model_validate_json(config.model_dump_json()) == config
