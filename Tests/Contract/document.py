"""Writes http/openapi.json from http/openapi.yaml; with --check only says whether it has to be written."""

import json
import pathlib
import sys

import yaml

root = pathlib.Path(__file__).resolve().parents[2]
source, copy = root / "http/openapi.yaml", root / "http/openapi.json"


class Document(yaml.SafeLoader):
    """Reads YAML 1.2 as OpenAPI asks for it: a time stays the text that it is, and a key that stands twice is a mistake."""


Document.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    doubled = {key for key in keys if keys.count(key) > 1}
    if doubled:
        raise SystemExit(f"{source.name}:{node.start_mark.line + 1}: stands twice: {', '.join(map(str, doubled))}")
    return loader.construct_mapping(node, deep=True)


Document.add_constructor("tag:yaml.org,2002:map", mapping)

text = json.dumps(yaml.load(source.read_text(), Document), ensure_ascii=False, indent=1) + "\n"
if "--check" in sys.argv:
    sys.exit(0 if copy.read_text() == text else f"{copy.name} is not what {source.name} says; .ci/openapi writes it")
copy.write_text(text)
