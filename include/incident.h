/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The life of a disk in trouble: fine states, in which decide counts, and the words for people that
 * stand for them. */

enum incident_state {
        INCIDENT_HEALTHY,
        INCIDENT_SUSPECT,    /* something lasts for the warning limit */
        INCIDENT_REPORTED,   /* it lasts for its limit, and there is no act for it but to say so */
        INCIDENT_ACTING,     /* a cure is under way */
        INCIDENT_UNCURED,    /* it was refused, or is all we may do; tried again later */
        INCIDENT_SETTLING,   /* cure done: will the I/O move? */
        INCIDENT_VERIFYING,  /* it moved: will a read come back? */
        INCIDENT_CHECKING,   /* a read came back: are its filesystems alive? */
        INCIDENT_CLEARING,   /* not all: those that died are being unmounted */
        INCIDENT_HELD,       /* that, or the mount, did not work; tried again after a while */
        INCIDENT_REVIVING,   /* what was unmounted is being mounted again */
        INCIDENT_RECOVERED,  /* all clear; healthy at the next sample */
        INCIDENT_FAILING,    /* the rung that fails the disk is under way */
        INCIDENT_ENDING,     /* as that, while a controller reset does not return */
        INCIDENT_FINISHING,  /* the failed controller is being removed */
        INCIDENT_RESTORING,  /* what a step has changed that does not return is being put back */
        INCIDENT_DRAINING,   /* failed: will the in-flight I/O end? */
        INCIDENT_UNDRAINED,  /* it did not end; tried again after a while */
        INCIDENT_SHUTTING,   /* filesystems are being shut down */
        INCIDENT_UNMOUNTING, /* filesystems are being unmounted */
        INCIDENT_BUSY,       /* unmount found users; tried again after a while */
        INCIDENT_FAILED,     /* failed cleanly; waits for the next try to bring the disk back */
        INCIDENT_RETURNING,  /* that try: running + probe, or a rescan */
        INCIDENT_AWAITING,   /* after the rescan: will the disk appear? */
        INCIDENT_MOUNTING,   /* the disk answers: filesystems are being mounted again */
        INCIDENT_CONTAINING, /* nothing ends its I/O: filesystems are being shut down over it */
        INCIDENT_CONTAINED,  /* done: new I/O ends with EIO, what was in flight still hangs */
        INCIDENT_FENCING,    /* the machine is being given up */
        _INCIDENT_STATE_MAX,
};

/* How an act ended, as far as it can be known. */
enum outcome {
        OUTCOME_NONE,      /* not yet known */
        OUTCOME_RECOVERED, /* counters move and a read came back */
        OUTCOME_NO_CHANGE, /* carried out, but the I/O stays where it was */
        OUTCOME_REFUSED,   /* the device or the kernel would not do it */
        OUTCOME_TIMED_OUT, /* the executor has not returned within the deadline */
        OUTCOME_GONE,      /* the disk was removed meanwhile */
        OUTCOME_FAILED,    /* the disk was failed on purpose: its I/O ends with EIO */
        _OUTCOME_MAX,
};
