# SPDX-License-Identifier: MIT
# Sourced by the tests here: the lab and TAP of tests/net, and what several of them need.
. "$(dirname "${BASH_SOURCE[0]}")/../net/tap.sh"
. tests/net/uclient.sh

# shellcheck disable=SC2034	# messages of one of turnutils_uclient's two clients
N=40

# supported DIRECTIVE: whether the daemon does what it says (--help has those alone)
supported()
{
	build/turnpiked --help | grep -q -- "--$1\b"
}

# make_cert: $TAP_TMP/cert.pem and key.pem, for the relay's names and addresses, by a CA of
# their own: ca.pem
make_cert()
{
	local names="DNS:turn.lab,IP:$LAB_RELAY4,IP:$LAB_RELAY6"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-subj "/CN=lab CA" -addext "keyUsage=critical,keyCertSign" \
		-keyout "$TAP_TMP/ca.key" -out "$TAP_TMP/ca.pem" 2>/dev/null &&
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=turn.lab" \
		-keyout "$TAP_TMP/key.pem" -out "$TAP_TMP/request.pem" 2>/dev/null &&
	openssl x509 -req -in "$TAP_TMP/request.pem" -CA "$TAP_TMP/ca.pem" \
		-CAkey "$TAP_TMP/ca.key" -CAcreateserial -days 30 -out "$TAP_TMP/cert.pem" \
		-extfile <(printf 'subjectAltName=%s\n' "$names") 2>/dev/null
}
