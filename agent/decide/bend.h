/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of the ladder tells which state follows which, for any disk. What can be done to this
 * one, what its policy allows and what stands on it bend the way. Pure. */

#include "agent/decide/ladder.h"

/* The state that is entered where the table has NEXT. */
enum incident_state ladder_bend(const struct ladder *ladder, const struct plan *plan,
                                enum incident_state next, enum footing footing);
