/* SPDX-License-Identifier: MIT */
/*
 * For sparse only: byte order functions with the kernel's bitwise types, which
 * the C library's have not. Sparse then tells network order from host order.
 */
#ifndef TP_SPARSE_H
#define TP_SPARSE_H

#include <linux/types.h>
#include <endian.h>
#include <netinet/in.h>

#define __force __attribute__((force))

#undef htons
#undef ntohs
#undef htonl
#undef ntohl
#undef htobe16
#undef be16toh
#undef htobe32
#undef be32toh
#undef htobe64
#undef be64toh
#define htons(x)	((__force __be16)__builtin_bswap16(x))
#define ntohs(x)	sparse_ntohs(x)
#define htonl(x)	((__force __be32)__builtin_bswap32(x))
#define ntohl(x)	sparse_ntohl(x)
#define htobe16(x)	htons(x)
#define be16toh(x)	ntohs(x)
#define htobe32(x)	htonl(x)
#define be32toh(x)	ntohl(x)
#define htobe64(x)	((__force __be64)__builtin_bswap64(x))
#define be64toh(x)	sparse_be64toh(x)

static inline __u16 sparse_ntohs(__be16 x)
{
	return __builtin_bswap16((__force __u16)x);
}

static inline __u32 sparse_ntohl(__be32 x)
{
	return __builtin_bswap32((__force __u32)x);
}

static inline __u64 sparse_be64toh(__be64 x)
{
	return __builtin_bswap64((__force __u64)x);
}

#endif
