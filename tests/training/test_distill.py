"""What distill.py refuses before any training, and that --help lists every key."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config_files import ConfigError, parse_model
from pipeline.models import ModelFolder
from tests.training.examples import problems, sft_row, write_run
from training import distill
from training.exports import SftRow, read_sft
from training.grpo_settings import GrpoConfig
from training.mixture import chosen_rows, mixed
from training.model_card import model_card
from training.preference_settings import PreferenceConfig
from training.settings import Lora, Sft, StudentConfig
from training.trainer import training_arguments

CONFIGS = Path(distill.__file__).parent / "configs"


def write_config(tmp_path: Path, run: Path, more: str = "") -> Path:
    path = tmp_path / "student.yaml"
    path.write_text(f"student: some/model\ndata: [{run}]\noutput: {tmp_path / 'out'}\n{more}")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo", sft_train=[sft_row(p) for p in problems(4)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sft.lerning_rate=1", "unknown key sft.lerning_rate; allowed here: attn_implementation, batch_size, chat_"),
        ("sft.lora.rank=4", "unknown key sft.lora.rank; allowed here: alpha, dropout, merge, r, target_modules"),
        ("sft.mixture={keep: -1}", "sft.mixture.keep: input should be greater than or equal to 0, got -1"),
        ("sft.mixture={huge: 2}", "sft.mixture: no row carries the tag 'huge'; there are keep, level:1"),
        ("sft.mixture={keep: 0}", "sft.mixture: these weights leave no row"),
        ("colour=red", "unknown key colour; allowed here: data, evaluation, output, revision, seed, sft, student"),
        ("sft.epochs=0", "sft.epochs: input should be greater than 0, got 0"),
        ("sft.precision=fp8", "sft.precision: input should be 'auto', 'autocast', 'float32' or 'bfloat16', got 'fp8'"),
        ("data=[]", "data: tuple should have at least 1 item"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line_and_writes_nothing(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert distill.main(["--config", str(write_config(tmp_path, run)), "--set", change]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_changed_data_are_refused(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "export" / "sft" / "train.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    assert distill.main(["--config", str(write_config(tmp_path, run))]) == 1
    assert "not the file that the manifest lists" in capsys.readouterr().err


def test_a_finished_student_is_left_alone_and_another_training_is_refused(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    student = ModelFolder("some/model", tmp_path, "1")
    monkeypatch.setattr(distill, "resolve", lambda *_, **__: student)
    config = write_config(tmp_path, run)
    settings = parse_model(StudentConfig, config, [])
    data = read_sft(settings.data)
    lesson = distill.Lesson(settings, student, data, data.train)
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    (tmp_path / "out" / "gradatim.json").write_text(json.dumps({"fingerprint": lesson.fingerprint}))

    assert distill.main(["--config", str(config), "--set", "sft.checkpoint_steps=7", "evaluation.limit=3"]) == 0
    shown = capsys.readouterr().out
    assert "Nothing to do" in shown
    assert f"Next: python training/evaluate.py --config {config} --set sft.checkpoint_steps=7" in shown
    assert not (tmp_path / "out" / "checkpoints").exists()

    assert distill.main(["--config", str(config), "--set", "seed=1"]) == 2
    assert "holds a student trained on other data or in another way" in capsys.readouterr().err


def test_limit_draws_rows_by_the_seed(tmp_path: Path, run: Path) -> None:
    rows = read_sft([run]).train
    chosen = {}
    for seed in range(6):
        config = parse_model(StudentConfig, write_config(tmp_path, run), ["sft.limit=2", f"seed={seed}"])
        chosen[seed] = [row.completion_id for row in chosen_rows(rows, config)]
        assert chosen[seed] == [row.completion_id for row in chosen_rows(rows, config)]
    assert all(len(names) == 2 for names in chosen.values())
    assert len({tuple(names) for names in chosen.values()}) > 1


def tagged(count: int, *tags: str) -> list[SftRow]:
    return [SftRow("p", f"{'+'.join(tags)}-{i}", (), (), tags) for i in range(count)]


def test_a_mixture_weighs_rows_by_the_product_of_their_tags() -> None:
    groups = {
        "whole": tagged(400, "easy"),
        "half": tagged(400, "easy", "travel"),
        "more": tagged(400, "hard", "travel"),
        "none": tagged(400, "banned", "hard"),
    }
    rows = [row for group in groups.values() for row in group]
    weights = {"easy": 2.0, "travel": 0.25, "hard": 6.0, "banned": 0.0}
    drawn = mixed(rows, weights, seed=3)
    counts = {name: [drawn.count(row) for row in group] for name, group in groups.items()}
    assert set(counts["whole"]) == {2}
    assert set(counts["half"]) == {0, 1}
    assert 160 < sum(counts["half"]) < 240
    assert set(counts["more"]) == {1, 2}
    assert 560 < sum(counts["more"]) < 640
    assert set(counts["none"]) == {0}
    assert [row for row in rows if row in drawn] == list(dict.fromkeys(drawn)), "the order of the rows changed"
    assert drawn == mixed(rows, weights, seed=3)
    assert drawn != mixed(rows, weights, seed=4)
    assert mixed(groups["half"], {"easy": 2.0, "travel": 0.25}, 3) == [row for row in drawn if row in groups["half"]]
    assert mixed(rows, {}, seed=3) == rows


def test_an_unknown_tag_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no row carries the tag 'haard'; there are easy, hard"):
        mixed([*tagged(1, "hard"), *tagged(1, "easy")], {"haard": 1.0}, 0)


@pytest.mark.parametrize("change", ["sft.lora={}", "sft.mixture={keep: 2}", "sft.packing=true", "sft.max_length=999"])
def test_what_changes_the_student_changes_the_fingerprint(tmp_path: Path, run: Path, change: str) -> None:
    data = read_sft([run])
    student = ModelFolder("some/model", tmp_path, "1")

    def fingerprint(*changes: str) -> str:
        settings = parse_model(StudentConfig, write_config(tmp_path, run), changes)
        return distill.Lesson(settings, student, data, data.train).fingerprint

    assert fingerprint("sft.report_to=tensorboard", "sft.checkpoint_steps=7") == fingerprint()
    assert fingerprint(change) != fingerprint()
    template = tmp_path / "chat.jinja"
    template.write_text("one")
    before = fingerprint(f"sft.chat_template_path={template}")
    template.write_text("two")
    assert fingerprint(f"sft.chat_template_path={template}") != before


def test_settings_reach_the_trainer(tmp_path: Path) -> None:
    settings = Sft(report_to=["tensorboard", "trackio"], packing=True, precision="float32", gradient_checkpointing=True)
    given = training_arguments(settings, 512, tmp_path / "run" / "checkpoints", 7)
    assert given.report_to == ["tensorboard", "trackio"]
    assert (given.packing, given.bf16, given.gradient_checkpointing, given.max_length) == (True, False, True, 512)
    assert (given.seed, given.run_name) == (7, "run")
    plain = training_arguments(Sft(precision="autocast"), 512, tmp_path, 7)
    assert (plain.report_to, plain.packing, plain.bf16, plain.gradient_checkpointing) == ([], False, True, False)


def test_the_model_card_names_base_data_and_settings() -> None:
    config = StudentConfig(student="some/model", data=(Path("runs/demo"),), output=Path("out"), sft=Sft(lora=Lora()))
    card = {
        "fingerprint": "f1",
        "base": {"name": "some/model", "revision": "r1"},
        "data": [{"run": "demo", "hash": "h1"}],
        "rows": {"train": 1234, "validation": 5, "left out": {"in two runs": 0, "too long": 6}},
        "notes": {"a note": 3},
        "max_length": 512,
        "metrics": {"steps": 10, "seconds": 60.0, "first_loss": 2.0, "last_loss": 1.0, "validation_loss": 1.5},
        "arithmetic": "float32 weights, bfloat16 arithmetic",
        "config": config.model_dump(mode="json"),
        "packages": {"trl": "1.2"},
    }
    page = model_card(card)
    head, body = page.removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head)["base_model"] == "some/model"
    assert "lora" in yaml.safe_load(head)["tags"]
    for part in (
        "| `demo` | `h1` |",
        "revision `r1`",
        "1,234 rows",
        "6 left out (too long)",
        "a note: 3 rows",
        "float32 weights, bfloat16 arithmetic",
        "trl 1.2",
    ):
        assert part in body
    assert "in two runs" not in body
    written = yaml.safe_load(body.split("```yaml\n")[1].split("```")[0])
    assert StudentConfig.model_validate(written) == config


@pytest.mark.parametrize(
    ("name", "model", "changes", "words"),
    [
        ("grpo", GrpoConfig, [], ["grpo", "reinforced by verifiers", "GRPOTrainer", "grpo.py", "| `demo` | `h1` |"]),
        ("grpo", GrpoConfig, ["grpo.algorithm=rloo"], ["rloo", "RLOOTrainer, with the verifiers' reward", "grpo.py"]),
        ("dpo", PreferenceConfig, [], ["dpo", "DPOTrainer on correct", "preferences.py", "3 left out (by length)"]),
        ("tpo", PreferenceConfig, [], ["tpo", "that a judge has made", "Instructions: `data/instructions.jsonl`"]),
    ],
)
def test_every_kind_of_training_has_a_model_card(
    name: str, model: type[BaseModel], changes: list[str], words: list[str]
) -> None:
    config = parse_model(model, CONFIGS / f"{name}.yaml", changes)
    metrics = {"steps": 10, "seconds": 60.0, "first_loss": 2.0, "last_loss": 1.0}
    card = {
        "fingerprint": "f1",
        "base": {"name": "some/model", "revision": "r1"},
        "rows": {"train": 20, "left out": {"by length": 3}},
        "metrics": metrics,
        "arithmetic": "float32",
        "config": config.model_dump(mode="json"),
        "packages": {"trl": "1.2"},
    }
    page = model_card(card | ({} if name == "tpo" else {"data": [{"run": "demo", "hash": "h1"}]}))
    assert all(word in page for word in words)
    assert yaml.safe_load(page.split("---")[1])["tags"][0] == words[0]
    assert model.model_validate(yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])) == config


@pytest.mark.parametrize("name", ["demo.yaml", "local.yaml", "lora.yaml"])
def test_the_configurations_we_ship_are_valid(name: str) -> None:
    parse_model(StudentConfig, CONFIGS / name, [])
