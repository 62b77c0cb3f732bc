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

need_jdk_and_maven() {
    if have javac && have mvn; then return 0; fi
    have apt-get || die 69 "needs a JDK, 17 or newer, and mvn (Apache Maven)"
    apt_install openjdk-17-jdk-headless maven
}

# fetch_jars POM FOLDER
fetch_jars() {
    mvn -q -B -f "$1" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$2" >&2 ||
        die 69 "mvn could not fetch what ${1#"$root_dir"/} names"
}

# check_jars FOLDER MANIFEST: stops unless the folder has exactly the pinned jars.
check_jars() {
    local extra
    (cd "$1" && sha256sum --quiet --strict -c "$2" >&2) || die 69 "the jars in $1 are not the pinned ones (${2#"$root_dir"/})"
    extra="$(cd "$1" && ls | grep -vxFf <(sed 's/^[0-9a-f]* [ *]//' "$2") || true)"
    [[ -z $extra ]] || die 69 "mvn fetched jars which ${2#"$root_dir"/} does not name: $extra"
}

# java_program TARGET POM SOURCES SIZE [HOOK]: makes TARGET with lib, the jars that POM names, pinned in jars.sha256 beside it,
# and classes, compiled from SOURCES; does nothing when both are up to date. HOOK FOLDER is called when the jars were fetched.
java_program() {
    local target=$1 pom=$2 sources=$3 manifest="${2%/*}/jars.sha256" jars classes work
    jars="$(cat "$pom" "$manifest" | sha256sum | cut -d' ' -f1)"
    classes="$(find "$sources" -name '*.java' -print0 | sort -z | xargs -0 cat | sha256sum | cut -d' ' -f1)"
    if [[ "$(cat "$target/.jars" "$target/.sources" 2>/dev/null)" == "$jars"$'\n'"$classes" ]]; then return 0; fi
    lock_part "${target##*/}"
    need_jdk_and_maven
    if [[ "$(cat "$target/.jars" 2>/dev/null)" != "$jars" ]]; then
        work="$target.new.$$"
        rm -rf "$work"
        mkdir -p "$work"
        say "fetches what ${pom#"$root_dir"/} names with mvn ($4)"
        fetch_jars "$pom" "$work/lib"
        check_jars "$work/lib" "$manifest"
        if [[ $# -gt 4 ]]; then "$5" "$work"; fi
        echo "$jars" >"$work/.jars"
        rm -rf "$target"
        mv "$work" "$target"
    fi
    if [[ "$(cat "$target/.sources" 2>/dev/null)" != "$classes" ]]; then compile_java "$sources" "$target" "$classes"; fi
    say "${sources#"$root_dir"/} is built in ${target#"$root_dir"/}"
}

# compile_java SOURCES TARGET SUM
compile_java() {
    local work="$2/classes.new.$$" said
    rm -rf "$work" "$2/.sources"
    # Of the peers it warns that sun.misc.Signal may go, which cannot be turned off.
    said="$(find "$1" -name '*.java' -print0 |
        xargs -0 javac --release 17 -d "$work" -cp "$2/lib/*" 2>&1)" || {
        printf '%s\n' "$said" >&2
        die 70 "${1#"$root_dir"/} does not compile"
    }
    rm -rf "$2/classes"
    mv "$work" "$2/classes"
    echo "$3" >"$2/.sources"
}

# pin_jars POM: writes jars.sha256 beside it anew.
pin_jars() {
    local work manifest="${1%/*}/jars.sha256"
    need_jdk_and_maven
    work="$(mktemp -d)"
    fetch_jars "$1" "$work"
    (cd "$work" && sha256sum -- *.jar) >"$manifest"
    rm -rf "$work"
    say "wrote ${manifest#"$root_dir"/}: look at the difference"
}

# One setup script at a time may change one part of .deps.
lock_part() {
    mkdir -p "$deps_dir"
    if have flock; then
        exec 9>"$deps_dir/.lock-$1"
        flock -w 900 9 || die 69 "another setup of $1 has run for 15 minutes"
    fi
}
