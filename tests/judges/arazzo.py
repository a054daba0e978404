"""Writes the stages of provider documents as workflows of Arazzo 1.0.1, in its words alone, so that a validator can judge their form:
arazzo.py OUT DOCUMENT... What is ours (`answers`, `poll`, `lookups`, `idempotent`, `for_each`) is left out; `$item` is one of the list that
`for_each` names, and is written as that list. Prints how many there are."""
import json
import pathlib
import sys

import yaml

out, *documents = sys.argv[1:]


def resolved(document, node):
    while isinstance(node, dict) and "$ref" in node:
        at = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            at = at[part.replace("~1", "/").replace("~0", "~")]
        node = at
    return node


def operations(document):
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                shared = item.get("parameters", [])
                yield operation, [resolved(document, one) for one in [*shared, *operation.get("parameters", [])]]


def places(document, operation_id):
    for operation, parameters in operations(document):
        if operation["operationId"] == operation_id:
            return {one["name"]: one["in"] for one in parameters}
    raise SystemExit(f"no operation {operation_id}")


def inputs(document, operation, parameters):
    """What a plan gives: the parameters, the members of the body, and what is only looked up by."""
    names = [one["name"] for one in parameters]
    body = resolved(document, operation.get("requestBody", {}))
    for content in body.get("content", {}).values():
        names += resolved(document, content.get("schema", {})).get("properties", {})
    names += operation["x-certsweep"].get("lookup_parameters", {})
    return {"type": "object", "properties": {name: {} for name in names}}


def step(document, name, operation_id, parameters, outputs):
    where = places(document, operation_id)
    told = [{"name": one["name"], "in": where[one["name"]], "value": one["value"]} for one in parameters if one["name"] in where]
    body = {one["name"]: one["value"] for one in parameters if one["name"] not in where}
    made = {"stepId": name, "operationId": operation_id}
    if told:
        made["parameters"] = told
    if body:
        made["requestBody"] = {"contentType": "application/json", "payload": body}
    if outputs:
        made["outputs"] = outputs
    return made


written = 0
for file in documents:
    document = yaml.safe_load(pathlib.Path(file).read_text())
    workflows = []
    for operation, parameters in operations(document):
        rules = operation.get("x-certsweep", {})
        if not rules.get("stages"):
            continue
        own = operation["operationId"]
        steps = [step(document, own, own, [], rules.get("outputs"))]
        for stage in rules["stages"]:
            items = {"$item": stage["for_each"]} if "for_each" in stage else {}
            given = [{**one, "value": items.get(one["value"], one["value"])} for one in stage.get("parameters", [])]
            steps.append(step(document, stage["stepId"], stage["operationId"], given, stage.get("outputs")))
        asked = inputs(document, operation, parameters)
        workflows.append({"workflowId": own, "summary": operation.get("summary", own), "inputs": asked, "steps": steps})
    if workflows:
        name = document["x-certsweep"]["id"] if "x-certsweep" in document else pathlib.Path(file).stem
        source = {"name": name, "url": pathlib.Path(file).resolve().as_uri(), "type": "openapi"}
        info = {"title": document["info"]["title"], "version": str(document["info"]["version"])}
        arazzo = {"arazzo": "1.0.1", "info": info, "sourceDescriptions": [source], "workflows": workflows}
        pathlib.Path(out, f"{pathlib.Path(file).stem}.arazzo.json").write_text(json.dumps(arazzo, indent=1))
        written += len(workflows)
print(written)
