/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/ctl/client-acts.h"
#include "agent/ctl/table.h"

#define CELL_MAX 256

#define ANSI_NORMAL "\033[0m"
#define ANSI_GREEN "\033[0;32m"
#define ANSI_YELLOW "\033[0;1;33m"
#define ANSI_RED "\033[0;1;31m"

static const struct state_look {
        const char *state;
        bool healthy;
        const char *colour;
} looks[] = {
        { "healthy", true, ANSI_GREEN },
        { "recovered", true, ANSI_GREEN },
        { "suspect", false, ANSI_YELLOW },
        { "acting", false, ANSI_YELLOW },
        { "settling", false, ANSI_YELLOW },
        { "failing", false, ANSI_RED },
        { "failed", false, ANSI_RED },
        { "stuck", false, ANSI_RED },
        /* A state that a later daemon may know: not healthy, as far as we can tell. */
        { NULL, false, ANSI_RED },
};

static const struct state_look *look_find(const char *state) {
        const struct state_look *l = looks;

        while (l->state && strcmp(l->state, state) != 0)
                l++;
        return l;
}

bool disk_healthy(const struct disk_report *disk) {
        assert(disk);

        return look_find(disk->state)->healthy;
}

/* Length of the character at P if it may go to a terminal, else 0. */
static size_t printable(const char *p) {
        const unsigned char *s = (const unsigned char *) p;

        if (s[0] < 0x20 || s[0] == 0x7f)
                return 0;
        /* U+0080 to U+009F are controls too; one of them is "ESC [" in a single character. */
        if (s[0] == 0xc2 && s[1] < 0xa0)
                return 0;
        return bus_char_length(p);
}

static void put_part(FILE *f, const char *text, const char *end) {
        while (text < end) {
                size_t n = printable(text);

                if (n == 0) {
                        /* One '?' for one character, whole or broken. */
                        n = MAX(bus_char_length(text), 1U);
                        (void) fputc('?', f);
                } else
                        (void) fwrite(text, 1, n, f);
                text += n;
        }
}

void table_put_text(FILE *f, const char *text) {
        assert(f && text);

        put_part(f, text, text + strlen(text));
}

/* How many characters put_part() writes: the width, but for wide and combining ones. */
static size_t part_width(const char *text, const char *end) {
        size_t width = 0;

        for (; text < end; width++)
                text += MAX(bus_char_length(text), 1U);
        return width;
}

static size_t text_width(const char *text) {
        return part_width(text, text + strlen(text));
}

static bool none(const char *text) {
        return *text == '\0' || strcmp(text, "-") == 0;
}

/* For people: no fractions, but for what would then be nothing. */
static const char *format_rough(char *buf, size_t size, usec_t t) {
        if (t >= USEC_PER_SEC && t != USEC_INFINITY)
                t -= t % USEC_PER_SEC;
        return format_usec(buf, size, t);
}

static const char *cell_name(const struct disk_report *d, _unused_ char *buf) {
        return d->name;
}

static const char *cell_address(const struct disk_report *d, _unused_ char *buf) {
        return *d->address ? d->address : "-";
}

static const char *cell_serial(const struct disk_report *d, _unused_ char *buf) {
        return *d->serial ? d->serial : "-";
}

static const char *cell_state(const struct disk_report *d, _unused_ char *buf) {
        return d->state;
}

static const char *cell_in_flight(const struct disk_report *d, char *buf) {
        (void) snprintf(buf, CELL_MAX, "%" PRIu32, d->outstanding);
        return buf;
}

static const char *cell_quiet(const struct disk_report *d, char *buf) {
        return format_rough(buf, CELL_MAX, d->quiet);
}

static const char *cell_limit(const struct disk_report *d, char *buf) {
        return format_usec(buf, CELL_MAX, d->limit);
}

static const char *cell_mounts(const struct disk_report *d, char *buf) {
        (void) snprintf(buf, CELL_MAX, "%" PRIu32, d->mounts);
        return buf;
}

static const char *cell_last_act(const struct disk_report *d, char *buf) {
        char ago[FORMAT_USEC_MAX];

        if (none(d->last_act) || d->last_ago == USEC_INFINITY)
                return "-";
        (void) snprintf(buf, CELL_MAX, "%s%s%s, %s ago", d->last_act,
                        none(d->last_outcome) ? "" : ": ",
                        none(d->last_outcome) ? "" : d->last_outcome,
                        format_rough(ago, sizeof(ago), d->last_ago));
        return buf;
}

/* A cell returns its text: one of the disk's own, or what it made in BUF (CELL_MAX bytes). There is
 * none for the driver: with it the titles alone would not fit into 80 columns, and the address says
 * as much to those who know the machine. */
static const struct column {
        const char *title;
        const char *(*cell)(const struct disk_report *d, char *buf);
} columns[] = {
        { "DISK", cell_name },
        { "ADDRESS", cell_address },
        { "SERIAL", cell_serial },
        { "STATE", cell_state },
        { "IN FLIGHT", cell_in_flight },
        { "QUIET", cell_quiet },
        { "LIMIT", cell_limit },
        { "MOUNTS", cell_mounts },
        { "LAST ACT", cell_last_act },
};

#define N_COLUMNS ELEMENTSOF(columns)

static void put_cell(FILE *f, const char *text, size_t width, const char *colour) {
        size_t used = text_width(text);

        if (colour)
                (void) fputs(colour, f);
        table_put_text(f, text);
        if (colour)
                (void) fputs(ANSI_NORMAL, f);
        /* Nothing is padded at the end of a line, where width is 0. */
        if (width > 0)
                (void) fprintf(f, "%*s", (int) (width - used + 2), "");
}

static void put_details(FILE *f, const struct disk_report *disks, size_t n) {
        bool first = true;

        for (size_t i = 0; i < n; i++) {
                if (*disks[i].detail == '\0')
                        continue;
                if (first)
                        (void) fputc('\n', f);
                first = false;
                table_put_text(f, disks[i].name);
                (void) fputs(": ", f);
                table_put_text(f, disks[i].detail);
                (void) fputc('\n', f);
        }
}

void table_print(FILE *f, const struct disk_report *disks, size_t n, bool colour) {
        size_t width[N_COLUMNS];
        char buf[CELL_MAX];

        assert(f && (disks || n == 0));

        if (n == 0)
                return;

        for (size_t c = 0; c < N_COLUMNS; c++) {
                width[c] = strlen(columns[c].title);
                for (size_t i = 0; i < n; i++)
                        width[c] = MAX(width[c], text_width(columns[c].cell(&disks[i], buf)));
        }
        width[N_COLUMNS - 1] = 0;

        for (size_t c = 0; c < N_COLUMNS; c++)
                put_cell(f, columns[c].title, width[c], NULL);
        (void) fputc('\n', f);

        for (size_t i = 0; i < n; i++) {
                for (size_t c = 0; c < N_COLUMNS; c++)
                        put_cell(f, columns[c].cell(&disks[i], buf), width[c],
                                 colour && columns[c].cell == cell_state
                                                 ? look_find(disks[i].state)->colour
                                                 : NULL);
                (void) fputc('\n', f);
        }
        put_details(f, disks, n);
}

/* Where the texts of table_print_disk() begin, behind the widest label. */
#define LABEL_WIDTH 11
#define INDENT (2 + LABEL_WIDTH)

/* Writes TEXT from column AT on, and breaks it between words where it would pass WIDTH: the lines
 * that follow begin at column INDENT. */
static void put_wrapped(FILE *f, const char *text, size_t at, size_t indent, size_t width) {
        for (bool first = true; *text; first = false) {
                const char *word = text + strspn(text, " "), *end = word + strcspn(word, " ");

                if (!first && width > 0 && at + part_width(text, end) > width) {
                        (void) fprintf(f, "\n%*s", (int) indent, "");
                        at = indent;
                        text = word;
                }
                put_part(f, text, end);
                at += part_width(text, end);
                text = end;
        }
}

static void put_label(FILE *f, const char *label) {
        (void) fprintf(f, "  %-*s", LABEL_WIDTH, label);
}

/* "sda  virtio_scsi 0:0:0:0, serial VUSCSI0": what is not known is left out. */
static void put_identity(FILE *f, const struct disk_report *d) {
        const char *separator = "  ";

        table_put_text(f, d->name);
        if (*d->driver) {
                (void) fputs(separator, f);
                table_put_text(f, d->driver);
                separator = " ";
        }
        if (*d->address) {
                (void) fputs(separator, f);
                table_put_text(f, d->address);
        }
        if (*d->serial) {
                (void) fputs(*d->driver || *d->address ? ", serial " : "  serial ", f);
                table_put_text(f, d->serial);
        }
        (void) fputc('\n', f);
}

static void put_state(FILE *f, const struct disk_report *d, bool colour, size_t width) {
        size_t n = strlen(d->state), at = INDENT + text_width(d->state);
        const char *detail = d->detail;

        /* Details of some states begin with their name. */
        if (n > 0 && strncmp(detail, d->state, n) == 0 && strncmp(detail + n, ": ", 2) == 0)
                detail += n + 2;

        put_label(f, "state");
        put_cell(f, d->state, 0, colour ? look_find(d->state)->colour : NULL);
        if (*detail) {
                (void) fputs(": ", f);
                at += 2;
        }
        put_wrapped(f, detail, at, INDENT, width);
        (void) fputc('\n', f);
}

static void put_row(FILE *f, const char *label, const char *text) {
        put_label(f, label);
        table_put_text(f, text);
        (void) fputc('\n', f);
}

static void put_signals(FILE *f, const struct client_show *show, bool colour, size_t width) {
        size_t widest = 0;

        if (show->n_signals > 0)
                (void) fputs("  seen through\n", f);
        for (size_t i = 0; i < show->n_signals; i++)
                widest = MAX(widest, text_width(show->signals[i].name));

        for (size_t i = 0; i < show->n_signals; i++) {
                const struct signal_report *signal = show->signals + i;
                /* In step with the next line: "    NAME  ! TEXT". */
                size_t at = 4 + widest + 4;
                const char *mark = signal->missing && colour ? ANSI_YELLOW : NULL;

                (void) fputs("    ", f);
                put_cell(f, signal->name, widest, NULL);
                (void) fprintf(f, "%s%s", mark ?: "", signal->missing ? "! " : "  ");
                put_wrapped(f, signal->text, at, at, width);
                (void) fprintf(f, "%s\n", mark ? ANSI_NORMAL : "");
        }
}

static void put_facts(FILE *f, const struct client_show *show, size_t width) {
        for (size_t i = 0; i < show->n_facts; i++) {
                const struct fact_report *fact = show->facts + i;
                size_t used = text_width(fact->name);

                (void) fputs("  ", f);
                table_put_text(f, fact->name);
                (void) fprintf(f, "%*s", used < LABEL_WIDTH ? (int) (LABEL_WIDTH - used) : 1, "");
                put_wrapped(f, fact->text, 2 + MAX(used + 1, (size_t) LABEL_WIDTH), INDENT, width);
                (void) fputc('\n', f);
        }
}

void table_print_disk(FILE *f, const struct client_show *show, bool colour, size_t width) {
        const struct disk_report *disk = &show->disk;
        char buf[CELL_MAX];

        assert(f && show);

        put_identity(f, disk);
        put_state(f, disk, colour, width);
        if (!none(disk->symptom))
                put_row(f, "symptom", disk->symptom);
        put_row(f, "in flight", cell_in_flight(disk, buf));
        if (disk->quiet > 0)
                put_row(f, "quiet", cell_quiet(disk, buf));
        put_row(f, "limit", cell_limit(disk, buf));
        put_row(f, "last act", none(disk->last_act) ? "none so far" : cell_last_act(disk, buf));
        put_row(f, "mounts", cell_mounts(disk, buf));
        put_facts(f, show, width);
        put_signals(f, show, colour, width);
}

/* "lun-reset of sda (0:0:0:0, serial VUSCSI0), 32 requests in flight, ..." */
static void put_target(FILE *f, const struct disk_report *disk, const char *rung) {
        char quiet[FORMAT_USEC_MAX];

        table_put_text(f, rung);
        (void) fputs(" of ", f);
        table_put_text(f, disk->name);
        (void) fputs(" (", f);
        table_put_text(f, disk->address);
        if (*disk->serial) {
                (void) fputs(", serial ", f);
                table_put_text(f, disk->serial);
        }
        (void) fprintf(f, "), %" PRIu32 " request%s in flight, ", disk->outstanding,
                       disk->outstanding == 1 ? "" : "s");
        if (disk->quiet > 0)
                (void) fprintf(f, "nothing completed for %s",
                               format_rough(quiet, sizeof(quiet), disk->quiet));
        else if (disk_healthy(disk))
                (void) fputs("no sign of a hang", f);
        else {
                (void) fputs("state ", f);
                table_put_text(f, disk->state);
        }
        (void) fprintf(f, ", %" PRIu32 " mounted filesystem%s:\n", disk->mounts,
                       disk->mounts == 1 ? "" : "s");
}

void table_print_plan(FILE *f, const struct disk_report *disk, const struct client_plan *plan,
                      size_t width) {
        assert(f && disk && plan);

        put_target(f, disk, plan->rung);
        for (size_t i = 0; plan->steps && plan->steps[i]; i++) {
                int at = fprintf(f, "  %zu. ", i + 1);

                put_wrapped(f, plan->steps[i], (size_t) MAX(at, 0), (size_t) MAX(at, 0), width);
                (void) fputc('\n', f);
        }
}
