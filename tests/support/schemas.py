"""Compares values with the schemas of an API document: {"document": path, "values": [{"what", "schema", "value"}]} on standard input.

Prints a line for each difference, and nothing where there is none. Objects may have no fields that the document does not name.
"""

import json
import sys

import jsonschema_rs


def merged(schema, found):
    """The names of the schemas that stand in an `allOf`, which name only some of the fields each."""
    if isinstance(schema, dict):
        for part in schema.get("allOf", []):
            found.add(part.get("$ref", "").rpartition("/")[2])
        for value in schema.values():
            merged(value, found)
    elif isinstance(schema, list):
        for value in schema:
            merged(value, found)
    return found


def closed(schema):
    """The same without room for fields that are not named."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value if key in ("allOf", "enum", "const", "example", "default") else closed(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made["properties"] and "additionalProperties" not in made and "allOf" not in made:
        made["additionalProperties"] = False
    return made


given = json.load(sys.stdin)
with open(given["document"], encoding="utf-8") as file:
    schemas = json.load(file)["components"]["schemas"]
parts = merged(schemas, set())
schemas = {name: schema if name in parts else closed(schema) for name, schema in schemas.items()}
for item in given["values"]:
    root = {"$ref": f"#/components/schemas/{item['schema']}", "components": {"schemas": schemas}}
    for error in jsonschema_rs.Draft202012Validator(root).iter_errors(item["value"]):
        where = "/".join(str(part) for part in error.instance_path)
        print(f"{item['what']}: {item['schema']} /{where}: {error.message[:300]}")
