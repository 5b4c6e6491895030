#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes philox.h: raw words of NumPy's Philox, the oracle of tests/unit/test_kernel_random.c.

NumPy counts up before it draws, so its words for a state `counter = c` belong to counter c + 1."""
import numpy as np

KEYS = (0, 1, 12345, 2**63, 2**64 - 1)
COUNTERS = (1, 2, 42, 2**32, 2**63 + 7)

print("/* SPDX-License-Identifier: MIT */")
print("/* Written by philox.py with NumPy %s: key, counter, four words. */" % np.__version__)
print("static const uint64_t philox_golden[][6] = {")
for key in KEYS:
    for counter in COUNTERS:
        words = np.random.Philox(key=key, counter=counter - 1).random_raw(4)
        row = [key, counter] + [int(w) for w in words]
        print("    {%s,\n     %s}," % (", ".join("0x%x" % w for w in row[:3]),
                                      ", ".join("0x%x" % w for w in row[3:])))
print("};")
