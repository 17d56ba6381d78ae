# SPDX-License-Identifier: MIT
"""What bench/peers.py does but for the measuring: its options, layers, tables and pictures."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import peers
import peers_plots
import peers_report
from peers_layers import Kind, Layer, parse_layer, read_layers


def result(shape, layout, direction, ours, pytorch, size=4096, **kind):
    return {"shape": shape, "source": f"where {shape} is from", **kind, "bytes": size,
            "layout": layout, "direction": direction, "moved": 3, "copy_us": 1.0, "ours_us": ours,
            "pytorch_us": pytorch}


REPORT = {
    "processor": "Abacus", "threads": 2, "groupnorm": "0.1.0", "pytorch": "1.13",
    "notes": ["The first note."],
    "results": [
        result("1x4x5/2", "first", "forward", 2.0, 8.0),
        result("1x4x5/2", "first", "backward", 10.0, 20.0),
        result("1x4x5/2", "last", "forward", 2.0, 1.0),
        result("1x4x5/2", "last", "backward", 1234.5, 1234.5),
        result("9x4x5/2", "first", "forward", 2.0, 2.0, size=1 << 20),
    ],
}


# As of a run with --type and --activation.
KINDS = {**REPORT, "results": [
    result("1x4x5/2", "first", "forward", 2.0, 8.0, type="f32", activation="identity"),
    result("1x4x5/2", "first", "forward", 2.0, 6.0, type="bf16", activation="silu"),
]}


class LayerTest(unittest.TestCase):
    def test_parse(self):
        layer = parse_layer("8x512x7x6/32")
        self.assertEqual(layer, Layer((8, 512, 7, 6), 32))
        self.assertEqual(layer.name, "8x512x7x6/32")
        self.assertEqual((layer.spatial, layer.elements, layer.bytes(4)), (42, 172032, 688128))
        self.assertEqual(parse_layer("8x512/32").spatial, 1)

    def test_refuse(self):
        for text in ("", "8", "8/2", "8x512", "8x512x7/3", "0x4/2", "8x4x/2", "8x4/0", "8x-4/2",
                     "1x2x3x4x5x6x7x8x9/1", "8x4/2 "):
            with self.subTest(text=text):
                with self.assertRaisesRegex(ValueError, "shape"):
                    parse_layer(text)

    def test_moved(self):
        layer = Layer((2, 4, 8), 2)  # of 256 bytes
        self.assertEqual([layer.moved(last, direction, l2) for last, direction, l2 in (
            (False, "forward", 64), (False, "forward", 63), (True, "forward", 64),
            (True, "forward", 128), (False, "backward", 64), (False, "backward", 128))],
            [2, 3, 3, 2, 5, 3])
        self.assertEqual([layer.moved(False, "forward", l2, 2) for l2 in (31, 32)], [3, 2])

    def test_tables(self):
        layers = read_layers(peers.HERE / "shapes.tsv")
        self.assertGreater(len(layers), 10)
        self.assertTrue(all(layer.source for layer in layers))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "table"
            path.write_text("# N\n\n1\t4\t2x3\t2\tsome\n", encoding="utf-8")
            self.assertEqual(read_layers(path), [Layer((1, 4, 2, 3), 2, "some")])
            for text, message in (("# N\n1\t4\t5\n", "line 2: fewer"), ("\n", "no shapes"),
                                  ("1\t4\t5\t3\n", "line 1: shape 1x4x5/3")):
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(ValueError, message):
                    read_layers(path)


class KindTest(unittest.TestCase):
    def test_names(self):
        self.assertEqual([(kind.name, kind.size) for kind in (
            Kind(), Kind("bf16"), Kind("f32", "silu"), Kind("f16", "silu"))],
            [("", 4), ("bf16", 2), ("silu", 4), ("f16, silu", 2)])


class OptionsTest(unittest.TestCase):
    def test_shapes(self):
        self.assertEqual(peers.parse_arguments(["--shape", "1x4/2"]).layers, [Layer((1, 4), 2)])
        self.assertGreater(len(peers.parse_arguments([]).layers), 10)
        self.assertEqual(peers.parse_arguments(["--quick"]).repeats, 3)

    def test_kinds(self):
        self.assertEqual(peers.parse_arguments([]).kinds, [Kind()])
        options = peers.parse_arguments(["--type", "f32,bf16,f32", "--activation", "identity,silu"])
        self.assertEqual(options.kinds, [Kind("f32", "identity"), Kind("f32", "silu"),
                                         Kind("bf16", "identity"), Kind("bf16", "silu")])

    def test_refuse(self):
        for arguments in (["--shape", "1x4/3"], ["--threads", "0"], ["--repeats", "many"],
                          ["--shapes", "/no/such/file"], ["--type", "f64"], ["--type", ""],
                          ["--type", "f32,"], ["--activation", "gelu"]):
            with self.subTest(arguments=arguments):
                with self.assertRaises(SystemExit) as caught:
                    with contextlib.redirect_stderr(io.StringIO()):
                        peers.parse_arguments(arguments)
                self.assertEqual(caught.exception.code, 2)


class ReportTest(unittest.TestCase):
    def test_digits(self):
        self.assertEqual([peers_report.digits(value) for value in (0.123, 4.5, 67.89, 1234.5)],
                         ["0.12", "4.50", "67.9", "1234"])

    def test_markdown(self):
        text = peers_report.markdown(REPORT)
        for line in (
            "Abacus, 2 threads, libgroupnorm 0.1.0, PyTorch 1.13.",
            "| 1x4x5/2 | first | forward | 1.00 | 2.00 | 0.75 | 8.00 | 4.00 |",
            "| channels first, forward | 2.00 | 1.00 |",
            "| channels last, forward | 0.50 | 0.50 |",
            "| all | 1.32 | 0.50 (1x4x5/2, last, forward) |",
            "- The first note.",
        ):
            self.assertIn(line, text.splitlines())

    def test_markdown_of_kinds(self):
        text = peers_report.markdown(KINDS)
        for line in (
            "| N x C x spatial / G | type | activation | layout | direction | copy, us | ours, us "
            "| efficiency | PyTorch, us | times as fast |",
            "|---|---|---|---|---|--:|--:|--:|--:|--:|",
            "| 1x4x5/2 | f32 | identity | first | forward | 1.00 | 2.00 | 0.75 | 8.00 | 4.00 |",
            "| 1x4x5/2 | bf16 | silu | first | forward | 1.00 | 2.00 | 0.75 | 6.00 | 3.00 |",
            "| channels first, forward | 4.00 | 4.00 |",
            "| channels first, forward, bf16, silu | 3.00 | 3.00 |",
            "| all | 3.46 | 3.00 (1x4x5/2, first, forward, bf16, silu) |",
        ):
            self.assertIn(line, text.splitlines())
        default = {**KINDS, "results": KINDS["results"][:1]}
        self.assertNotIn("identity", peers_report.markdown(default))

    def test_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.json"
            path.write_text(json.dumps(REPORT), encoding="utf-8")
            output = subprocess.run([sys.executable, peers.__file__, "--read", path], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(output, peers_report.markdown(REPORT))


class PlotTest(unittest.TestCase):
    def test_plot(self):
        with tempfile.TemporaryDirectory() as folder:
            contents = []
            for name in ("a", "b"):
                paths = peers_plots.plot(REPORT, f"{folder}/{name}")
                contents.append([pathlib.Path(path).read_text(encoding="utf-8") for path in paths])
        self.assertEqual(*contents)
        for content in contents[0]:
            xml.etree.ElementTree.fromstring(content)
            self.assertIn("Abacus, 2 threads", content)
            self.assertIn("channels last", content)
        self.assertIn("where 9x4x5/2 is from", contents[0][1])

    def test_plot_of_kinds(self):
        with tempfile.TemporaryDirectory() as folder:
            _, path = peers_plots.plot(KINDS, folder)
            content = pathlib.Path(path).read_text(encoding="utf-8")
        self.assertIn("1x4x5/2, bf16, silu", content)


if __name__ == "__main__":
    unittest.main()
