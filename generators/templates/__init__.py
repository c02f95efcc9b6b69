"""The template families, written out: adding one is one file, one line here and one test row.

`FAMILIES` maps a family's name to its declaration; nothing registers itself.
"""

from typing import Any, Final

from generators.templates import (
    ages,
    arithmetic_sequence,
    arrangements,
    budget_story,
    calendar_days,
    clock_time,
    committees,
    countdown,
    derivative,
    dice_and_draws,
    gcd_lcm,
    geometric_sequence,
    integral,
    linear_equation,
    linear_system,
    mixture,
    percent_change,
    quadratic,
    ratio_share,
    rectangles,
    remainder,
    savings_plan,
    shopping,
    travel,
    triangles,
    unit_conversion,
    venn_counting,
    work_rate,
)
from generators.templates.family import Family

_ALL: Final[tuple[Family[Any], ...]] = (
    ages.FAMILY,
    arithmetic_sequence.FAMILY,
    arrangements.FAMILY,
    budget_story.FAMILY,
    calendar_days.FAMILY,
    clock_time.FAMILY,
    committees.FAMILY,
    countdown.FAMILY,
    derivative.FAMILY,
    dice_and_draws.FAMILY,
    gcd_lcm.FAMILY,
    geometric_sequence.FAMILY,
    integral.FAMILY,
    linear_equation.FAMILY,
    linear_system.FAMILY,
    mixture.FAMILY,
    percent_change.FAMILY,
    quadratic.FAMILY,
    ratio_share.FAMILY,
    rectangles.FAMILY,
    remainder.FAMILY,
    savings_plan.FAMILY,
    shopping.FAMILY,
    travel.FAMILY,
    triangles.FAMILY,
    unit_conversion.FAMILY,
    venn_counting.FAMILY,
    work_rate.FAMILY,
)
FAMILIES: Final[dict[str, Family[Any]]] = {family.name: family for family in _ALL}
