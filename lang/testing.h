/* SPDX-License-Identifier: MIT */
/* `gradus test`: a line a test, then how many passed and failed. */
#ifndef GR_TESTING_H
#define GR_TESTING_H

#include "host.h"

/* Tests the files and folders of the command, or the folder that it runs in. Gives the exit status. */
int gr_test(const gr_command *command, uint32_t max_c_depth);

#endif
