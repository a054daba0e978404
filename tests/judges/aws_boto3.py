"""AWS's own client (PyPI boto3). JSON in, JSON out: puts these calls on a socket, and holds operations against the service models that AWS publishes."""

import importlib.metadata
import json
import sys

import boto3
import botocore.config
import botocore.exceptions
import botocore.session


def send(asked):
    for call in asked["calls"]:
        client = boto3.client(
            call["service"],
            endpoint_url=asked["endpoint"],
            region_name=asked["region"],
            aws_access_key_id=asked["access_key"],
            aws_secret_access_key=asked["secret_key"],
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
        arguments = dict(call["arguments"])
        if "Csr" in arguments:
            arguments["Csr"] = arguments["Csr"].encode()
        try:
            getattr(client, call["method"])(**arguments)
        except botocore.exceptions.ClientError:
            pass


def members(shape, path=()):
    """The way to each member, with its shape and whether it must be there."""
    for name, member in shape.members.items():
        if member.type_name == "structure":
            yield from members(member, path + (name,))
        else:
            yield path + (name,), member, name in shape.required_members


def known(shape, value, path):
    """What of an answer is no member of the shape."""
    if shape is None:
        return [path] if value else []
    if shape.type_name == "structure" and isinstance(value, dict):
        wrong = [f"{path}/{name}" for name in value if name not in shape.members]
        for name, member in value.items():
            if name in shape.members:
                wrong += known(shape.members[name], member, f"{path}/{name}")
        return wrong
    if shape.type_name == "list" and isinstance(value, list):
        return [line for item in value for line in known(shape.member, item, f"{path}[]")]
    return []


def hold(asked):
    """Everything in which an operation is not as its model has it."""
    model = botocore.session.get_session().get_service_model(asked["service"])
    operation = model.operation_model(asked["operation"])
    there = {way: (shape, must) for way, shape, must in members(operation.input_shape)}
    wrong = []
    said = {tuple(one["members"]): one for one in asked["parameters"]}
    for way, one in said.items():
        if way not in there and not any(other[: len(way)] == way for other in there):
            wrong.append(f"{way} is not in the model")
            continue
        if way not in there:
            continue
        shape, _ = there[way]
        schema = one["schema"]
        words = schema.get("enum")
        if words is not None and not set(words) <= set(shape.enum):
            wrong.append(f"{way}: {sorted(set(words) - set(shape.enum))} are no words of the model")
        if words is not None and (left := sorted(set(shape.enum) - set(words) - set(asked["left_out"]))):
            wrong.append(f"{way}: {left} are words of the model")
        for bound, key in (("min", "minLength"), ("max", "maxLength")):
            if shape.type_name == "string" and key in schema and shape.metadata.get(bound) != schema[key]:
                wrong.append(f"{way}: {key} is {schema[key]}, and the model's {shape.metadata.get(bound)}")
        kinds = {"string": "string", "blob": "string", "integer": "integer", "long": "integer"}
        if "type" in schema and kinds.get(shape.type_name) != schema["type"]:
            wrong.append(f"{way}: is of type {shape.type_name}")
    for way, (_, must) in there.items():
        # A member of an object that may be left out must be there with that object alone.
        is_needed = must and (len(way) == 1 or way[0] in operation.input_shape.required_members)
        if is_needed and not said.get(way, {}).get("required"):
            wrong.append(f"{way} must be given")
    for body in asked["answers"]:
        wrong += [f"answer: {line}" for line in known(operation.output_shape, body, "")]
    errors = {shape.name for shape in operation.error_shapes}
    wrong += [f"error: {name}" for name in asked["errors"] if name not in errors and name not in COMMON]
    return wrong


# The errors that all services share (CommonErrors of the API references); models do not repeat them.
COMMON = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "InternalFailure",
    "InvalidSignatureException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationException",
}

asked = json.load(sys.stdin)
if "send" in asked:
    send(asked["send"])
held = [hold(one) for one in asked.get("hold", [])]
json.dump({"version": importlib.metadata.version("boto3"), "held": held}, sys.stdout)
