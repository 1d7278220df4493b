/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

_Thread_local int64_t clock_held_ns;
