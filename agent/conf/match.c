/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "agent/conf/key.h"
#include "agent/conf/match.h"

/* One of the words of a value is copied to be matched. */
#define WORD_MAX 256

enum {
        DRIVER,
        VENDOR,
        MODEL,
        SERIAL,
        WWID,
        PATH,
        DEVICE,
        TRANSPORT,
        FILE_SYSTEM,
        MOUNT_POINT,
};

const struct conf_match_key conf_match_keys[CONF_MATCH_KEYS] = {
        [DRIVER] = { "Driver", MATCH_GLOBS,
                     "The kernel's driver: virtio_scsi, nvme, hv_storvsc, vmw_pvscsi,\n"
                     "virtio_blk, vbd, dm, md; as \"unhang status\" shows it." },
        [VENDOR] = { "Vendor", MATCH_GLOBS, "udev's ID_VENDOR, such as VMware." },
        [MODEL] = { "Model", MATCH_GLOBS,
                    "udev's ID_MODEL, such as Virtual_disk. A ? stands for a blank." },
        [SERIAL] = { "Serial", MATCH_GLOBS, "udev's ID_SERIAL or ID_SERIAL_SHORT." },
        [WWID] = { "WWID", MATCH_GLOBS, "udev's ID_WWN or ID_WWN_WITH_EXTENSION." },
        [PATH] = { "Path", MATCH_GLOBS,
                   "udev's ID_PATH, such as pci-0000:00:10.0-scsi-0:0:0:0." },
        [DEVICE] = { "Device", MATCH_GLOBS,
                     "The disk's node or a link to it: /dev/sd*,\n"
                     "/dev/disk/by-id/scsi-*." },
        [TRANSPORT] = { "Transport", MATCH_GLOBS,
                        "How it is attached: virtio, nvme, xen, iscsi, fc, sas, ata, usb, scsi." },
        [FILE_SYSTEM] = { "FileSystem", MATCH_GLOBS,
                          "The type of a filesystem that is mounted from it: ext4, xfs." },
        [MOUNT_POINT] = { "MountPoint", MATCH_GLOBS,
                          "Where one is mounted: /, /var/lib/mysql*." },
        { "SizeMinBytes", MATCH_SIZE_MIN, "The disk has at least this size." },
        { "SizeMaxBytes", MATCH_SIZE_MAX, "The disk has at most this size." },
        { "Rotational", MATCH_YES_NO,
          "Whether the kernel holds it for a disk that turns." },
        { "Property", MATCH_PROPERTIES,
          "udev properties, NAME=GLOB, all of which the disk must have." },
};

/* Whether the N bytes at GLOB match TEXT. */
static bool glob_matches(const char *glob, size_t n, const char *text) {
        char word[WORD_MAX];

        if (n >= sizeof(word))
                return false;
        memcpy(word, glob, n);
        word[n] = '\0';
        return fnmatch(word, text, 0) == 0;
}

static const char *next_word(const char *p, size_t *ret_length) {
        p += strspn(p, " \t");
        *ret_length = strcspn(p, " \t");
        return *ret_length > 0 ? p : NULL;
}

static bool any_glob(const char *globs, const char *text) {
        size_t n;

        for (const char *p = globs; text && (p = next_word(p, &n)); p += n)
                if (glob_matches(p, n, text))
                        return true;
        return false;
}

/* ---- what the keys look at ---- */

static const char *property(const struct conf_facts *facts, const char *name) {
        return properties_get(facts->properties, name);
}

static bool any_property(const struct conf_facts *facts, const char *globs, const char *a,
                         const char *b) {
        return any_glob(globs, property(facts, a)) || any_glob(globs, property(facts, b));
}

static bool any_mount(const struct conf_facts *facts, const char *globs, bool target) {
        for (size_t i = 0; i < facts->n_mounts; i++)
                if (any_glob(globs, target ? facts->mounts[i].target : facts->mounts[i].type))
                        return true;
        return false;
}

/* The links are parted by blanks, too. */
static bool any_node(const struct conf_facts *facts, const char *globs) {
        const char *links = property(facts, "DEVLINKS");
        char link[1024];
        size_t n;

        if (any_glob(globs, property(facts, "DEVNAME")))
                return true;
        for (const char *p = links; p && (p = next_word(p, &n)); p += n) {
                (void) snprintf(link, sizeof(link), "%.*s", (int) n, p);
                if (n < sizeof(link) && any_glob(globs, link))
                        return true;
        }
        return false;
}

/* What systemd-udevd's path_id builtin writes into the path
 * (src/udev/udev-builtin-path_id.c). */
const char *conf_transport(const struct conf_facts *facts) {
        static const char *const parts[][2] = {
                { "-iscsi-", "iscsi" }, { "-fc-", "fc" }, { "-sas-", "sas" },
                { "-ata-", "ata" },     { "-usb-", "usb" },
        };
        const char *path, *bus;

        assert(facts);

        path = property(facts, "ID_PATH");
        bus = property(facts, "ID_BUS");
        for (size_t i = 0; path && i < ELEMENTSOF(parts); i++)
                if (strstr(path, parts[i][0]))
                        return parts[i][1];
        if (facts->id->kind == DISK_NVME)
                return "nvme";
        if (strncmp(facts->id->driver, "virtio_", strlen("virtio_")) == 0)
                return "virtio";
        if (strcmp(facts->id->driver, "vbd") == 0 ||
            strncmp(facts->id->driver, "xen-", strlen("xen-")) == 0)
                return "xen";
        return bus ? bus : facts->id->kind == DISK_SCSI ? "scsi" : "";
}

static bool globs_match(size_t key, const char *globs, const struct conf_facts *facts) {
        switch (key) {
        case DRIVER:
                return any_glob(globs, facts->id->driver);
        case VENDOR:
                return any_glob(globs, property(facts, "ID_VENDOR"));
        case MODEL:
                return any_glob(globs, property(facts, "ID_MODEL"));
        case SERIAL:
                return any_property(facts, globs, "ID_SERIAL", "ID_SERIAL_SHORT");
        case WWID:
                return any_property(facts, globs, "ID_WWN", "ID_WWN_WITH_EXTENSION");
        case PATH:
                return any_glob(globs, property(facts, "ID_PATH"));
        case DEVICE:
                return any_node(facts, globs);
        case TRANSPORT:
                return any_glob(globs, conf_transport(facts));
        case FILE_SYSTEM:
                return any_mount(facts, globs, false);
        case MOUNT_POINT:
                return any_mount(facts, globs, true);
        default:
                return false;
        }
}

static bool properties_match(const char *words, const struct conf_facts *facts) {
        char name[WORD_MAX];
        size_t n;

        for (const char *p = words; (p = next_word(p, &n)); p += n) {
                size_t length = strcspn(p, "=");
                const char *value;

                (void) snprintf(name, sizeof(name), "%.*s", (int) length, p);
                value = property(facts, name);
                if (!value || !glob_matches(p + length + 1, n - length - 1, value))
                        return false;
        }
        return true;
}

/* ---- values that are no globs ---- */

int conf_parse_size(const char *text, uint64_t *ret) {
        static const char units[] = "KMGTP";
        uint64_t n = 0, unit = 1;
        const char *at;

        assert(text && ret);

        if (*text < '0' || *text > '9')
                return -EINVAL;
        for (; *text >= '0' && *text <= '9'; text++)
                if (__builtin_mul_overflow(n, (uint64_t) 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t) (*text - '0'), &n))
                        return -EINVAL;
        at = *text ? strchr(units, *text) : NULL;
        if (at) {
                unit = (uint64_t) 1 << 10 * (at - units + 1);
                text++;
        }
        if (*text || __builtin_mul_overflow(n, unit, &n))
                return -EINVAL;
        *ret = n;
        return 0;
}

static bool size_matches(const char *text, const struct conf_facts *facts, bool at_least) {
        uint64_t size, limit;

        size = facts->properties->bytes;
        if (size == 0 || conf_parse_size(text, &limit) < 0)
                return false;
        return at_least ? size >= limit : size <= limit;
}

/* The kernel's answer comes by way of udev's rules, for this queue attribute can block. */
static bool rotational_matches(const char *text, const struct conf_facts *facts) {
        const char *value = property(facts, "UNHANG_ROTATIONAL");
        int yes = value ? conf_parse_yes_no(value) : -ENODATA;

        return yes >= 0 && yes == conf_parse_yes_no(text);
}

static bool words_are_properties(const char *words) {
        size_t n;

        for (const char *p = words; (p = next_word(p, &n)); p += n) {
                size_t length = strcspn(p, "=");

                if (length == 0 || length >= n || length >= WORD_MAX)
                        return false;
        }
        return true;
}

static bool is_list(enum conf_match_type type) {
        return type == MATCH_GLOBS || type == MATCH_PROPERTIES;
}

/* A "!" before the words turns what follows around. */
static const char *after_not(const char *value, bool *ret_not) {
        *ret_not = *value == '!';
        return value + *ret_not + strspn(value + *ret_not, " \t");
}

int conf_match_check(const struct conf_match_key *key, const char *value) {
        uint64_t size;
        bool not;

        assert(key && value);

        switch (key->type) {
        case MATCH_GLOBS:
                return *after_not(value, &not) ? 0 : -EINVAL;
        case MATCH_PROPERTIES:
                value = after_not(value, &not);
                return *value && words_are_properties(value) ? 0 : -EINVAL;
        case MATCH_YES_NO:
                return conf_parse_yes_no(value) < 0 ? -EINVAL : 0;
        default:
                return conf_parse_size(value, &size);
        }
}

const char *conf_match_allowed(const struct conf_match_key *key) {
        assert(key);

        switch (key->type) {
        case MATCH_GLOBS:
                return "one or more globs, parted by blanks, with ! before them for all others";
        case MATCH_PROPERTIES:
                return "one or more of NAME=GLOB, parted by blanks, with ! before them for all "
                       "others";
        case MATCH_YES_NO:
                return "yes or no";
        default:
                return "a size in bytes, such as 512M, 10G or 2T";
        }
}

static bool key_matches(size_t i, const char *value, const struct conf_facts *facts) {
        enum conf_match_type type = conf_match_keys[i].type;
        bool not = false;

        if (is_list(type))
                value = after_not(value, &not);
        switch (type) {
        case MATCH_GLOBS:
                return globs_match(i, value, facts) != not;
        case MATCH_PROPERTIES:
                return properties_match(value, facts) != not;
        case MATCH_YES_NO:
                return rotational_matches(value, facts);
        default:
                return size_matches(value, facts, type == MATCH_SIZE_MIN);
        }
}

bool conf_match(const struct conf_match *match, const struct conf_facts *facts) {
        assert(match && facts);

        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (match->values[i] && !key_matches(i, match->values[i], facts))
                        return false;
        return true;
}
