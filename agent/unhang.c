/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* unhang, the command line: reads it, and has agent/ctl do the rest. */

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/ctl/verb.h"
#include "include/bus.h"

static bool arg_json = false;
static bool arg_force = false;
static bool arg_yes = false;

static void help(void) {
        (void) fputs("unhang [OPTIONS...] COMMAND ...\n"
                     "\n"
                     "Shows and resets the disks that unhangd guards.\n"
                     "\n"
                     "Commands:\n"
                     "  status [DISK...]  Show all disks, or those named (default)\n"
                     "  reset DISK        Reset a disk that hangs; wait for what comes of it\n"
                     "  help              Show this text\n"
                     "\n"
                     "Options:\n"
                     "  -h --help         Show this text\n"
                     "     --version      Show the version\n"
                     "     --json         status: write JSON\n"
                     "     --force        reset: also a disk that shows no sign of a hang\n"
                     "  -y --yes          reset: do not ask\n"
                     "\n"
                     "DISK is a kernel name, such as sda or /dev/sda.\n"
                     "\n"
                     "Exit status: 0 all is well, 1 error or refused, 2 usage, 3 unhangd is not\n"
                     "running, 4 some disk needs attention, 5 a reset did not bring the I/O back.\n"
                     "\n"
                     "See unhang(1) and unhangd(8).\n",
                     stdout);
}

static enum verb_result usage(const char *complaint, const char *what) {
        (void) fprintf(stderr, "unhang: %s%s%s%s. Try: unhang --help\n", complaint,
                       what ? " '" : "", what ?: "", what ? "'" : "");
        return VERB_USAGE;
}

/* Returns true to go on, or false when *ret is what to exit with. */
static bool parse_options(int argc, char **argv, enum verb_result *ret) {
        enum { ARG_VERSION = 0x100, ARG_JSON, ARG_FORCE };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "json", no_argument, NULL, ARG_JSON },
                { "force", no_argument, NULL, ARG_FORCE },
                { "yes", no_argument, NULL, 'y' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "hy", options, NULL)) >= 0)
                switch (c) {

                case 'h':
                        help();
                        *ret = VERB_OK;
                        return false;

                case ARG_VERSION:
                        (void) puts("unhang " UNHANG_VERSION);
                        *ret = VERB_OK;
                        return false;

                case ARG_JSON:
                        arg_json = true;
                        break;

                case ARG_FORCE:
                        arg_force = true;
                        break;

                case 'y':
                        arg_yes = true;
                        break;

                default:
                        /* getopt has said what is wrong. */
                        *ret = VERB_USAGE;
                        return false;
                }
        return true;
}

static enum verb_result run(int argc, char **argv) {
        enum verb_result result;
        struct verb_context context;
        const char *verb = "status";

        if (!parse_options(argc, argv, &result))
                return result;
        argc -= optind;
        argv += optind;
        if (argc > 0) {
                verb = argv[0];
                argc--;
                argv++;
        }

        context = (struct verb_context) {
                .socket = BUS_SOCKET,
                .in = stdin,
                .out = stdout,
                .err = stderr,
                .json = arg_json,
                .force = arg_force,
                .yes = arg_yes,
        };

        if (strcmp(verb, "help") == 0) {
                help();
                return VERB_OK;
        }
        if (strcmp(verb, "status") == 0) {
                if (arg_force || arg_yes)
                        return usage("--force and --yes are for reset", NULL);
                return verb_status(&context, argv, (size_t) argc);
        }
        if (strcmp(verb, "reset") == 0) {
                if (arg_json)
                        return usage("--json is for status", NULL);
                if (argc != 1)
                        return usage("reset takes one disk", NULL);
                return verb_reset(&context, argv[0]);
        }
        return usage("unknown command", verb);
}

int main(int argc, char **argv) {
        enum verb_result result = run(argc, argv);

        /* Half an answer must not look like a whole one. */
        if (fflush(stdout) != 0 || ferror(stdout)) {
                (void) fputs("unhang: cannot write the output\n", stderr);
                return VERB_ERROR;
        }
        return (int) result;
}
