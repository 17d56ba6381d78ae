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
from peers_options import PEERS, TABLES, parse_arguments
from peers_summary import missed, summary


def result(shape, layout, direction, ours, peers, size=4096, **kind):
    times = {"copy": 1.0, "ours": ours, **peers}
    return {"shape": shape, "source": f"where {shape} is from", **kind, "bytes": size,
            "layout": layout, "direction": direction, "moved": 3, "busy": 2.6, "tries": 1,
            "us": {name: {"median": time, "minimum": time / 2} for name, time in times.items()}}


REPORT = {
    "processor": "Abacus", "threads": 2, "groupnorm": "0.1.0",
    "peers": {"PyTorch": "2.6", "Slate": "1.0"}, "notes": ["The first note."],
    "results": [
        result("1x4x5/2", "first", "forward", 2.0, {"PyTorch": 8.0, "Slate": 4.0}),
        result("1x4x5/2", "first", "in place", 2.0, {}),
        result("1x4x5/2", "first", "backward", 10.0, {"PyTorch": 20.0}),
        result("1x4x5/2", "last", "forward", 2.0, {"PyTorch": 1.0, "Slate": 12.0}),
        result("1x4x5/2", "last", "backward", 1234.5, {"PyTorch": 1234.5}),
        result("9x4x5/2", "first", "forward", 2.0, {"PyTorch": 2.0}, size=1 << 20),
    ],
}


# As of a run with --type and --activation.
KINDS = {**REPORT, "results": [
    result("1x4x5/2", "first", "forward", 2.0, {"PyTorch": 8.0}, type="f32", activation="identity"),
    result("1x4x5/2", "first", "forward", 2.0, {"PyTorch": 6.0}, type="bf16", activation="silu"),
]}


def parse(*arguments):
    return parse_arguments("Measures.", arguments)


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
        self.assertEqual(layer.moved(False, "in place", 64), 2)

    def test_tables(self):
        for table in TABLES:
            layers = read_layers(table)
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
    def test_layers(self):
        self.assertEqual(parse("--shape", "1x4/2").layers, [Layer((1, 4), 2)])
        few, more = parse().layers, parse("--more").layers
        self.assertGreater(len(few), 10)
        self.assertEqual(more[:len(few)], few)
        self.assertEqual(len({layer.name for layer in more}), len(more))
        again = parse("--shapes", str(TABLES[0]), "--shapes", str(TABLES[1]), "--shape", "1x4/2",
                      "--shape", few[0].name)
        self.assertEqual([layer.name for layer in again.layers],
                         [*(layer.name for layer in more[1:]), "1x4/2", few[0].name])

    def test_measuring(self):
        options = parse()
        self.assertEqual((options.repeats, options.more_tries, options.busy), (15, 3, 6))
        self.assertEqual(options.row_seconds, 1)
        self.assertEqual(options.peers, list(PEERS))
        options = parse("--quick", "--busy", "2.5", "--peers", "compiled,pytorch")
        self.assertEqual((options.repeats, options.more_tries, options.busy), (3, 0, 2.5))
        self.assertEqual(options.row_seconds, 0)
        self.assertEqual(options.peers, ["compiled", "pytorch"])

    def test_kinds(self):
        self.assertEqual(parse().kinds, [Kind()])
        options = parse("--type", "f32,bf16,f32", "--activation", "identity,silu")
        self.assertEqual(options.kinds, [Kind("f32", "identity"), Kind("f32", "silu"),
                                         Kind("bf16", "identity"), Kind("bf16", "silu")])

    def test_refuse(self):
        for arguments in (["--shape", "1x4/3"], ["--threads", "0"], ["--repeats", "many"],
                          ["--shapes", "/no/such/file"], ["--type", "f64"], ["--type", ""],
                          ["--type", "f32,"], ["--activation", "gelu"], ["--peers", "abacus"],
                          ["--busy", "0"], ["--busy", "nan"], ["--goal", "-1"]):
            with self.subTest(arguments=arguments):
                with self.assertRaises(SystemExit) as caught:
                    with contextlib.redirect_stderr(io.StringIO()):
                        parse(*arguments)
                self.assertEqual(caught.exception.code, 2)


class ReportTest(unittest.TestCase):
    def test_digits(self):
        self.assertEqual([peers_report.digits(value) for value in (0.123, 4.5, 67.89, 1234.5)],
                         ["0.12", "4.50", "67.9", "1234"])

    def assert_lines(self, text, *lines):
        for line in lines:
            self.assertIn(line, text.splitlines())

    def test_markdown(self):
        text = peers_report.markdown(REPORT, 1.25)
        self.assert_lines(
            text, "Abacus, 2 threads, libgroupnorm 0.1.0, PyTorch 2.6, Slate 1.0.",
            "| N x C x spatial / G | layout | direction | copy, us | ours, us | efficiency "
            "| PyTorch, us | Slate, us | times as fast as the best peer | best peer | busy, % |",
            "| 1x4x5/2 | first | forward | 1.00 (0.50) | 2.00 (1.00) | 0.75 | 8.00 (4.00) "
            "| 4.00 (2.00) | 2.00 (2.00) | Slate | 3 |",
            "| 1x4x5/2 | first | in place | 1.00 (0.50) | 2.00 (1.00) | 0.75 |  |  |  |  | 3 |",
            "| 1x4x5/2 | last | forward | 1.00 (0.50) | 2.00 (1.00) | 0.75 | 1.00 (0.50) "
            "| 12.0 (6.00) | 0.50 (0.50) | PyTorch | 3 |",
            "- The first note.")
        empty = {**REPORT, "results": []}
        self.assertEqual(len(peers_report.markdown(empty, 1.25).splitlines()), 3)

    def test_summary(self):
        for measure, plural in (("median", "medians"), ("minimum", "minima")):
            self.assertEqual(summary(REPORT["results"], measure), [
                f"| times as fast by {plural}: geometric mean (least) | PyTorch | Slate "
                "| the best peer | rows |",
                "|---|--:|--:|--:|--:|",
                "| channels first, forward | 2.00 (1.00) | 2.00 (2.00) | 1.41 (1.00) | 2 |",
                "| channels first, in place |  |  |  | 1 |",
                "| channels first, backward | 2.00 (2.00) |  | 2.00 (2.00) | 1 |",
                "| channels last, forward | 0.50 (0.50) | 6.00 (6.00) | 0.50 (0.50) | 1 |",
                "| channels last, backward | 1.00 (1.00) |  | 1.00 (1.00) | 1 |",
                "| all | 1.32 (0.50) | 3.46 (2.00) | 1.15 (0.50) | 6 |"])

    def test_missed(self):
        self.assertEqual(missed(REPORT["results"], 1.25), [
            "3 of 5 rows with a peer miss 1.25 times the speed of the best peer:", "",
            "| row | by medians | by minima | best peer | busy, % |",
            "|---|--:|--:|---|--:|",
            "| 1x4x5/2, last, forward | 0.50 | 0.50 | PyTorch | 3 |",
            "| 1x4x5/2, last, backward | 1.00 | 1.00 | PyTorch | 3 |",
            "| 9x4x5/2, first, forward | 1.00 | 1.00 | PyTorch | 3 |"])
        self.assertEqual(missed(REPORT["results"], 0.5), [
            "0 of 5 rows with a peer miss 0.5 times the speed of the best peer."])
        row = result("1x4x5/2", "first", "forward", 2.0, {"PyTorch": 3.0})
        row["us"]["PyTorch"]["minimum"] = 1.0
        self.assertIn("| 1x4x5/2, first, forward | 1.50 | 1.00 | PyTorch | 3 |",
                      missed([row], 1.25))

    def test_markdown_of_kinds(self):
        text = peers_report.markdown(KINDS, 1.25)
        self.assert_lines(
            text, "| 1x4x5/2 | f32 | identity | first | forward | 1.00 (0.50) | 2.00 (1.00) | 0.75 "
            "| 8.00 (4.00) | 4.00 (4.00) | PyTorch | 3 |",
            "| 1x4x5/2 | bf16 | silu | first | forward | 1.00 (0.50) | 2.00 (1.00) | 0.75 "
            "| 6.00 (3.00) | 3.00 (3.00) | PyTorch | 3 |",
            "| channels first, forward | 4.00 (4.00) | 4.00 (4.00) | 1 |",
            "| channels first, forward, bf16, silu | 3.00 (3.00) | 3.00 (3.00) | 1 |",
            "| all | 3.46 (3.00) | 3.46 (3.00) | 2 |")
        default = {**KINDS, "results": KINDS["results"][:1]}
        self.assertNotIn("identity", peers_report.markdown(default, 1.25))

    def test_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.json"
            path.write_text(json.dumps(REPORT), encoding="utf-8")
            output = subprocess.run(
                [sys.executable, peers.__file__, "--read", path, "--goal", "3"], check=True,
                stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(output, peers_report.markdown(REPORT, 3))


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
            self.assertIn("where 9x4x5/2 is from", content)
            self.assertIn("9x4x5/2, 1 MiB", content)
        times, pytorch, best = contents[0]
        for name in ("PyTorch", "Slate", "libgroupnorm, in place", "the floor"):
            self.assertIn(name, times)
        self.assertIn("times as fast as PyTorch", pytorch)
        self.assertIn("times as fast as the fastest of the others", best)

    def test_plot_without_peers(self):
        results = [{**row, "us": {name: row["us"][name] for name in ("copy", "ours")}}
                   for row in REPORT["results"]]
        with tempfile.TemporaryDirectory() as folder:
            for path in peers_plots.plot({**REPORT, "peers": {}, "results": results}, folder):
                xml.etree.ElementTree.parse(path)

    def test_sizes(self):
        self.assertEqual(list(map(peers_plots.size_text, (12, 1536, 3 << 20))),
                         ["12 B", "1.5 KiB", "3 MiB"])

    def test_plot_of_kinds(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in peers_plots.plot(KINDS, folder):
                self.assertIn("1x4x5/2, bf16, silu", pathlib.Path(path).read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
