/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agent/decide/names.h"

static const char *const step_names[_STEP_MAX] = {
        [STEP_NONE] = "-",
        [STEP_LUN_RESET] = "lun-reset",
        [STEP_TARGET_RESET] = "target-reset",
        [STEP_BUS_RESET] = "bus-reset",
        [STEP_HOST_RESET] = "host-reset",
        [STEP_OFFLINE] = "offline",
        [STEP_CONTROLLER_RESET] = "controller-reset",
        [STEP_CONTROLLER_FAIL] = "controller-fail",
        [STEP_CONTROLLER_END] = "controller-end",
        [STEP_CONTROLLER_REMOVE] = "controller-remove",
        [STEP_CONTROLLER_RESTORE] = "controller-restore",
        [STEP_CONTROLLER_RESCAN] = "controller-rescan",
        [STEP_PROBE] = "probe",
        [STEP_FS_CHECK] = "check-filesystem",
        [STEP_FS_CLEAR] = "clear-filesystem",
        [STEP_FS_SHUTDOWN] = "shutdown-filesystem",
        [STEP_FS_UMOUNT] = "unmount",
        [STEP_RUNNING] = "running",
        [STEP_FS_MOUNT] = "mount",
        [STEP_FENCE] = "fence",
};

static const char *const outcome_names[_OUTCOME_MAX] = {
        [OUTCOME_NONE] = "-",
        [OUTCOME_RECOVERED] = "recovered",
        [OUTCOME_NO_CHANGE] = "no-change",
        [OUTCOME_REFUSED] = "refused",
        [OUTCOME_TIMED_OUT] = "timed-out",
        [OUTCOME_GONE] = "gone",
        [OUTCOME_FAILED] = "failed",
};

static const char *const symptom_names[_SYMPTOM_MAX] = {
        [SYMPTOM_NONE] = "-",
        [SYMPTOM_STALLED] = "stalled",
        [SYMPTOM_STUCK_REQUEST] = "stuck-request",
        [SYMPTOM_SATURATED] = "saturated",
        [SYMPTOM_CONTROLLER_STUCK] = "controller-stuck",
};

static const char *const state_names[_INCIDENT_STATE_MAX] = {
        [INCIDENT_HEALTHY] = "healthy",
        [INCIDENT_SUSPECT] = "suspect",
        [INCIDENT_REPORTED] = "reported",
        [INCIDENT_ACTING] = "acting",
        [INCIDENT_UNCURED] = "uncured",
        [INCIDENT_SETTLING] = "settling",
        [INCIDENT_VERIFYING] = "verifying",
        [INCIDENT_CHECKING] = "checking",
        [INCIDENT_CLEARING] = "clearing",
        [INCIDENT_HELD] = "held",
        [INCIDENT_REVIVING] = "reviving",
        [INCIDENT_RECOVERED] = "recovered",
        [INCIDENT_FAILING] = "failing",
        [INCIDENT_ENDING] = "ending",
        [INCIDENT_FINISHING] = "finishing",
        [INCIDENT_RESTORING] = "restoring",
        [INCIDENT_DRAINING] = "draining",
        [INCIDENT_UNDRAINED] = "undrained",
        [INCIDENT_SHUTTING] = "shutting",
        [INCIDENT_UNMOUNTING] = "unmounting",
        [INCIDENT_BUSY] = "busy",
        [INCIDENT_FAILED] = "failed",
        [INCIDENT_RETURNING] = "returning",
        [INCIDENT_AWAITING] = "awaiting",
        [INCIDENT_MOUNTING] = "mounting",
        [INCIDENT_CONTAINING] = "containing",
        [INCIDENT_CONTAINED] = "contained",
        [INCIDENT_FENCING] = "fencing",
};

static const char *const owner_names[_DISK_OWNER_MAX] = {
        [OWNER_MULTIPATH] = "multipath",
        [OWNER_MD] = "md",
        [OWNER_DM_RAID] = "dm-raid",
        [OWNER_DRBD] = "drbd",
        [OWNER_ISCSI] = "iscsi",
        [OWNER_SBD] = "sbd",
        [OWNER_SANLOCK] = "sanlock",
        [OWNER_RESERVATION] = "reservation",
        [OWNER_CLUSTER] = "cluster",
};

static const char *const owner_reasons[_DISK_OWNER_MAX] = {
        [OWNER_MULTIPATH] = "it is one of the paths of a multipath device, which fails over",
        [OWNER_MD] = "it is part of an md array, which goes its own way if a disk fails",
        [OWNER_DM_RAID] = "it is part of a RAID volume, which goes its own way if a disk fails",
        [OWNER_DRBD] = "DRBD stands on it, which goes its own way if a disk fails",
        [OWNER_ISCSI] = "it is reached by iSCSI, whose session iscsid recovers",
        [OWNER_SBD] = "sbd has it open, which fences the machine when it does not answer",
        [OWNER_SANLOCK] = "sanlock has leases on it, which it renews or loses",
        [OWNER_RESERVATION] = "a persistent reservation is held on it, which a reset may touch",
        [OWNER_CLUSTER] = "a cluster uses it, and has to decide who may write to it",
};

static const struct {
        const char *name;
        int error;
} returns[] = {
        { "ok", 0 },
        { "again", -EAGAIN },
        { "refused", -EIO },
        { "busy", -EBUSY },
        { "impossible", -EINVAL },
        { "unsupported", -ENOTTY },
        { "died", -EPIPE },
};

static int from_string(const char *const *table, int n, const char *name) {
        assert(name);

        for (int i = 0; i < n; i++)
                if (strcmp(table[i], name) == 0)
                        return i;
        return -EINVAL;
}

const char *step_to_string(enum step step) {
        assert(step < _STEP_MAX);

        return step_names[step];
}

int step_from_string(const char *name) {
        return from_string(step_names, _STEP_MAX, name);
}

const char *return_to_string(int error) {
        for (size_t i = 0; i < sizeof(returns) / sizeof(returns[0]); i++)
                if (returns[i].error == error)
                        return returns[i].name;
        return "refused";
}

int return_from_string(const char *name, int *ret) {
        assert(name && ret);

        for (size_t i = 0; i < sizeof(returns) / sizeof(returns[0]); i++)
                if (strcmp(returns[i].name, name) == 0) {
                        *ret = returns[i].error;
                        return 0;
                }
        return -EINVAL;
}

const char *outcome_to_string(enum outcome outcome) {
        assert(outcome < _OUTCOME_MAX);

        return outcome_names[outcome];
}

const char *symptom_to_string(enum symptom_kind kind) {
        assert(kind < _SYMPTOM_MAX);

        return symptom_names[kind];
}

const char *owner_to_string(enum disk_owner owner) {
        assert(owner < _DISK_OWNER_MAX);

        return owner_names[owner];
}

const char *owner_reason(enum disk_owner owner) {
        assert(owner < _DISK_OWNER_MAX);

        return owner_reasons[owner];
}

int owner_from_string(const char *name) {
        return from_string(owner_names, _DISK_OWNER_MAX, name);
}

const char *incident_state_to_string(enum incident_state state) {
        assert(state < _INCIDENT_STATE_MAX);

        return state_names[state];
}

int incident_state_from_string(const char *name) {
        return from_string(state_names, _INCIDENT_STATE_MAX, name);
}
