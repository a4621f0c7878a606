"""Sparkplug B payloads by pysparkplug, for a test that publishes and receives them itself.

One JSON object a line on stdin is one payload to encode, or one to decode, and one JSON text a line on stdout is its answer:

    {"encode": "NBIRTH", "at": 1795162530000, "seq": 0, "metrics": [METRIC, ...]}    the payload in hex
    {"decode": "NCMD", "payload": "0a1b..."}                                        its metrics by name

A METRIC is {"name", "type": "UINT32", "value"}, with "alias", "at" and "historical" where they are wanted; a value that is
null is sent as null. Data of a metric with an alias leaves its name out, as nodes do. The end of stdin ends the program.
"""

import json
import sys

import pysparkplug

PAYLOADS = {
    "NBIRTH": pysparkplug.NBirth,
    "DBIRTH": pysparkplug.DBirth,
    "NDATA": pysparkplug.NData,
    "DDATA": pysparkplug.DData,
    "NCMD": pysparkplug.NCmd,
}


def metric(given, named):
    alias = given.get("alias")
    return pysparkplug.Metric(
        timestamp=given.get("at"),
        name=given["name"] if named or alias is None else None,
        datatype=pysparkplug.DataType[given["type"]],
        value=given["value"],
        alias=alias,
        is_historical=given.get("historical", False),
    )


def encode(given):
    verb = given["encode"]
    metrics = [metric(one, verb.endswith("BIRTH")) for one in given["metrics"]]
    if verb == "NDEATH":
        return pysparkplug.NDeath(timestamp=given["at"], bd_seq_metric=metrics[0]).encode().hex()
    if verb == "DDEATH":
        return pysparkplug.DDeath(timestamp=given["at"], seq=given["seq"]).encode().hex()
    return PAYLOADS[verb](timestamp=given["at"], seq=given["seq"], metrics=metrics).encode().hex()


def decode(given):
    payload = PAYLOADS[given["decode"]].decode(bytes.fromhex(given["payload"]))
    return {one.name: one.value for one in payload.metrics}


for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(encode(command) if "encode" in command else decode(command)), flush=True)
