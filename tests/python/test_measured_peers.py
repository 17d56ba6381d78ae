# SPDX-License-Identifier: MIT
"""bench/peers.py's calls of the libraries that are here, and its checks of their results."""

import contextlib
import io
import math
import types
import unittest
from unittest import mock

import torch

import peers_measure
from peers_calls import DIRECTIONS, TOLERANCE, Absent, Call, Contest, Layout, largest_error
from peers_compiled import faults_of
from peers_layers import Kind, parse_layer
from peers_measure import Notes, Rows, find_peers, measure
from peers_options import parse_arguments
from peers_pytorch import PyTorch, true_results
from peers_report import markdown, peers_of

KINDS = [Kind(type_, activation) for type_ in Kind.SIZES for activation in Kind.ACTIVATIONS]
SHAPES = ("2x6x5x3/3", "3x4/2", "2x6x7/6", "1x4x2x3x5/1")


def setUpModule():
    unittest.addModuleCleanup(torch.set_grad_enabled, torch.is_grad_enabled())
    unittest.addModuleCleanup(torch.set_num_threads, torch.get_num_threads())
    torch.set_grad_enabled(False)


def contest(shape="2x6x5x3/3", kind=Kind(), layout=Layout.CHANNELS_FIRST):
    return Contest(parse_layer(shape), kind, layout, 1)


class Fake:
    """A peer whose forward has these results, and no other direction."""

    name, version = "Fake", "1"

    def __init__(self, results):
        self._results = results

    def calls(self, _contest):
        return {"forward": Call(lambda: None, self._results)}


class ContestTest(unittest.TestCase):
    def test_ours_and_pytorch(self):
        for shape in SHAPES:
            for kind in KINDS:
                for layout in Layout:
                    with self.subTest(shape=shape, kind=kind.name, layout=layout):
                        self.check_directions(contest(shape, kind, layout))

    def check_directions(self, one):
        self.assertEqual("in place" in one.directions, one.kind.activation == "identity")
        rows = Rows(one, [PyTorch()], Notes(), {})
        for direction in one.directions:
            names = ["ours"] if direction == "in place" else ["ours", "PyTorch"]
            self.assertEqual(list(rows.calls(direction)), names)

    def test_in_place_keeps_the_statistics_of_forward(self):
        one = contest()
        one.ours("forward").results()
        mean = one.mean.clone()
        one.begin("in place")
        y = one.ours("in place").results()[0]
        self.assertTrue(torch.equal(one.mean, mean))
        self.assertLess(largest_error(one, "in place", (y,), true_results(one)["in place"])[0],
                        1e-5)
        again = one.ours("in place").results()[0].clone()
        self.assertTrue(torch.allclose(y, again, atol=1e-4))  # stays as it is

    def test_offset(self):
        one = contest()
        theirs = torch.empty_like(one.x)
        one.place_out(theirs)
        self.assertEqual((one.out.data_ptr() - theirs.data_ptr()) % 4096, 0)
        self.assertEqual(one.out.stride(), one.x.stride())

    def test_errors(self):
        one = contest()
        true = one.ours("forward").results()
        true = [result.clone() for result in true]
        wrong = [true[0], true[1], true[2] * 1.5]
        self.assertEqual(largest_error(one, "forward", wrong, true), (0.5, "rstd"))
        wrong[0] = true[0] * math.nan
        self.assertEqual(largest_error(one, "forward", wrong, true), (math.inf, "y"))


class PeersTest(unittest.TestCase):
    def checked(self, peer, kind=Kind()):
        notes, errors = Notes(), {}
        one = contest(kind=kind)
        return list(Rows(one, [peer], notes, errors).calls("forward")), list(notes), errors

    def test_wrong_results(self):
        names, notes, errors = self.checked(Fake(lambda: (torch.zeros(2, 6, 5, 3),)))
        self.assertEqual(names, ["ours"])
        self.assertRegex(notes[0], r"Fake is not timed where .*2x6x5x3/3 channels first forward: y")
        self.assertGreater(errors["Fake", "f32"], TOLERANCE["f32"])

    def test_less_accurate_results(self):
        one = contest()
        y = one.ours("forward").results()[0].clone()
        names, _, errors = self.checked(Fake(lambda: (y + 5e-4 * y.abs().max(),)))
        self.assertEqual(names, ["ours", "Fake"])
        self.assertAlmostEqual(errors["Fake", "f32"], 5e-4, 4)

    def test_rough_results(self):
        """PyTorch 1.13's in bfloat16 are rougher than ours may be. They are timed and reported."""
        names, notes, errors = self.checked(Fake(lambda: (torch.zeros(2, 6, 5, 3),)), Kind("bf16"))
        self.assertEqual((names, notes), (["ours", "Fake"], []))
        self.assertGreater(errors["Fake", "bf16"], TOLERANCE["bf16"])

    def test_failing_call(self):
        def fail():
            raise Absent("fails")

        names, notes, _ = self.checked(Fake(fail))
        self.assertEqual(names, ["ours"])
        self.assertEqual(notes, ["Fake fails (2x6x5x3/3 channels first forward)."])

    def test_absent(self):
        def make_peer(_threads):
            raise Absent("is not here")

        notes = Notes()
        with mock.patch.object(peers_measure.importlib, "import_module",
                               return_value=types.SimpleNamespace(make_peer=make_peer)):
            self.assertEqual(find_peers(["onednn"], 1, notes), [])
        self.assertEqual(list(notes), ["oneDNN is not here."])

    def test_notes(self):
        notes = Notes()
        for place in "abbcde":
            notes.add("It fails", place)
        self.assertEqual(list(notes), ["It fails (a, b, c and 2 more)."])


class CompiledTest(unittest.TestCase):
    def test_faults(self):
        good = ("cpp_fused_native_group_norm_0 = async_compile.cpp_pybinding(['float*'], '''\n"
                "auto tmp0 = at::vec::Vectorized<float>::loadu(in_ptr0);\n")
        self.assertEqual(faults_of(good), [])
        self.assertEqual(faults_of(good.replace("at::vec::Vectorized", "float")), ["scalars"])
        self.assertEqual(faults_of(good + "buf0 = torch.ops.aten.native_group_norm.default(x)"),
                         ["PyTorch's own function"])
        self.assertEqual(faults_of("aten.native_group_norm(x)"),
                         ["no code in C++", "PyTorch's own function", "scalars"])


class MeasureTest(unittest.TestCase):
    def test_report(self):
        options = parse_arguments("", ["--quick", "--threads", "1", "--peers", "pytorch",
                                       "--shape", "1x4x3/2", "--type", "f32,bf16"])
        with contextlib.redirect_stderr(io.StringIO()):
            report = measure(options, True)
        results = report["results"]
        self.assertEqual([(row["type"], row["layout"], row["direction"]) for row in results],
                         [(type_, layout, direction) for type_ in ("f32", "bf16")
                          for layout in ("first", "last") for direction in DIRECTIONS])
        for row in results:
            self.assertEqual(peers_of(row), [] if row["direction"] == "in place" else ["PyTorch"])
            for time in row["us"].values():
                self.assertTrue(0 < time["minimum"] <= time["median"])
            self.assertTrue(0 <= row["busy"] <= 100)
        self.assertEqual(list(report["peers"]), ["PyTorch"])
        self.assertIn("| 1x4x3/2 | bf16 | identity | last | backward |", markdown(report, 1.25))


if __name__ == "__main__":
    unittest.main()
