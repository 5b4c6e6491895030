# SPDX-License-Identifier: MIT
"""Writes tensors.json: reductions, scans, products, linear algebra, convolutions and pools by PyTorch in
float64: the value y, the gradients g of sum(y * c), and the products h of its Hessian with a direction v.

    python3 tests/golden/tensors.py

Where factors are defined up to signs (qr, svd, eigh) the squares of their elements are taken.
"""
import golden_file
import numpy
import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
random = numpy.random.RandomState(23)
cases = {}


def draw(*shape):
    return torch.tensor(random.normal(size=shape).round(3))


def definite(n, batch=()):
    a = draw(*batch, n, n)
    return (a @ a.transpose(-1, -2) + torch.eye(n)).round(decimals=3)


def symmetric(n):
    a = draw(n, n)
    return ((a + a.T) / 2 + torch.diag(torch.arange(n) * 1.5)).round(decimals=4)


def of_symmetric(f):
    """Symmetric inputs move as symmetric ones: f of (a + a.T) / 2."""
    return lambda a, *more: f((a + a.transpose(-1, -2)) / 2, *more)


def record(name, f, *inputs):
    x = [t.clone().requires_grad_(True) for t in inputs]
    v = [draw(*t.shape) for t in x]
    y = f(*x)
    c = draw(*y.shape) if y.ndim else torch.tensor(1.25)
    g = torch.autograd.grad(torch.sum(y * c), x, create_graph=True)
    slope = sum(torch.sum(a * b) for a, b in zip(g, v))
    h = [torch.zeros_like(t) for t in x]
    if slope.requires_grad:
        h = torch.autograd.grad(slope, x, allow_unused=True)
        h = [torch.zeros_like(t) if a is None else a for a, t in zip(h, x)]
    cases[name] = {"x": x, "c": c, "v": v, "y": y, "g": list(g), "h": h}


def squares(*parts):
    return torch.cat([(p * p).reshape(-1) for p in parts])


m34, m33, t234 = draw(3, 4), draw(3, 3), draw(2, 3, 4)
one_zero = m34.clone()
one_zero[1, 2] = 0

record("sum_axes", lambda a: torch.sum(a, (0, 2)) ** 2, t234)
record("mean_keep", lambda a: a * torch.mean(a, 1, keepdim=True), t234)
record("prod", torch.prod, draw(5))
record("prod_axis", lambda a: torch.prod(a, 1), m34)
record("prod_one_zero", lambda a: torch.prod(a, 1), one_zero)
record("var", lambda a: torch.var(a, 1, correction=0), m34)
record("var_ddof", lambda a: torch.var(a, (0, 1), correction=1), m34)
record("std", lambda a: torch.std(a, 0, correction=0), m34)
record("std_ddof", lambda a: torch.std(a, correction=1), m34)
record("max", lambda a: torch.amax(a, 1) ** 2, m34)
record("min", lambda a: torch.amin(a, 0) ** 3, m34)
record("norm", torch.linalg.vector_norm, m34)
record("norm_axis", lambda a: torch.linalg.vector_norm(a, dim=1), t234)
record("logsumexp", lambda a: torch.logsumexp(a, 1), t234)
record("logsumexp_large", lambda a: torch.logsumexp(a, 1), 300 * m34)
record("softmax", lambda a: torch.softmax(a, -1), t234)
record("log_softmax", lambda a: torch.log_softmax(a, -1), t234)
record("cumsum", lambda a: torch.cumsum(a, 1) ** 2, m34)
record("cumprod", lambda a: torch.cumprod(a, 1), m34)
record("cumprod_one_zero", lambda a: torch.cumprod(a, 1), one_zero)
record("sort", lambda a: torch.sort(a, dim=1).values ** 3, m34)
record("topk", lambda a: torch.topk(a, 2, dim=1).values ** 3, m34)
record("gather", lambda a: torch.gather(a, 1, torch.tensor([[0, 0, 3], [1, 2, 1], [3, 3, 3]])) ** 3, m34)
record("matmul", torch.matmul, m34, draw(4, 2))
record("matmul_batch", torch.matmul, t234, draw(4, 3))
record("matmul_vector", torch.matmul, m34, draw(4))
record("einsum", lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), draw(2, 3), m33, m34)
record("outer", torch.outer, draw(3), draw(4))
record("kron", torch.kron, draw(2, 3), draw(2, 2))
record("cross", lambda a, b: torch.linalg.cross(a, b), draw(2, 3), draw(2, 3))
record("conv1d", lambda a, b: F.conv1d(a, b, stride=2, padding=1), draw(2, 2, 7), draw(3, 2, 3))
record("conv2d", lambda a, b: F.conv2d(a, b), draw(1, 2, 5, 4), draw(2, 2, 3, 2))
record("conv2d_stride", lambda a, b: F.conv2d(a, b, stride=(2, 1), padding=(1, 2)), draw(2, 1, 5, 6), draw(2, 1, 3, 3))
record("max_pool2d", lambda a: F.max_pool2d(a, 2) ** 2, draw(1, 2, 4, 4))
record("avg_pool2d", lambda a: F.avg_pool2d(a, (3, 2), stride=1, padding=1) ** 2, draw(1, 5, 5))
record("inv", torch.linalg.inv, definite(3))
record("inv_batch", torch.linalg.inv, definite(2, (2,)))
record("solve", torch.linalg.solve, definite(3), draw(3, 2))
record("solve_vector", torch.linalg.solve, m33 + 3 * torch.eye(3), draw(3))
record("det", torch.linalg.det, m33)
record("det_batch", torch.linalg.det, draw(2, 3, 3))
record("logdet", torch.logdet, definite(3))
record("cholesky", of_symmetric(torch.linalg.cholesky), definite(3))
record("qr", lambda a: squares(*torch.linalg.qr(a)), draw(4, 3))
record("svd_values", lambda a: torch.linalg.svdvals(a), draw(4, 3))
record("svd", lambda a: squares(*torch.linalg.svd(a, full_matrices=False)), draw(3, 4))
record("eigh", of_symmetric(lambda a: squares(*torch.linalg.eigh(a))), symmetric(3))
record("eigvals", of_symmetric(torch.linalg.eigvalsh), symmetric(4))

golden_file.write(__file__, cases)
