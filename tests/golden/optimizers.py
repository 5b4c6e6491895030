# SPDX-License-Identifier: MIT
"""Writes optimizers.json: where PyTorch's optimizers are after 1, 10 and 100 steps on a small net.

    python3 tests/golden/optimizers.py

lion, which PyTorch lacks, follows the pseudo-code of Chen et al. 2023 (algorithm 2). lbfgs is without
line search and goes 20 steps of one iteration each. Learning rates of cosine and one_cycle are those of
PyTorch's schedulers with SGD.
"""
import golden_file
import numpy
import torch

torch.set_default_dtype(torch.float64)
random = numpy.random.RandomState(7)
X = random.uniform(-1, 1, (8, 3)).round(3)
Y = random.uniform(-1, 1, (8, 2)).round(3)
START = {
    "W": random.uniform(-1, 1, (3, 4)).round(3),
    "b": random.uniform(-1, 1, 4).round(3),
    "V": random.uniform(-1, 1, (4, 2)).round(3),
}


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, beta1=0.9, beta2=0.99, weight_decay=0.0):
        super().__init__(params, dict(lr=lr))
        self.numbers = lr, beta1, beta2, weight_decay

    @torch.no_grad()
    def step(self, closure=None):
        lr, beta1, beta2, decay = self.numbers
        for p in self.param_groups[0]["params"]:
            m = self.state[p].setdefault("m", torch.zeros_like(p))
            c = beta1 * m + (1 - beta1) * p.grad
            p.sub_(lr * (c.sign() + decay * p))
            m.copy_(beta2 * m + (1 - beta2) * p.grad)


def trajectory(make, stops, schedule=None):
    p = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
    optimizer = make(list(p.values()))
    scheduler = schedule(optimizer) if schedule else None
    x, y = torch.tensor(X), torch.tensor(Y)

    def closure():
        optimizer.zero_grad()
        loss = torch.mean((torch.tanh(x @ p["W"] + p["b"]) @ p["V"] - y) ** 2)
        loss.backward()
        return loss

    seen = []
    for step in range(1, stops[-1] + 1):
        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        if scheduler:
            scheduler.step()
        if step in stops:
            seen.append({name: value.detach().tolist() for name, value in p.items()})
    return seen


o = torch.optim
STOPS = (1, 10, 100)
PLAIN = {
    "sgd": lambda p: o.SGD(p, lr=0.1),
    "sgd_decay": lambda p: o.SGD(p, lr=0.1, weight_decay=0.05),
    "momentum": lambda p: o.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adagrad": lambda p: o.Adagrad(p, lr=0.1),
    "rmsprop": lambda p: o.RMSprop(p, lr=0.001),
    "adadelta": lambda p: o.Adadelta(p, lr=1.0),
    "adam": lambda p: o.Adam(p, lr=0.02),
    "adamw": lambda p: o.AdamW(p, lr=0.02, weight_decay=0.1),
    "nadam": lambda p: o.NAdam(p, lr=0.02),
    "lion": lambda p: Lion(p, lr=0.003, weight_decay=0.1),
    # Every number another than its default, at rates at which rounding errors do not grow.
    "momentum_numbers": lambda p: o.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.05),
    "nesterov_numbers": lambda p: o.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.05, nesterov=True),
    "adagrad_numbers": lambda p: o.Adagrad(p, lr=0.1, eps=1e-4),
    "rmsprop_numbers": lambda p: o.RMSprop(p, lr=0.001, alpha=0.9, eps=1e-4),
    "adadelta_numbers": lambda p: o.Adadelta(p, lr=0.5, rho=0.95, eps=1e-4),
    "adam_numbers": lambda p: o.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4),
    "adamw_numbers": lambda p: o.AdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.2),
    "nadam_numbers": lambda p: o.NAdam(p, lr=0.005, betas=(0.8, 0.99), eps=1e-4, momentum_decay=0.05),
    "lion_numbers": lambda p: Lion(p, lr=0.003, beta1=0.8, beta2=0.95, weight_decay=0.2),
}
golden = {name: trajectory(make, STOPS) for name, make in PLAIN.items()}
golden["sgd_cosine"] = trajectory(
    PLAIN["sgd"], STOPS, lambda s: o.lr_scheduler.CosineAnnealingLR(s, T_max=100, eta_min=0.01))
golden["sgd_one_cycle"] = trajectory(
    lambda p: o.SGD(p, lr=0.1), STOPS,
    lambda s: o.lr_scheduler.OneCycleLR(s, max_lr=0.5, total_steps=101, cycle_momentum=False))
golden["adam_step_decay"] = trajectory(
    PLAIN["adam"], STOPS, lambda s: o.lr_scheduler.StepLR(s, step_size=7, gamma=0.5))
golden["momentum_exponential"] = trajectory(
    PLAIN["momentum"], STOPS, lambda s: o.lr_scheduler.ExponentialLR(s, gamma=0.95))
golden["adamw_warmup"] = trajectory(
    PLAIN["adamw"], STOPS, lambda s: o.lr_scheduler.LambdaLR(s, lambda t: min(1, (t + 1) / 20)))
golden["lbfgs"] = trajectory(
    lambda p: o.LBFGS(p, lr=0.5, max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0),
    (1, 10, 20))
golden_file.write(__file__, {"X": X, "Y": Y, "start": START, **golden})
