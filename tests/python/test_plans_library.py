# SPDX-License-Identifier: MIT
"""The library that the numpy binding loads, and what it knows of its header."""

import ctypes.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import groupnorm
from groupnorm import Activation, Affine, Isa, Layout, Skip, Tensor, Type

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include" / "groupnorm.h"


class LibraryTest(unittest.TestCase):
    def import_with(self, path):
        """The last line that Python prints when it uses the library at `path`."""
        result = subprocess.run(
            [sys.executable, "-c", "import groupnorm; print(groupnorm.version())"],
            env={**os.environ, "GN_LIBRARY": path, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return result.stdout.strip().splitlines()[-1]

    def test_version(self):
        self.assertEqual(".".join(map(str, groupnorm.version())), groupnorm.version_string())

    def test_version_of_many_digits(self):
        with unittest.mock.patch.object(groupnorm._library, "gn_version", return_value=123456):
            self.assertEqual(groupnorm.version(), (12, 34, 56))

    def test_without_the_variable(self):
        """The system's loader finds it by its name, or there is a sentence."""
        with tempfile.TemporaryDirectory() as directory:
            with unittest.mock.patch.dict(os.environ, LD_LIBRARY_PATH=directory):
                name = os.path.join(directory, "libgroupnorm.so.0")
                if ctypes.util.find_library("groupnorm") is None:
                    self.assertRegex(self.import_with(""), "^ImportError: libgroupnorm is not inst")
                os.symlink(groupnorm._library._name, name)
                self.assertEqual(self.import_with(""), str(groupnorm.version()))

    def test_no_such_file(self):
        self.assertRegex(
            self.import_with("/no/such/library.so"),
            "^ImportError: cannot load libgroupnorm from GN_LIBRARY=/no/such/library.so",
        )

    def test_another_library(self):
        path = ctypes.util.find_library("c")
        self.assertRegex(
            self.import_with(path), f"^ImportError: {re.escape(path)} has no function gn_"
        )

    @unittest.skipUnless(HEADER.exists(), f"{HEADER} is not there")
    def test_header(self):
        text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
        functions = re.findall(r"GN_API\s+([\w\s*]*?)(gn_\w+)\(([^)]*)\)", text)
        declared = {
            name: (result.strip(), 0 if arguments == "void" else arguments.count(",") + 1)
            for result, name, arguments in functions
        }
        results = {
            "gn_status": groupnorm._Status, "int": ctypes.c_int, "void": None,
            "const char *": ctypes.c_char_p,
        }
        self.assertEqual(
            {name: (results[result], count) for name, (result, count) in declared.items()},
            {name: (result, len(arguments))
             for name, (result, arguments) in groupnorm._PROTOTYPES.items()},
        )
        enums = {
            name: {key: int(value) for key, value in re.findall(r"(GN_\w+) = (\d+)", body)}
            for body, name in re.findall(r"typedef enum \w+ \{(.*?)\} (\w+);", text, re.DOTALL)
        }
        for name, kind, prefix in (("gn_status", groupnorm.Status, "GN_"),
                                   ("gn_layout", Layout, "GN_"), ("gn_type", Type, "GN_"),
                                   ("gn_affine", Affine, "GN_AFFINE_"),
                                   ("gn_activation", Activation, "GN_ACTIVATION_"),
                                   ("gn_skip", Skip, "GN_SKIP_"), ("gn_tensor", Tensor, "GN_TENSOR_"),
                                   ("gn_isa", Isa, "GN_ISA_")):
            with self.subTest(name):
                members = {prefix + member.name: member for member in kind}
                self.assertEqual(enums.pop(name), members)
        self.assertFalse(enums)


if __name__ == "__main__":
    unittest.main()
