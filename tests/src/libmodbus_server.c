/* One unit on a serial line, with the same values as long as it runs: libmodbus, which shares nothing with the agent.
 *
 *     libmodbus_server PORT UNIT
 *
 *     holding 0      70,000 in two registers, the high word first
 *     holding 10     -2
 *     holding 11     only bit 3 is set
 *     input 4        36.5 in two registers, the high word first
 *     coil 2         set
 *
 * Everything else up to 15 in each table is zero. A line on stdout says that it listens.
 */

#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADDRESSES = 16, BAUD = 19200 };

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    return EXIT_FAILURE;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: libmodbus_server PORT UNIT\n");
        return EXIT_FAILURE;
    }
    /* A pseudo terminal has no parity bit. */
    modbus_t *line = modbus_new_rtu(arguments[1], BAUD, 'N', 8, 1);
    if (line == NULL || modbus_set_slave(line, atoi(arguments[2])) != 0 || modbus_connect(line) != 0)
        return fail("cannot open the port");
    modbus_mapping_t *unit = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
    if (unit == NULL)
        return fail("cannot make the unit");
    unit->tab_registers[0] = 70000 >> 16;
    unit->tab_registers[1] = 70000 & 0xFFFF;
    unit->tab_registers[10] = (uint16_t)-2;
    unit->tab_registers[11] = 1 << 3;
    /* As IEEE 754 has it: libmodbus 3.1.6 of Debian 12 swaps the bytes of each register of a float. */
    unit->tab_input_registers[4] = 0x4212;
    unit->tab_bits[2] = TRUE;

    puts("listening");
    fflush(stdout);
    for (;;) {
        uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
        int length = modbus_receive(line, request);
        /* Whoever is killed in the middle of a request leaves half of it on the line. */
        if (length == -1 && errno != EMBBADCRC && errno != ETIMEDOUT)
            return fail("cannot receive");
        if (length > 0 && modbus_reply(line, request, length, unit) == -1)
            return fail("cannot reply");
    }
}
