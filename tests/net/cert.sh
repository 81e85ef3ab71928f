# SPDX-License-Identifier: MIT
# Sourced after tap.sh by tests that need certificates.

CERTS=$TAP_TMP/certs

command -v openssl >/dev/null || tap_skip_all "no openssl to make certificates with"

# cert_make NAME HOST...: NAME.pem and NAME.key in $CERTS
cert_make()
{
	local hosts
	hosts=$(printf ',DNS:%s' "${@:2}")
	# for root alone: the keeper reads them
	mkdir -p -m 700 "$CERTS"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-subj "/CN=$2" -addext "subjectAltName=${hosts#,}" \
		-keyout "$CERTS/$1.key" -out "$CERTS/$1.pem" 2>/dev/null
}
