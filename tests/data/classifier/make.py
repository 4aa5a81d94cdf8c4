#!/usr/bin/env python3
"""Writes the tiny ONNX models of this folder: make.py [folder]. No library is needed: a model is a handful of protocol buffers.

zebra.onnx    strings [1] -> floats [1, 2]: harmless, attack. Attack: 0.9 when a word of the text is "zebra", else 0.1.
numbers.onnx  floats [1] -> floats [1]: no classifier of texts.
"""
import os
import struct
import sys

FLOAT, INT64, STRING = 1, 7, 8  # TensorProto.DataType


def varint(number):
    out = bytearray()
    while True:
        low = number & 0x7F
        number >>= 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(number, value):
    """One field of a message: an integer, text, or bytes (also of a message)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(number, values):
    return b"".join(field(number, value) for value in values)


def attribute(name, kind, *parts):
    return field(1, name) + b"".join(parts) + field(20, kind)


def integer(name, value):
    return attribute(name, 2, field(3, value))


def text(name, value):
    return attribute(name, 3, field(4, value))


def integers(name, values):
    return attribute(name, 7, fields(8, values))


def texts(name, values):
    return attribute(name, 8, fields(9, values))


def node(operator, inputs, outputs, *attributes):
    return fields(1, inputs) + fields(2, outputs) + field(4, operator) + fields(5, attributes)


def value(name, element, shape):
    dimensions = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, dimensions)))


def floats(name, shape, numbers):
    return fields(1, shape) + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(numbers)}f", *numbers))


def model(name, nodes, inputs, outputs, constants=()):
    graph = fields(1, nodes) + field(2, name) + fields(5, constants) + fields(11, inputs) + fields(12, outputs)
    return field(1, 9) + field(7, graph) + field(8, field(1, "") + field(2, 20))  # IR version 9, operators of version 20


ZEBRA = model(
    "zebra",
    [
        node("StringSplit", ["text"], ["words", "count"]),
        node("TfIdfVectorizer", ["words"], ["found"], text("mode", "TF"), integer("min_gram_length", 1),
             integer("max_gram_length", 1), integer("max_skip_count", 0), integers("ngram_counts", [0]),
             integers("ngram_indexes", [0]), texts("pool_strings", ["zebra"])),
        node("Clip", ["found", "zero", "one"], ["seen"]),
        node("Gemm", ["seen", "weight", "bias"], ["probabilities"]),
    ],
    [value("text", STRING, [1])],
    [value("probabilities", FLOAT, [1, 2])],
    [floats("zero", [], [0]), floats("one", [], [1]), floats("weight", [1, 2], [-0.8, 0.8]), floats("bias", [2], [0.9, 0.1])],
)
NUMBERS = model("numbers", [node("Identity", ["in"], ["out"])], [value("in", FLOAT, [1])], [value("out", FLOAT, [1])])

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
for name, content in (("zebra", ZEBRA), ("numbers", NUMBERS)):
    with open(os.path.join(folder, f"{name}.onnx"), "wb") as file:
        file.write(content)
