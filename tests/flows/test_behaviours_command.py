"""`gradatim behaviours`: a model's judgement of a run's traces beside the rules', asked for once."""

from pathlib import Path
from typing import Any

import pytest

from flows.behaviours_command import behaviours_table, judge_behaviours
from flows.stages import build
from pipeline.calibration import as_text
from pipeline.config_files import ConfigError
from pipeline.run import create_run
from tests.fake_server import MODEL_NAME, serve
from tests.flows.solver import Solver, config, golds

COUNTS = '{"verification": 1, "backtracking": 0, "subgoal setting": 2, "backward chaining": 0}'


def test_the_judge_is_asked_once_and_compared_with_the_rules(tmp_path: Path) -> None:
    solver = Solver(golds(config(tmp_path, "http://none/v1", count=8)))
    judged: list[str] = []

    def model(request: dict[str, Any]) -> str:
        text = request["messages"][-1]["content"]
        if "<reasoning>" not in text:
            return solver(request)
        judged.append(text)
        return COUNTS if len(judged) > 1 else "I would rather not."

    with serve(model) as server:
        run = create_run(config(tmp_path, server.url, count=8))
        with pytest.raises(ConfigError, match="no traces"):
            judge_behaviours(run.folder, MODEL_NAME, 4, [server.url])
        build(run.config)
        found = judge_behaviours(run.folder, MODEL_NAME, 4, [server.url])
        assert judge_behaviours(run.folder, MODEL_NAME, 4, [server.url]) == found
    assert len(judged) == 4
    verification, backtracking = found.agreed["verification"], found.agreed["backtracking"]
    assert (found.shown, found.unread) == (4, 1)
    assert (verification.texts, verification.both, verification.judge_only) == (3, 0, 3)
    assert (backtracking.texts, backtracking.rules_only, backtracking.judge_only) == (3, 0, 0)
    lines = as_text(behaviours_table(found, MODEL_NAME)).splitlines()
    assert lines[0].startswith("4 traces, rules beside fake/model; 1 answers")
    assert any(line.split()[:6] == ["verification", "0", "0", "3", "0", "0%"] for line in lines)
