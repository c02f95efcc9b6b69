"""TPO: whole rounds against a judge on loopback and against a reward model, and what their pairs are."""

import json
import math
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import OpenAIEngine, Teacher, Writer
from pipeline.config_files import parse_model
from pipeline.models import resolve
from pipeline.teacher import Teacher as Model
from pipeline.teacher import TeacherUnavailable, open_teacher
from tests.fake_server import MODEL_NAME, serve
from tests.training.test_preferences import check_masks, learned_sides, watch_steps, write_config
from tests.training.tiny import moved, tiny_student
from training import preferences, tpo
from training.preference_settings import PreferenceConfig
from training.thoughts import RESPONSE_MARK, THOUGHT_MARK, thought_prompt
from training.trainer import load_tokenizer

MARKS = f"{THOUGHT_MARK}\npolite or not?\n{RESPONSE_MARK}\n"


class Judging:
    """The student and the judge on one server: thoughts with responses, and a judge that likes "Hello". To Ann every
    response says something; to Bob every other one says nothing, with the marks and without."""

    def __init__(self) -> None:
        self.drawn = 0
        self.shown: list[str] = []

    def __call__(self, request: dict[str, Any]) -> str:
        asked = request["messages"][-1]["content"]
        if "Which response is better?" not in asked:
            self.drawn += 1
            real = MARKS + f"{('Hello there', 'Go away')[self.drawn % 2]}, {self.drawn}."
            empty = (MARKS + ":", "no marks")[self.drawn // 2 % 2]
            return empty if "Bob" in asked and self.drawn % 2 else real
        self.shown.append(asked)
        first, second = ("Hello" in part for part in asked.split("<<response B ", 1))
        return "Because.\n" + ("[[C]]" if first == second else "[[A]]" if first else "[[B]]")


def instructions(folder: Path, *names: str) -> str:
    path = folder / "instructions.jsonl"
    path.write_text("\n\n".join(json.dumps({"instruction": f"Greet {name}."}) for name in names))
    return str(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = tiny_student(tmp_path / "tiny")
    seen = watch_steps(monkeypatch)
    judging = Judging()
    with serve(judging) as server:
        engine = {"kind": "openai", "endpoints": [server.url], "concurrency": 1}
        given = [instructions(tmp_path, "Ann", "Bob", "Ann")]
        config = write_config(
            tmp_path,
            tpo={"instructions": given, "completions": 4, "engine": engine, "served_as": MODEL_NAME},
            judge={"model": MODEL_NAME, "engine": engine},
        )
        arguments = ["--config", str(config)]
        assert preferences.main(arguments) == 0
        asked = len(server.requests)
        assert preferences.main(arguments) == 0
        assert len(server.requests) == asked, "what is recorded is asked for once"

    report = json.loads((tmp_path / "out" / "round-1" / "round.json").read_text())
    assert (report["instructions"], report["completions"], report["non_answers"], report["pairs"]) == (2, 8, 2, 2)
    assert report["judge"]["asked"] == len(judging.shown) == 2 * (6 + 1)
    assert report["judge"]["flips"] == 0
    assert not any("polite" in shown or "<<response A" not in shown for shown in judging.shown)
    card = json.loads((tmp_path / "out" / "gradatim.json").read_text())
    assert card["rows"]["train"] == 2
    assert math.isfinite(card["metrics"]["last_loss"])
    assert moved(student, tmp_path / "out")

    tokenizer, _ = load_tokenizer(student)
    check_masks(tokenizer, seen)
    for step in seen:
        sides = learned_sides(tokenizer, step)
        assert sorted(("Ann" in side.prompt, side.chosen) for side in sides) == [
            (False, False),
            (False, True),
            (True, False),
            (True, True),
        ]
        for side in sides:
            if side.chosen:
                assert side.learned.startswith(f"{MARKS}Hello there, ")
            elif "Ann" in side.prompt:
                assert side.learned.startswith(f"{MARKS}Go away, ")
            else:
                assert side.learned.removesuffix("<|im_end|>\n") in (f"{MARKS}:", "no marks")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_second_round_starts_from_the_first_rounds_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops between the rounds for want of a model; the same command asks nothing of the first round again."""
    base = tiny_student(tmp_path / "tiny")
    first, output = tmp_path / "out" / "round-1" / "student", tmp_path / "out"
    opened: list[str] = []
    unavailable = {str(first)}
    with serve(Judging()) as server:
        engine = OpenAIEngine(kind="openai", endpoints=(server.url,), concurrency=1)

        def on_the_server(settings: Teacher | Writer) -> AbstractAsyncContextManager[Model]:
            """Each student in the place where vLLM would load it: a round after the first needs that engine."""
            opened.append(settings.model)
            if settings.model in unavailable:
                raise TeacherUnavailable("not now")
            return open_teacher(settings.model_copy(update={"model": MODEL_NAME, "engine": engine}))

        monkeypatch.setattr(tpo, "open_teacher", on_the_server)
        config = write_config(
            tmp_path,
            tpo={"instructions": [instructions(tmp_path, "Ann", "Bob")], "completions": 4, "rounds": 2},
            judge={"model": MODEL_NAME, "engine": engine.model_dump(mode="json")},
        )
        assert preferences.main(["--config", str(config)]) == 1
        assert opened == [str(base), MODEL_NAME, str(first)]
        assert not (output / "gradatim.json").exists()
        opened.clear()
        unavailable.clear()
        before = len(server.requests)
        capsys.readouterr()
        assert preferences.main(["--config", str(config)]) == 0
        assert opened == [str(first), MODEL_NAME], "round 1 is asked for nothing again"
        assert len(server.requests) == 2 * before
        assert f"Nothing to do: {first} holds this student already." in capsys.readouterr().out
    cards = [json.loads((folder / "gradatim.json").read_text()) for folder in (first, output)]
    assert [card["round"] for card in cards] == [1, 2]
    assert [card["base"]["revision"] for card in cards] == [resolve(str(base)).revision, resolve(str(first)).revision]
    assert moved(base, first)
    assert moved(first, output)


def test_a_round_judged_by_a_reward_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scores decide, each is asked for once, and those that are kept are believed."""
    asked: list[tuple[str, str]] = []

    def by_length(_: object, pairs: list[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [float(len(response)) for _, response in pairs]

    monkeypatch.setattr("training.scoring.response_scores", by_length)
    student = resolve(str(tiny_student(tmp_path / "tiny")))
    folder = tmp_path / "round-1"
    with serve(Judging()) as server:
        engine = {"kind": "openai", "endpoints": [server.url], "concurrency": 1}
        given = {"instructions": [instructions(tmp_path, "Ann", "Bob")], "length_weight": 0, "completions": 4}
        judge = {"model": "some/model", "kind": "reward_model"}
        tpo_section = {**given, "engine": engine, "served_as": MODEL_NAME}
        config = parse_model(PreferenceConfig, write_config(tmp_path, tpo=tpo_section, judge=judge))
        ann, bob = tpo.make_round(config, student, folder, 1)
    assert ann.prompt == thought_prompt("Greet Ann.")
    assert ann.chosen[0].content.startswith(f"{MARKS}Hello there, ")
    assert ann.rejected[0].content.startswith(f"{MARKS}Go away, ")
    assert bob.chosen[0].content.startswith(f"{MARKS}Hello there, ")
    assert bob.rejected[0].content in (f"{MARKS}:", "no marks")
    assert len(asked) == 6, "what says nothing is not scored"
    assert not any("polite" in response for _, response in asked)

    path = folder / "scores.json"
    scores = json.loads(path.read_text())
    lost = {ann.chosen_id: scores.pop(ann.chosen_id)}
    scores[ann.rejected_id] = 1e6
    path.write_text(json.dumps(scores))
    asked.clear()
    again, same = tpo.make_round(config, student, folder, 1)  # the server is gone
    assert [f"{MARKS}{response}" for _, response in asked] == [ann.chosen[0].content]
    assert (again.chosen, same) == (ann.rejected, bob)
    assert json.loads(path.read_text()) == scores | lost
