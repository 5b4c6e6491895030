# SPDX-License-Identifier: MIT
"""Writes elementwise.txt: values and first and second derivatives of the elementwise functions, from
mpmath 1.3.0 at 50 digits, rounded to doubles.

    python3 tests/golden/elementwise.py

A line is a name, the operands, the value, the first derivatives in the order of the operands, the
second ones (aa; or aa, ab, bb), all as hexadecimal doubles. Points cover the whole range: tiny, large,
near singularities, in tails, and 0, 1, -1, inf, -inf, nan. What leaves the range of normal doubles is left out, and so is a point
where a derivative vanishes by cancellation that has nothing to do with the function's own zero.
"""
import math
import os
import random

import mpmath
from mpmath import mp, mpf

mp.dps = 50
draw = random.Random(20)
lines = []
PI, TWO = mp.pi, mpf(2)


def sq(x):
    return x * x


def root(x):
    return mp.sqrt(x)


def cube_root(x):
    return mp.cbrt(x) if x > 0 else -mp.cbrt(-x)


def log_gamma(x):
    if mp.isinf(x):
        return mp.inf  # as C has it, on either side
    return mp.log(abs(mp.gamma(x))) if x < 0 else mp.loggamma(x)


UNARY = {
    # name: (f, f', f'', points)
    "exp": (mp.exp, mp.exp, mp.exp, "exponent"),
    "expm1": (mp.expm1, mp.exp, mp.exp, "exponent"),
    "log": (mp.log, lambda x: 1 / x, lambda x: -1 / sq(x), "positive"),
    "log1p": (mp.log1p, lambda x: 1 / (1 + x), lambda x: -1 / sq(1 + x), "above_minus_1"),
    "log2": (lambda x: mp.log(x) / mp.log(2), lambda x: 1 / (x * mp.log(2)),
             lambda x: -1 / (sq(x) * mp.log(2)), "positive"),
    "log10": (mp.log10, lambda x: 1 / (x * mp.log(10)), lambda x: -1 / (sq(x) * mp.log(10)), "positive"),
    "sqrt": (root, lambda x: 1 / (2 * root(x)), lambda x: -1 / (4 * x * root(x)), "positive"),
    "cbrt": (cube_root, lambda x: cube_root(x) / (3 * x), lambda x: -2 * cube_root(x) / (9 * sq(x)), "any"),
    "sin": (mp.sin, mp.cos, lambda x: -mp.sin(x), "any"),
    "cos": (mp.cos, lambda x: -mp.sin(x), lambda x: -mp.cos(x), "any"),
    "tan": (mp.tan, lambda x: 1 / sq(mp.cos(x)), lambda x: 2 * mp.tan(x) / sq(mp.cos(x)), "any"),
    "asin": (mp.asin, lambda x: 1 / root(1 - sq(x)), lambda x: x / root(1 - sq(x)) ** 3, "unit"),
    "acos": (mp.acos, lambda x: -1 / root(1 - sq(x)), lambda x: -x / root(1 - sq(x)) ** 3, "unit"),
    "atan": (mp.atan, lambda x: 1 / (1 + sq(x)), lambda x: -2 * x / sq(1 + sq(x)), "any"),
    "sinh": (mp.sinh, mp.cosh, mp.sinh, "exponent"),
    "cosh": (mp.cosh, mp.sinh, mp.cosh, "exponent"),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2, lambda x: -2 * mp.tanh(x) * mp.sech(x) ** 2, "exponent"),
    "asinh": (mp.asinh, lambda x: 1 / root(1 + sq(x)), lambda x: -x / root(1 + sq(x)) ** 3, "any"),
    "acosh": (mp.acosh, lambda x: 1 / root(sq(x) - 1), lambda x: -x / root(sq(x) - 1) ** 3, "above_1"),
    "atanh": (mp.atanh, lambda x: 1 / (1 - sq(x)), lambda x: 2 * x / sq(1 - sq(x)), "unit"),
    "erf": (mp.erf, lambda x: 2 / root(PI) * mp.exp(-sq(x)), lambda x: -4 * x / root(PI) * mp.exp(-sq(x)), "normal"),
    "erfc": (mp.erfc, lambda x: -2 / root(PI) * mp.exp(-sq(x)), lambda x: 4 * x / root(PI) * mp.exp(-sq(x)), "normal"),
    "lgamma": (log_gamma, mp.digamma, lambda x: mp.polygamma(1, x), "gamma"),
    "digamma": (mp.digamma, lambda x: mp.polygamma(1, x), lambda x: mp.polygamma(2, x), "gamma"),
    "neg": (lambda x: -x, lambda x: mpf(-1), lambda x: mpf(0), "any"),
    "abs": (abs, mp.sign, lambda x: mpf(0), "any"),
}

BINARY = {
    # name: (f, fa, fb, faa, fab, fbb, points)
    "mul": (lambda a, b: a * b, lambda a, b: b, lambda a, b: a, lambda a, b: mpf(0), lambda a, b: mpf(1),
            lambda a, b: mpf(0), "any"),
    "div": (lambda a, b: a / b, lambda a, b: 1 / b, lambda a, b: -a / sq(b), lambda a, b: mpf(0),
            lambda a, b: -1 / sq(b), lambda a, b: 2 * a / b ** 3, "any"),
    "pow": (lambda a, b: a ** b, lambda a, b: b * a ** (b - 1), lambda a, b: a ** b * mp.log(a),
            lambda a, b: b * (b - 1) * a ** (b - 2), lambda a, b: a ** (b - 1) * (1 + b * mp.log(a)),
            lambda a, b: a ** b * sq(mp.log(a)), "power"),
    "hypot": (lambda a, b: root(sq(a) + sq(b)), lambda a, b: a / root(sq(a) + sq(b)),
              lambda a, b: b / root(sq(a) + sq(b)), lambda a, b: sq(b) / root(sq(a) + sq(b)) ** 3,
              lambda a, b: -a * b / root(sq(a) + sq(b)) ** 3, lambda a, b: sq(a) / root(sq(a) + sq(b)) ** 3,
              "any"),
    "atan2": (mp.atan2, lambda a, b: b / (sq(a) + sq(b)), lambda a, b: -a / (sq(a) + sq(b)),
              lambda a, b: -2 * a * b / sq(sq(a) + sq(b)), lambda a, b: (sq(a) - sq(b)) / sq(sq(a) + sq(b)),
              lambda a, b: 2 * a * b / sq(sq(a) + sq(b)), "any"),
    "xlogy": (lambda a, b: a * mp.log(b), lambda a, b: mp.log(b), lambda a, b: a / b, lambda a, b: mpf(0),
              lambda a, b: 1 / b, lambda a, b: -a / sq(b), "logarithm"),
}


def both(points):
    return points + [-x for x in points]


def spread(least, most, count):
    """Powers of ten in [least, most], a random number of each size."""
    return [10.0 ** (least + (most - least) * (i + draw.random()) / count) for i in range(count)]


def points(kind):
    small = spread(-306, -20, 5) + spread(-20, -2, 8)
    middle = [draw.uniform(0.01, 1) for _ in range(5)] + [draw.uniform(1, 12) for _ in range(8)]
    large = spread(1.2, 20, 6) + spread(20, 306, 5)
    tails = [draw.uniform(12, 700) for _ in range(10)]
    close = [1 - 2.0 ** -k for k in (1, 2, 4, 7, 12, 20, 33, 45, 52)]
    past = [1 + 2.0 ** -k for k in (1, 2, 4, 7, 12, 20, 33, 45, 52)]
    return {
        "any": both(small + middle + large) + [math.pi / 2, math.pi, 11.0, 1e22],
        "positive": small + middle + large + close + past,
        "exponent": both(small + middle + tails + [19.0625, 22.0, 40.0, 355.0, 709.7]),
        "above_minus_1": small + middle + large + [-x for x in small + close] + close,
        "unit": both(small + close + middle[:5]),
        "above_1": past + [1 + x for x in middle] + large,
        "normal": both(small + middle + [draw.uniform(0.5, 26) for _ in range(12)]),
        "gamma": small[3:] + middle + large + past + [1.4616321449683622, 1.4616321449683625, 2.0, 2.0 - 2 ** -40] +
        [-x for x in small[5:]] + [-draw.uniform(0, 30) for _ in range(20)] + [-0.5, -1.5, -2.5, -10.5],
    }[kind]


def pairs(kind):
    sizes = [10.0 ** e for e in (-200, -60, -9, -4, -1, 0, 0.6, 1.1, 5, 60, 200)]

    def some():
        return draw.choice(sizes) * draw.uniform(1, 9.9)

    def signed():
        return some() * draw.choice((-1, 1))

    if kind == "any":
        near = [(x, x * draw.uniform(1e-9, 1e-3)) for x in (1.0, -3.0, 0.2)]
        return [(signed(), signed()) for _ in range(70)] + near + [(b, a) for a, b in near]
    if kind == "power":
        return [(draw.uniform(0.01, 30), draw.uniform(-9, 9)) for _ in range(30)] + \
            [(some(), draw.uniform(-1, 1)) for _ in range(20)] + \
            [(1 + draw.uniform(-1, 1) * 10.0 ** -k, 10.0 ** k * draw.uniform(0.1, 9)) for k in range(2, 12)] + \
            [(draw.uniform(0.1, 9), float(n)) for n in (-3, -1, 1, 2, 3, 4, 17)]
    return [(signed(), some()) for _ in range(40)] + [(signed(), 1 + 10.0 ** -k) for k in range(1, 15, 2)]


def written(x):
    """A double, or None where it is not a normal one."""
    y = float(x)
    if y != 0 and not 2.3e-308 < abs(y) < 1.7e308 or y == 0 and x != 0:
        return None
    return y.hex()


def evaluate(functions, operands):
    """At 50 digits; 150 digits must say the same."""
    result = []
    for f in functions:
        values = []
        for digits in (60, 150):
            with mp.workdps(digits):
                values.append(f(*[mpf(x) for x in operands]))
        assert abs(values[0] - values[1]) <= mpf(10) ** -30 * abs(values[1]), (f, operands)
        result.append(written(values[1]))
    return result


def at_edge(f, x):
    """0, 1, -1, infinities and nan: limits as mpmath has them, nan outside the domain, - at a pole."""
    try:
        y = f(mpf(x))
    except (ZeroDivisionError, ValueError, mpmath.libmp.libhyper.NoConvergence):
        return "-"
    if isinstance(y, mpmath.mpc):
        return "nan" if y.imag != 0 else "-"
    return str(float(y)) if not mp.isfinite(y) else float(y).hex()


def record_edge(name, functions, x):
    numbers = [at_edge(f, x) for f in functions]
    outside = numbers[0] == "nan"
    # nan in a derivative is inf / inf of its formula, not a limit
    numbers[1:] = ["-" if outside or y == "nan" else y for y in numbers[1:]]
    if numbers[0] != "-":
        lines.append(" ".join([name, float(x).hex()] + numbers))


def record(name, functions, operands):
    try:
        numbers = evaluate(functions, operands)
    except (ZeroDivisionError, ValueError):
        return
    if numbers[0] is None:
        return
    numbers = [x if x is not None else "-" for x in numbers]
    lines.append(" ".join([name] + [float(x).hex() for x in operands] + numbers))


for name, (*functions, kind) in UNARY.items():
    for x in points(kind):
        record(name, functions, (x,))
    for x in ("0", "1", "-1", "inf", "-inf", "nan"):
        record_edge(name, functions, x)
for name, (*functions, kind) in BINARY.items():
    for a, b in pairs(kind):
        record(name, functions, (a, b))

with open(os.path.join(os.path.dirname(__file__), "elementwise.txt"), "w") as f:
    f.write("# mpmath %s; see elementwise.py\n" % mpmath.__version__)
    f.write("\n".join(lines) + "\n")
