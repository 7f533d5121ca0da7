"""Tests of lower.py on a valid contract."""

import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import lower  # noqa: E402 (the path to it is set first)
from contract import Contract  # noqa: E402

GOOD = (HERE / "good.yaml").read_text(encoding="utf-8")


def lowered(text):
    return lower.Lowering(Contract(text)).all()


class Lowering(unittest.TestCase):
    def test_rules_and_types_reach_the_templates(self):
        thing = lowered(GOOD)["components"]["schemas"]["Thing"]
        self.assertTrue(thing["x-closed"] and thing["x-request"])
        self.assertEqual(thing["properties"]["i"]["x-range"], "min = 0i32")
        self.assertEqual(thing["properties"]["w"]["x-length"], "max = 9")
        self.assertNotIn("links", json.dumps(lowered(GOOD)))

    def test_bounds_are_exact(self):
        schema = {"minimum": lower.Decimal("0.10"), "maximum": lower.Decimal("1E+2"), "exclusiveMaximum": True}
        literal = 'const { Decimal::literal("%s") }'
        expected = f"min = {literal % '0.10'}, exclusive_max = {literal % '100'}"
        self.assertEqual(lower.value_range(schema, "Decimal"), expected)
        self.assertEqual(lower.length({"minLength": 0, "maxLength": 0}, "Length"), "min = 0, max = 0")

    def test_texts_become_literals_and_comments_and_never_code(self):
        self.assertEqual(lower.rust_string('"); evil("\\\n\x00\u2028é🎉'), '"\\"); evil(\\"\\\\\\u{a}\\u{0}\\u{2028}é🎉"')
        self.assertEqual(lower.rust_pattern(r"^\S$"), r'r"^\S$"')
        self.assertEqual(lower.rust_pattern('"#'), '"\\"#"')
        for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
            self.assertEqual(lower.doc_lines({"description": f"a{end}b"}), ["a", "b"])
        text = GOOD.replace("summary: Put it", 'summary: "Put\\nit(); }"').replace("description: All of it.", 'description: "All\\nof it."')
        tree = lowered(text.replace("description: It.", 'description: "It\\n*/ fn evil() {}"'))
        put = tree["paths"]["/things/{id}"]["put"]
        self.assertEqual((put["x-doc"], tree["tags"][0]["description"]), (["Put it(); }."], "All of it."))
        self.assertEqual(put["responses"]["200"]["x-doc"], ["It", "*/ fn evil() {}"])

    def test_names(self):
        text = GOOD.replace("{n: {type", "{type: {type").replace("name: q,", "name: pageSize,")
        lowering = lower.Lowering(Contract(text))
        lowering.all()
        names = lowering.name_mappings()
        self.assertEqual(names["--name-mappings"]["type"], "r_type")
        self.assertEqual(names["--parameter-name-mappings"], {"X-Key": "x_key", "id": "id", "pageSize": "page_size"})


if __name__ == "__main__":
    unittest.main()
