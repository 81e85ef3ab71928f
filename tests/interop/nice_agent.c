// SPDX-License-Identifier: MIT
/*
 * Two agents of libnice in one process, both forced to relayed candidates of the same server:
 * gather, connect, pass data both ways.
 *   nice_agent SERVER PORT udp|tcp LOCAL_IP COUNT
 * Prints "TYPE TYPE RECEIVED RECEIVED": what the selected pair is, and how many of COUNT messages
 * arrived at either agent. 0 where it connected.
 */
#include <nice/agent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S	20
#define PACE_MS		2
#define MESSAGE		600

struct end {
	NiceAgent *agent;
	guint stream;
	struct end *other;
	struct run *run;
	bool gathered, ready;
	unsigned int received;
	unsigned char seen[10000];
};

struct run {
	GMainLoop *loop;
	struct end ends[2];
	unsigned int count, sent, closed;
	bool failed;
};

static void quit(struct run *run, const char *why)
{
	if (why)
		fprintf(stderr, "nice_agent: %s\n", why);
	run->failed |= !!why;
	g_main_loop_quit(run->loop);
}

/* What signalling would carry: name, password and the candidates. */
static void introduce(struct end *from, struct end *to)
{
	gchar *name = NULL, *password = NULL;
	GSList *candidates = nice_agent_get_local_candidates(from->agent, from->stream, 1);

	if (!candidates)
		quit(from->run, "no relayed candidate");
	if (!nice_agent_get_local_credentials(from->agent, from->stream, &name, &password) ||
	    !nice_agent_set_remote_credentials(to->agent, to->stream, name, password) ||
	    nice_agent_set_remote_candidates(to->agent, to->stream, 1, candidates) < 1)
		quit(from->run, "the other's candidates were not taken");
	g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
	g_free(name);
	g_free(password);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct end *end = arg;

	(void)agent;
	(void)stream;
	end->gathered = true;
	if (!end->other->gathered)
		return;
	introduce(end, end->other);
	introduce(end->other, end);
}

/* One message from either end, until all are sent. */
static gboolean send_some(gpointer arg)
{
	struct run *run = arg;
	char message[MESSAGE] = "";

	if (run->sent == run->count)
		return G_SOURCE_REMOVE;
	snprintf(message, sizeof(message), "%u", run->sent++);
	for (int i = 0; i < 2; i++)
		nice_agent_send(run->ends[i].agent, run->ends[i].stream, 1, sizeof(message), message);
	return G_SOURCE_CONTINUE;
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
	struct end *end = arg;

	(void)agent;
	(void)stream;
	(void)component;
	if (state == NICE_COMPONENT_STATE_FAILED)
		quit(end->run, "the connection failed");
	if (state != NICE_COMPONENT_STATE_READY || end->ready)
		return;
	end->ready = true;
	if (end->other->ready)
		g_timeout_add(PACE_MS, send_some, end->run);
}

static void on_data(NiceAgent *agent, guint stream, guint component, guint len, gchar *data,
		    gpointer arg)
{
	struct end *end = arg;
	unsigned long number = strtoul(data, NULL, 10);

	(void)agent;
	(void)stream;
	(void)component;
	if (len != MESSAGE || number >= end->run->count || end->seen[number]) {
		quit(end->run, "a message came twice or changed");
		return;
	}
	end->seen[number] = 1;
	end->received++;
	if (end->received == end->run->count && end->other->received == end->run->count)
		quit(end->run, NULL);
}

static gboolean on_timeout(gpointer arg)
{
	quit(arg, "out of time");
	return G_SOURCE_REMOVE;
}

static bool begin(struct end *end, bool controlling, char **argv)
{
	NiceRelayType type = !strcmp(argv[3], "tcp") ? NICE_RELAY_TYPE_TURN_TCP :
						       NICE_RELAY_TYPE_TURN_UDP;
	NiceAddress local;

	nice_address_init(&local);
	if (!nice_address_set_from_string(&local, argv[4]))
		return false;
	end->agent = nice_agent_new(g_main_loop_get_context(end->run->loop),
				    NICE_COMPATIBILITY_RFC5245);
	g_object_set(end->agent, "controlling-mode", controlling, "force-relay", TRUE,
		     "upnp", FALSE, "ice-tcp", FALSE, NULL);
	nice_agent_add_local_address(end->agent, &local);
	g_signal_connect(end->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), end);
	g_signal_connect(end->agent, "component-state-changed", G_CALLBACK(on_state), end);
	end->stream = nice_agent_add_stream(end->agent, 1);
	return end->stream &&
	       nice_agent_set_relay_info(end->agent, end->stream, 1, argv[1],
					 (guint)atoi(argv[2]), "alice", "secret", type) &&
	       nice_agent_attach_recv(end->agent, end->stream, 1,
				      g_main_loop_get_context(end->run->loop), on_data, end) &&
	       nice_agent_gather_candidates(end->agent, end->stream);
}

static void show(const struct run *run)
{
	NiceCandidate *local, *remote;

	if (!nice_agent_get_selected_pair(run->ends[0].agent, run->ends[0].stream, 1, &local,
					  &remote))
		return;
	printf("%s %s %u %u\n", nice_candidate_type_to_string(local->type),
	       nice_candidate_type_to_string(remote->type), run->ends[0].received,
	       run->ends[1].received);
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
	struct run *run = arg;

	(void)agent;
	(void)result;
	if (++run->closed == 2)
		g_main_loop_quit(run->loop);
}

int main(int argc, char **argv)
{
	static struct run run;

	if (argc != 6 || atoi(argv[5]) < 1 || atoi(argv[5]) > 10000)
		return 2;
	run.loop = g_main_loop_new(NULL, FALSE);
	run.count = (unsigned int)atoi(argv[5]);
	for (int i = 0; i < 2; i++) {
		run.ends[i].run = &run;
		run.ends[i].other = &run.ends[!i];
	}
	for (int i = 0; i < 2; i++)
		if (!begin(&run.ends[i], i == 0, argv))
			return 2;
	g_timeout_add_seconds(PATIENCE_S, on_timeout, &run);
	g_main_loop_run(run.loop);
	show(&run);
	/* gives the allocations back */
	for (int i = 0; i < 2; i++)
		nice_agent_close_async(run.ends[i].agent, on_closed, &run);
	g_main_loop_run(run.loop);
	for (int i = 0; i < 2; i++)
		g_object_unref(run.ends[i].agent);
	g_main_loop_unref(run.loop);
	return run.failed;
}
