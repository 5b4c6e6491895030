# SPDX-License-Identifier: MIT
"""Writes layers.json: outputs of PyTorch's layers, activations and losses, and the gradients of
sum(output * c) with respect to input and parameters, in float64.

    python3 tests/golden/layers.py

hard_sigmoid is written out, since PyTorch's own takes 1/6 in single precision for its gradient.

Parameters are written in Gradus's layout: weights of dense and recurrent layers are [in, out].
"""
import golden_file
import numpy
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
random = numpy.random.RandomState(11)
cases = {}


def draw(*shape):
    return torch.tensor(random.normal(size=shape).round(3))


def fill(module):
    """Gives a module parameters with few digits."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw(*p.shape))
    return module


def record(name, run, x, params, **more):
    """run(x, params) gives a tensor; params are tensors in Gradus's layout."""
    x = x.clone().requires_grad_(x.dtype == torch.float64)
    params = {k: v.detach().clone().requires_grad_(True) for k, v in params.items()}
    y = run(x, params)
    c = draw(*y.shape)
    torch.sum(y * c).backward()
    cases[name] = {"x": x, "params": params, "y": y, "c": c, "dx": x.grad,
                   "dparams": {k: v.grad for k, v in params.items()}, **more}


def call(module, names):
    """Runs a module with parameters from a dictionary: names maps the module's to (ours, transposed)."""
    def run(x, p):
        given = {}
        for theirs, ours in names.items():
            given[theirs] = ours(p)
        y = torch.func.functional_call(module, given, (x,))
        return y[0] if isinstance(y, tuple) else y
    return run


def transposed(name):
    return lambda p: p[name].T


def same(name):
    return lambda p: p[name]


record("dense", call(nn.Linear(3, 2), {"weight": transposed("W"), "bias": same("b")}),
       draw(4, 3), {"W": draw(3, 2), "b": draw(2)})
record("layer_norm", call(nn.LayerNorm(5), {"weight": same("g"), "bias": same("b")}),
       draw(3, 5), {"g": draw(5), "b": draw(5)})
record("embedding", call(nn.Embedding(6, 3), {"weight": same("W")}),
       torch.tensor([[1, 5, 0], [1, 2, 1]]), {"W": draw(6, 3)})
record("conv", call(nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)),
                    {"weight": same("W"), "bias": same("b")}),
       draw(2, 2, 5, 4), {"W": draw(3, 2, 3, 2), "b": draw(3)})
record("conv1d", call(nn.Conv1d(2, 3, 3, stride=2, padding=1),
                      {"weight": same("W"), "bias": same("b")}),
       draw(2, 2, 7), {"W": draw(3, 2, 3), "b": draw(3)})

for name, norm, shape in (("batch_norm", nn.BatchNorm1d(3), (5, 3)),
                          ("batch_norm_2d", nn.BatchNorm2d(3), (2, 3, 2, 2))):
    run = call(norm, {"weight": same("g"), "bias": same("b")})
    with torch.no_grad():
        norm(draw(*shape))
    before = {"mean": norm.running_mean.clone(), "var": norm.running_var.clone()}
    x, params = draw(*shape), {"g": draw(3), "b": draw(3)}
    record(name + "_train", run, x, params, before=before)
    after = {"mean": norm.running_mean.clone(), "var": norm.running_var.clone()}
    cases[name + "_train"]["after"] = after
    norm.eval()
    record(name + "_eval", run, x, params, before=after)


def recurrent(module):
    """PyTorch adds two biases; all of ours are in the first, but for the one inside gru's reset."""
    n = module.hidden_size

    def second_bias(p):
        zeros = torch.zeros(module.bias_hh_l0.shape[0])
        return torch.cat((zeros[n:], p["c"])) if "c" in p else zeros

    return call(module, {"weight_ih_l0": transposed("W"), "weight_hh_l0": transposed("U"),
                         "bias_ih_l0": same("b"), "bias_hh_l0": second_bias})


record("rnn", recurrent(nn.RNN(2, 3)), draw(5, 4, 2),
       {"W": draw(2, 3), "U": draw(3, 3), "b": draw(3)})
record("lstm", recurrent(nn.LSTM(2, 3)), draw(5, 4, 2),
       {"W": draw(2, 12), "U": draw(3, 12), "b": draw(12)})
record("gru", recurrent(nn.GRU(2, 3)), draw(5, 4, 2),
       {"W": draw(2, 9), "U": draw(3, 9), "b": draw(9), "c": draw(3)})


def attention(causal):
    module = nn.MultiheadAttention(4, 2, batch_first=True)
    mask = torch.full((3, 3), -torch.inf).triu(1) if causal else None

    def run(x, p):
        given = {"in_proj_weight": torch.cat([p[k].T for k in ("Wq", "Wk", "Wv")]),
                 "in_proj_bias": torch.cat([p[k] for k in ("bq", "bk", "bv")]),
                 "out_proj.weight": p["Wo"].T, "out_proj.bias": p["bo"]}
        return torch.func.functional_call(module, given, (x, x, x), {"attn_mask": mask})[0]
    return run


weights = {}
for letter in "qkvo":
    weights["W" + letter], weights["b" + letter] = draw(4, 4), draw(4)
record("attention", attention(False), draw(2, 3, 4), weights)
record("attention_causal", attention(True), draw(2, 3, 4), weights)

z = torch.tensor([-30.0, -4.0, -1.5, -0.3, 0.2, 0.9, 2.0, 3.5, 30.0])
for name, f in {
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softsign": F.softsign, "relu": F.relu,
    "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu, "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "swish": F.silu, "mish": F.mish,
    "softplus": lambda x: F.softplus(x, threshold=100), "hard_sigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * torch.clamp(x / 6 + 0.5, 0, 1), "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
}.items():
    record("f_" + name, lambda x, p: f(x), z, {})

labels = torch.tensor([2, 0, 1, 1])
probs = torch.softmax(draw(4, 3), -1)
signs = torch.tensor([[1.0, -1.0, 1.0]] * 4)
bits = torch.tensor([[1.0, 0.0, 1.0]] * 4)
yes = torch.sigmoid(draw(4, 3))
for name, f, x, target in (
    ("mse", F.mse_loss, draw(4, 3), draw(4, 3)),
    ("mae", F.l1_loss, draw(4, 3), draw(4, 3)),
    ("huber", F.huber_loss, 2 * draw(4, 3), draw(4, 3)),
    ("cross_entropy", F.cross_entropy, draw(4, 3), labels),
    ("cross_entropy_rows", F.cross_entropy, draw(4, 3), probs),
    ("nll", F.nll_loss, torch.log(probs), labels),
    ("bce", F.binary_cross_entropy, yes, bits),
    ("bce_logits", F.binary_cross_entropy_with_logits, draw(4, 3), bits),
    ("kl_div", lambda x, t: F.kl_div(x, t, reduction="batchmean"), torch.log(yes), probs),
    ("hinge", lambda x, t: torch.mean(torch.clamp(1 - t * x, min=0)), draw(4, 3), signs),
):
    record("loss_" + name, lambda x, p: f(x, target), x, {}, target=target)

# Sequences of 5, 3 and 1 steps; PyTorch's packed sequences give zeros behind their ends.
lengths = torch.tensor([5, 3, 1])
mask = (torch.arange(5)[:, None] < lengths).to(torch.float64)


def packed(module, state):
    """state(params) gives the module's parameters by name."""
    def run(x, p):
        x = nn.utils.rnn.pack_padded_sequence(x, lengths)
        y, _ = torch.func.functional_call(module, state(p), (x,))
        return nn.utils.rnn.pad_packed_sequence(y, total_length=5)[0]
    return run


def one_way(p, suffix=""):
    n = p["U"].shape[0]
    second = torch.cat((torch.zeros(2 * n), p["c"])) if "c" in p else torch.zeros(p["b"].shape)
    return {"weight_ih_l0" + suffix: p["W"].T, "weight_hh_l0" + suffix: p["U"].T,
            "bias_ih_l0" + suffix: p["b"], "bias_hh_l0" + suffix: second}


def both_ways(p):
    there, back = ({k[:-2]: v for k, v in p.items() if k.endswith(way)} for way in ("_f", "_b"))
    return {**one_way(there), **one_way(back, "_reverse")}


def gru_params(suffix):
    return {"W" + suffix: draw(2, 9), "U" + suffix: draw(3, 9), "b" + suffix: draw(9),
            "c" + suffix: draw(3)}


record("lstm_masked", packed(nn.LSTM(2, 3), one_way), draw(5, 3, 2),
       {"W": draw(2, 12), "U": draw(3, 12), "b": draw(12)}, mask=mask)
record("gru_masked", packed(nn.GRU(2, 3), one_way), draw(5, 3, 2), gru_params(""), mask=mask)
record("bidirectional_masked", packed(nn.GRU(2, 3, bidirectional=True), both_ways), draw(5, 3, 2),
       {**gru_params("_f"), **gru_params("_b")}, mask=mask)

golden_file.write(__file__, cases)
