"""The template families, written out: adding one is one file, one line here and one test row.

`FAMILIES` maps a family's name to its declaration; nothing registers itself.
"""

from typing import Any, Final

from generators.templates import work_rate
from generators.templates.family import Family

_ALL: Final[tuple[Family[Any], ...]] = (work_rate.FAMILY,)
FAMILIES: Final[dict[str, Family[Any]]] = {family.name: family for family in _ALL}
