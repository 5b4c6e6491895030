#!/bin/sh
# SPDX-License-Identifier: MIT
#
# embed.sh TABLE FILE...  writes the C file that holds the texts of the files as the rows of TABLE to
# standard output; see stdlib_embed.h. The names are given in alphabetical order.
set -eu

table=$1
shift
printf '/* Made by embed.sh. */\n#include "stdlib_embed.h"\n\n'
count=0
for file; do
    printf 'static const unsigned char text_%d[] = {\n' "$count"
    od -An -v -tx1 "$file" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '0};\n\n'
    count=$((count + 1))
done

printf 'const struct gr_embedded %s[] = {\n' "$table"
count=0
for file; do
    printf '    {"%s", text_%d, sizeof text_%d - 1},\n' "${file##*/}" "$count" "$count"
    count=$((count + 1))
done
# A row of nothing closes the table, so that it is valid C however many files there are.
printf '    {0, 0, 0},\n};\nconst size_t %s_count = %d;\n' "$table" "$count"
