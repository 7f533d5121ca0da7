"""Tests of evidence.py: what it says of a tool's output and of a picture."""

import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import evidence  # noqa: E402

# The name of a step's picture in flow.mjs: the last argument of the call that takes it.
STEP = re.compile(r'visitor\.(?:execute|executeInVain|authorize)\(.*, "([a-z-]+)"\)')
OUTPUTS = {
    "browser": ("ℹ pass 1\nℹ fail 0\nother\nℹ pass 14\nℹ fail 2\n", "15 tests used the page; 2 of them failed."),
    "check-curl": (
        "docs/curl.md: 35 blocks print what the page shows\nREADME.md: 5 blocks print what the page shows\n",
        "The 40 blocks of commands in docs/curl.md, README.md got the answers shown there.",
    ),
    "newman": (
        "│ assertions │ 424 │ 0 │\n│ assertions │ 424 │ 1 │\n",
        "2 runs of newman made 848 checks; 1 of them failed.",
    ),
    "smoke": ("passed  36 steps in 58.9ms\n", "The shop's whole flow was done in 36 steps, each as expected."),
    "smoke-py": (
        '{\n  "status": "PAID",\n}\n{\n  "status": "SHIPPED",\n}\n',
        "The shop's whole flow was done 2 times; the last order is SHIPPED.",
    ),
    "check-conformance": (
        "conformance: 18 operations, 4058 test cases, 3822 requests, failures: 0, seed 20260301, 25 s\n",
        "4058 made-up cases of 18 operations; 0 answers differed from the contract.",
    ),
}


class Evidence(unittest.TestCase):
    def test_each_picture_of_the_flows_has_a_sentence(self):
        flow = (HERE / "browser" / "flow.mjs").read_text(encoding="utf-8")
        self.assertEqual(set(STEP.findall(flow)) | {"enter-api-key"}, set(evidence.SHOWS))

    def test_each_tools_output_becomes_a_sentence(self):
        self.assertEqual({step.target for step in evidence.STEPS}, set(OUTPUTS))
        for step in evidence.STEPS:
            output, sentence = OUTPUTS[step.target]
            found = [match.groups() for match in re.finditer(step.finds, output, re.MULTILINE)]
            self.assertEqual(step.says(found), sentence)


if __name__ == "__main__":
    unittest.main()
