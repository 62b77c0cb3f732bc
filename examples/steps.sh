# shellcheck shell=bash
# What the walkthroughs of the examples share. `here` is the folder of the example. Each ```sh block of its README.md is run,
# and each line of the ```text block after it must appear in the output ("…" matches anything). Works on a copy, and can be
# run again. Needs build/bin/anabranch (or ANABRANCH_BIN) and python3.
set -euo pipefail
cd "$here/../.."
if [[ -n ${ANABRANCH_BIN:-} ]]; then
    anabranch() { "$ANABRANCH_BIN" "$@"; }
fi
TMPDIR="$(mktemp -d)"
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

fail() {
    printf '\nwalkthrough: %s\n' "$*" >&2
    exit 1
}

# step N EXIT_CODE: runs the Nth block of commands on the page.
step() {
    local code line
    awk -v want="$1" '/^```sh$/ { ++n; on = n == want; next } /^```/ { on = 0 } on' "$here/README.md" >"$TMPDIR/commands"
    awk -v want="$1" '/^```sh$/ { ++n } /^```text$/ { on = n == want; next } /^```/ { on = 0 } on' "$here/README.md" >"$TMPDIR/wanted"
    [[ -s $TMPDIR/commands ]] || fail "README.md has no step $1"
    printf '\n'
    sed 's/^/$ /' "$TMPDIR/commands"
    set +e
    # shellcheck disable=SC1091
    source "$TMPDIR/commands" >"$TMPDIR/printed" 2>&1 </dev/null
    code=$?
    set -e
    cat "$TMPDIR/printed"
    [[ $code == "$2" ]] || fail "step $1 ended with exit code $code, not $2"
    while IFS= read -r line; do
        # shellcheck disable=SC2053
        [[ $(<"$TMPDIR/printed") == *${line//…/*}* ]] || fail "step $1 did not print: $line"
    done < <(sed 's/[][\\*?]/\\&/g' "$TMPDIR/wanted")
}
