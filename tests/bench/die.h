/* SPDX-License-Identifier: MIT */
#ifndef BENCH_DIE_H
#define BENCH_DIE_H

/* One line to standard error, after the program's name, and its end. */
void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...);

#endif
