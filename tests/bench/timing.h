/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the timing program and its loader share. */
#ifndef TIMING_H
#define TIMING_H

/* No frame is shorter, and nothing behind them is written by a data path. */
#define TIMING_HEADERS	128

#endif
