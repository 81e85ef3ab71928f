/* SPDX-License-Identifier: MIT */
/*
 * Packets in; verdict, reason and packet out. The one table that every host of
 * the relay core has to agree with. N and D numbers are those of the catalogue of
 * bad input: N what Ethernet, IP and UDP bring, D ChannelData.
 */
#ifndef TP_TEST_CASES_H
#define TP_TEST_CASES_H

#include "world.h"

enum case_hop { HOP_HERE, HOP_THERE, HOP_ELSEWHERE, HOP_UNKNOWN, HOP_NONE, HOP_BEYOND,
		HOP_DAEMON };

/* Zero means: nothing special. */
struct dp_case {
	const char *name;
	enum tp_reason reason;

	/* the flow */
	bool to_client;
	uint8_t in, out;		/* families, 0: 4 */
	bool no_row;
	int lease_s;			/* from now; 0: a day */
	bool row_odd, hop_odd;		/* being written */
	enum case_hop hop;
	int mtu_less;			/* next hop's MTU, below the packet's size; 0: 1500 */
	bool vlan_out;
	bool poke;			/* the daemon asks for a packet */

	/* what is not ChannelData to or from a peer elsewhere */
	bool send;			/* comes as a Send indication, to_client not set */
	bool indication;		/* leaves as a Data indication */
	bool hairpin;			/* to a relayed address of this host */
	bool alias;			/* by external addresses */
	uint8_t mid;			/* family between the relayed addresses, 0: 4 */
	bool no_permission, channel_over;
	uint16_t relayed;		/* 1: its row is there, 2: and open */
	bool data_first, dont_fragment, fingerprint;
	uint16_t software, extra;
	size_t tailroom;		/* user host only, one more than there is; 0: 64 */

	/* the frame */
	unsigned int vlans;
	uint16_t tci;			/* 0: 0x0064 */
	uint16_t data_len;
	const char *data;		/* first 4 bytes of it */
	uint8_t ttl, tos;		/* 0: 64, 0xb9 */
	bool df, no_check;
	uint16_t check_error;
	uint16_t channel;		/* of the frame; 0: the bound one */
	uint16_t pad, surplus, trailer;
	void (*twist)(struct frame *in);
	size_t headroom;		/* user host only; 0: 256 */

	unsigned int icmp_mtu;		/* told with TP_R_TOO_BIG */
};

extern const struct dp_case dp_cases[];
extern const size_t dp_cases_n;

/* Where the two sides of the flow are, and everything that a case says of it. */
struct case_flow {
	struct frame_spec in, out;
	struct row_spec row, leaves;
	struct row_spec more[5];	/* the last one is counted, too, where counted says so */
	unsigned int n_more;
	bool counted;
	struct tp_nexthop hop;
};

void case_flow(const struct dp_case *c, struct case_flow *flow);
/* Put row and next hop into the tables: slot + 1; case_clear() takes the row out. */
uint32_t case_put(struct world *world, const struct dp_case *c, const struct case_flow *flow);
void case_clear(struct world *world, const struct case_flow *flow, uint32_t slot_1);

/* Runs one case; false, with an explanation on stderr, where it went otherwise. */
bool case_run(struct world *world, const struct dp_case *c);

/* All tests on one world, as cmocka tests. Returns the number of failed ones. */
int suite_run(struct world *world);
/* The same on one that needs root, from its making on. Returns the exit status. */
int suite_main(int (*make)(struct world *world, const char **why));

#endif
