/* SPDX-License-Identifier: MIT */
/*
 * measure RUNS COMMAND [ARGUMENT...]  runs a command RUNS times with its output thrown away and prints
 * one line: the median of the wall times in milliseconds, the peak of resident memory in kilobytes
 * (of the largest run), the exit status of the last. A shell can tell none of the first two of a
 * process that has ended, and sampling a living one would miss the peak.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_RUNS = 1000 };

typedef struct outcome {
    double wall; /* ms */
    long peak;   /* KB */
    int status;
} outcome;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int run_once(char **command, posix_spawn_file_actions_t *actions, outcome *result)
{
    pid_t pid;
    int status;
    struct rusage usage;
    double start = now();
    if (posix_spawnp(&pid, command[0], actions, NULL, command, environ) != 0)
        return -1;
    if (wait4(pid, &status, 0, &usage) != pid)
        return -1;
    result->wall = now() - start;
    result->peak = usage.ru_maxrss;
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    double walls[MAX_RUNS];
    long peak = 0;
    outcome result = {0, 0, 0};
    int runs = argc > 2 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: measure RUNS COMMAND [ARGUMENT...]\n");
        return 2;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < runs; i++) {
        if (run_once(argv + 2, &actions, &result) != 0) {
            perror(argv[2]);
            return 2;
        }
        walls[i] = result.wall;
        peak = result.peak > peak ? result.peak : peak;
    }
    posix_spawn_file_actions_destroy(&actions);
    qsort(walls, (size_t)runs, sizeof walls[0], ascending);
    printf("%.3f %ld %d\n", walls[runs / 2], peak, result.status);
    return 0;
}
