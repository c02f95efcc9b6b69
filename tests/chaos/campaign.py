"""The crash campaign: SIGKILL at random moments in every stage, run after run, until so many kills have struck.

    python -m tests.chaos.campaign --kills 200 --seed 0 --log FILE

Each run is killed several times, goes on by the same command, and is compared with the undisturbed run when it has
finished; where a kill struck the gradatim command, that command finishes it too. Every line of the log is one kill or
one finished run as JSON; the last is the summary, which is printed as well. Exit 1 if anything is wrong.
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
LONG_FORM: Final = 100  # so many kills strike in every stage
NAMES: Final[dict[tuple[str, ...], str]] = {DRIVER: "plain", GRADATIM: "gradatim"}

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
    lost: int = 0
    duplicated: int = 0
    equal: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    programs: Counter[str] = field(default_factory=Counter)
    finishers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def summary(self) -> dict[str, Any]:
        """Return the counts, for the last line of the log and the block that is printed."""
        return {
            "kills": self.kills,
            "by stage": dict(self.stages.most_common()),
            "by program": dict(self.programs),
            "runs finished by": dict(self.finishers),
            "requests in flight at the kills": self.in_flight,
            "requests sent again": self.sent_again,
            "rows lost": self.lost,
            "rows doubled": self.duplicated,
            "content hash equal": f"{self.equal} of {self.runs} runs",
            "wall time": f"{time.monotonic() - self.began:,.0f} s",
            "wrong": self.wrong,
        }


def block(summary: dict[str, Any]) -> str:
    """Return a summary in lines for the screen."""
    return "\n".join(f"{name:<32}{_words(value)}" for name, value in summary.items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return "; ".join(value) or "nothing" if isinstance(value, list) else str(value)


def draw_moments(rng: random.Random, config: Config, count: int) -> list[Moment]:
    """Draw moments in the order of the plan: every stage as often as any other, each of its rounds equally likely."""
    order = plan(config)
    names = sorted(set(order))
    stages = [name for _ in range(0, count, len(names)) for name in rng.sample(names, len(names))][:count]
    places = [rng.choice([place for place, name in enumerate(order) if name == stage]) for stage in stages]
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
    finisher: tuple[str, ...] = DRIVER
    for moment in draw_moments(rng, config, kills):
        with_prefect = (campaign.kills + 1) % GRADATIM_EVERY == 0
        program = GRADATIM if with_prefect else DRIVER
        at = moment._replace(stages=0, growths=rng.randint(1, 12)) if with_prefect else moment
        with started(path, config.folder, program=program) as build:
            if build.wait_for(at):
                in_flight += _kill(campaign, build, number, program)
                finisher = GRADATIM if with_prefect else finisher
    with started(path, config.folder, program=finisher) as build:
        code = build.finish()
        said = build.said
    campaign.runs += 1
    campaign.finishers[NAMES[finisher]] += 1
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
    stage, kind = stage_hit(build), NAMES[program]
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
    campaign.lost += found.lost
    campaign.duplicated += found.duplicated
    campaign.equal += found.hash_equal
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
    missed = set(plan(expected.run.config)) - set(campaign.stages)
    if kills >= LONG_FORM and missed:
        campaign.wrong.append(f"no kill in {', '.join(sorted(missed))}")
    log(campaign.summary())
    return campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    with arguments.log.open("w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as scratch:

        def log(entry: dict[str, Any]) -> None:
            print(json.dumps(entry), file=out, flush=True)

        campaign = run_campaign(arguments.kills, arguments.seed, log, Path(scratch))
    print(block(campaign.summary()))
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
