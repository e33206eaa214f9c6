/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/ctl/policy.h"
#include "agent/ctl/table.h"

static size_t widest(const struct policy_report *report) {
        size_t n = 0;

        for (size_t i = 0; i < report->n_values; i++)
                n = MAX(n, strlen(report->values[i].key) + 1 + strlen(report->values[i].value));
        return n;
}

static void put_value(FILE *f, const struct value_report *value, size_t width) {
        size_t n = strlen(value->key) + 1 + strlen(value->value);

        (void) fputs("    ", f);
        table_put_text(f, value->key);
        (void) fputc('=', f);
        table_put_text(f, value->value);
        (void) fprintf(f, "%*s  ", (int) (width - n), "");
        table_put_text(f, value->origin);
        (void) fputc('\n', f);
}

void policy_print(FILE *f, const char *disk, const struct policy_report *report) {
        size_t width = widest(report);
        const char *section = "";

        assert(f && disk && report);

        table_put_text(f, disk);
        (void) fputs("  policy ", f);
        table_put_text(f, report->policy);
        (void) fputs(": ", f);
        table_put_text(f, report->reason);
        (void) fputc('\n', f);
        for (size_t i = 0; i < report->n_values; i++) {
                const struct value_report *value = &report->values[i];

                if (strcmp(value->section, section) != 0) {
                        (void) fputs("  [", f);
                        table_put_text(f, value->section);
                        (void) fputs("]\n", f);
                }
                section = value->section;
                put_value(f, value, width);
        }
        for (size_t i = 0; i < report->n_notes; i++) {
                (void) fputs("  ! ", f);
                table_put_text(f, report->notes[i]);
                (void) fputc('\n', f);
        }
}
