# Checks a list of actions, one JSON object a line, by a JSON Schema: the validator is made once.
import json
import sys

from jsonschema import Draft202012Validator

schema, rows = sys.argv[1:]
with open(schema) as file:
    validator = Draft202012Validator(json.load(file))
with open(rows) as file:
    wrong = sum(1 for line in file if not validator.is_valid(json.loads(line)))
sys.exit(1 if wrong else 0)
