/* SPDX-License-Identifier: MIT */
/*
 * Included last by every file of user/stun/ and user/turn/: bytes and a clock
 * go in, effects come out. The compiler refuses what would break that.
 */
#ifndef TP_PURE_H
#define TP_PURE_H

#pragma GCC poison socket bind listen accept accept4 connect
#pragma GCC poison send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
#pragma GCC poison time gettimeofday clock_gettime getrandom
#pragma GCC poison open openat fopen ioctl setsockopt

#endif
