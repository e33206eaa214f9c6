/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/ctl/client.h"
#include "agent/ctl/table.h"
#include "agent/ctl/tree.h"

/* Wider names than this push what follows them to the right. */
#define NAME_WIDTH_MAX 48

/* No stack is so deep; whoever answers on the socket must not be able to fill the screen. */
#define DEPTH_MAX 64U

/* What a word of the daemon means. One that a later daemon may know is shown as it is. */
static const struct {
        const char *kind, *phrase;
} phrases[] = {
        { "disk", "serial" },
        { "lvm", "LVM volume" },
        { "crypt", "encrypted volume" },
        { "dm-raid", "RAID volume" },
        { "dm", "device mapper" },
        { "drbd", "DRBD" },
        { "loop", "loop device on" },
        { "device", "" },
};

static const char *phrase_of(const char *kind) {
        for (size_t i = 0; i < ELEMENTSOF(phrases); i++)
                if (strcmp(phrases[i].kind, kind) == 0)
                        return phrases[i].phrase;
        return kind;
}

static bool is(const struct node_report *node, const char *kind) {
        return strcmp(node->kind, kind) == 0;
}

/* A mount is known by its place, swap by its node or file. */
static const char *name_of(const struct node_report *node) {
        return is(node, "mount") || is(node, "swap") ? node->text : node->name;
}

static const char *text_of(const struct node_report *node) {
        return name_of(node) == node->text || is(node, "filesystem") ? "" : node->text;
}

static size_t indent_of(const struct node_report *node, uint32_t from) {
        return 2 * (size_t) MIN(node->depth - from, DEPTH_MAX);
}

static size_t width_of(const struct node_report *node, uint32_t from) {
        return indent_of(node, from) + strlen(name_of(node));
}

/* A disk without a serial, and a device of no known kind, have nothing to be told. */
static bool has_words(const struct node_report *node) {
        return *text_of(node) || *node->note || (!is(node, "disk") && *phrase_of(node->kind));
}

static void put_words(FILE *f, const struct node_report *node) {
        const char *phrase = phrase_of(node->kind), *text = text_of(node);

        table_put_text(f, phrase);
        if (*text) {
                (void) fputs(*phrase ? " " : "", f);
                table_put_text(f, text);
        }
        if (*node->note) {
                (void) fputs(*phrase || *text ? ", " : "", f);
                table_put_text(f, node->note);
        }
}

static void put_node(FILE *f, const struct node_report *node, uint32_t from, size_t widest) {
        size_t width = width_of(node, from);

        (void) fprintf(f, "%*s", (int) indent_of(node, from), "");
        table_put_text(f, name_of(node));
        if (has_words(node)) {
                (void) fprintf(f, "%*s", (int) (width < widest ? widest - width + 2 : 2), "");
                put_words(f, node);
        }
        (void) fputc('\n', f);
}

/* Writes the nodes from depth FROM on, each line after INDENT. */
static void put_nodes(FILE *f, const struct client_stack *stack, uint32_t from,
                      const char *indent) {
        size_t widest = 0;

        for (size_t i = 0; i < stack->n_nodes; i++)
                if (stack->nodes[i].depth >= from)
                        widest = MAX(widest, width_of(stack->nodes + i, from));
        widest = MIN(widest, (size_t) NAME_WIDTH_MAX);

        for (size_t i = 0; i < stack->n_nodes; i++) {
                if (stack->nodes[i].depth < from)
                        continue;
                (void) fputs(indent, f);
                put_node(f, stack->nodes + i, from, widest);
        }
}

static void put_owners(FILE *f, const struct stack_report *report, const char *indent) {
        for (size_t i = 0; i < report->n_owners; i++) {
                (void) fputs(i == 0 ? indent : ", ", f);
                (void) fputs(i == 0 ? "looked after by " : "", f);
                table_put_text(f, report->owners[i]);
        }
        if (report->n_owners > 0)
                (void) fputc('\n', f);
}

void tree_print(FILE *f, const struct client_stack *stack) {
        assert(f && stack);

        put_owners(f, &stack->report, "  ");
        (void) fputs("  stands on it\n", f);
        put_nodes(f, stack, 1, "    ");
        if (!stack->report.complete)
                (void) fputs("    ! and perhaps more: not all could be read\n", f);
        else if (stack->n_nodes <= 1)
                (void) fputs("    nothing\n", f);
}

static void put_count(FILE *f, uint32_t n, const char *one, const char *many) {
        if (n > 0)
                (void) fprintf(f, ", %" PRIu32 " %s", n, n == 1 ? one : many);
}

void tree_print_radius(FILE *f, const char *disk, const struct client_stack *stack) {
        const struct radius *a;

        assert(f && disk && stack);

        a = &stack->report.radius;
        (void) fputs("A reset of ", f);
        table_put_text(f, *stack->report.domain ? stack->report.domain : disk);
        (void) fprintf(f, " can freeze %" PRIu32 " disk%s", a->disks, a->disks == 1 ? "" : "s");
        put_count(f, a->partitions, "partition", "partitions");
        put_count(f, a->volumes, "volume", "volumes");
        put_count(f, a->filesystems, "filesystem", "filesystems");
        put_count(f, a->mounts, "mount", "mounts");
        put_count(f, a->swaps, "swap area", "swap areas");
        (void) fputs(":\n", f);
        put_nodes(f, stack, 0, "  ");
        if (!stack->report.complete)
                (void) fputs("  ! and perhaps more: not all could be read\n", f);
        put_owners(f, &stack->report, "");
}
