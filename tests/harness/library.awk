# SPDX-License-Identifier: MIT
#
# Takes a file of the library apart. A top-level `fn` begins in the first column and ends before the
# next blank line; a run of ## lines stands directly above it.
#
#   -v mode=list             prints a line for each public function: name, "formula" and "example"
#                            or "-" where the documentation lacks it
#   -v mode=mutant -v name=f prints the file with the body of f replaced by f's first argument, or
#                            by nil where it has none or is that argument already; without
#                            documentation, so that examples do not count as tests

function parameters_of(text,    depth, i, c) {
    text = substr(text, index(text, "(") + 1)
    depth = 1
    for (i = 1; depth > 0 && i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c ~ /[({[]/) depth++
        if (c ~ /[)}\]]/) depth--
    }
    return substr(text, 1, i - 2)
}

function first_of(parameters) {
    sub(/^\.\.\./, "", parameters)
    return match(parameters, /^[A-Za-z_0-9]+/) ? substr(parameters, 1, RLENGTH) : "nil"
}

function finish(    parameters, first, rest) {
    if (mode == "list" && fn !~ /^_/) print fn, formula ? "formula" : "-", example ? "example" : "-"
    if (mode == "mutant" && fn == name) {
        parameters = parameters_of(body)
        first = first_of(parameters)
        rest = body
        if (rest ~ ("= " first "\n$")) first = "nil"
        print "fn " fn "(" parameters ") = " first
    } else if (mode == "mutant") {
        printf "%s", body
    }
    fn = body = ""
    formula = example = 0
}

/^##/ {
    if ($0 ~ /^## Formula: ./) formula = 1
    if ($0 ~ /^##     .*  # /) example = 1
    next
}
/^fn / {
    fn = $2
    sub(/\(.*/, "", fn)
}
fn != "" && /^$/ { finish() }
fn != "" { body = body $0 "\n"; next }
mode == "mutant"
END { if (fn != "") finish() }
