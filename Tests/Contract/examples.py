"""Holds every example of http/openapi.json to its schema, and says how many there are."""

import json
import pathlib
import sys

from jsonschema import FormatChecker
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

path = pathlib.Path(__file__).resolve().parents[2] / "http/openapi.json"
document = json.loads(path.read_text())
address = "urn:document"
registry = Registry().with_resource(address, Resource(contents=document, specification=DRAFT202012))
checked, faults = 0, []


def pointer(*steps):
    return "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def resolved(node, steps):
    """What a reference stands for, and where that is."""
    while isinstance(node, dict) and "$ref" in node:
        steps = node["$ref"].removeprefix("#/").split("/")
        node = document
        for step in steps:
            node = node[step.replace("~1", "/").replace("~0", "~")]
    return node, steps


def check(value, steps):
    global checked
    checked += 1
    validator = OAS31Validator({"$ref": f"{address}#{pointer(*steps)}"}, registry=registry, format_checker=FormatChecker())
    faults.extend(f"{pointer(*steps)}: {error.json_path}: {error.message}" for error in validator.iter_errors(value))


def walk(node, steps):
    if isinstance(node, list):
        for index, element in enumerate(node):
            walk(element, [*steps, index])
    if not isinstance(node, dict):
        return
    if "schema" in node:
        examples = [example["value"] for example, _ in (resolved(each, []) for each in node.get("examples", {}).values())]
        for value in examples + ([node["example"]] if "example" in node else []):
            check(value, [*steps, "schema"])
    elif isinstance(node.get("examples"), list):
        for value in node["examples"]:
            check(value, steps)
    for name, child in node.items():
        if name not in ("example", "examples", "value"):
            walk(child, [*steps, name])


walk(document, [])
print(f"{checked} examples")
sys.exit("\n".join(faults) if faults or not checked else 0)
