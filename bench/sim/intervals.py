"""Student's 95 % interval of a mean, without SciPy."""

from __future__ import annotations

import math

# fmt: off
_T_95 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)
# fmt: on
"""The two-sided 95 % quantile for 1 to 30 degrees of freedom: any table of Student's distribution."""

_Z_95 = 1.959964
"""The normal distribution's, which more degrees of freedom approach."""


def t_95(degrees: int) -> float:
    """The two-sided 95 % quantile; beyond the table by two terms of its expansion at infinity, right to 0.0001."""
    if degrees <= len(_T_95):
        return _T_95[degrees - 1]
    z = _Z_95
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def half_width(std: float, n: int) -> float:
    """Of the interval of the mean of n values with this sample deviation; nan for fewer than two."""
    return t_95(n - 1) * std / math.sqrt(n) if n > 1 else float("nan")
