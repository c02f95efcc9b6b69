"""What distill.py refuses before any training, and that --help lists every key."""

import json
from pathlib import Path

import pytest

from pipeline.config_files import parse_model
from pipeline.models import ModelFolder
from tests.training.examples import problems, sft_row, write_run
from training import distill
from training.exports import read_sft
from training.settings import Evaluation, Sft, StudentConfig

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
        ("sft.lerning_rate=1", "unknown key sft.lerning_rate; allowed here: batch_size, checkpoint_steps, epochs"),
        ("colour=red", "unknown key colour; allowed here: data, evaluation, output, revision, seed, sft, student"),
        ("sft.epochs=0", "sft.epochs: input should be greater than 0, got 0"),
        ("sft.precision=fp8", "sft.precision: input should be 'autocast', 'float32' or 'bfloat16', got 'fp8'"),
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
        chosen[seed] = [row.completion_id for row in distill._limited(config, rows)]
        assert chosen[seed] == [row.completion_id for row in distill._limited(config, rows)]
    assert all(len(names) == 2 for names in chosen.values())
    assert len({tuple(names) for names in chosen.values()}) > 1


def test_help_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        distill.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    keys = [*(f"sft.{name}" for name in Sft.model_fields), *(f"evaluation.{name}" for name in Evaluation.model_fields)]
    for key in [*keys, "student", "data", "output", "seed"]:
        (line,) = [line for line in shown.splitlines() if line.startswith(f"  {key} ")]
        assert len(line.split("[")[0].split()) > 2, f"{key} is not described"


@pytest.mark.parametrize("name", ["demo.yaml", "local.yaml"])
def test_the_configurations_we_ship_are_valid(name: str) -> None:
    parse_model(StudentConfig, CONFIGS / name, [])
