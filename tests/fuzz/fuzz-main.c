/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "agent/base/macro.h"
#include "tests/fuzz/fuzz.h"

static void closedirp(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

static int try_file(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0, room = 0;

        if (!f)
                return -errno;
        do {
                uint8_t *more = realloc(data, room += 65536);

                if (!more)
                        return -ENOMEM;
                data = more;
                size += fread(data + size, 1, room - size, f);
        } while (size == room);
        if (ferror(f))
                return -EIO;
        (void) LLVMFuzzerTestOneInput(data, size);
        return 0;
}

/* Returns how many files of the directory were tried, or a negative errno. */
static int try_directory(const char *path) {
        _cleanup_(closedirp) DIR *d = opendir(path);
        const struct dirent *entry;
        int n = 0;

        if (!d)
                return -errno;
        while ((entry = readdir(d))) {
                char file[PATH_MAX];
                int r;

                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
                r = try_file(file);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

/* Each argument is a directory of samples. One without any is a mistake, not a success. */
int main(int argc, char *argv[]) {
        for (int i = 1; i < argc; i++) {
                int n = try_directory(argv[i]);

                if (n <= 0) {
                        (void) fprintf(stderr, "%s: %s\n", argv[i],
                                       n < 0 ? strerror(-n) : "holds no samples");
                        return EXIT_FAILURE;
                }
                (void) printf("%s: %d samples\n", argv[i], n);
        }
        return EXIT_SUCCESS;
}
