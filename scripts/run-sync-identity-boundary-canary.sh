#!/bin/sh
# Runs the identity-boundary canary and verifies the evidence that it writes.
#
#   scripts/run-sync-identity-boundary-canary.sh [--single|--four] [--yes]
#
# Four runs without an option. `--yes` says that this is a trusted runner, where nobody can be asked.
#
# Environment:
#   SPEC_KITTY_ENABLE_SAAS_SYNC=1    required
#   SPEC_KITTY_E2E_TRUSTED_RUNNER=1  the same as --yes
#   SK_E2E_SPEC_KITTY_BIN            the binary under test; a path that is not there is refused, and no
#                                    other is taken. Without it `spec-kitty` of the PATH is tested
#   SK_E2E_CANARY_BIN                the program that runs the canary; without it `spec-kitty` of the
#                                    PATH, else one is built from this checkout
#   SPEC_KITTY_SAAS_URL              a deployed Teamspace; without it one is started on this machine
#   SK_E2E_APPROVAL_KEY_FILE         its approval key; without it a person approves each login
#   SK_E2E_ARTIFACTS                 where the evidence goes (artifacts)
#   SK_E2E_TAG                       what the attempt is named after
#
# Ends with 0 when every scenario of every run passed and the evidence verifies, with 2 when the canary
# could not begin, and with another code when a scenario failed.
set -eu

preflight() {
    printf 'canary: %s\n' "$*" >&2
    exit 2
}

runs=--four
trusted=${SPEC_KITTY_E2E_TRUSTED_RUNNER:-0}
for argument in "$@"; do
    case $argument in
    --single) runs=--single ;;
    --four) runs=--four ;;
    --yes) trusted=1 ;;
    *) preflight "unknown option $argument; use [--single|--four] [--yes]" ;;
    esac
done

[ "${SPEC_KITTY_ENABLE_SAAS_SYNC:-}" = 1 ] ||
    preflight "hosted sync is off; set SPEC_KITTY_ENABLE_SAAS_SYNC=1"
if [ "$trusted" != 1 ]; then
    [ -t 0 ] || preflight "nobody can be asked here; pass --yes on a trusted runner"
    printf 'The canary logs in, creates missions and delivers them. Go on? [y/N] '
    read -r answer
    case $answer in
    y | Y | yes) ;;
    *) preflight "not confirmed" ;;
    esac
fi

here=$(cd "$(dirname "$0")/.." && pwd)
under_test=${SK_E2E_SPEC_KITTY_BIN:-}
if [ -z "$under_test" ]; then
    under_test=$(command -v spec-kitty || true)
fi
canary=${SK_E2E_CANARY_BIN:-}
if [ -z "$canary" ]; then
    canary=$(command -v spec-kitty || true)
fi
if [ -z "$canary" ]; then
    (cd "$here" && cargo build --quiet --release --bin spec-kitty) ||
        preflight "the program cannot be built"
    canary=${CARGO_TARGET_DIR:-$here/target}/release/spec-kitty
fi
[ -n "$under_test" ] || under_test=$canary
[ -x "$canary" ] || preflight "there is no program at $canary"
[ -x "$under_test" ] || preflight "there is no binary under test at $under_test"

artifacts=${SK_E2E_ARTIFACTS:-artifacts}
set -- canary run --cli "$under_test" --artifacts "$artifacts"
[ "$runs" = --single ] || set -- "$@" --four
[ -z "${SK_E2E_TAG:-}" ] || set -- "$@" --tag "$SK_E2E_TAG"
if [ -n "${SPEC_KITTY_SAAS_URL:-}" ]; then
    set -- "$@" --server "$SPEC_KITTY_SAAS_URL"
    [ -z "${SK_E2E_APPROVAL_KEY_FILE:-}" ] ||
        set -- "$@" --approval-key-file "$SK_E2E_APPROVAL_KEY_FILE"
fi

told=$(mktemp)
trap 'rm -f "$told"' EXIT
trap 'exit 130' INT TERM
# The exit code of the canary counts, not that of tee.
{
    code=0
    "$canary" "$@" || code=$?
    printf '%s\n' "$code" >"$told.code"
} | tee "$told"
code=$(cat "$told.code")
rm -f "$told.code"
[ "$code" -eq 0 ] || exit "$code"

attempt=$(sed -n 's/^Evidence  //p' "$told")
digest=$(sed -n 's/^Digest    //p' "$told")
[ -n "$attempt" ] || preflight "the canary named no evidence"
if [ "$runs" = --single ]; then
    "$canary" canary verify "$attempt" --digest "$digest" --single
else
    "$canary" canary verify "$attempt" --digest "$digest"
fi
