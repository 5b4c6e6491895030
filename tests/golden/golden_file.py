# SPDX-License-Identifier: MIT
"""What the writers of golden files share."""
import json
import pathlib
import platform

import numpy
import torch


def plain(x):
    """Tensors and arrays as nested lists, inside dictionaries and lists too."""
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    if isinstance(x, torch.Tensor):
        x = x.detach().numpy()
    return x.tolist() if isinstance(x, numpy.ndarray) else x


def write(script, cases):
    """script.py writes script.json: the versions, then a case a line."""
    made_by = (f"PyTorch {torch.__version__}, NumPy {numpy.__version__}, "
               f"Python {platform.python_version()}")
    lines = [f'"made_by": {json.dumps(made_by)}']
    lines += [f"{json.dumps(name)}: {json.dumps(plain(case))}" for name, case in cases.items()]
    pathlib.Path(script).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
