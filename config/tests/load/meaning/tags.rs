//! Mistakes in tags and in what is made of them.

use super::Case;

pub(super) const CASES: &[Case] = &[
    ("type = \"u32\"", "type = \"u32\", bit = 3", "source.modbus[0].device[0].tag[0].bit: a `bit` is one of a single"),
    ("type = \"u32\"", "type = \"u32\", scale = 0", "source.modbus[0].device[0].tag[0].scale: a scale of 0"),
    ("type = \"u32\"", "type = \"u32\", scale = inf", "source.modbus[0].device[0].tag[0].scale: inf is not a number"),
    (
        "type = \"u32\"",
        "type = \"u16\", bit = 16",
        "source.modbus[0].device[0].tag[0].bit: 16 is out of range (allowed: 0 to 15)",
    ),
    ("\"u32\"", "\"u23\"", "source.modbus[0].device[0].tag[0].type: `u23` is not allowed here"),
    (", type = \"u32\"", "", "source.modbus[0].device[0].tag[0]: missing key `type`: a register does not say"),
    ("\"coil:1\"", "\"coil:1\", scale = 2", "source.modbus[0].device[0].tag[1].scale: `bool` has no `scale`"),
    ("\"coil:1\"", "\"coil:1\", bit = 2", "source.modbus[0].device[0].tag[1].bit: a coil is one bit already"),
    ("unit = 1", "unit = 1\nmax_registers = 1", "source.modbus[0].device[0].tag[0].type: u32 has 2 registers"),
    ("unit = 1", "unit = 1\nasset = {}", "source.modbus[0].device[0].asset: an asset needs one key"),
    ("good = \"count\"", "good = \"run\"", "source.modbus[0].device[0].event[0].good: `run` is of type bool"),
    (
        "good = \"count\"",
        "good = \"count\", scrap = \"count\"",
        "source.modbus[0].device[0].event[0].scrap: `count` counts `good` already",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"production.counted\", good = \"count\" }",
        "source.modbus[0].device[0].event[1].good: `count` is there twice",
    ),
    (
        "good = \"count\" }",
        "good = \"count\", accumulate = \"5 m\" }",
        "source.modbus[0].device[0].event[0].accumulate: `5 m` is not a length of time",
    ),
    (
        "{ unit_of_measure = \"pcs\", name = \"count\", at = \"40001\", type = \"u32\" }, { name = \"run\", at = \"coil:1\" }]\nevent = [",
        "{ name = \"count\", at = \"40001\", type = \"u32\" }, { name = \"run\", at = \"coil:1\" }]\nevent = [{ type = \"consumption.counted\", counter = \"count\", medium = \"gas\" }, ",
        "source.modbus[0].device[0].event[0].counter: `count` has no `unit_of_measure`",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"consumption.counted\", counter = \"run\", medium = \"gas\" }",
        "source.modbus[0].device[0].event[1].counter: `run` is of type bool",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"consumption.counted\", counter = \"count\", medium = \"watr\" }",
        "source.modbus[0].device[0].event[1].medium: `watr` is not allowed here (allowed: electricity, gas, water, air, steam, hours, cycles) (did you mean `water`?)",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"consumption.counted\", counter = \"count\", medium = \"gas\", max_step = 0 }",
        "source.modbus[0].device[0].event[1].max_step: 0 is no step",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"consumption.counted\", counter = \"count\", medium = \"gas\", data = { total = 1 } }",
        "source.modbus[0].device[0].event[1].data.total: `total` is filled by the event itself",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"cycle.completed\" }",
        "source.modbus[0].device[0].event[1]: missing key `rising`: or `falling`",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"cycle.completed\", rising = \"count\" }",
        "source.modbus[0].device[0].event[1].rising: `count` is of type u32 (allowed: a tag of type bool",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"cycle.completed\", rising = \"run\", falling = \"run\" }",
        "source.modbus[0].device[0].event[1].falling: `rising` is there too",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"paint.booth_opened\", rising = \"rum\" }",
        "source.modbus[0].device[0].event[1].rising: the device has no tag `rum` (did you mean `run`?)",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"booth opened\", rising = \"run\" }",
        "source.modbus[0].device[0].event[1].type: `booth opened` is not an event type",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"device.opened\", rising = \"run\" }",
        "source.modbus[0].device[0].event[1].type: `device.` begins what the agent tells of itself",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"cycle.complete\", rising = \"run\" }",
        "warning: source.modbus[0].device[0].event[1].type: `cycle.complete` is taken for a type of your own (did you mean `cycle.completed`?)",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"paint.booth_opened\", raising = \"run\" }",
        "source.modbus[0].device[0].event[1].type: `paint.booth_opened` is not allowed here",
    ),
    (
        "good = \"count\" }",
        "good = \"count\", data = { x = \"{/a}\" } }",
        "source.modbus[0].device[0].event[0].data.x: a JSON pointer needs",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"measurement.sampled\", sample = \"run\" }",
        "source.modbus[0].device[0].event[1].sample: one text is not enough",
    ),
    (
        "good = \"count\" }",
        "good = \"count\" }, { type = \"measurement.sampled\", sample = [\"run\"], every = \"10ms\" }",
        "warning: source.modbus[0].device[0].event[1].every: the device is read every 1s only",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"plc:502\"",
        "source.modbus[0].address: this is not a URL (allowed: scheme://host or scheme://host:port) (did you mean `tcp://plc:502`?)",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"/dev/ttyUSB0\"\nparity = \"none\"",
        "source.modbus[0].address: this is not a URL (allowed: scheme://host or scheme://host:port) (did you mean `rtu:///dev/ttyUSB0`?)",
    ),
    (
        "events = [\"*\"]",
        "events = \"*\"",
        "flow[0].events: expected a list of strings, found a string (put it in brackets",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"tcp://plc\"\nbaud = 9600",
        "source.modbus[0].baud: only a serial port has this",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"rtu:///dev/null\"\nparity = \"mark\"",
        "source.modbus[0].parity: `mark` is not allowed here",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"rtu:///dev/null\"\nstop_bits = 3",
        "source.modbus[0].stop_bits: 3 is out of range (allowed: 1 to 2)",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"rtu:///dev/ttyNONE\"",
        "warning: source.modbus[0].address: cannot find /dev/ttyNONE",
    ),
    (
        "address = \"tcp://plc\"\n[[source.modbus.device]]\nname = \"press\"\nunit = 1",
        "address = \"rtu:///dev/null\"\n[[source.modbus.device]]\nname = \"press\"\nunit = 0",
        "source.modbus[0].device[0].unit: no unit of a serial line answers to 0 (allowed: 1 to 255)",
    ),
    (
        "address = \"tcp://plc\"",
        "address = \"rtu+tcp://plc\"",
        "source.modbus[0].address: the port is missing: converters have no usual one",
    ),
    ("address = \"tcp://plc\"", "address = \"udp://plc\"", "source.modbus[0].address: `udp://` is not possible"),
    ("name = \"press\"", "name = \"line\"", "source.modbus[0].device[0].name: `line` is there twice"),
];
