# SPDX-License-Identifier: MIT
"""What a plan of the numpy binding takes from the library, and when it gives that back."""

import contextlib
import ctypes
import gc
import os
import subprocess
import sys
import threading
import unittest
import unittest.mock

import numpy as np

import groupnorm
from groupnorm import Plan, Tensor, Type

# A thread that computes while the interpreter ends, and says whether a plan is destroyed then.
AT_EXIT = """
import threading
import numpy as np
import groupnorm

def destroyed(pointer):
    print("destroyed", flush=True)

real, groupnorm._library.gn_plan_destroy = groupnorm._library.gn_plan_destroy, destroyed
plan = groupnorm.Plan((1, 32, 64, 64))
groupnorm._library.gn_plan_destroy = real
x, computes = np.ones((1, 32, 64, 64), np.float32), threading.Event()

def compute():
    while True:
        plan.forward(x, out=x)
        computes.set()

threading.Thread(target=compute, daemon=True).start()
computes.wait()
print("ends", flush=True)
"""


def address(pointer):
    return ctypes.cast(pointer, ctypes.c_void_p).value


@contextlib.contextmanager
def calls():
    """A list that gets (function, address of the handle) of each handle made and destroyed."""
    library, seen = groupnorm._library, []

    def recorded(name):
        function = getattr(library, name)

        def record(handle, *arguments):
            if name.endswith("destroy"):  # what it had
                seen.append((name, address(handle)))
            function(handle, *arguments)
            if name.endswith("create"):
                seen.append((name, address(handle)))

        return unittest.mock.patch.object(library, name, record)

    with contextlib.ExitStack() as stack:
        for name in ("gn_desc_create", "gn_desc_destroy", "gn_plan_create", "gn_plan_destroy"):
            stack.enter_context(recorded(name))
        yield seen


class HandleTest(unittest.TestCase):
    def test_a_descriptor_is_destroyed_once_the_plan_is_there(self):
        with calls() as seen:
            plan = Plan((2, 12, 5), 3)
            self.assertEqual([name for name, _ in seen],
                             ["gn_desc_create", "gn_plan_create", "gn_desc_destroy"])
            self.assertEqual(seen[0][1], seen[2][1])
            self.assertTrue(seen[0][1] and seen[1][1])
            del plan
            gc.collect()
            self.assertEqual(seen[3:], [("gn_plan_destroy", seen[1][1])])

    def test_a_descriptor_is_destroyed_after_an_error(self):
        """In any of the setters, or of the plan."""
        for arguments in (
            {"groups": 0}, {"groups": 5}, {"eps": -1.0}, {"threads": -1},
            {"types": (Type.F64, Type.F32, Type.F32)}, {"strides": {Tensor.X: (60, -20, 4)}},
            {"strides": {Tensor.X: (60, 20)}}, {"strides": {Tensor.X: (60, 20, 5)}},
        ):
            with self.subTest(arguments), calls() as seen:
                with self.assertRaises((ValueError, NotImplementedError)):
                    Plan(**{"shape": (2, 12, 5), "groups": 3, **arguments})
                self.assertEqual(seen, [("gn_desc_create", seen[0][1]),
                                        ("gn_desc_destroy", seen[0][1])])

    def test_no_descriptor_no_destruction(self):
        with calls() as seen, self.assertRaises(ValueError):
            Plan((2,), 1)
        self.assertEqual(seen, [])

    def test_a_closed_plan_is_destroyed_once(self):
        with calls() as seen:
            with Plan((2, 12, 5), 3) as plan:
                pass
            plan.close()
            del plan
            gc.collect()
        self.assertEqual([name for name, _ in seen].count("gn_plan_destroy"), 1)

    def test_a_closed_plan_lasts_until_its_calls_end(self):
        library = groupnorm._library
        forward, inside, closed = library.gn_forward, threading.Event(), threading.Event()
        seen = []

        def slow(*arguments):
            inside.set()
            closed.wait(60)
            seen.append("forward")
            forward(*arguments)

        with unittest.mock.patch.object(library, "gn_plan_destroy",
                                        lambda pointer: seen.append("destroy")):
            plan = Plan((2, 12, 5), 3)
        with unittest.mock.patch.object(library, "gn_forward", slow):
            thread = threading.Thread(
                target=lambda plan: plan.forward(np.ones((2, 12, 5), np.float32)), args=(plan,))
            thread.start()
            self.assertTrue(inside.wait(60))
            plan.close()
            gc.collect()
            self.assertEqual(seen, [])
            closed.set()
            thread.join(60)
        gc.collect()
        self.assertEqual(seen, ["forward", "destroy"])

    def test_a_thread_that_computes_at_exit(self):
        """Its plan stays, and the interpreter ends as if there were none."""
        result = subprocess.run(
            [sys.executable, "-c", AT_EXIT], timeout=60, text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((result.returncode, result.stdout), (0, "ends\n"))


if __name__ == "__main__":
    unittest.main()
