#!/bin/sh
# Fails when the vendored artifact is not what the two releases and the ingress facts give.
#   check.sh PYTHON-OF-3.0.0 PYTHON-OF-6.1.0 [--write]
# With --write the artifact is derived anew instead.
set -eu
old=$1
new=$2
mode=${3:---check}
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$old" "$here/derive_contract.py" collect >"$scratch/events-3.json"
"$new" "$here/derive_contract.py" collect >"$scratch/events-6.json"
[ "$mode" = --write ] && mode=
# shellcheck disable=SC2086 # an empty mode is no argument
"$new" "$here/derive_contract.py" build $mode \
    --events-3 "$scratch/events-3.json" --events-6 "$scratch/events-6.json" \
    --ingress "$here/../artifact/ingress_facts.json" --out "$here/../artifact/upstream_contract.json"
