/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "agent/base/macro.h"
#include "agent/report/bus-append.h"
#include "include/bus.h"

const char *clean_text(const char *text, char buf[static TEXT_MAX]) {
        size_t used = 0;

        for (const char *p = text ?: ""; *p;) {
                size_t n = bus_char_length(p);

                if (used + MAX(n, 1U) >= TEXT_MAX)
                        break;
                if (n == 0) {
                        buf[used++] = '?';
                        p++;
                        continue;
                }
                memcpy(buf + used, p, n);
                used += n;
                p += n;
        }
        buf[used] = '\0';
        return buf;
}

static int append_values(sd_bus_message *reply, const struct value_report *values, size_t n) {
        char t[4][TEXT_MAX];
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(" BUS_VALUE_TYPE ")");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(reply, "(" BUS_VALUE_TYPE ")",
                                          clean_text(values[i].section, t[0]),
                                          clean_text(values[i].key, t[1]),
                                          clean_text(values[i].value, t[2]),
                                          clean_text(values[i].origin, t[3]));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_notes(sd_bus_message *reply, const char *const *notes, size_t n) {
        char t[TEXT_MAX];
        int r;

        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(reply, "s", clean_text(notes[i], t));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int append_policy(sd_bus_message *reply, const struct policy_report *policy) {
        char t[2][TEXT_MAX];
        int r;

        assert(reply && policy);

        r = sd_bus_message_append(reply, "ss", clean_text(policy->policy, t[0]),
                                  clean_text(policy->reason, t[1]));
        if (r >= 0)
                r = append_values(reply, policy->values, policy->n_values);
        return r < 0 ? r : append_notes(reply, policy->notes, policy->n_notes);
}
