/* SPDX-License-Identifier: MIT */
/* :set, what the prompt can be told to do otherwise. */
#include "command_private.h"

#include <stdio.h>
#include <string.h>

void gr_command_set(gr_session *s, const char *rest) {
    static const char *const modes[] = {
        [GR_NAN_WARN] = "warn", [GR_NAN_ERROR] = "error", [GR_NAN_QUIET] = "quiet"};
    size_t word = strcspn(rest, " \t\r\n");
    const char *value = gr_skip_blanks(rest + word);
    if (!*rest || (word == 3 && strncmp(rest, "nan", 3) == 0 && !*value)) {
        printf("nan  %s\n", modes[gr_get_nan(s->host->vm)]);
        return;
    }
    if (word != 3 || strncmp(rest, "nan", 3) != 0) {
        printf("There is no setting `%.*s`; there is `nan`.\n", (int)word, rest);
        return;
    }
    for (int i = GR_NAN_WARN; i <= GR_NAN_QUIET; i++)
        if (strcmp(modes[i], value) == 0) {
            gr_set_nan(s->host->vm, (gr_nan)i);
            return;
        }
    puts("`nan` is warn, error or quiet.");
}
