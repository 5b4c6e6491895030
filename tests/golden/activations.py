# SPDX-License-Identifier: MIT
"""Writes activations.json: smooth activations and their first three derivatives, from their
definitions in 540 digits, of which derivatives in the tails cost most.

    python3 tests/golden/activations.py
"""
import json
import pathlib

import mpmath
from mpmath import mp, mpf

mp.dps = 540
POINTS = [0, 1e-9, 0.1, 0.5, 1, 2.5, 5, 12, 20, 37, 300, 710, 1000]
POINTS = sorted({sign * z for z in POINTS for sign in (-1, 1)})


def logistic(z):
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    return mp.log(1 + mp.exp(z))


def selu(z):
    scale, alpha = mpf(1.0507009873554805), mpf(1.6732632423543773)
    return scale * (z if z > 0 else alpha * (mp.exp(z) - 1))


FUNCTIONS = {
    "sigmoid": logistic,
    "tanh": mp.tanh,
    "softsign": lambda z: z / (1 + abs(z)),
    "elu": lambda z: z if z > 0 else mp.exp(z) - 1,
    "selu": selu,
    "softplus": softplus,
    "gelu": lambda z: z * mp.ncdf(z),
    "gelu_tanh": lambda z: z / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mpf("0.044715") * z**3))),
    "swish": lambda z: z * logistic(z),
    "mish": lambda z: z * mp.tanh(softplus(z)),
    "bce_logits": lambda z: mpf(0.25) * softplus(-z) + mpf(0.75) * softplus(z),
}
KINKS = ("softsign", "elu", "selu")


def derivatives(f, z):
    """f and three derivatives; the step of the differences is 10^-60."""
    return [float(f(mpf(z)))] + [float(mp.diff(f, mpf(z), n, h=mpf(10) ** -60)) for n in (1, 2, 3)]


lines = [f'"made_by": "mpmath {mpmath.__version__}"']
for name, f in FUNCTIONS.items():
    points = [z for z in POINTS if z != 0 or name not in KINKS]
    rows = [derivatives(f, z) for z in points]
    case = {"z": points, "d": rows}
    lines.append(f"{json.dumps(name)}: {json.dumps(case)}")
pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
