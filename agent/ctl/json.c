/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "agent/ctl/client.h"
#include "agent/ctl/json.h"
#include "agent/ctl/table.h"

/* Writes the character at P, which is not the end; returns its length. */
static size_t put_char(FILE *f, const char *p) {
        size_t n = bus_char_length(p);

        if (n == 0) {
                (void) fputs("\\ufffd", f);
                return 1;
        }
        if (*p == '"' || *p == '\\')
                (void) fprintf(f, "\\%c", *p);
        else if (n == 1 && ((unsigned char) *p < 0x20 || *p == 0x7f))
                (void) fprintf(f, "\\u%04x", (unsigned) *p);
        else
                (void) fwrite(p, 1, n, f);
        return n;
}

void json_put_string(FILE *f, const char *text) {
        assert(f && text);

        (void) fputc('"', f);
        while (*text)
                text += put_char(f, text);
        (void) fputc('"', f);
}

static void put_text(FILE *f, const char *key, const char *text) {
        (void) fprintf(f, "\"%s\":", key);
        json_put_string(f, text);
        (void) fputc(',', f);
}

/* As put_text(), for a text that is "-" when there is none. */
static void put_optional(FILE *f, const char *key, const char *text) {
        if (*text == '\0' || strcmp(text, "-") == 0)
                (void) fprintf(f, "\"%s\":null,", key);
        else
                put_text(f, key, text);
}

static void put_usec(FILE *f, const char *key, usec_t t) {
        if (t == USEC_INFINITY)
                (void) fprintf(f, "\"%s\":null,", key);
        else
                (void) fprintf(f, "\"%s\":%" PRIu64 ",", key, t);
}

/* The members of a disk's object, without its braces. */
static void put_disk(FILE *f, const struct disk_report *d) {
        put_text(f, "name", d->name);
        put_text(f, "driver", d->driver);
        put_text(f, "address", d->address);
        put_text(f, "serial", d->serial);
        put_text(f, "state", d->state);
        (void) fprintf(f, "\"healthy\":%s,\"in_flight\":%" PRIu32 ",",
                       disk_healthy(d) ? "true" : "false", d->outstanding);
        put_optional(f, "symptom", d->symptom);
        put_text(f, "detail", d->detail);
        put_usec(f, "quiet_usec", d->quiet);
        put_usec(f, "limit_usec", d->limit);
        put_optional(f, "last_act", d->last_act);
        put_optional(f, "last_outcome", d->last_outcome);
        put_usec(f, "last_ago_usec", d->last_ago);
        (void) fprintf(f, "\"mounts\":%" PRIu32, d->mounts);
}

void json_print(FILE *f, const struct client_status *status) {
        assert(f && status);

        (void) fputc('{', f);
        put_text(f, "version", status->version);
        (void) fprintf(f, "\"dropped\":%" PRIu64 ",\"disks\":[", status->dropped);
        for (size_t i = 0; i < status->n_disks; i++) {
                (void) fputs(i > 0 ? ",\n{" : "\n{", f);
                put_disk(f, &status->disks[i]);
                (void) fputc('}', f);
        }
        (void) fputs(status->n_disks > 0 ? "\n]}\n" : "]}\n", f);
}

static void put_node(FILE *f, const struct node_report *node) {
        (void) fprintf(f, "{\"depth\":%" PRIu32 ",", node->depth);
        put_text(f, "kind", node->kind);
        put_text(f, "name", node->name);
        put_optional(f, "text", node->text);
        put_optional(f, "note", node->note);
        put_optional(f, "number", node->number);
        if (node->space == 0)
                (void) fputs("\"namespace\":null,", f);
        else
                (void) fprintf(f, "\"namespace\":%" PRIu64 ",", node->space);
        if (node->pid == 0)
                (void) fputs("\"pid\":null}", f);
        else
                (void) fprintf(f, "\"pid\":%" PRIu32 "}", node->pid);
}

/* The members of a stack, without the braces. */
static void put_stack(FILE *f, const struct client_stack *stack) {
        (void) fputs("\"owners\":[", f);
        for (size_t i = 0; i < stack->report.n_owners; i++) {
                (void) fputs(i > 0 ? "," : "", f);
                json_put_string(f, stack->report.owners[i]);
        }
        (void) fprintf(f, "],\"complete\":%s,\"stack\":[",
                       stack->report.complete ? "true" : "false");
        for (size_t i = 0; i < stack->n_nodes; i++) {
                (void) fputs(i > 0 ? ",\n" : "\n", f);
                put_node(f, stack->nodes + i);
        }
        (void) fputs(stack->n_nodes > 0 ? "\n]" : "]", f);
}

void json_print_radius(FILE *f, const char *disk, const struct client_stack *stack) {
        const struct radius *a;

        assert(f && disk && stack);

        a = &stack->report.radius;
        (void) fputc('{', f);
        put_text(f, "disk", disk);
        put_optional(f, "domain", stack->report.domain);
        (void) fprintf(f,
                       "\"disks\":%" PRIu32 ",\"partitions\":%" PRIu32 ",\"volumes\":%" PRIu32
                       ",\"filesystems\":%" PRIu32 ",\"mounts\":%" PRIu32 ",\"swaps\":%" PRIu32
                       ",",
                       a->disks, a->partitions, a->volumes, a->filesystems, a->mounts, a->swaps);
        put_stack(f, stack);
        (void) fputs("}\n", f);
}

static void put_signals(FILE *f, const struct client_show *show) {
        (void) fputs(",\"signals\":[", f);
        for (size_t i = 0; i < show->n_signals; i++) {
                (void) fputs(i > 0 ? ",\n{" : "\n{", f);
                put_text(f, "name", show->signals[i].name);
                put_text(f, "text", show->signals[i].text);
                (void) fprintf(f, "\"missing\":%s}", show->signals[i].missing ? "true" : "false");
        }
        (void) fputs(show->n_signals > 0 ? "\n]," : "],", f);
}

static void put_facts(FILE *f, const struct client_show *show) {
        (void) fputs("\"facts\":[", f);
        for (size_t i = 0; i < show->n_facts; i++) {
                (void) fputs(i > 0 ? ",\n{" : "\n{", f);
                put_text(f, "name", show->facts[i].name);
                (void) fputs("\"text\":", f);
                json_put_string(f, show->facts[i].text);
                (void) fputc('}', f);
        }
        (void) fputs(show->n_facts > 0 ? "\n]," : "],", f);
}

void json_print_disk(FILE *f, const struct client_show *show, const struct client_stack *stack) {
        assert(f && show && stack);

        (void) fputc('{', f);
        put_disk(f, &show->disk);
        put_signals(f, show);
        put_facts(f, show);
        put_stack(f, stack);
        (void) fputs("}\n", f);
}
