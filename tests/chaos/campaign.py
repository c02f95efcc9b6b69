"""The crash campaign: SIGKILL at random moments in every stage, run after run, until so many kills have struck.

    python -m tests.chaos.campaign --kills 200 --seed 0 --log FILE

Each run is killed several times, goes on by the same command, and is compared with the undisturbed run when it has
finished. Every line of the log is one kill or one finished run as JSON; the last is the summary. Exit 1 if anything is
wrong.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flows.stages import plan
from pipeline.config import Config
from pipeline.seeds import rng_for
from tests.chaos.audit import audit
from tests.chaos.cycle import DRIVER, GRADATIM, Build, Moment, descendants, lingering, recorded_ids, stage_hit, started
from tests.chaos.recording import WINDOW, Recorded, Undisturbed, key_of, settings, undisturbed
from tests.fake_server import FakeServer, serve

KILLS_PER_RUN: Final = 10
GRADATIM_EVERY: Final = 12  # one kill in so many is of the whole command with Prefect, whose start takes seconds
SECONDS_PER_ANSWER: Final = 0.01
LINGER_SECONDS: Final = 20.0
LONG_STAGES: Final = ("solve", "generate")

Log = Callable[[dict[str, Any]], None]


@dataclass
class Campaign:
    """What the campaign counts. `wrong` is empty in the end."""

    expected: Undisturbed
    server: FakeServer
    model: Recorded
    scratch: Path
    log: Log
    kills: int = 0
    runs: int = 0
    in_flight: int = 0
    sent_again: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    programs: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the counts, for the last line of the log."""
        return {
            "kills": self.kills,
            "runs": self.runs,
            "stages": dict(self.stages.most_common()),
            "programs": dict(self.programs),
            "in flight at the kills": self.in_flight,
            "sent again": self.sent_again,
            "wrong": self.wrong,
        }


def draw_moments(rng: random.Random, config: Config, count: int) -> list[Moment]:
    """Draw moments in the order of the plan: every stage is as likely as any other, and so is each of its rounds."""
    order = plan(config)
    places = []
    for _ in range(count):
        stage = rng.choice(sorted(set(order)))
        places.append(rng.choice([place for place, name in enumerate(order) if name == stage]))
    most = {place: 25 if order[place] in LONG_STAGES else 3 for place in places}
    return [Moment(place + 1, rng.randint(0, most[place]), rng.uniform(0, 0.04)) for place in sorted(places)]


def run_killed(campaign: Campaign, seed: int, number: int, kills: int) -> None:
    """Begin a run, kill it so often, let it finish, and compare it."""
    rng = rng_for("chaos", seed, number)
    runs = campaign.scratch / f"run{number}"
    config = settings(campaign.scratch / "inputs", runs, campaign.server.url)
    path = campaign.scratch / f"run{number}.yaml"
    path.write_text(config.model_dump_json(), encoding="utf-8")
    campaign.server.requests.clear()
    in_flight = 0
    for moment in draw_moments(rng, config, kills):
        with_prefect = (campaign.kills + 1) % GRADATIM_EVERY == 0
        program = GRADATIM if with_prefect else DRIVER
        at = moment._replace(stages=0, growths=rng.randint(1, 12)) if with_prefect else moment
        with started(path, config.folder, program=program) as build:
            if build.wait_for(at):
                in_flight += _kill(campaign, build, number, program)
    with started(path, config.folder) as build:
        code = build.finish()
        said = build.said
    campaign.runs += 1
    _compare(campaign, config, number, in_flight, f"exit {code}: {said[-500:]}" if code else "")
    shutil.rmtree(runs)


def _kill(campaign: Campaign, build: Build, number: int, program: tuple[str, ...]) -> int:
    """Kill the build; return how many of its requests were in flight: the server has them, the disk does not."""
    children = descendants(build.process.pid)
    if build.end(signal.SIGKILL) != -signal.SIGKILL:
        return 0  # it ended by itself in that moment
    left = lingering(children, LINGER_SECONDS)
    for child in left:
        child.kill()
    stage, kind = stage_hit(build), " ".join(program[1:])
    out = len(set(map(key_of, campaign.server.requests))) - len(recorded_ids(build.folder))
    campaign.kills += 1
    campaign.in_flight += out
    campaign.stages[stage] += 1
    campaign.programs[kind] += 1
    campaign.log({"kill": campaign.kills, "run": number, "stage": stage, "program": kind, "in flight": out})
    if not 0 <= out <= WINDOW:
        campaign.wrong.append(f"kill {campaign.kills}: {out} requests were in flight, at most {WINDOW} may be")
    if left:
        campaign.wrong.append(f"kill {campaign.kills} in {stage} ({kind}): {len(left)} processes lived on")
    return out


def _compare(campaign: Campaign, config: Config, number: int, in_flight: int, failure: str) -> None:
    if failure:
        campaign.wrong.append(f"run {number}: {failure}")
        campaign.log({"run": number, "failed": failure})
        return
    found = audit(config.folder, campaign.expected, campaign.server)
    faults = found.faults(in_flight)
    if campaign.model.unknown:
        faults.append(f"{len(campaign.model.unknown)} requests that the undisturbed run does not make")
        campaign.model.unknown.clear()
    campaign.sent_again += found.sent_again
    campaign.wrong += [f"run {number}: {fault}" for fault in faults]
    campaign.log({"run": number, "finished": True, **found._asdict(), "in flight at the kills": in_flight})


def run_campaign(kills: int, seed: int, log: Log, folder: Path) -> Campaign:
    """Kill builds until so many kills have struck; each run is compared when it has finished."""
    expected = undisturbed(folder)
    model = Recorded(expected.answers)
    with serve(model, seconds_per_answer=SECONDS_PER_ANSWER) as server:
        campaign = Campaign(expected, server, model, folder, log)
        number = 0
        while campaign.kills < kills:
            run_killed(campaign, seed, number, min(KILLS_PER_RUN, kills - campaign.kills))
            number += 1
    log(campaign.summary())
    return campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    began = time.monotonic()
    with arguments.log.open("w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as scratch:

        def log(entry: dict[str, Any]) -> None:
            print(json.dumps(entry), file=out, flush=True)

        campaign = run_campaign(arguments.kills, arguments.seed, log, Path(scratch))
    print(f"{json.dumps(campaign.summary(), indent=2)}\n{time.monotonic() - began:,.0f} s")
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
