# SPDX-License-Identifier: MIT
"""Compares PyTorch's GroupNorm with libgroupnorm's in a residual network on photographs.

The program runs the network on the two photographs of scikit-learn, once with torch.nn.GroupNorm
and once with the GroupNorm of torch_groupnorm.py. It compares the outputs and the gradients: see
main().
"""

import argparse
import copy
import os
import sys
import time

import torch

import groupnorm
from torch_groupnorm import replace_groupnorm


class _Block(torch.nn.Module):
    """Two 3x3 convolutions and a shortcut, all normalized. The first may halve the image."""

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
    """Returns a residual network for [N, 3, H, W] images, always with the same weights.

    Its functions are smooth: SiLU and average pooling instead of ReLU and maximum pooling. At a
    kink, a rounding error decides whether a gradient passes or not, and the comparison would
    measure this decision more than the error.
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
        if isinstance(module, torch.nn.GroupNorm):  # as in a trained network, not ones and zeros
            torch.nn.init.normal_(module.weight, 1.0, 0.2)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
    return network


def _photographs():
    """Returns scikit-learn's two photographs as float32 [2, 3, 427, 640], normalized as usual."""
    from sklearn.datasets import load_sample_images

    images = torch.stack([torch.tensor(image) for image in load_sample_images().images])
    mean = torch.tensor([0.485, 0.456, 0.406])
    deviation = torch.tensor([0.229, 0.224, 0.225])
    return ((images / 255.0 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def _train_step(network, images, labels):
    """Returns the logits and the parameters' gradients, by name, and the time in seconds."""
    network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    logits = network(images)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    seconds = time.perf_counter() - start
    results = {"(logits)": logits.detach()}
    results.update((name, param.grad) for name, param in network.named_parameters())
    return results, seconds


def _norm_seconds(network, images):
    """Returns the seconds that only the normalizations take, forward and backward."""
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


# The largest allowed error of a result, in units of its largest element: FACTOR times PyTorch's own
# error plus FLOOR, but at most LIMIT. The two networks round the same convolutions in the same way,
# and differ only in the rounding of their normalizations. The largest error of a tensor is random:
# computations of equal quality differ in it, by less than a factor of 2 if there are many elements.
# If there are few, PyTorch's error can be almost 0 by chance. FLOOR is therefore four roundings to
# float: those of the loss, the matrix product, the mean over the image and the result. LIMIT
# applies if PyTorch's result is wrong.
FACTOR = 2.0
FLOOR = 4 * 2.0**-24
LIMIT = 1e-4


def _compare(pytorch, ours, exact):
    """Prints the differences between dicts of tensors; returns whether ours is accurate enough."""
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

    The network takes a training step in float32 with each of them, in both memory formats, and one
    in float64 with PyTorch's, whose result counts as exact. Returns 1 if a result with libgroupnorm
    is too far from the exact result (see FACTOR), and 0 otherwise.
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
              f"only its normalizations: PyTorch {norms:.1f} ms, ours {our_norms:.1f} ms")

    print(f"\n{'PASS' if good else 'FAIL'}: errors with libgroupnorm are "
          f"{'' if good else 'not '}within {FACTOR} times PyTorch's + {FLOOR:.1e}, and {LIMIT:.0e}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
