# Sourced by tools/test and tools/quickstart: find Python, install what Debian
# lacks, make a virtual environment. Speaks plainly about whatever it does.

export DEBIAN_FRONTEND=noninteractive
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_NO_INPUT=1
# mkfs and its like are not on the path of an ordinary user
PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    if [ -n "${2:-}" ]; then printf '%s: hint: %s\n' "${0##*/}" "$2" >&2; fi
    exit 1
}

# as_root COMMAND…: run it as root, directly or by sudo; fails if neither can be.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# install_packages NAME…: install Debian packages; fails if that is not possible.
install_packages() {
    command -v apt-get >/dev/null || return 1
    say "installing with apt: $*"
    as_root apt-get -qq update </dev/null || say "could not refresh the package lists"
    as_root apt-get -qq install -y --no-install-recommends "$@" \
        </dev/null >/dev/null
}

# is_recent COMMAND: whether it is Python 3.11 or newer.
is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# find_python: set PYTHON to a Python of version 3.11 or newer.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && is_recent "$candidate"; then
            PYTHON=$candidate
            return
        fi
    done
    install_packages python3 python3-venv || true
    is_recent python3 || fail "no Python 3.11 or newer was found" \
        "install one, or name it: PYTHON=/path/to/python3 $0"
    PYTHON=python3
}

# can_make_environments: Debian's Python needs the package python3-venv for it.
can_make_environments() {
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null
}

# fingerprint EXTRA: changes when an environment has to be made again.
fingerprint() {
    { cat pyproject.toml; pwd; "$PYTHON" --version; say "$1"; } | sha256sum
}

# prepare_environment FOLDER WHAT: a virtual environment with WHAT installed by
# pip, from the checkout; does nothing if it is there already.
prepare_environment() {
    local folder=$1 what=$2 stamp
    find_python
    stamp=$(fingerprint "$what")
    if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ] &&
        "$folder/bin/python" -c 'import chunkvault' 2>/dev/null; then
        return
    fi
    can_make_environments || install_packages python3-venv || true
    can_make_environments || fail "this Python cannot make virtual environments" \
        "as root: apt-get install python3-venv"
    say "making a virtual environment in $folder (a minute, once)"
    "$PYTHON" -m venv --clear "$folder" || fail "could not make $folder"
    "$folder/bin/python" -m pip install --quiet -e "$what" </dev/null ||
        fail "could not install $what into $folder" \
            "the lines above say why; a connection to a package index is needed"
    say "$stamp" >"$folder/.stamp"
}
