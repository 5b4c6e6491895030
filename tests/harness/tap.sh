# SPDX-License-Identifier: MIT
#
# Sourced by the *.test scripts: TAP in a few words, and a scratch folder $work that goes away at the
# end. A script calls done_testing last.
set -u
export LC_ALL=C.UTF-8
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$tests")
work=$(mktemp -d "${TMPDIR:-/tmp}/gradus-test.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
export ASAN_OPTIONS="exitcode=99:${ASAN_OPTIONS-}" UBSAN_OPTIONS="exitcode=99:${UBSAN_OPTIONS-}"
export LSAN_OPTIONS="exitcode=99:${LSAN_OPTIONS-}"
count=0

# ok CONDITION-STATUS NAME [FILE...]: on failure the files are shown.
ok() {
    local status=$1 name=$2 file
    shift 2
    count=$((count + 1))
    if [ "$status" -eq 0 ]; then echo "ok $count - $name"; return; fi
    echo "not ok $count - $name"
    for file; do head -n 40 "$file" | sed 's/^/# /'; done
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# run COMMAND...: leaves $status, $work/out and $work/err. Standard input is that of run.
run() {
    timeout "${GRADUS_TIMEOUT:-60}" "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# in_terminal FOLDER SCRIPT: a script of pty/pty.c, run in a folder that is also its home.
in_terminal() (
    cd "$1" || exit 99
    export HOME=$1 INPUTRC=/dev/null
    unset NO_COLOR XDG_STATE_HOME XDG_CONFIG_HOME COLUMNS LINES
    "$GRADUS_BUILD/tests/pty/pty" "$2"
)

# is NAME WANTED GOT
is() {
    [ "$2" = "$3" ]
    ok $? "$1"
    [ "$2" = "$3" ] || printf '# expected: %s\n# got:      %s\n' "$2" "$3"
}

done_testing() {
    echo "1..$count"
}
