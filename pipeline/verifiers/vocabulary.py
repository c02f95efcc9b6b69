"""The names the parser knows: functions, Greek letters, operators that leave work to be done, kinds of matrices."""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RELATIONS: Final = frozenset(["=", "<", ">", "<=", ">=", "!=", "~=", "==", "∈"])
FUNCTIONS: Final = _words("""
sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth asin acos atan arsinh arcosh
artanh ln log lg exp sgn Re Im
""")
PENDING: Final = _words("""
derivative int iint iiint oint sum prod coprod lim limsup liminf max min sup inf gcd lcm det mod bmod pmod tr dim deg
arg argmax argmin rank partial nabla GCD LCM HCF lcd Pr
""")
GREEK: Final = _words("""
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau
upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph
""")
SAME_LETTER: Final = {"varepsilon": "epsilon", "vartheta": "theta", "varrho": "rho", "varphi": "phi"}
DECORATIONS: Final = _words("vec hat bar overline tilde widehat overrightarrow dot ddot angle measuredangle triangle")
MATRICES: Final = _words("pmatrix bmatrix matrix Bmatrix smallmatrix array pmatrix* bmatrix* matrix* Bmatrix*")
DETERMINANTS: Final = _words("vmatrix Vmatrix")
CLOSES: Final = {"(": ")", "[": "]", "set{": "set}", "{": "}", "|": "|"}
WORD_JOINS: Final = {"or": "or", "and": "and"}
WORD_CONSTANTS: Final = {"pi": "pi", "infinity": "inf", "inf": "inf", "oo": "inf"}
STOPS: Final = _words("end rfloor rceil rangle rVert circ prime over choose")
