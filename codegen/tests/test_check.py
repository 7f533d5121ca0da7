"""Tests that check.py refuses every construct that the templates would drop, with the JSON Pointer to it.

Every case is one edit of good.yaml: (the text to replace, its replacement, the pointer, words of the reason).
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from check import check, check_pattern  # noqa: E402 (the path to it is set first)
from contract import Contract, Unsupported, below  # noqa: E402

GOOD = (HERE / "good.yaml").read_text(encoding="utf-8")

THING = "/components/schemas/Thing"
A, I, N, L = (f"{THING}/properties/{name}" for name in "ainl")
PUT = "/paths/~1things~1{id}/put"
Q = f"{PUT}/parameters/0"
OK = f"{PUT}/responses/200"
COLOR = "/components/schemas/Color"

STRING = "{type: string, pattern: '^a', x-pattern-says: must begin with a}"
INTEGER = "{type: integer, format: int32, minimum: 0}"
NUMBER = "{type: number, x-decimals-max: 2}"
LIST = "{type: array, items: {$ref: '#/components/schemas/Part'}}"
QUERY = "{name: q, in: query, schema: {type: integer, format: int32, minimum: 1, default: 5}}"
HEADER = "X-Count: {schema: {type: integer, format: int64}}"
CLOSED = "additionalProperties: false"
TAGGED = "tags: [Things]\n      operationId: putThing"
LINK, PAGE_LINK, AGAIN = "{operationId: getPage", "/components/links/Page", f"{OK}/links/Again"
PAGE = "{description: HTML., content: {text/html: {schema: {type: string}}}}"


REFUSED = {
    "schemas": [
        *[(STRING, f"{{{word}: [{{type: string}}]}}", A, "must be a scalar") for word in ("allOf", "oneOf")],
        *[
            (STRING, f"{{anyOf: {shape}}}", at, words)
            for shape, at, words in (
                ("[{type: string}]", f"{A}/anyOf", "and {} for everything else"),
                ("[{}, {}]", f"{A}/anyOf/0", "must be a $ref to an object"),
                ("[{type: object}, {type: string}]", f"{A}/anyOf", "and {} for everything else"),
            )
        ],
        (STRING, "{type: string, nullable: true, enum: [a, null], x-values-of: Nothing}", f"{A}/x-values-of", "not an enum"),
        *[
            (CLOSED, f"{CLOSED}\n      {word}: [{{type: object}}]", f"{THING}/{word}", "do not support")
            for word in ("allOf", "oneOf", "anyOf")
        ],
        *[
            (STRING, f"{{type: string, {word}: {value}}}", f"{A}/{word}", "do not support")
            for word, value in {
                "const": "a", "readOnly": "true", "writeOnly": "true", "xml": "{name: b}", "default": "a", "not": "{enum: [a]}",
                "minimum": "1", "multipleOf": "2", "maxItems": "3", "contentEncoding": "base64", "if": "{}", "x-unknown": "1",
                "minProperties": "1", "items": "{type: string}", "uniqueItems": "true", "$schema": "x", "allOf": "[]",
            }.items()
        ],
        *[
            (CLOSED, f"{CLOSED}\n      {word}: {value}", f"{THING}/{word}", "do not support")
            for word, value in {
                "maxProperties": "3", "discriminator": "{propertyName: a}", "nullable": "true", "default": "{}", "not": "{}",
                "patternProperties": "{}", "x-closed": "true", "readOnly": "true", "$id": "x",
            }.items()
        ],
        (STRING, "{type: object, properties: {b: {type: string}}}", A, "must be a scalar"),
        (STRING, "{}", A, "must be a scalar"),
        (STRING, "{type: [string, 'null']}", A, "must be a scalar"),
        (STRING, "{type: file}", A, "must be a scalar"),
        (STRING, "[]", A, "must be an object"),
        (STRING, "{type: string, enum: [b]}", f"{A}/enum", "give the enum a name"),
        *[(STRING, f"{{type: string, format: {f}}}", f"{A}/format", "format") for f in ("uuid", "date", "email", "byte", "binary")],
        (STRING, "{type: string, format: date-time, maxLength: 3}", A, "takes no length"),
        (STRING, "{type: string, nullable: 'true'}", f"{A}/nullable", "true or false"),
        (STRING, "{type: string, description: 3}", f"{A}/description", "a text"),
        (INTEGER, "{type: string, nullable: true}", I, "optional member cannot be nullable"),
        *[(STRING, f"{{type: string, {k}: {v}}}", f"{A}/{k}", "whole number") for k in ("minLength", "maxLength") for v in ("-1", "1.5", "'1'", "true")],
        (STRING, "{type: string, minLength: 3, maxLength: 2}", f"{A}/minLength", "no value would be valid"),
        (CLOSED, "additionalProperties: true", f"{THING}/additionalProperties", "only `false`"),
        (CLOSED, "additionalProperties: {type: string}", f"{THING}/additionalProperties", "only `false`"),
        (CLOSED, f"{CLOSED}\n      minProperties: 7", f"{THING}/minProperties", "no value would be valid"),
        (CLOSED, f"{CLOSED}\n      minProperties: -1", f"{THING}/minProperties", "whole number"),
        ("required: [a]", "required: [a, z]", f"{THING}/required", "`z` is not among"),
        ("required: [a]", "required: [a, a]", f"{THING}/required", "different names"),
        ("required: [a]", "required: a", f"{THING}/required", "list"),
        ("{n: {type: boolean}}", "{}", "/components/schemas/Part/properties", "must have properties"),
        ("properties: {n: {type: boolean}}", "title: none", "/components/schemas/Part", "`properties` is missing"),
        *[("{n: {type", f"{{{name}: {{type", f"/components/schemas/Part/properties/{name}", "snake_case") for name in ("nN", "N", "self", "n-n", "ñ", "1")],
        ("{n: {type: boolean}}", "{n: {$ref: '#/components/schemas/Thing'}}", THING, "contains itself"),
        ("{n: {type: boolean}}", "{n: {type: array, items: {$ref: '#/components/schemas/Part'}}}", "/components/schemas/Part", "contains itself"),
        *[("Part", name, f"/components/schemas/{name}", "PascalCase") for name in ("part", "Option", "String", "Read", "Pa_rt", "Timestamp")],
        ("Word: {type: string, maxLength: 9}", "Word: {type: array, items: {type: string, maxLength: 2}}", "/components/schemas/Word", "must be a scalar"),
    ],
    "numbers": [
        *[(INTEGER, f"{{type: integer{f}}}", f"{I}/format", "int32 or int64") for f in ("", ", format: uint32", ", format: int16")],
        *[(NUMBER, f"{{type: number, format: {f}}}", f"{N}/format", "do not support") for f in ("float", "double")],
        (INTEGER, "{type: integer, format: int32, multipleOf: 2}", f"{I}/multipleOf", "do not support"),
        (INTEGER, "{type: integer, format: int32, enum: [1]}", f"{I}/enum", "do not support"),
        (INTEGER, "{type: integer, format: int32, maximum: 2147483648}", f"{I}/maximum", "i32"),
        (INTEGER, "{type: integer, format: int32, minimum: 0.5}", f"{I}/minimum", "i32"),
        (INTEGER, "{type: integer, format: int64, minimum: -9223372036854775809}", f"{I}/minimum", "i64"),
        (INTEGER, "{type: integer, format: int32, minimum: '0'}", f"{I}/minimum", "a number"),
        (INTEGER, "{type: integer, format: int32, minimum: true}", f"{I}/minimum", "a number"),
        (INTEGER, "{type: integer, format: int32, exclusiveMinimum: 0}", f"{I}/exclusiveMinimum", "true or false"),
        (INTEGER, "{type: integer, format: int32, exclusiveMinimum: true}", f"{I}/exclusiveMinimum", "no `minimum`"),
        (INTEGER, "{type: integer, format: int32, exclusiveMaximum: true, minimum: 0}", f"{I}/exclusiveMaximum", "no `maximum`"),
        (INTEGER, "{type: integer, format: int32, minimum: 2, maximum: 1}", f"{I}/minimum", "no value would be valid"),
        (INTEGER, "{type: integer, format: int32, minimum: 1, maximum: 1, exclusiveMaximum: true}", f"{I}/minimum", "no value would be valid"),
        (INTEGER, "{type: integer, format: int32, not: {type: string}}", f"{I}/not", "`enum` is missing"),
        (INTEGER, "{type: integer, format: int32, not: {enum: [0], minimum: 1}}", f"{I}/not/minimum", "do not support"),
        (INTEGER, "{type: integer, format: int32, not: {enum: [0.5]}}", f"{I}/not/enum", "i32"),
        (INTEGER, "{type: integer, format: int32, not: {enum: [2147483648]}}", f"{I}/not/enum", "i32"),
        (INTEGER, "{type: integer, format: int32, not: {enum: []}}", f"{I}/not/enum", "at least one item"),
        (INTEGER, "{type: integer, format: int32, not: [0]}", f"{I}/not", "an object"),
        (NUMBER, "{type: number, not: {enum: [0]}}", f"{N}/not", "do not support"),
        *[(NUMBER, f"{{type: number, x-decimals-max: {v}}}", f"{N}/x-decimals-max", "from 0 to 18") for v in ("-1", "19", "0.1", "'1'", "true")],
        # Clients calculate it with doubles, and refuse 0.07 as a multiple of 0.01.
        *[(NUMBER, f"{{type: number, multipleOf: {v}}}", f"{N}/multipleOf", "do not support") for v in ("0.01", "5")],
        (INTEGER, "{type: integer, format: int32, x-decimals-max: 0}", f"{I}/x-decimals-max", "do not support"),
        (STRING, "{type: string, x-decimals-max: 0}", f"{A}/x-decimals-max", "do not support"),
        (NUMBER, "{type: number, minimum: 0.0000000000000000001}", f"{N}/minimum", "18 digits"),
        (NUMBER, "{type: number, maximum: 1000000000000000000}", f"{N}/maximum", "18 digits"),
        (NUMBER, "{type: number, maximum: .inf}", "", "not a JSON number"),
    ],
    "arrays": [
        (LIST, "{type: array, uniqueItems: true, items: {type: string}}", f"{L}/uniqueItems", "do not support"),
        (LIST, "{type: array, default: [], items: {type: string}}", f"{L}/default", "do not support"),
        (LIST, "{type: array}", L, "`items` is missing"),
        (LIST, "{type: array, nullable: true, items: {type: string}}", L, "cannot be null"),
        (LIST, "{type: array, items: {type: string, maxLength: 3}}", f"{L}/items", "constraints on items"),
        (LIST, "{type: array, items: {type: string, pattern: a}}", f"{L}/items", "constraints on items"),
        (LIST, "{type: array, items: {type: string, nullable: true}}", f"{L}/items", "constraints on items"),
        (LIST, "{type: array, items: {type: integer, format: int32, minimum: 1}}", f"{L}/items", "constraints on items"),
        (LIST, "{type: array, items: {$ref: '#/components/schemas/Word'}}", f"{L}/items", "constraints on items"),
        (LIST, "{type: array, items: {type: array, items: {type: string}}}", f"{L}/items", "must be a scalar"),
        (LIST, "{type: array, items: {type: string, enum: [a]}}", f"{L}/items/enum", "give the enum a name"),
        (LIST, "{type: array, minItems: 2, maxItems: 1, items: {type: string}}", f"{L}/minItems", "no value would be valid"),
        (LIST, "{type: array, maxItems: '1', items: {type: string}}", f"{L}/maxItems", "whole number"),
    ],
    "enums": [
        ("[red, green]", "[]", f"{COLOR}/enum", "at least one item"),
        ("[red, green]", "[1, 2]", f"{COLOR}/enum/0", "must be a text"),
        ("[red, green]", "[red, on]", f"{COLOR}/enum/1", "must be a text"),
        ("[red, green]", "[red, null]", f"{COLOR}/enum/1", "must be a text"),
        ("[red, green]", "[red, red]", f"{COLOR}/enum/1", "as the one of `red`"),
        ("[red, green]", "[dark-red, dark_red]", f"{COLOR}/enum/1", "as the one of `dark-red`"),
        ("[red, green]", "['1st']", f"{COLOR}/enum/0", "which Rust does not allow"),
        ("[red, green]", "['--']", f"{COLOR}/enum/0", "which Rust does not allow"),
        ("[red, green]", "[self]", f"{COLOR}/enum/0", "which Rust does not allow"),
        *[("[red, green]", f"[{json.dumps(v)}]", f"{COLOR}/enum/0", "must be a text") for v in ('a"b', "a\\b", "a\nb", "")],
        ("[red, green]", "[red, green], x-enum-varnames: [RED]", f"{COLOR}/x-enum-varnames", "must be RED, GREEN"),
        ("[red, green]", "[red, /a/dark-red], x-enum-varnames: [DARK_RED, RED]", f"{COLOR}/x-enum-varnames", "must be RED, DARK_RED"),
        ("[red, green]", "[red, green], x-enum-varnames: []", f"{COLOR}/x-enum-varnames", "at least one item"),
        ("{type: string, enum", "{type: integer, enum", f"{COLOR}/type", "only strings"),
        ("{type: string, enum", "{enum", COLOR, "`type` is missing"),
        *[("{type: string, enum", f"{{type: string, {k}: {v}, enum", f"{COLOR}/{k}", "do not support") for k, v in (("nullable", "true"), ("default", "red"), ("maxLength", 3), ("pattern", "a"))],
    ],
    "references": [
        (STRING, "{$ref: '#/components/schemas/Word', maxLength: 3}", A, "beside `$ref`"),
        (STRING, "{$ref: '#/components/schemas/Word', description: other}", A, "beside `$ref`"),
        (STRING, "{$ref: 'other.yaml#/components/schemas/Word'}", f"{A}/$ref", "must name something under"),
        (STRING, "{$ref: 'https://example.com/word.json'}", f"{A}/$ref", "must name something under"),
        (STRING, "{$ref: '#/components/parameters/Word'}", f"{A}/$ref", "must name something under"),
        (STRING, "{$ref: '#/components/schemas/Part/properties/n'}", f"{A}/$ref", "does not exist"),
        (STRING, "{$ref: '#/components/schemas/None'}", f"{A}/$ref", "does not exist"),
        (STRING, "{$ref: 3}", f"{A}/$ref", "must name something under"),
        ("Word: {type: string, maxLength: 9}", "Word: {$ref: '#/components/schemas/Word'}", "/components/schemas/Word/$ref", "refers to itself"),
        ("{schema: {type: integer, format: int64}}", "{$ref: '#/components/headers/None'}", f"{OK}/headers/X-Count/$ref", "does not exist"),
    ],
    "patterns": [
        *[
            (STRING, json.dumps({"type": "string", "pattern": pattern}), f"{A}/pattern", "differ on this pattern")
            for pattern in (
                r"\d", r"\w+", r"\s", r"\S", r"\bword", r".", "a.*", r"\p{L}", r"\x4", r"\u004", r"\ud800", r"\uDFFF", r"\u2028", r"[\u2029]", r"\u000a", r"\u{41}", r"\x{41}", "é", "[^\u2028]", "\t", "[\x7f]", r"\cA", r"\0", r"\A", r"\z", r"\Z", r"\h", r"\/\d",
                "(?i)a", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?P<n>a)", "(?<n>a)", "(?#c)", r"(a)\1", r"(?x: a)", "a**", "a*+", "a++", "a?+", "a{2}{3}", "a{2}+", "a+??",
                "[[a]]", "[a&&b]", "[a--b]", "[a~~b]", "[^]", "[]", "[]a]", "[a", r"[\d]", r"[\b]", "a{,3}", "a{", "{", "}", "]", "\\",
            )
        ],
        *[
            (STRING, json.dumps({"type": "string", "pattern": pattern}), f"{A}/pattern", "is not a regular expression")
            for pattern in ("(", ")", "(a", "*a", "(*a)", "a|*", "[z-a]", "a{3,2}")
        ],
        (STRING, "{type: string, pattern: 'a{1001}'}", f"{A}/pattern", "repeats"),
        (STRING, "{type: string, pattern: '(a{100}){11,}'}", f"{A}/pattern", "repeats"),
        (STRING, "{type: string, pattern: 3}", f"{A}/pattern", "a text"),
        (STRING, "{type: string, x-pattern-says: a}", f"{A}/x-pattern-says", "no pattern"),
        (STRING, "{type: string, pattern: a, x-pattern-says: [a]}", f"{A}/x-pattern-says", "a text"),
        (INTEGER, "{type: integer, format: int32, pattern: a}", f"{I}/pattern", "do not support"),
    ],
    "parameters": [
        (QUERY, "{name: q, in: cookie, schema: {type: string}}", f"{Q}/in", "in `cookie`"),
        (QUERY, "{name: q, in: body, schema: {type: string}}", f"{Q}/in", "in `body`"),
        *[
            (QUERY, f"{{name: q, in: query, schema: {{type: string}}, {k}: {v}}}", f"{Q}/{k}", "do not support")
            for k, v in {"style": "form", "explode": "false", "allowReserved": "true", "allowEmptyValue": "true", "content": "{}", "x-any": "1"}.items()
        ],
        *[
            (QUERY, f"{{name: q, in: {place}, x-lines: {v}, schema: {schema}}}", f"{Q}/x-lines", words)
            for place, v, schema, words in (
                ("query", "true", "{type: string}", "only a header"),
                ("header", "true", "{type: integer, format: int32}", "only a header"),
                ("header", "true", "{type: string, format: date-time}", "only a header"),
                ("header", "true", "{$ref: '#/components/schemas/Color'}", "only a header"),
                ("header", "'yes'", "{type: string}", "true or false"),
            )
        ],
        (QUERY, "{name: q, in: query}", Q, "`schema` is missing"),
        (QUERY, "{in: query, schema: {type: string}}", Q, "`name` is missing"),
        (QUERY, "{name: q, schema: {type: string}}", Q, "`in` is missing"),
        (QUERY, "{name: q, in: query, required: 'yes', schema: {type: string}}", f"{Q}/required", "true or false"),
        *[(QUERY, f"{{name: '{n}', in: query, schema: {{type: string}}}}", f"{Q}/name", "must be made of") for n in ("a[b]", "", "a b", 'a"b', "1a", "é", "self")],
        *[(QUERY, f"{{name: {n}, in: header, schema: {{type: string}}}}", f"{Q}/name", "ignores") for n in ("Accept", "content-type", "Authorization")],
        (QUERY, "{name: q, in: header, schema: {type: string, default: a}}", f"{Q}/schema/default", "do not support"),
        (QUERY, "{name: q, in: query, schema: {type: string, nullable: true}}", f"{Q}/schema", "cannot be null"),
        (QUERY, "{name: q, in: query, schema: {type: array, items: {type: string}}}", f"{Q}/schema", "must be a scalar"),
        (QUERY, "{name: q, in: query, schema: {$ref: '#/components/schemas/Part'}}", f"{Q}/schema", "scalar or an enum"),
        (QUERY, "{name: q, in: query, schema: {type: string, enum: [a]}}", f"{Q}/schema/enum", "give the enum a name"),
        (QUERY, "{name: q, in: query, schema: {type: number, x-decimals-max: 1}}", f"{Q}/schema", "in parameters"),
        (QUERY, "{name: q, in: query, schema: {type: integer, format: int32, not: {enum: [1]}}}", f"{Q}/schema", "in parameters"),
        (QUERY, "{name: q, in: query, required: true, schema: {type: string, default: a}}", f"{Q}/schema/default", "cannot have a default"),
        *[
            (QUERY, f"{{name: q, in: query, schema: {{{s}}}}}", f"{Q}/schema/default", "")
            for s in (
                "type: integer, format: int32, default: true", "type: integer, format: int32, default: '5'",
                "type: integer, format: int32, default: 1.5", "type: integer, format: int32, default: 2147483648",
                "type: integer, format: int32, minimum: 1, default: 0", "type: integer, format: int32, maximum: 1, default: 2",
                "type: integer, format: int32, minimum: 1, exclusiveMinimum: true, default: 1", "type: boolean, default: 1",
                "type: boolean, default: 'true'", "type: string, default: 3", "type: string, default: null",
                "type: string, maxLength: 2, default: abc", "type: string, minLength: 2, default: a",
                "type: string, pattern: ^b, default: a", 'type: string, pattern: a$, default: "a\\n"',
                "type: string, format: date-time, default: '2026-03-01T00:00:00Z'", "type: number, default: 1.5",
            )
        ],
        ("name: q,", "name: X_Key,", f"{PUT}/parameters", "share a name"),
        ("name: q, in: query, schema: {type: integer, format: int32, minimum: 1, default: 5}", "name: id, in: path, required: true, schema: {type: string}", f"{PUT}/parameters", "share a name"),
        ("name: id, in: path, required: true", "name: id, in: path", "/paths/~1things~1{id}/parameters/0/required", "true for a part"),
        ("name: id, in: path", "name: other, in: path", f"{PUT}/parameters", "exactly those"),
        ("name: id, in: path", "name: id, in: query", f"{PUT}/parameters", "exactly those"),
    ],
    "bodies": [
        ("        required: true\n        content", "        content", f"{PUT}/requestBody", "must be required"),
        ("application/json:\n            schema", "application/x-www-form-urlencoded:\n            schema", f"{PUT}/requestBody/content", "only application/json"),
        ("application/json:\n            schema", "multipart/form-data:\n            schema", f"{PUT}/requestBody/content", "only application/json"),
        ("        content:\n          application/json:\n            schema", "        content:\n          text/plain: {schema: {type: string}}\n          application/json:\n            schema", f"{PUT}/requestBody/content", "only application/json"),
        ("            schema: {$ref: '#/components/schemas/Thing'}\n      resp", "            schema: {$ref: '#/components/schemas/Color'}\n      resp", f"{PUT}/requestBody/content/application~1json/schema", "$ref to an object"),
        ("            schema: {$ref: '#/components/schemas/Thing'}\n      resp", "            schema: {type: object, properties: {}}\n      resp", f"{PUT}/requestBody/content/application~1json/schema", "$ref to an object"),
        ("            schema: {$ref: '#/components/schemas/Thing'}\n      resp", "            schema: {$ref: '#/components/schemas/Thing'}\n            encoding: {}\n      resp", f"{PUT}/requestBody/content/application~1json/encoding", "do not support"),
        ("        required: true\n        content", "        required: true\n        x-any: 1\n        content", f"{PUT}/requestBody/x-any", "do not support"),
        *[
            ("        required: true\n        content", f"        required: true\n        x-bytes-max: {size}\n        content", f"{PUT}/requestBody/x-bytes-max", "whole number")
            for size in ("-1", "1.5", "'262144'", "true", "null", "256 KiB")
        ],
        ("            schema: {$ref: '#/components/schemas/Thing'}\n      resp", "            x-bytes-max: 1\n            schema: {$ref: '#/components/schemas/Thing'}\n      resp", f"{PUT}/requestBody/content/application~1json/x-bytes-max", "do not support"),
        ("    put:", "    delete:", "/paths/~1things~1{id}/delete/requestBody", "no meaning in DELETE"),
    ],
    "responses": [
        ("'404': {desc", "default: {desc", f"{PUT}/responses/default", "one status"),
        ("'404': {desc", "4XX: {desc", f"{PUT}/responses/4XX", "one status"),
        ("'404': {desc", "'100': {desc", f"{PUT}/responses/100", "one status"),
        ("'404': {desc", "200: {desc", f"{PUT}/responses/200", "is given twice"),
        (f"'200': {PAGE}", "'404': {description: No.}", "/paths/~1page/get/responses", "response for success"),
        (PAGE, "{description: H., content: {text/html: {schema: {type: string, maxLength: 3}}}}", "/paths/~1page/get/responses/200/content/text~1html/schema/maxLength", "do not support"),
        (PAGE, "{description: H., content: {text/plain: {schema: {type: string}}}}", "/paths/~1page/get/responses/200/content/text~1plain", "must be application/json"),
        (PAGE, "{description: H., content: {application/json: {schema: {type: string}}}}", "/paths/~1page/get/responses/200/content/application~1json", "must be application/json"),
        (PAGE, "{description: H., content: {text/html: {schema: {type: string}}, text/plain: {schema: {type: string}}}}", "/paths/~1page/get/responses/200/content", "one media type"),
        (PAGE, "{content: {text/html: {schema: {type: string}}}}", "/paths/~1page/get/responses/200", "`description` is missing"),
        (PAGE, "{description: H., content: {text/html: 3}}", "/paths/~1page/get/responses/200/content/text~1html", "an object"),
        (PAGE, "{description: H., content: {text/html: {schema: {type: string}, encoding: {}}}}", "/paths/~1page/get/responses/200/content/text~1html/encoding", "do not support"),
        (PAGE, "{description: H., links: []}", "/paths/~1page/get/responses/200/links", "an object"),
        (f"'200': {PAGE}", f"'204': {PAGE}", "/paths/~1page/get/responses/204/content", "no body"),
        (HEADER, "X-Count: {schema: {type: number}}", f"{OK}/headers/X-Count/schema", "string or an integer"),
        (HEADER, "X-Count: {schema: {type: array, items: {type: string}}}", f"{OK}/headers/X-Count/schema", "string or an integer"),
        (HEADER, "X-Count: {schema: {type: string, nullable: true}}", f"{OK}/headers/X-Count/schema", "cannot be null"),
        (HEADER, "X-Count: {schema: {type: string, default: a}}", f"{OK}/headers/X-Count/schema/default", "do not support"),
        (HEADER, "X-Count: {}", f"{OK}/headers/X-Count", "`schema` is missing"),
        (HEADER, "X-Count: {required: 1, schema: {type: string}}", f"{OK}/headers/X-Count/required", "true or false"),
        (HEADER, "X-Count: {x-set-by-layer: maybe, schema: {type: string}}", f"{OK}/headers/X-Count/x-set-by-layer", "true or false"),
        *[(HEADER, f"X-Count: {{schema: {{type: string}}, {k}: simple}}", f"{OK}/headers/X-Count/{k}", "do not support") for k in ("style", "explode", "content", "name")],
        (HEADER, "Content-Type: {schema: {type: string}}", f"{OK}/headers/Content-Type", "Content-Type"),
        (HEADER, "'X Count': {schema: {type: string}}", f"{OK}/headers/X Count", "must be made of"),
        (HEADER, f"{HEADER}\n            x-count: {{schema: {{type: string}}}}", f"{OK}/headers", "share a name"),
    ],
    "links": [
        *[(LINK, f"{LINK}, {k}: {v}", f"{PAGE_LINK}/{k}", "do not support") for k, v in {"server": "{url: /}", "operationRef": "'#/paths/~1page/get'", "x-any": "1"}.items()],
        (LINK, "{description: Nowhere.", PAGE_LINK, "`operationId` is missing"),
        (LINK, "{operationId: getOther", f"{PAGE_LINK}/operationId", "no operation `getOther`"),
        (LINK, f"{LINK}, parameters: []", f"{PAGE_LINK}/parameters", "an object"),
        (LINK, f"{LINK}, parameters: {{id: 1}}", f"{PAGE_LINK}/parameters/id", "no such parameter"),
        (LINK, f"{LINK}, requestBody: {{}}", f"{PAGE_LINK}/requestBody", "takes no body"),
        ("Page: {$ref: '#/components/links/Page'}", "Page: {$ref: '#/components/links/None'}", f"{OK}/links/Page/$ref", "does not exist"),
        ("Page: {$ref: '#/components/links/Page'}", "Page: 3", f"{OK}/links/Page", "must be an object"),
        ("requestBody: {a: a,", "requestBody: {z: a,", f"{AGAIN}/requestBody/z", "has no such member"),
        ("w: $response.body#/w}", "w: $response.body#/z}", f"{AGAIN}/requestBody/w", "no member `z`"),
        ("l: [{n: true}]", "l: [{n: $response.body#/z}]", f"{AGAIN}/requestBody/l/0/n", "no member `z`"),
        ("requestBody: {a: a, l: [{n: true}], w: $response.body#/w}", "requestBody: $response.body#/z", f"{AGAIN}/requestBody", "no member `z`"),
        ("$response.header.X-Count", "$response.header.X-None", f"{AGAIN}/parameters/X-Key", "no header `X-None`"),
        ("id: $request.path.id", "id: $request.path.q", f"{AGAIN}/parameters/id", "no parameter `q`"),
        *[
            ("id: $request.path.id", f"id: '{expression}'", f"{AGAIN}/parameters/id", "not a supported link expression")
            for expression in ("$url", "$response.body", "$response.body#/a/b", "$request.body#/a", "$request.cookie.c", "$other", "a{$url}", "a{$response.body#/w")
        ],
        ("        '404': {desc", "          x-any: 1\n        '404': {desc", f"{OK}/x-any", "do not support"),
    ],
    "operations": [
        *[
            (TAGGED, f"{TAGGED}\n      {k}: {v}", f"{PUT}/{k}", "do not support")
            for k, v in {"callbacks": "{}", "servers": "[]", "x-any": "1"}.items()
        ],
        *[
            (TAGGED, f"{TAGGED}\n      security: {asked}", f"{PUT}/security", words)
            for asked, words in {
                "[{Other: []}]": "not under components/securitySchemes",
                "[{}]": "one scheme",
                "[{Key: []}, {Key: []}]": "one scheme",
                "[{Key: [scope]}]": "one scheme",
                "{Key: []}": "one scheme",
            }.items()
        ],
        (TAGGED, "operationId: putThing", PUT, "`tags` is missing"),
        (TAGGED, "tags: [Things]", PUT, "`operationId` is missing"),
        (TAGGED, "tags: []\n      operationId: putThing", f"{PUT}/tags", "at least one item"),
        (TAGGED, "tags: [Things, More]\n      operationId: putThing", f"{PUT}/tags", "exactly one tag"),
        (TAGGED, "tags: [Other]\n      operationId: putThing", f"{PUT}/tags", "which the document describes"),
        *[(TAGGED, f"tags: [Things]\n      operationId: {name}", f"{PUT}/operationId", "camelCase") for name in ("put-thing", "PutThing", "match", "put_thing")],
        ("operationId: getPage", "operationId: putThing", "/paths/~1page/get/operationId", "different from all"),
        ("summary: Put it", "description: Put it", PUT, "`summary` is missing"),
        ("summary: A page", "summary: A page\n      parameters: {}", "/paths/~1page/get/parameters", "must be a list"),
        ("    put:", "    head:", "/paths/~1things~1{id}/head", "do not support"),
        ("    put:", "    servers: []\n    put:", "/paths/~1things~1{id}/servers", "do not support"),
        *[("  /page:", f"  {path}:", f"/paths/{below('', path)[1:]}", "each part of a path") for path in ("/a{b}", "/{a}.json", "/*", "page", "/a//b", "/a/", "/{A}", '/a"b', "/{*rest}")],
    ],
    "documents": [
        ("servers:", "security: [{Other: []}]\nservers:", "/security", "not under components/securitySchemes"),
        *[
            ("components:", f"components:\n  securitySchemes: {{{scheme}}}", f"/components/securitySchemes/{at}", words)
            for scheme, at, words in (
                ("key: {type: apiKey, in: header, name: X}", "key", "PascalCase"),
                ("Key: {type: apiKey, in: query, name: X}", "Key/type", "`apiKey` in `header` only"),
                ("Key: {type: http, scheme: bearer, in: header, name: X}", "Key/scheme", "do not support"),
                ("Key: {type: apiKey, in: header}", "Key", "`name` is missing"),
            )
        ],
        ("components:", "components:\n  requestBodies: {}", "/components/requestBodies", "do not support"),
        ("openapi: 3.0.3", "openapi: 3.1.0", "/openapi", "must be 3.0"),
        ("servers:", "webhooks: {}\nservers:", "/webhooks", "do not support"),
        ("servers:", "x-any: {}\nservers:", "/x-any", "do not support"),
        ("[{url: /}]", "[{url: /v1}]", "/servers/0/url", "path or variables"),
        ("[{url: /}]", "[{url: ./v1}]", "/servers/0/url", "path or variables"),
        ("[{url: /}]", "[{url: 'https://{host}/'}]", "/servers/0/url", "path or variables"),
        ("[{url: /}]", "[{url: /, variables: {}}]", "/servers/0/variables", "do not support"),
        ("title: Good", 'title: "Go\\"od"', "/info/title", "one line"),
        ("title: Good", 'title: "Go\\nod"', "/info/title", "one line"),
        ("tags: [{name: Things, description: All of it.}]", "tags: [{name: Things}]", "/tags/0", "`description` is missing"),
        ("tags: [{name: Things, description: All of it.}]", "tags: [{name: the-things, description: A.}]", "/tags/0/name", "PascalCase"),
        ("tags: [{name: Things, description: All of it.}]\n", "", "", "`tags` is missing"),
        ("required: [a]", "required: [a]\n      required: [a]", "", "duplicate key `required`"),
        ("    Word: {type: string, maxLength: 9}", "    Word: {type: string, maxLength: 9}\n    Word: {type: string}", "", "duplicate key `Word`"),
        ("{type: string, maxLength: 9}", "{type: string, maxLength: 9, maxLength: 99}", "", "duplicate key `maxLength`"),
    ],
}


class Refusals(unittest.TestCase):
    """One test for each group, with a `subTest` for each edit. The last line of the run counts the edits."""

    cases = 0

    def refused(self, group):
        for old, new, pointer, words in REFUSED[group]:
            Refusals.cases += 1
            with self.subTest(new=new):
                self.assertIn(old, GOOD)
                with self.assertRaises(Unsupported) as caught:
                    check(Contract(GOOD.replace(old, new)))
                message = str(caught.exception)
                self.assertTrue(message.startswith(f"openapi.yaml#{pointer}: " if pointer else "openapi.yaml"), message)
                self.assertIn(words, message.split(": ", 1)[1])

    @classmethod
    def tearDownClass(cls):
        print(f"{cls.cases} edits of a valid contract were tried", file=sys.stderr)


for group in REFUSED:
    setattr(Refusals, f"test_{group}", lambda self, group=group: self.refused(group))


class Good(unittest.TestCase):
    def test_the_contract_of_the_service_and_the_fixtures_pass(self):
        for path in (HERE / "good.yaml", HERE / "fixture.yaml", HERE.parent.parent / "openapi.yaml"):
            check(Contract(path.read_text(encoding="utf-8")))

    def test_patterns_with_the_same_meaning_everywhere_pass(self):
        good = (r"^[A-Za-z0-9][A-Za-z0-9._-]*$", r"[^\x00-\x1f \x85\u2027-\u202a]", r"^[!-~]+$", r"^(?:a|b){2,3}$", r"^\/\-\[\]\\x$", r"[\]\-^]", '^"[^"]*"$', r"\xe9+?", "")
        for pattern in good:
            check_pattern(pattern, "")

    def test_the_command_prints_the_refusal_and_writes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{name}" for name in ("contract.yaml", "lowered.json", "names")]
            pathlib.Path(paths[0]).write_text(GOOD.replace("maxLength: 9", "maxLength: nine"), encoding="utf-8")
            run = subprocess.run([sys.executable, str(HERE.parent / "lower.py"), *paths], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 1)
            self.assertEqual(run.stderr, "openapi.yaml#/components/schemas/Word/maxLength: must be a whole number, 0 or more\n")
            self.assertFalse(any(pathlib.Path(path).exists() and pathlib.Path(path).stat().st_size for path in paths[1:]))


if __name__ == "__main__":
    unittest.main()
