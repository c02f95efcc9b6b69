"""grpo.py: two real steps of GRPO and of RLOO on a tiny model, what its groups are said to teach, and its mistakes."""

import json
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config_files import parse_model
from pipeline.errors import GradatimError
from pipeline.records import canonical_json
from tests.training.examples import grpo_row, problems, write_run
from tests.training.tiny import keep_gradient, moved, tiny_student
from training import grpo, grpo_pool, outputs
from training.exports import open_export
from training.group_signal import step_reward, undecided, zero_variance
from training.grpo_pool import draw, read_pool
from training.grpo_settings import Grpo, GrpoConfig
from training.rewards import RewardFunction, Rewards, accuracy

SHORT = canonical_json([{"kind": "no_commas"}, {"kind": "word_count", "relation": "at_most", "value": 1}])
LENGTH = 12
TINY: dict[str, Any] = {
    "group_size": 4,
    "batch_size": 8,
    "max_completion_length": LENGTH,
    "max_steps": 2,
    "learning_rate": 1e-3,
    "precision": "float32",
    "checkpoint_steps": 1,
    "distribution": "curriculum",
}
COLOCATED = {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.3}


def pool_row(name: str, pass_rate: float, **changes: Any) -> dict[str, Any]:
    row = {"problem_id": name, "question": "Say one word.", "answer": SHORT, "verifier": "constraint"}
    prompt = [{"role": "user", "content": "Say one word."}]
    return {**row, "prompt": prompt, "answer_type": None, "tolerance": None, "pass_rate": pass_rate, **changes}


def write_config(folder: Path, run: Path, **changes: Any) -> Path:
    path = folder / "grpo.yaml"
    whole = {"student": str(folder / "tiny"), "data": [str(run)], "output": str(folder / "out"), "seed": 3}
    path.write_text(yaml.safe_dump({**whole, "grpo": {**TINY, **changes}}))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [pool_row(f"p{i}", pass_rate) for i, pass_rate in enumerate([0.2, 0.8, 0.4, 0.6])]
    held_out = [pool_row("kept apart", 0.5)]
    return write_run(tmp_path / "run", grpo_train=[*rows, *held_out], sft_test=held_out)


@pytest.mark.parametrize(
    ("rewards", "silent", "lost"),
    [
        ([1.0, 0.0, 0.0, 1.0], 0.0, 0.0),
        ([1.0, 1.0, 0.0, 0.0], 1.0, 0.0),
        ([1.0, 0.0, 1.0, None], 0.5, 0.25),
        ([None, None, 1.0, 0.0], 0.5, 0.5),
        ([None, None, None, None], 1.0, 1.0),
        ([0.3, 0.1 + 0.2, 1.0, 0.0], 0.5, 0.0),
    ],
)
def test_groups_without_a_signal_are_counted(rewards: Rewards, silent: float, lost: float) -> None:
    assert zero_variance(rewards, 2) == silent
    assert undecided(rewards) == lost


def test_the_reward_logs_what_the_groups_teach() -> None:
    logged: dict[str, float] = {}
    settings = Grpo(group_size=2, batch_size=4, max_completion_length=9, format_weight=0.1, overlong_weight=0.5)
    rewards = step_reward(settings)(
        prompts=["?"] * 4,
        completions=["\\boxed{42}", "\\boxed{41}", "\\boxed{42}", "\\boxed{42}"],
        completion_ids=[[5] * 4, [5] * 4, [5] * 4, [5] * 9],
        answer=["42"] * 4,
        log_metric=logged.__setitem__,
    )
    assert rewards == [1.0, 0.0, 1.0, None]
    assert logged["groups/zero_variance"] == logged["groups/zero_variance_accuracy"] == 0.5
    assert logged["rewards/undecided"] == 0.25
    assert logged["rewards/accuracy/mean"] == pytest.approx(2 / 3)
    assert {"rewards/format_shape/mean", "rewards/overlong/mean"} <= set(logged)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_two_steps(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    student = tiny_student(tmp_path / "tiny")
    likely_end = {"use_vllm": False, "generation_kwargs": {"sequence_bias": [[[1], 3.0]]}}
    monkeypatch.setattr(grpo, "generation", lambda *_, **__: likely_end)
    seen = watch_steps(monkeypatch)
    paid = watch_rewards(monkeypatch)
    arguments = ["--config", str(write_config(tmp_path, run)), *(["--rloo"] if algorithm == "rloo" else [])]
    assert grpo.main(arguments) == 0

    out = tmp_path / "out"
    steps = [json.loads(line) for line in (out / grpo.STEPS).read_text().splitlines()]
    assert len(steps) == 2
    assert len(paid) == 2
    for step, (rewards, judged) in zip(steps, paid, strict=True):
        assert math.isfinite(step["loss"])
        assert math.isfinite(step["grad_norm"])
        assert step["groups/zero_variance"] == zero_variance(rewards, TINY["group_size"])
        assert step["groups/zero_variance_accuracy"] == zero_variance(judged, TINY["group_size"])
        assert step["rewards/undecided"] == undecided(judged) == undecided(rewards)
    assert any(None in rewards and 1.0 in judged for rewards, judged in paid), "too little was judged to count"
    assert any(step["grad_norm"] > 0 for step in steps)
    assert moved(student, out)
    card = json.loads((out / "gradatim.json").read_text())
    assert card["metrics"]["steps"] == 2
    assert card["config"]["grpo"]["algorithm"] == algorithm
    assert f"{algorithm.upper()}Trainer" in (out / "README.md").read_text()
    assert not (out / "checkpoints").exists()
    check_masks(seen)

    assert grpo.main(arguments) == 0
    assert len(seen) == 2, "a finished training is left alone"
    assert grpo.main([*arguments, "--set", "seed=4"]) == 2


def watch_rewards(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rewards, Rewards]]:
    """Note what every step's completions are paid, and what the verifier alone would pay."""
    paid: list[tuple[Rewards, Rewards]] = []

    def watched(settings: Grpo) -> RewardFunction:
        reward = step_reward(settings)

        def noted(**given: Any) -> Rewards:
            rewards = reward(**given)
            paid.append((rewards, accuracy(**given, max_completion_length=settings.max_completion_length)))
            return rewards

        return noted

    monkeypatch.setattr(grpo, "step_reward", watched)
    return paid


def watch_steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Note what every step computes its loss from, and the gradient of the loss at the last hidden states."""
    from trl import GRPOTrainer, RLOOTrainer

    seen: list[dict[str, Any]] = []

    def watched(kind: Any) -> Any:
        compute_loss = kind.compute_loss

        def compute(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
            noted: dict[str, Any] = {
                key: value.clone() for key, value in inputs.items() if key.endswith(("_ids", "_mask"))
            }
            gradients: list[Any] = []
            noted["gradients"] = gradients

            backbone = self.accelerator.unwrap_model(model).model
            hook = backbone.register_forward_hook(partial(keep_gradient, gradients))
            seen.append(noted)
            try:
                return compute_loss(self, model, inputs, *rest, **named)
            finally:
                hook.remove()

        return compute

    for kind in (GRPOTrainer, RLOOTrainer):
        monkeypatch.setattr(kind, "compute_loss", watched(kind))
    return seen


def check_masks(seen: list[dict[str, Any]]) -> None:
    """The prompt is no part of the loss, nor is what was cut off, nor anything after the end of the turn."""
    cut = 0
    for step in seen:
        ids, mask = step["completion_ids"], step["completion_mask"]
        assert ids.shape == mask.shape
        for tokens, kept in zip(ids.tolist(), mask.tolist(), strict=True):
            ended = 1 in tokens
            cut += not ended
            wanted = tokens.index(1) + 1 if ended else 0
            assert kept == [1] * wanted + [0] * (len(tokens) - wanted)
        (gradient,) = step["gradients"]
        length = ids.shape[1]
        moving = gradient.abs().sum(-1) > 0  # the hidden state at t says token t + 1
        assert not moving[:, : -length - 1].any(), "a token of the prompt is learned"
        assert not moving[:, -1].any()
        assert not (moving[:, -length - 1 : -1] & (mask == 0)).any()
    assert cut, "no completion was cut off: the mask was not tried"
    assert any(step["gradients"][0].abs().sum() > 0 for step in seen)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_training_goes_on_from_its_checkpoint(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_student(tmp_path / "tiny")
    seen = watch_steps(monkeypatch)
    finish = outputs.finish

    def killed(*_: object, **__: object) -> None:
        raise GradatimError("killed")

    monkeypatch.setattr(grpo, "finish", killed)
    arguments = ["--config", str(write_config(tmp_path, run))]
    assert grpo.main(arguments) == 1
    shutil.rmtree(tmp_path / "out" / "checkpoints" / "checkpoint-2")
    monkeypatch.setattr(grpo, "finish", finish)
    assert grpo.main(arguments) == 0
    assert "Going on from" in capsys.readouterr().out
    assert len(seen) == 3, "only the second step is made again"
    assert (seen[1]["prompt_ids"] == seen[2]["prompt_ids"]).all()
    assert len((tmp_path / "out" / grpo.STEPS).read_text().splitlines()) == 2


def test_the_pool_is_read_without_what_is_held_out_and_drawn_to_the_distribution(run: Path) -> None:
    rows = read_pool([open_export(run)])
    assert {row["problem_id"] for row in rows} == {"p0", "p1", "p2", "p3"}
    easy_first = draw(rows, Grpo(distribution="curriculum"), 0)
    assert [row["pass_rate"] for row in easy_first] == [0.8, 0.6, 0.4, 0.2]
    assert len(draw(rows, Grpo(problems=2), 0)) == 2
    assert draw(rows, Grpo(problems=2), 0) == draw(rows[::-1], Grpo(problems=2), 0)
    with pytest.raises(GradatimError, match="a step takes 5 problems, there are 4"):
        draw(rows, Grpo(batch_size=40), 0)
    with pytest.raises(GradatimError, match="asked for"):
        draw(rows, Grpo(distribution="uniform", problems=9), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("grpo.betta=1", "unknown key grpo.betta; allowed here: accuracy_weight, algorithm"),
        ("colour=red", "unknown key colour; allowed here: data, evaluation, grpo, output, revision, seed, student"),
        ("grpo.group_size=3", "batch_size 8 × gradient_accumulation 1 must be a multiple of group_size 3"),
        ("grpo.group_size=1", "grpo.group_size: input should be greater than or equal to 2, got 1"),
        ("grpo.vllm=server", "vllm server needs vllm_server"),
        ("grpo.overlong_buffer=99", "overlong_buffer must be at most max_completion_length 12"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line_and_writes_nothing(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert grpo.main(["--config", str(write_config(tmp_path, run)), "--set", change]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_preset_is_whole() -> None:
    parse_model(GrpoConfig, Path(grpo.__file__).parent / "configs" / "grpo.yaml", [])


@pytest.mark.parametrize(
    ("settings", "cuda", "installed", "expected"),
    [
        (Grpo(), False, True, {"use_vllm": False}),
        (Grpo(), True, False, {"use_vllm": False}),
        (Grpo(vllm_memory=0.4), True, True, {**COLOCATED, "vllm_gpu_memory_utilization": 0.4}),
        (Grpo(vllm="off"), True, True, {"use_vllm": False}),
        (Grpo(vllm="colocate"), False, False, COLOCATED),
        (
            Grpo(vllm="server", vllm_server="http://node:8000"),
            True,
            True,
            {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": "http://node:8000"},
        ),
    ],
)
def test_who_makes_the_completions(
    monkeypatch: pytest.MonkeyPatch, settings: Grpo, cuda: bool, installed: bool, expected: dict[str, Any]
) -> None:
    monkeypatch.setattr(grpo, "find_spec", lambda name: object() if installed and name == "vllm" else None)
    assert grpo.generation(settings, cuda=cuda) == expected


def test_the_kl_weight_is_the_algorithms_own_where_none_is_given() -> None:
    assert Grpo().kl_weight == 0.0
    assert Grpo(algorithm="rloo").kl_weight == 0.05
    assert Grpo(algorithm="rloo", beta=0.0).kl_weight == 0.0


def test_rows_of_a_run_are_pool_rows() -> None:
    (problem,) = problems(1)
    assert set(grpo_pool.JUDGED_BY) <= set(grpo_row(problem))
