"""Prints the descriptors of Foxglove's published schemas, of the messages named
and of all that they hold, as JSON: message or enum by full name, and of each
field its number, type, label and what it refers to.

Usage: foxglove_schemas.py NAME...
"""

import importlib
import json
import sys

TYPES = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    10: "group", 11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}


def message(d, out):
    if d.full_name in out:
        return
    out[d.full_name] = fields = {}
    for f in d.fields:
        refers = f.message_type or f.enum_type
        fields[f.name] = f"{f.number} {'repeated ' if f.label == f.LABEL_REPEATED else ''}{TYPES[f.type]}" + (f" {refers.full_name}" if refers else "")
        if f.message_type:
            message(f.message_type, out)
        if f.enum_type:
            out[f.enum_type.full_name] = {v.name: str(v.number) for v in f.enum_type.values}


out = {}
for name in sys.argv[1:]:
    module = importlib.import_module(f"foxglove_schemas_protobuf.{name}_pb2")
    message(getattr(module, name).DESCRIPTOR, out)
json.dump(out, sys.stdout)
