"""The card of a published dataset: every section holds the run's own numbers, and the head what the Hub knows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCardData

from pipeline.config import Screen
from pipeline.contamination_settings import Decontamination
from pipeline.dataset_card import CardFacts, dataset_card, size_category
from pipeline.licences import Part, combine
from tests.pipeline.made_run import MODEL, make_run

FILES: list[dict[str, Any]] = [
    {"path": "sft/train-a.parquet", "config": "sft", "split": "train", "rows": 1200},
    {"path": "sft/train-b.parquet", "config": "sft", "split": "train", "rows": 34},
    {"path": "grpo/test-c.parquet", "config": "grpo", "split": "test", "rows": 56},
]
PROMPT = "{question}\n\n```\nSolve it.\n```"


@pytest.fixture(scope="module", name="card")
def written_card(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = make_run(tmp_path_factory.mktemp("card"), 60)
    screen = Screen(decontaminate=Decontamination(benchmarks=(Path("/data/benchmarks/amc.jsonl"),), ngram=9))
    run = replace(run, config=run.config.model_copy(update={"screen": screen, "seed": 17}))
    parts = [Part("problems of sums", "CC-BY-SA-4.0"), Part(f"completions of {MODEL}", None)]
    audit = [("`math`", "11", "10", "0 of 5 [0.0%, 3.0%]", "1 of 6 [0.4%, 9.0%]")]
    return dataset_card(run, CardFacts("me/sums", FILES, parts, combine(parts), {"boxed/1": [["user", PROMPT]]}, audit))


# Of 60 problems the second and third of each shard (of 50 and 10) leave; of the 56 others the 19 of level 3 are solved
# by nobody, and each of the 37 others twice in three attempts; a fourth attempt was cut off.
SECTIONS: dict[str, list[str]] = {
    "What is in it": ["| `sft` | train | 1,234 |", "| `grpo` | test | 56 |"],
    "How it was made": [
        "| generate | problems | 60 | 60 | – |",
        "| screen | problems | 60 | 56 | 2 contaminated, 2 near duplicate |",
        "| solve | completions | 224 | 224 | – |",
        "| assess | problems | 56 | 37 | 19 unsolved |",
        "| select | completions | 74 | 74 | – |",
        "- `proved` (56): ",
    ],
    "Yield by strategy": ["| template | 60 | 37 | 37 | 74 | 614 | – | 19 unsolved, 2 contaminated, 2 near duplicate |"],
    "Difficulty": [
        f"Pass rates of `{MODEL}`, jeffreys intervals at 0.95; `grpo` holds those from 0.01 to 0.95. 56 problems",
        f"| 0.0 to 0.1 | 19 | {16 * '█'} |\n| 0.1 to 0.2 | 0 |  |",
        f"| 0.6 to 0.7 | 37 | {30 * '█'} |",
        "| all | 3 | 19 | 57 | 0.00 ",
    ],
    "How far the verdicts can be trusted": ["| `math` | 11 | 10 | 0 of 5 [0.0%, 3.0%] | 1 of 6 [0.4%, 9.0%] |"],
    "Contamination": ["compared with `amc.jsonl`: whole texts, n-grams of 9 words", "| screen | amc.jsonl | "],
    "Models": [f"| solved | `{MODEL}` | `main` | `boxed/1` | temperature 0.7 | vllm 0 | 224 | 22,736 |"],
    "Prompts": [f"`boxed/1`:\n\n````text\n[user]\n{PROMPT}\n````"],
    "Limits and known defects": ["rests on at most 3 completions", f"all traces are of one model, `{MODEL}`"],
    "Licence": [
        f"stated nowhere: completions of {MODEL}. ",
        "| problems of sums | CC-BY-SA-4.0 |",
        f"| completions of {MODEL} | **unknown** |",
        "- `cc-by-sa-4.0` demands that",
    ],
    "Check it, make it again": ["gradatim reverify me/sums\n"],
    "Configuration": ["seed 17; the whole of it is `config.yaml`."],
}


def test_every_section_holds_the_run_s_own_numbers(card: str) -> None:
    sections = dict(part.split("\n\n", 1) for part in card.split("\n## ")[1:])
    assert list(sections) == list(SECTIONS)
    missing = [(name, text) for name, texts in SECTIONS.items() for text in texts if text not in sections[name]]
    assert missing == []


def test_the_head_is_what_the_hub_reads(card: str) -> None:
    assert yaml.safe_load(card.split("---")[1]) == {
        "pretty_name": "sums",
        "language": ["en"],
        "license": "other",
        "license_name": "partly-unknown",
        "task_categories": ["text-generation"],
        "size_categories": ["1K<n<10K"],
        "tags": ["reasoning", "synthetic", "verified", "gradatim", "template"],
        "configs": [
            {
                "config_name": "sft",
                "default": True,
                "data_files": [{"split": "train", "path": ["sft/train-a.parquet", "sft/train-b.parquet"]}],
            },
            {"config_name": "grpo", "data_files": [{"split": "test", "path": ["grpo/test-c.parquet"]}]},
        ],
    }


# As huggingface_hub's DatasetCardData lists them.
SIZES = (
    *((0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K")),
    *((100_000, "100K<n<1M"), (1_000_000, "1M<n<10M"), (10**7, "10M<n<100M"), (10**8, "100M<n<1B")),
    *((10**9, "1B<n<10B"), (10**10, "10B<n<100B"), (10**11, "100B<n<1T"), (10**12 - 1, "100B<n<1T")),
    *((10**12, "n>1T"), (10**15, "n>1T")),
)


@pytest.mark.parametrize(("rows", "name"), SIZES)
def test_a_size_has_the_hub_s_name(rows: int, name: str) -> None:
    assert size_category(rows) == name
    assert f"'{name}'" in (DatasetCardData.__doc__ or "")
