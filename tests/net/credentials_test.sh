#!/bin/bash
# SPDX-License-Identifier: MIT
# Users and secrets in databases: SQLite files of our command and of coturn's turnadmin, and
# a Redis that goes away and comes back, each with the real daemon.
. "$(dirname "$0")/tap.sh"

DB=$TAP_TMP/db/turndb
REDIS_DIR=$TAP_TMP/redis REDIS_SOCKET=$TAP_TMP/redis/sock REDIS_PID=''
# what the README promises of changes: at once, or within the 5 s that an answer is believed
PATIENCE=7

# within SECONDS WANTED COMMAND...: until it says that
within()
{
	local end=$((SECONDS + $1)) wanted=$2 got
	shift 2
	while got=$("$@"); [ "$got" != "$wanted" ] && [ $SECONDS -lt $end ]; do
		sleep 0.2
	done
	echo "$got"
}

admin()
{
	build/turnpike --config /nonexistent --realm lab "$@"
}

admin_sqlite()
{
	admin --userdb "$DB" "$@"
}

# coturn's tool logs to a file that nobody asked for
turnadmin_sqlite()
{
	(cd "$TAP_TMP" && unshare -m sh -c 'mount -t tmpfs none /var/log && exec "$@"' sh \
		turnadmin -b "$DB" -r lab "$@") >/dev/null 2>&1
}

# With a sanitizer, what waits for a database to be believed gone is left out.
SHORT=''
[ "$TURNPIKED" = build/turnpiked ] || SHORT=yes

# ------------------------------------------------------------------ SQLite

test_command()
{
	local list
	mkdir "$TAP_TMP/db"
	echo secret1 | admin_sqlite user add bob
	tap_is $? 0 "user add makes the file"
	tap_is "$(stat -c %a "$DB")" 640 "which is not for everybody"
	list=$(admin_sqlite user list)
	tap_is "${list##* }" bob "user list shows him"
	tap_is "$(sqlite3 "$DB" 'select hmackey from turnusers_lt')" \
		"$(printf bob:lab:secret1 | md5sum | cut -d' ' -f1)" "the key is coturn's"
	admin_sqlite user list --json | grep -qE 'secret1|[0-9a-f]{32}'
	tap_is $? 1 "and no list shows it"
	admin_sqlite user del nobody 2>/dev/null
	tap_is $? 1 "deleting nobody fails"
	admin_sqlite user </dev/null 2>/dev/null
	tap_is $? 2 "user without a verb is wrong usage"
	echo north | admin_sqlite secret add
	tap_is "$(admin_sqlite secret list | tr -s ' ')" "lab 1 secret" "secret add and list"
	echo north | admin_sqlite secret del
	tap_is $? 0 "secret del"
}

test_sqlite_users()
{
	relay_start --userdb="$DB"
	tap_ok $? "starts with a SQLite file" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(allocate_as bob secret1)" ok "a user of our command allocates"
	tap_is "$(allocate_as bob wrong)" "error 401" "not with another password"
	tap_is "$(allocate_as nobody secret1)" "error 401" "nor under another name"
	tap_is "$(allocate_as alice secret)" ok "the file's users are there as well"
	turnadmin_sqlite -a -u carol -p secret2
	tap_is "$(within 3 ok allocate_as carol secret2)" ok "coturn's turnadmin adds another"
	echo secret3 | admin_sqlite user add bob
	tap_is "$(within 3 ok allocate_as bob secret3)" ok "a new password is taken at once"
	tap_is "$(allocate_as bob secret1)" "error 401" "and the old one no more"
	turnadmin_sqlite -d -u carol
	tap_is "$(within $PATIENCE 'error 401' allocate_as carol secret2)" "error 401" \
		"who is deleted is out"
	turnpike reload >/dev/null
	tap_ok $? "a reload"
	tap_is "$(allocate_as bob secret3)" ok "leaves the database in use"
	tap_is "$(ps -o user= -p "$(relay_child)" | grep -c root)" 0 \
		"the process that reads is not root"
}

test_sqlite_away()
{
	client_start "$LAB_RELAY4:3478" bob secret3
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "a client allocates"
	mv "$DB" "$DB.away"
	relay_wait 'userdb: away'
	tap_ok $? "a file that is gone is said in the log"
	tap_is "$(turnpike status | sed -n 's/^userdb  *//p')" \
		"sqlite, away: new allocations get error 500" "and by turnpike status"
	tap_is "$(within 12 'error 500' allocate_as bob secret3)" "error 500" \
		"then new allocations get 500"
	tap_is "$(allocate_as dora secret)" "error 500" "names that nobody knows as well"
	tap_is "$(allocate_as alice secret)" ok "but not the file's own users"
	tap_is "$(client_say refresh 600 | cut -d' ' -f1)" ok "what runs goes on"
	tap_is "$(client_say bind 0x4000 $LAB_PEER4:3480 | cut -d' ' -f1)" ok "and may do everything"
	mv "$DB.away" "$DB"
	tap_is "$(within 5 ok allocate_as bob secret3)" ok "it recovers by itself"
	tap_is "$(turnpike status | sed -n 's/^userdb  *//p')" "sqlite, answers" \
		"which turnpike status says as well"
	client_stop
	tap_at_least 4 "$(grep -c 'userdb: away' "$TAP_TMP/relay.log")" "with few lines in the log"
	grep -qE "secret|$(printf bob:lab:secret3 | md5sum | cut -c1-16)" "$TAP_TMP/relay.log"
	tap_is $? 1 "none of which holds a secret"
	relay_stop
}

# rest_pair SECRET HASH: a time-limited pair of bob's, "name password"
rest_pair()
{
	local name
	name=$(($(date +%s) + 600)):bob
	echo "$name $(printf %s "$name" | openssl dgst "-$2" -hmac "$1" -binary | base64 -w0)"
}

allocate_rest()
{
	# two words
	# shellcheck disable=SC2046
	allocate_as $(rest_pair "$1" "$2")
}

test_sqlite_secrets()
{
	turnadmin_sqlite -s east
	relay_start --userdb="$DB" --use-auth-secret --static-auth-secret=west
	tap_ok $? "starts with secrets" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(within 3 ok allocate_rest east sha1)" ok "a secret of turnadmin's, SHA-1"
	tap_is "$(allocate_rest east sha256)" ok "and SHA-256"
	tap_is "$(allocate_rest west sha1)" ok "a secret of the configuration"
	tap_is "$(allocate_rest south sha1)" "error 401" "no other"
	echo south | admin_sqlite secret add
	tap_is "$(within 3 ok allocate_rest south sha1)" ok "one that is added"
	echo east | admin_sqlite secret del
	tap_is "$(within 3 'error 401' allocate_rest east sha1)" "error 401" "one that is removed"
	relay_stop
}

test_keeper_makes_it()
{
	relay_start --userdb="$TAP_TMP/db/new"
	tap_ok $? "starts without a file" "$(cat "$TAP_TMP/relay.log")"
	echo secret4 | admin --userdb "$TAP_TMP/db/new" user add eve
	tap_is "$(within 3 ok allocate_as eve secret4)" ok "made by the keeper, filled by the command"
	relay_stop
	sqlite3 "$TAP_TMP/db/new" "insert into denied_peer_ip values ('', '$LAB_PEER4-x')"
	relay_start --userdb="$TAP_TMP/db/new"
	relay_wait 'userdb: away: denied-peer-ip'
	tap_ok $? "a peer range that is none is a failure, not a gap"
	tap_is "$(allocate_as eve secret4)" "error 500" "and lets nobody in"
	relay_stop
}

test_peers()
{
	relay_start --userdb="$DB" --allowed-peer-ip=$LAB_PEER6
	client_start "$LAB_RELAY4:3478" bob secret3
	client_say allocate >/dev/null
	tap_is "$(client_say permit $LAB_PEER4 | cut -d' ' -f1)" ok "a peer that is not denied"
	client_say bind 0x4000 $LAB_PEER4:3480 >/dev/null
	tap_is "$(client_say channel 0x4000 50 100 200)" "sent 50 received 50 damaged 0" \
		"a channel to it relays"
	turnadmin_like="insert into denied_peer_ip values ('lab', '$LAB_PEER4')"
	sqlite3 "$DB" "$turnadmin_like"
	tap_is "$(within 3 'error 403' permit_peer)" "error 403" "is denied by a row of the database"
	tap_is "$(client_say channel 0x4000 20 100 200)" "sent 20 received 0 damaged 0" \
		"and the channel is over, in the kernel as well"
	sqlite3 "$DB" 'delete from denied_peer_ip'
	tap_is "$(within 3 ok permit_peer)" ok "until the row goes"
	client_stop
	sqlite3 "$DB" "insert into turn_realm_option values ('lab', 'user-quota', '1')"
	client_start "$LAB_RELAY4:3478" bob secret3
	client_say allocate >/dev/null
	tap_is "$(within 20 'error 486' allocate_as bob secret3)" "error 486" "user-quota of the realm"
	client_stop
	relay_stop
	sqlite3 "$DB" 'delete from turn_realm_option'
}

permit_peer()
{
	client_say permit $LAB_PEER4 | cut -d' ' -f1,2 | sed 's/^ok.*/ok/'
}

# coturn's client makes tokens of its own, under three keys by turns (kid and key are its).
test_tokens()
{
	local ikm=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI= said
	relay_start --userdb="$DB" --oauth --server-name=blackdow.carleon.gov \
		--oauth-key="oldempire:A256GCM:$ikm" --allowed-peer-ip=$LAB_PEER4
	tap_ok $? "starts with oauth" "$(cat "$TAP_TMP/relay.log")"
	sqlite3 "$DB" "insert into oauth_key (kid,ikm_key,as_rs_alg) values
		('north','MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK','A256GCM'),
		('union','$ikm','A128GCM')"
	said=$(lab_exec client timeout 30 turnutils_uclient -J -n 20 -m 2 -e $LAB_PEER4 -r 3480 \
		$LAB_RELAY4 2>&1)
	grep -q 'tot_send_msgs=40, tot_recv_msgs=40' <<<"$said"
	tap_ok $? "coturn's client relays with its tokens" "$said" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(allocate_as bob secret3)" ok "and the users of the database as before"
	sqlite3 "$DB" 'delete from oauth_key'
	relay_stop
}

# ------------------------------------------------------------------- Redis

redis_start()
{
	redis-server --port 0 --unixsocket "$REDIS_SOCKET" --unixsocketperm 777 --dir "$REDIS_DIR" \
		--requirepass 'r3dis' --appendonly yes --daemonize no --loglevel warning \
		>"$TAP_TMP/redis.log" 2>&1 &
	REDIS_PID=$!
	tap_until redis_answers
}

redis_answers()
{
	redis ping 2>/dev/null | grep -q PONG
}

redis_stop()
{
	[ -z "$REDIS_PID" ] || kill -KILL "$REDIS_PID" 2>/dev/null
	[ -z "$REDIS_PID" ] || wait "$REDIS_PID" 2>/dev/null
	REDIS_PID=''
}

redis()
{
	redis-cli -s "$REDIS_SOCKET" -a r3dis --no-auth-warning -n 2 "$@"
}

admin_redis()
{
	admin --redis-userdb "ip=$REDIS_SOCKET password=r3dis dbname=2" "$@"
}

test_redis_users()
{
	mkdir -m 711 "$REDIS_DIR"
	redis_start
	tap_ok $? "a Redis of our own" "$(cat "$TAP_TMP/redis.log")"
	relay_start --redis-userdb="ip=$REDIS_SOCKET password=r3dis dbname=2 connect_timeout=30"
	tap_ok $? "starts with Redis" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(allocate_as bob secret5)" "error 401" "nobody is in it"
	echo secret5 | admin_redis user add bob
	tap_is "$(within 3 ok allocate_as bob secret5)" ok "until our command adds him"
	tap_is "$(redis get turn/realm/lab/user/bob/key)" \
		"$(printf bob:lab:secret5 | md5sum | cut -d' ' -f1)" "under coturn's key"
	redis set turn/realm/lab/user/carol/key "$(printf carol:lab:secret6 | md5sum |
		cut -d' ' -f1)" >/dev/null
	tap_is "$(within 3 ok allocate_as carol secret6)" ok "so is one that is set by hand"
	tap_is "$(admin_redis user list | sed 's/.* //' | sort | xargs)" "bob carol" "both are listed"
	admin_redis user del carol
	tap_is "$(within $PATIENCE 'error 401' allocate_as carol secret6)" "error 401" \
		"who is deleted is out"
}

# Requests go on while Redis is killed, hangs and comes back.
test_redis_away()
{
	client_start "$LAB_RELAY4:3478" bob secret5
	tap_is "$(client_say allocate | cut -d' ' -f1)" ok "a client allocates"
	redis_stop
	tap_is "$(within 12 'error 500' allocate_as bob secret5)" "error 500" "Redis killed: 500"
	tap_is "$(client_say refresh 600 | cut -d' ' -f1)" ok "what runs goes on"
	redis_start
	tap_is "$(within 6 ok allocate_as bob secret5)" ok "Redis is back: all is well"
	kill -STOP "$REDIS_PID"
	tap_is "$(within 14 'error 500' allocate_as bob secret5)" "error 500" "Redis hangs: 500"
	tap_is "$(client_say refresh 600 | cut -d' ' -f1)" ok "what runs goes on"
	tap_is "$(allocate_as alice secret)" ok "and the file's own users never wait"
	kill -CONT "$REDIS_PID"
	tap_is "$(within 8 ok allocate_as bob secret5)" ok "Redis goes on: all is well"
	client_stop
	grep -q r3dis "$TAP_TMP/relay.log"
	tap_is $? 1 "its password is not in the log"
	relay_stop
}

test_redis_secrets()
{
	redis sadd turn/realm/lab/secret east >/dev/null
	relay_start --redis-userdb="ip=$REDIS_SOCKET password=r3dis dbname=2" --use-auth-secret
	tap_ok $? "starts with secrets in Redis only" "$(cat "$TAP_TMP/relay.log")"
	tap_is "$(within 3 ok allocate_rest east sha1)" ok "a secret of Redis"
	redis srem turn/realm/lab/secret east >/dev/null
	tap_is "$(within 4 'error 401' allocate_rest east sha1)" "error 401" "that is removed"
	relay_stop
}

# --------------------------------------------------------------- redis-statsdb

# heard CHANNEL: what was published there, a line each
heard()
{
	sed -n "s|^.*/allocation/\([0-9]\{18\}\)/$1,||p" "$TAP_TMP/heard"
}

test_statsdb()
{
	local listener key
	# not by the function, whose subshell would be what is ended
	redis-cli -s "$REDIS_SOCKET" -a r3dis --no-auth-warning --csv psubscribe 'turn/*' \
		>"$TAP_TMP/heard.csv" &
	listener=$!
	relay_start --redis-statsdb="ip=$REDIS_SOCKET password=r3dis dbname=2" \
		--allowed-peer-ip=$LAB_PEER4
	tap_ok $? "starts with redis-statsdb" "$(cat "$TAP_TMP/relay.log")"
	client_start "$LAB_RELAY4:3478" alice secret
	client_say allocate >/dev/null
	client_say bind 0x4000 $LAB_PEER4:3480 >/dev/null
	key=$(within 3 1 count_keys)
	tap_is "$key" 1 "an allocation has a key"
	key=$(redis keys 'turn/realm/lab/user/alice/allocation/*')
	tap_is "$(sed 's/[0-9]\{18\}/ID/' <<<"$key")" \
		"turn/realm/lab/user/alice/allocation/ID/status" "of coturn's name"
	redis get "$key" | grep -qxE "new lifetime=[0-9]+, type=UDP, local=$LAB_RELAY4:3478, \
remote=$LAB_CLIENT4:[0-9]+, ssl=NONE"
	tap_ok $? "and coturn's words" "$(redis get "$key")"
	tap_is "$(client_say channel 0x4000 50 100 200)" "sent 50 received 50 damaged 0" \
		"there is traffic"
	client_say refresh 700 >/dev/null
	tap_is "$(within 3 1 count_refreshed "$key")" 1 "a refresh changes it"
	kill -STOP "$REDIS_PID"
	tap_is "$(client_say refresh 600 | cut -d' ' -f1)" ok "a Redis that hangs delays nobody"
	kill -CONT "$REDIS_PID"
	client_say refresh 0 >/dev/null
	tap_is "$(within 5 0 count_keys)" 0 "its end takes the key away"
	client_stop
	relay_stop
	tap_until grep -q total_traffic/peer "$TAP_TMP/heard.csv"
	sleep 0.2
	kill "$listener"
	wait "$listener" 2>/dev/null
	# "pmessage","turn/*","CHANNEL","TEXT" to CHANNEL,TEXT
	sed -n 's/^"pmessage","[^"]*","\([^"]*\)","\([^"]*\)".*/\1,\2/p' \
		"$TAP_TMP/heard.csv" >"$TAP_TMP/heard"
	tap_is "$(heard status | cut -d' ' -f1 | uniq | xargs)" "new refreshed deleted" \
		"its life was published" "$(cat "$TAP_TMP/heard")"
	tap_is "$(heard total_traffic)" "rcvp=50, rcvb=5000, sentp=50, sentb=5000" "and its totals"
	tap_is "$(heard total_traffic/peer)" "rcvp=50, rcvb=5000, sentp=50, sentb=5000" \
		"as the peers saw them"
	tap_is "$(heard traffic | awk -F'[=,]' '{ n += $2 } END { print n }')" 50 \
		"the differences come to the same"
	grep -q r3dis "$TAP_TMP/relay.log"
	tap_is $? 1 "its password is not in the log"
}

count_keys()
{
	redis keys 'turn/realm/lab/user/alice/allocation/*' | grep -c .
}

count_refreshed()
{
	redis get "$1" | grep -c '^refreshed lifetime=700,'
}

# tell_redis [DBNAME]: who is told from the next reload on
tell_redis()
{
	: >"$TAP_TMP/told.conf"
	chmod 600 "$TAP_TMP/told.conf"
	[ -z "$1" ] ||
		echo "redis-statsdb=ip=$REDIS_SOCKET password=r3dis dbname=$1" >"$TAP_TMP/told.conf"
}

# count_told DBNAME
count_told()
{
	redis -n "$1" keys 'turn/realm/lab/user/alice/allocation/*' | grep -c .
}

test_statsdb_reload()
{
	tell_redis
	relay_start --include="$TAP_TMP/told.conf"
	tap_ok $? "starts without redis-statsdb" "$(cat "$TAP_TMP/relay.log")"
	client_start "$LAB_RELAY4:3478" alice secret
	client_say allocate >/dev/null
	tell_redis 3
	turnpike reload >/dev/null
	tap_is "$(client_say refresh 700 | cut -d' ' -f1)" ok "a reload brings one"
	tap_is "$(within 5 1 count_told 3)" 1 "which is told of the next refresh"
	tell_redis 4
	turnpike reload >/dev/null
	client_say refresh 700 >/dev/null
	tap_is "$(within 5 1 count_told 4)" 1 "another reload another one"
	tell_redis
	turnpike reload >/dev/null
	client_say refresh 0 >/dev/null
	client_stop
	relay_stop
	tap_is "$(count_told 3) $(count_told 4)" "1 1" "the next none: neither hears of its end"
}

# ------------------------------------------------------------------- refusals

test_refused()
{
	local name
	for name in psql-userdb mysql-userdb mongo-userdb; do
		build/turnpiked -n --$name=host=db --check-config 2>&1 >/dev/null |
			grep -q "error: $name: this kind"
		tap_ok $? "$name is refused with the reason"
	done
	build/turnpiked -n --redis-userdb='ip=x passwd2=r3dis' --check-config 2>&1 >/dev/null |
		grep 'error: redis-userdb' | grep -vq r3dis
	tap_ok $? "wrong options are an error that does not show them"
}

trap 'redis_stop; exit 1' INT TERM HUP
tap_lab
trap 'redis_stop; tap_clean' EXIT
test_command
test_sqlite_users
[ "$SHORT" ] || test_sqlite_away
relay_stop
test_sqlite_secrets
[ "$SHORT" ] || test_keeper_makes_it
test_peers
test_tokens
if command -v redis-server >/dev/null; then
	test_redis_users
	[ "$SHORT" ] || test_redis_away
	relay_stop
	test_redis_secrets
	test_statsdb
	test_statsdb_reload
else
	tap_skip "Redis" "no redis-server"
fi
test_refused
tap_done
