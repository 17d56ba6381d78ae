# SPDX-License-Identifier: MIT
"""torch.nn.GroupNorm on the CPU by libgroupnorm.

    import torch
    from torch_groupnorm import GroupNorm, replace_groupnorm

    norm = GroupNorm(32, 64)            # as torch.nn.GroupNorm, with the same state_dict
    model = replace_groupnorm(model)    # or every GroupNorm of a model, in place

float32 tensors of 2 to 8 dims, [N, C, spatial...], forward and backward. A tensor whose channels
come second in memory (torch.contiguous_format) or last (torch.channels_last,
torch.channels_last_3d, a transposed [N, L, C]) is read where it lies, and what is computed from it
has the same strides. Any other tensor is copied first.

A call uses torch.get_num_threads() threads at most.

Run as a program, it puts two photographs through a residual network, once with PyTorch's
GroupNorm and once with this one, and compares the outputs and the gradients; see main().
"""

import argparse
import copy
import functools
import os
import sys
import time

import torch

import groupnorm

__all__ = ["GroupNorm", "group_norm", "replace_groupnorm"]

# Plans are small, but the scratch memory of each stays with it.
MAX_PLANS = 64
# The most threads that a plan takes.
MAX_THREADS = 1024


@functools.lru_cache(maxsize=MAX_PLANS, typed=True)
def _plan(shape, groups, layout, eps, affine, threads):
    """The plan for these arguments; one that falls out of the cache lives as long as it is used."""
    return groupnorm.Plan(
        shape, groups, layout=layout, eps=eps, affine=affine, threads=threads
    )


def _layout(x):
    """The groupnorm.Layout in which x is dense, or None.

    A tensor of one channel, or without spatial extent, is dense in both.
    """
    if x.is_contiguous():
        return groupnorm.Layout.CHANNELS_FIRST
    if x.movedim(1, -1).is_contiguous():
        return groupnorm.Layout.CHANNELS_LAST
    return None


def _dense(x):
    """x, or a copy of it that has a layout."""
    if _layout(x) is None:
        x = x.clone()  # dense, the dims in the order of x's strides: often enough
    if _layout(x) is None:
        x = x.contiguous()
    return x


def _in_order(tensor, layout):
    """The tensor without its gradient, its dims in the order that `layout` has them in memory."""
    tensor = tensor.detach()
    return tensor.movedim(1, -1) if layout is groupnorm.Layout.CHANNELS_LAST else tensor


def _param(tensor):
    """weight or bias as a numpy array, of the same memory if it is dense; None: None."""
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _affine(*params):
    """Whether each sample has its own weight and bias, by the dims of those that are given."""
    by_sample = any(param is not None and param.dim() == 2 for param in params)
    return groupnorm.Affine.SAMPLE if by_sample else groupnorm.Affine.CHANNEL


class _GroupNorm(torch.autograd.Function):
    """y = weight * xhat + bias and its gradients."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        """x [N, C, ...], weight and bias [C], [N, C] or None, all float32; returns y as x is."""
        x = _dense(x)
        layout = _layout(x)
        threads = min(torch.get_num_threads(), MAX_THREADS)
        plan = _plan(tuple(x.shape), groups, layout, eps, _affine(weight, bias), threads)
        y = torch.empty_like(x)  # with the strides of x
        _, mean, rstd = plan.forward(
            _in_order(x, layout).numpy(),
            _param(weight),
            _param(bias),
            out=_in_order(y, layout).numpy(),
            stats=True,
        )
        ctx.plan = plan
        ctx.save_for_backward(x, weight, torch.from_numpy(mean), torch.from_numpy(rstd))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        """dy [N, C, ...] in any strides; returns (dx, dweight, dbias, None, None)."""
        x, weight, mean, rstd = ctx.saved_tensors
        layout = ctx.plan.layout
        need_x, need_weight, need_bias = ctx.needs_input_grad[:3]
        dx = torch.empty_like(x) if need_x else None
        _, dweight, dbias = ctx.plan.backward(
            _in_order(dy, layout).contiguous().numpy(),
            _in_order(x, layout).numpy(),
            mean.numpy(),
            rstd.numpy(),
            _param(weight),
            dx=_in_order(dx, layout).numpy() if need_x else False,
            dgamma=need_weight,
            dbeta=need_bias,
        )
        dweight = torch.from_numpy(dweight) if need_weight else None
        dbias = torch.from_numpy(dbias) if need_bias else None
        return dx, dweight, dbias, None, None


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """torch.nn.functional.group_norm by libgroupnorm.

    input       float32 [N, C, spatial...] on the CPU, 2 to 8 dims
    num_groups  a divisor of C
    weight      float32 [C] on the CPU, or [N, C], each sample its own; None: ones
    bias        float32 of weight's shape on the CPU; None: zeros
    eps         what is added to the variance

    Returns a tensor of input's shape and memory format. Gradients flow to input, weight and bias,
    once: a second derivative raises RuntimeError. Groups of a single value, which PyTorch refuses,
    give the bias.

    TypeError: a tensor that is not float32, or not one. ValueError: one on another device, or of
    another shape; groups that do not divide C.
    """
    for name, tensor in (("input", input), ("weight", weight), ("bias", bias)):
        if tensor is None and name != "input":
            continue
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} is a {type(tensor).__name__}, not a torch.Tensor")
        if tensor.dtype != torch.float32:
            raise TypeError(f"{name} is {tensor.dtype}; libgroupnorm takes torch.float32 only")
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            raise ValueError(
                f"{name} is {tensor.layout} on {tensor.device}; libgroupnorm takes dense tensors "
                "on the CPU only"
            )
    if input.dim() < 2:
        raise ValueError(f"input has shape {tuple(input.shape)}: no batch and channels")
    return _GroupNorm.apply(input, weight, bias, num_groups, eps)


class GroupNorm(torch.nn.GroupNorm):
    """torch.nn.GroupNorm by libgroupnorm: the same constructor, parameters and state_dict."""

    def forward(self, input):
        """input float32 [N, C, spatial...]; returns the same shape and memory format."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def replace_groupnorm(module):
    """Makes every torch.nn.GroupNorm in `module` a GroupNorm of this file; returns `module`.

    The modules change their class and nothing else: their parameters, hooks and places in the
    model stay what they are, and optimizers that know the parameters stay valid. Subclasses of
    torch.nn.GroupNorm, which may compute something else, are left alone.
    """
    for child in module.modules():
        if type(child) is torch.nn.GroupNorm:
            child.__class__ = GroupNorm
    return module


# ---- The program ----


class _Block(torch.nn.Module):
    """Two 3x3 convolutions beside a shortcut, all normalized; the first may halve the image."""

    def __init__(self, channels_in, channels, stride):
        super().__init__()
        conv, norm = torch.nn.Conv2d, torch.nn.GroupNorm
        self.conv1 = conv(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = norm(32, channels)
        self.conv2 = conv(channels, channels, 3, padding=1, bias=False)
        self.norm2 = norm(32, channels)
        self.shortcut = torch.nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = torch.nn.Sequential(
                conv(channels_in, channels, 1, stride, bias=False), norm(32, channels)
            )

    def forward(self, x):
        silu = torch.nn.functional.silu
        branch = silu(self.norm1(self.conv1(x)))
        return silu(self.norm2(self.conv2(branch)) + self.shortcut(x))


def _network(classes=10):
    """A residual network for [N, 3, H, W] images, always with the same weights.

    Its functions are smooth: SiLU and average pooling instead of ReLU and maximum pooling. At a
    kink, a rounding error decides whether a whole gradient passes or not, and a comparison would
    see that decision more than the error.
    """
    torch.manual_seed(0)
    stem = [
        torch.nn.Conv2d(3, 32, 7, stride=2, padding=3, bias=False),
        torch.nn.GroupNorm(32, 32),
        torch.nn.SiLU(),
        torch.nn.AvgPool2d(2),
    ]
    blocks = [
        _Block(channels_in, channels, stride)
        for channels_in, channels, stride in (
            (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)
        )
    ]
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(128, classes)]
    network = torch.nn.Sequential(*stem, *blocks, *head)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):  # not ones and zeros, as a trained network's
            torch.nn.init.normal_(module.weight, 1.0, 0.2)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
    return network


def _photographs():
    """The two photographs that scikit-learn ships, as float32 [2, 3, 427, 640] of usual scale."""
    from sklearn.datasets import load_sample_images

    images = torch.stack([torch.tensor(image) for image in load_sample_images().images])
    mean = torch.tensor([0.485, 0.456, 0.406])
    deviation = torch.tensor([0.229, 0.224, 0.225])
    return ((images / 255.0 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def _train_step(network, images, labels):
    """The logits and the gradients of the network's parameters, by name; and the seconds taken."""
    network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    logits = network(images)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    seconds = time.perf_counter() - start
    results = {"(logits)": logits.detach()}
    results.update((name, param.grad) for name, param in network.named_parameters())
    return results, seconds


def _norm_seconds(network, images):
    """The seconds that the network's normalizations alone take, forward and backward."""
    calls = []
    hooks = [
        module.register_forward_hook(lambda norm, inputs, _: calls.append((norm, inputs[0])))
        for module in network.modules()
        if isinstance(module, torch.nn.GroupNorm)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    start = time.perf_counter()
    for norm, x in calls:
        y = norm(x.requires_grad_())
        torch.autograd.grad(y, (x, norm.weight, norm.bias), grad_outputs=x.detach())
    return time.perf_counter() - start


# How far a result may be from the exact one, in units of its largest element: FACTOR times
# PyTorch's own distance plus FLOOR, and never more than LIMIT. The two networks round the same
# convolutions in the same way and differ in how they round their normalizations; the largest of a
# tensor's errors is a random quantity, in which computations of equal quality differ, by less than
# 2 where the elements are many. Where they are few, PyTorch's error can be next to nothing by luck:
# hence the floor of four roundings to float, those of the loss, the matrix product, the mean over
# the image and the result. The limit is there for the day on which PyTorch's result is wrong.
FACTOR = 2.0
FLOOR = 4 * 2.0**-24
LIMIT = 1e-4


def _compare(pytorch, ours, exact):
    """Prints how far dicts of tensors of the same names are apart; returns whether ours will do."""
    rows = []
    for name, truth in exact.items():
        largest = truth.abs().max().item()
        difference = (ours[name] - pytorch[name]).abs().max().item()
        pytorch_error = (pytorch[name] - truth).abs().max().item() / largest
        our_error = (ours[name] - truth).abs().max().item() / largest
        shape = "x".join(map(str, truth.shape))
        rows.append((name, shape, largest, difference, difference / largest,
                     pytorch_error, our_error))

    print(f"{'':<19} {'':<11} {'largest':>8}   {'ours - PyTorch':<17}   {'relative error of'}")
    print(f"{'gradient of':<19} {'shape':<11} {'element':>8}   {'absolute':>8} {'relative':>8}   "
          f"{'PyTorch':>8} {'ours':>8}")
    good = True
    for name, shape, largest, difference, relative, pytorch_error, our_error in rows:
        row_good = our_error <= min(FACTOR * pytorch_error + FLOOR, LIMIT)  # False for a NaN
        good = good and row_good
        print(f"{name:<19} {shape:<11} {largest:8.1e}   {difference:8.1e} {relative:8.1e}   "
              f"{pytorch_error:8.1e} {our_error:8.1e}{'' if row_good else '  TOO LARGE'}")
    difference, relative, pytorch_error, our_error = (max(row[i] for row in rows)
                                                      for i in range(3, 7))
    print(f"{'worst of all':<19} {'':<11} {'':8}   {difference:8.1e} {relative:8.1e}   "
          f"{pytorch_error:8.1e} {our_error:8.1e}")
    return good


def main():
    """Compares PyTorch's GroupNorm with libgroupnorm's in a residual network on photographs.

    The network takes a training step in float32 with either, in both memory formats, and one in
    float64 with PyTorch's, which stands for the exact result. Returns 1 if a result with
    libgroupnorm is too far from the exact one (see FACTOR), else 0.
    """
    parser = argparse.ArgumentParser(description=main.__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="for PyTorch and libgroupnorm (default: one per processor)")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)

    images = _photographs()
    labels = torch.tensor([3, 7])
    network = _network()
    print(f"libgroupnorm {groupnorm.version_string()}, PyTorch {torch.__version__}, "
          f"{threads} threads, images {list(images.shape)}")
    exact, _ = _train_step(copy.deepcopy(network).double(), images.double(), labels)

    good = True
    for memory_format in (torch.contiguous_format, torch.channels_last):
        with_pytorch = copy.deepcopy(network).to(memory_format=memory_format)
        with_ours = replace_groupnorm(copy.deepcopy(with_pytorch))
        inputs = images.contiguous(memory_format=memory_format)
        times = []
        for _ in range(4):  # the first one warms up
            pytorch, pytorch_seconds = _train_step(with_pytorch, inputs, labels)
            ours, our_seconds = _train_step(with_ours, inputs, labels)
            times.append((pytorch_seconds, our_seconds, _norm_seconds(with_pytorch, inputs),
                          _norm_seconds(with_ours, inputs)))
        print(f"\n{str(memory_format).removeprefix('torch.')}\n")
        good = _compare(pytorch, ours, exact) and good
        step, our_step, norms, our_norms = (1e3 * min(column) for column in zip(*times[1:]))
        print(f"\none training step: PyTorch {step:.0f} ms, ours {our_step:.0f} ms; "
              f"its normalizations alone: PyTorch {norms:.1f} ms, ours {our_norms:.1f} ms")

    print(f"\n{'PASS' if good else 'FAIL'}: errors with libgroupnorm are "
          f"{'' if good else 'not '}within {FACTOR} times PyTorch's + {FLOOR:.1e}, and {LIMIT:.0e}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
