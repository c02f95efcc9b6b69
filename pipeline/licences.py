"""The licence of a release, worked out from what went into it: problems, package code, models that wrote or solved.

A licence is never assumed: a part whose licence nobody states makes the whole `other`, and is named.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final, NamedTuple

from pipeline.model_catalogue import CATALOGUE

# SPDX names, in lower case, that the Hub takes as they are, and what each demands beyond a notice.
PERMISSIVE: Final = (
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "isc",
    "unlicense",
    "cc0-1.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "odc-by",
    "cdla-permissive-2.0",
)
SHARE_ALIKE: Final = ("cc-by-sa-3.0", "cc-by-sa-4.0", "odbl", "gpl-3.0", "cdla-sharing-1.0")
RESTRICTED: Final = ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0")
HUB_IDS: Final = frozenset((*PERMISSIVE, *SHARE_ALIKE, *RESTRICTED))
OTHER: Final = "other"
OWN: Final = "problems made by gradatim's programs"


class Part(NamedTuple):
    """One thing that a release is made of, and its licence as it is stated somewhere (None: nowhere)."""

    what: str
    licence: str | None


class Licence(NamedTuple):
    """The licence of the whole: Hub identifiers for the card's head, a name where that is `other`, and what to heed."""

    ids: tuple[str, ...]
    name: str | None
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def hub_id(licence: str) -> str | None:
    """Return the Hub's identifier of a licence, None if it has none."""
    name = licence.strip().lower().replace(" ", "-").removeprefix("the-").removesuffix("-license")
    return name if name in HUB_IDS else None


def model_licence(model: str, stated: Mapping[str, str]) -> str | None:
    """Return a model's licence: what the publisher states, else what the catalogue knows of it."""
    known = {name: row.licence for row in CATALOGUE for name in (row.name, row.hub_id)}
    return stated.get(model) or known.get(model)


def package_licence(package: str) -> str | None:
    """Return the licence that an installed package states."""
    try:
        stated = metadata(package).json.get("license_expression")
    except PackageNotFoundError:
        return None
    return stated if isinstance(stated, str) else None


def problem_parts(row: Mapping[str, Any], unlicensed_imports: bool, stated: Mapping[str, str]) -> list[Part]:
    """Return what a problem is made of, from its strategy and provenance.

    A problem made of others inherits their licence; where it names none, they may be imported ones without a licence.
    """
    made = row["provenance"]
    parts = []
    if row["strategy"] == "imported":
        parts.append(Part(f"problems of {source_name(made['source'])}", made["licence"]))
    elif row["strategy"] == "reasoning_gym":
        parts.append(Part("problems of the package reasoning-gym", made["licence"] or package_licence("reasoning-gym")))
    elif row["strategy"] == "template":
        parts.append(Part(OWN, made["licence"] or package_licence("gradatim")))
    elif made["licence"]:
        parts.append(Part("problems made from others", made["licence"]))
    elif made["parents"] and unlicensed_imports:
        parts.append(Part("problems made from imported ones", None))
    elif not made["model"]:
        parts.append(Part(OWN, package_licence("gradatim")))
    if made["model"]:
        parts.append(Part(f"problems written by {made['model']}", model_licence(made["model"], stated)))
    return parts


def source_name(source: str | None) -> str:
    """Return the name of an imported set from "file:line" or "dataset@revision:row"; of a path, its last part."""
    name = (source or "an unnamed set").rpartition(":")[0] or source or "an unnamed set"
    return name.rpartition("/")[2] if name.startswith(("/", "~", ".")) or "\\" in name else name


def combine(parts: Sequence[Part]) -> Licence:
    """Return the licence of the whole.

    One licence everywhere is the whole's; several permissive ones are all listed; an unknown one, one that the Hub has
    no name for, and several of which one is not permissive make it `other`.
    """
    unknown = tuple(part.what for part in parts if part.licence is None)
    names = sorted({part.licence for part in parts if part.licence is not None})
    ids = [hub_id(name) for name in names]
    found = tuple(sorted({one for one in ids if one is not None}))
    notes = [f"`{one}` demands that what is made from it is shared alike" for one in found if one in SHARE_ALIKE]
    notes += [f"`{one}` restricts use (non-commercial or no derivatives)" for one in found if one in RESTRICTED]
    if unknown or not names:
        return Licence((OTHER,), "partly-unknown", unknown, tuple(notes))
    if ids == [None]:
        return Licence((OTHER,), "-".join(names[0].lower().split()), (), ())
    if None in ids or (len(found) > 1 and not set(found) <= set(PERMISSIVE)):
        notes.append(f"the parts have different licences: {', '.join(names)}; all of them apply")
        return Licence((OTHER,), "several-licences", (), tuple(notes))
    return Licence(found, None, (), tuple(notes))
