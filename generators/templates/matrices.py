"""Two-by-two matrices: sums and multiples, products with columns and with each other, powers, equations."""

from random import Random
from typing import Final, NamedTuple

from generators.templates.family import Answer, Family, by_kind

Matrix = tuple[tuple[int, ...], ...]
IDENTITY: Final = ((1, 0), (0, 1))


class Task(NamedTuple):
    """combine: k a + sign b. column: a times the column b. product: a b. square: a^2 + k b. solve: x with a x = b."""

    kind: str
    a: Matrix
    b: Matrix
    k: int
    sign: int


def sample(rng: Random, level: int) -> Task:
    size = (9, 6, 6, 5, 4)[level - 1]
    a: Matrix = tuple((rng.randint(-size, size), rng.randint(-size, size)) for _ in range(2))
    b: Matrix = tuple((rng.randint(-size, size), rng.randint(-size, size)) for _ in range(2))
    kind = ("combine", "column", "product", "square", "solve")[level - 1]
    if kind == "column":
        b = tuple((row[0],) for row in b)
    if kind == "solve":
        b = _product(a, b)
    return Task(kind, a, b, rng.choice((-3, -2, 2, 3, 4, 5)), rng.choice((-1, 1)))


def _product(a: Matrix, b: Matrix) -> Matrix:
    return tuple(
        tuple(sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)) for row in a
    )


def _sum(k: int, a: Matrix, j: int, b: Matrix) -> Matrix:
    return tuple(tuple(k * x + j * y for x, y in zip(*rows, strict=True)) for rows in zip(a, b, strict=True))


def is_valid(p: Task) -> bool:
    """No row of zeros, nothing that is unchanged by the task, and for an equation an invertible matrix."""
    determinant = p.a[0][0] * p.a[1][1] - p.a[0][1] * p.a[1][0]
    plain = p.a in (IDENTITY, p.b) or not all(any(row) for row in (*p.a, *p.b))
    return not plain and determinant != 0 and (p.kind != "solve" or abs(determinant) > 1)


def _solution(p: Task) -> Matrix:
    if p.kind == "combine":
        return _sum(p.k, p.a, p.sign, p.b)
    if p.kind == "square":
        return _sum(1, _product(p.a, p.a), p.k, p.b)
    if p.kind != "solve":
        return _product(p.a, p.b)
    (a, b), (c, d) = p.a
    adjugate = ((d, -b), (-c, a))
    return tuple(tuple(x // (a * d - b * c) for x in row) for row in _product(adjugate, p.b))


def solve(p: Task) -> str:
    return _latex(_solution(p))


def _latex(matrix: Matrix) -> str:
    rows = r" \\ ".join(" & ".join(map(str, row)) for row in matrix)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def check(p: Task, answer: Answer) -> bool:
    """Apply both sides to each unit vector, one matrix after the other, and compare the images."""
    assert isinstance(answer, str)
    x = _read(answer)
    if x is None or len(x) != 2 or any(len(row) != len(p.b[0]) for row in x):
        return False
    for unit in ((1, 0), (0, 1)) if len(p.b[0]) == 2 else ((1,),):
        image, through_b = _apply(x, unit), _apply(p.b, unit)
        if p.kind == "combine":
            wanted = [p.k * u + p.sign * v for u, v in zip(_apply(p.a, unit), through_b, strict=True)]
        elif p.kind == "square":
            twice = _apply(p.a, _apply(p.a, unit))
            wanted = [u + p.k * v for u, v in zip(twice, through_b, strict=True)]
        elif p.kind == "solve":
            image, wanted = _apply(p.a, image), list(through_b)
        else:
            wanted = list(_apply(p.a, through_b))
        if list(image) != wanted:
            return False
    return True


def _read(text: str) -> Matrix | None:
    inner = text.removeprefix(r"\begin{pmatrix}").removesuffix(r"\end{pmatrix}")
    try:
        return tuple(tuple(int(cell) for cell in row.split("&")) for row in inner.split(r"\\"))
    except ValueError:
        return None


def _apply(a: Matrix, vector: tuple[int, ...]) -> tuple[int, ...]:
    """Walk along the columns: each counts as often as the vector says."""
    image = [0] * len(a)
    for column, times in enumerate(vector):
        image = [total + times * row[column] for total, row in zip(image, a, strict=True)]
    return tuple(image)


def metamorphic(_rng: Random, p: Task, answer: Answer) -> tuple[Task, Answer]:
    """Exchange the two rows, and where both sides are acted on the two columns: the same happens to the answer."""
    assert isinstance(answer, str)
    found = _read(answer)
    assert found is not None
    if p.kind in ("combine", "column", "product"):
        changed = p._replace(a=p.a[::-1], b=p.b[::-1] if p.kind == "combine" else p.b)
        return changed, _latex(found[::-1])
    return p._replace(a=_turned(p.a), b=_turned(p.b)), _latex(_turned(found))


def _turned(a: Matrix) -> Matrix:
    return tuple(row[::-1] for row in a[::-1])


def _given(p: Task) -> tuple[str, str]:
    return f"$A = {_latex(p.a)}$", f"${'v' if p.kind == 'column' else 'B'} = {_latex(p.b)}$"


def _wanted(p: Task) -> str:
    if p.kind == "combine":
        return f"${p.k}A {'-' if p.sign < 0 else '+'} B$"
    if p.kind == "square":
        return f"$A^2 {'-' if p.k < 0 else '+'} {abs(p.k)}B$"
    return "$Av$" if p.kind == "column" else "$AB$"


FORM: Final = "Give the answer as a matrix."
COLUMN: Final = "Give the answer as a column matrix."


def _form(p: Task) -> str:
    return COLUMN if p.kind == "column" else FORM


def _plain(p: Task) -> str:
    one, other = _given(p)
    return f"Let {one} and {other}. Compute {_wanted(p)}. {_form(p)}"


def _question_first(p: Task) -> str:
    one, other = _given(p)
    return f"What is {_wanted(p)} if {one} and {other}? {_form(p)}"


def _rows(p: Task) -> str:
    """Tell the entries in words instead of showing the matrices."""
    (a, b), (c, d) = p.a
    if p.kind == "column":
        second = f"the column matrix $v$ has {p.b[0][0]} at the top and {p.b[1][0]} at the bottom"
    else:
        (e, f), (g, h) = p.b
        second = f"those of $B$ are $({e}, {f})$ and $({g}, {h})$"
    return (
        f"The rows of the matrix $A$ are $({a}, {b})$ and $({c}, {d})$, from top to bottom, and {second}. "
        f"Determine {_wanted(p)}. {_form(p)}"
    )


def _pupil(p: Task) -> str:
    one, other = _given(p)
    start = f"A pupil wants to check the result that they found for {_wanted(p)}, where {one} and {other}."
    return f"{start} What is the correct result? {_form(p)}"


def _solve_plain(p: Task) -> str:
    one, other = _given(p)
    return f"Find the matrix $X$ with $AX = B$, where {one} and {other}. {FORM}"


def _solve_question_first(p: Task) -> str:
    return f"By which matrix must ${_latex(p.a)}$ be multiplied on the right to give ${_latex(p.b)}$? {FORM}"


def _solve_columns(p: Task) -> str:
    (a, b), (c, d) = p.b
    return (
        f"The columns of a two-by-two matrix $X$ are unknown, but multiplied from the left by "
        f"$A = {_latex(p.a)}$ the first column becomes ${_latex(((a,), (c,)))}$ and the second "
        f"${_latex(((b,), (d,)))}$. Find $X$. {FORM}"
    )


def _solve_equation(p: Task) -> str:
    return f"Solve the matrix equation ${_latex(p.a)} X = {_latex(p.b)}$ for the two-by-two matrix $X$. {FORM}"


_COMPUTED: Final = (_plain, _question_first, _rows, _pupil)
TEXTS: Final = {
    **dict.fromkeys(("combine", "column", "product", "square"), _COMPUTED),
    "solve": (_solve_plain, _solve_question_first, _solve_columns, _solve_equation),
}

FAMILY = Family(
    name="matrices",
    domain="linear algebra",
    version=2,
    answer_type="matrix",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=by_kind(TEXTS),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
