"""A Modbus line that a test controls.

    modbus_server.py ADDRESS UNIT...

ADDRESS is tcp://127.0.0.1:PORT, rtu+tcp://127.0.0.1:PORT for the frames of a serial line over TCP, or rtu://PATH for a
serial port at 19,200 baud without parity.
Each unit has 41000 holding registers, 41000 input registers, 1024 coils and 1024 discrete inputs, all zero. One JSON object
a line on stdin is one command, and one JSON object a line on stdout is its answer:

    {"set": {"unit": 1, "table": "holding", "address": 0, "values": [1, 2]}}
    {"silence": {"unit": 1, "silent": true}}                                    the unit answers nothing
    {"refuse": {"unit": 1, "table": "holding", "first": 10, "last": 11}}        exception 2 when a request touches these
    {"requests": {}}                                                            requests seen, by function code

The end of stdin ends the server.
"""

import asyncio
import collections
import functools
import json
import sys

from pymodbus import pymodbus_apply_logging_config
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 41000
BITS = 1024
# What every unit says of itself, more than fits into one answer.
IDENTITY = {"VendorName": "Müller & Söhne", "ProductCode": "PX-400", "MajorMinorRevision": "V4.12", "VendorUrl": "x" * 240,
            "ProductName": "Press 400 t", "ModelName": "PX", "UserApplicationName": "line 3"}
# The function that names a table to the server, for reading and for the test's own writing.
READS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


def server_at(address, devices, **options):
    scheme, _, rest = address.partition("://")
    if scheme == "rtu":
        # A pseudo terminal has no parity bit.
        return ModbusSerialServer(devices, port=rest, baudrate=19_200, parity="N", **options)
    framer = {"tcp": FramerType.SOCKET, "rtu+tcp": FramerType.RTU}[scheme]
    host, _, port = rest.partition(":")
    return ModbusTcpServer(devices, framer=framer, address=(host, int(port)), **options)


class Line:
    def __init__(self, address, units):
        self.silent = set()
        self.refused = []
        self.requests = collections.Counter()
        self.setting = False
        devices = [
            SimDevice(
                unit,
                simdata=(
                    [SimData(0, values=[False] * BITS, datatype=DataType.BITS)],
                    [SimData(0, values=[False] * BITS, datatype=DataType.BITS)],
                    [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)],
                    [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)],
                ),
                action=functools.partial(self.access, unit),
            )
            for unit in units
        ]
        self.server = server_at(
            address,
            devices,
            # What `access` raises is then a silence, as from a unit that is switched off.
            ignore_missing_devices=True,
            identity=ModbusDeviceIdentification(info_name=IDENTITY),
            trace_pdu=self.trace,
        )

    def trace(self, sending, pdu):
        if not sending:
            self.requests[pdu.function_code] += 1
        return pdu

    async def access(self, unit, function, _start, address, count, _registers, _values):
        if self.setting:
            return None
        if unit in self.silent:
            raise NoSuchIdException(f"unit {unit} is silent")
        for refused_unit, read, first, last in self.refused:
            if (refused_unit, read) == (unit, function) and address <= last and address + count > first:
                return ExcCodes.ILLEGAL_ADDRESS
        return None

    async def set(self, unit, table, address, values):
        self.setting = True
        error = await self.server.async_setValues(unit, READS[table], address, values)
        self.setting = False
        if error:
            raise ValueError(f"{table}:{address} cannot be set: {error}")

    def silence(self, unit, silent):
        (self.silent.add if silent else self.silent.discard)(unit)

    def refuse(self, unit, table, first, last):
        self.refused.append((unit, READS[table], first, last))

    async def obey(self, command):
        ((name, arguments),) = command.items()
        if name == "set":
            await self.set(**arguments)
        elif name == "silence":
            self.silence(**arguments)
        elif name == "refuse":
            self.refuse(**arguments)
        elif name == "requests":
            return self.requests
        else:
            raise ValueError(f"no command {name}")
        return {}


async def main():
    # A client that is killed in the middle of a request is what it is here for, and no news.
    pymodbus_apply_logging_config("CRITICAL")
    address, *units = sys.argv[1:]
    line = Line(address, map(int, units))
    await line.server.serve_forever(background=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    print("{}", flush=True)
    while command := await commands.readline():
        print(json.dumps(await line.obey(json.loads(command))), flush=True)
    await line.server.shutdown()


asyncio.run(main())
