/* SPDX-License-Identifier: MIT */
/* The value of FINGERPRINT; inside user/stun/ only. */
#ifndef TP_STUN_FINGERPRINT_H
#define TP_STUN_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* RFC 8489 section 14.7, over the len bytes in front of the attribute; host order. */
uint32_t stun_fingerprint(const uint8_t *raw, size_t len);

#endif
