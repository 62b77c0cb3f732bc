# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

setup_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root_dir="$(cd "$setup_dir/../.." && pwd)"
deps_dir="${ANABRANCH_DEPS:-$root_dir/.deps}"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die CODE MESSAGE…   (69: a part is not available, 64/2: wrong usage)
die() {
    local code=$1
    shift
    say "$@"
    exit "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly when we are, else through sudo.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die 69 "needs root for: $* (and sudo is not there)"
    fi
}

# apt_install PACKAGE…: installs, refreshing the package lists first when they do not know a package.
apt_install() {
    say "installs with apt-get: $*"
    local quiet=(-qq -o Dpkg::Use-Pty=0)
    if ! apt-cache show --no-all-versions "$@" >/dev/null 2>&1; then
        as_root apt-get "${quiet[@]}" update >&2
    fi
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" install -y --no-install-recommends "$@" >&2; then
        say "package lists may be old: refreshes them and tries once more"
        as_root apt-get "${quiet[@]}" update >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" install -y --no-install-recommends "$@" >&2 ||
            die 69 "apt-get could not install: $*"
    fi
}

# Prints the first Python 3 (3.9 or newer) which can import the given modules.
find_python() {
    local candidate check="import sys; assert sys.version_info >= (3, 9)"
    for module in "$@"; do check+="; import $module"; done
    for candidate in ${ANABRANCH_PYTHON:-} python3 python /usr/bin/python3; do
        if have "$candidate" && "$candidate" -c "$check" >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# sha256_is FILE SUM
sha256_is() { [[ -f $1 && "$(sha256_of "$1")" == "$2" ]]; }

# check_sha256 FILE SUM: stops when the file is not the pinned one.
check_sha256() {
    local got
    got="$(sha256_of "$1")"
    [[ $got == "$2" ]] || die 69 "$(basename "$1") is not the pinned file: sha256 $got, expected $2"
}

# One setup script at a time may change one part of .deps.
lock_part() {
    mkdir -p "$deps_dir"
    if have flock; then
        exec 9>"$deps_dir/.lock-$1"
        flock -w 900 9 || die 69 "another setup of $1 has run for 15 minutes"
    fi
}
