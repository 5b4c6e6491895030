/* SPDX-License-Identifier: MIT */
/*
 * Drives the real program in a pseudo-terminal: keys in, screen out. Each argument is a script of one
 * case, one directive a line; it prints one line of TAP for each.
 *
 *     size COLUMNS ROWS      of the window, before the first key (80 24)
 *     env NAME=VALUE         for the program, before the first key; `env NAME` takes it away
 *     args WORDS             of the program, likewise
 *     file PATH … end        writes a file, and the folders to it, likewise
 *     keys TEXT              types; \r \t \e \\ \xHH, \s is a blank at the end
 *     paste … end            the lines between, as a bracketed paste
 *     see TEXT               waits until a row of the screen has TEXT
 *     here TEXT              waits until the cursor's row has TEXT
 *     never TEXT             no row of the screen, or above it, has TEXT now
 *     screen … end           waits until the screen is these lines and nothing else
 *     tail … end             waits until the last lines of the screen are these
 *     show FILE              writes the screen as it is now to a file
 *     cursor ROW COLUMN      waits until the cursor is there, both from 0
 *     style TEXT PARAMETERS  waits until TEXT is drawn so: "35", "-" for plain
 *     resize COLUMNS ROWS
 *     cpu MILLISECONDS       the program has used no more until now (any, where it is sanitized)
 *     resume                 stops the program, sets the terminal as a shell would, and lets it go on
 *     again                  ends the program with Ctrl-D and starts it anew
 *     exit STATUS            waits for the program's end
 *
 * Nothing is waited for by the clock: a condition that holds is seen at once, one that does not hold
 * within the patience (GRADUS_PATIENCE seconds, 20) is a failure.
 */
#define _GNU_SOURCE
#include "terminal.h"

#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ENV = 16, MOST_ARGS = 16, LINE = 4096 };

typedef struct test {
    FILE *script;
    int line;
    const char *program;
    terminal screen;
    int width, height;
    char *env[MOST_ENV];
    int env_count;
    char *args[MOST_ARGS];
    int arg_count;
    int fd; /* -1: not started, or ended */
    pid_t pid;
    bool ended;
    bool left; /* the last keys were Ctrl-D */
    int status;
    char problem[LINE];
} test;

static char *copy(const char *text) {
    char *c = strdup(text);
    if (!c) abort();
    return c;
}

static bool fail(test *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(t->problem, sizeof t->problem, format, args);
    va_end(args);
    return false;
}

/* ---- the program ------------------------------------------------------------------------------ */

static void run_program(test *t) {
    char *argv[MOST_ARGS + 2] = {(char *)t->program};
    setenv("TERM", "xterm-256color", 1);
    for (int i = 0; i < t->env_count; i++) {
        if (strchr(t->env[i], '=')) putenv(t->env[i]);
        else unsetenv(t->env[i]);
    }
    for (int i = 0; i < t->arg_count; i++) argv[i + 1] = t->args[i];
    execv(t->program, argv);
    _exit(127);
}

static bool start(test *t) {
    struct winsize size = {.ws_row = (unsigned short)t->height, .ws_col = (unsigned short)t->width};
    if (t->fd >= 0 || t->ended) return true;
    terminal_open(&t->screen, t->width, t->height);
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    if (t->pid < 0) return fail(t, "forkpty: %s", strerror(errno));
    if (t->pid == 0) run_program(t);
    return true;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Takes what the program has written, waiting for `seconds` at most; false at its end. */
static bool feed(test *t, double seconds) {
    struct pollfd in = {.fd = t->fd, .events = POLLIN};
    char bytes[4096];
    if (t->fd < 0) return false;
    if (poll(&in, 1, (int)(1000 * seconds)) <= 0) return true;
    ssize_t n = read(t->fd, bytes, sizeof bytes);
    if (n <= 0) return false;
    terminal_feed(&t->screen, bytes, (size_t)n);
    return true;
}

static double patience(void) {
    const char *text = getenv("GRADUS_PATIENCE");
    return text ? atof(text) : 20;
}

typedef bool (*condition)(test *t, const char *wanted);

static bool wait_until(test *t, condition holds, const char *wanted) {
    double end = now() + patience();
    while (!holds(t, wanted)) {
        if (now() > end || !feed(t, 0.1)) {
            while (t->fd >= 0 && feed(t, 0) && now() < end && !holds(t, wanted)) {}
            return holds(t, wanted);
        }
    }
    return true;
}

static void stop(test *t) {
    if (t->fd < 0) return;
    close(t->fd);
    t->fd = -1;
    kill(t->pid, SIGKILL);
    waitpid(t->pid, &t->status, 0);
}

/* A Ctrl-D that comes before the terminal listens key by key is lost: it is said again. */
static bool wait_for_end(test *t) {
    double end = now() + patience(), again = now() + 1;
    while (feed(t, 0.1)) {
        if (now() > end) return fail(t, "the program did not end");
        if (!t->left || now() < again) continue;
        if (write(t->fd, "\x04", 1) != 1) break;
        again = now() + 1;
    }
    close(t->fd);
    t->fd = -1;
    t->ended = true;
    while (waitpid(t->pid, &t->status, WNOHANG) == 0) {
        if (now() > end) return fail(t, "the program closed its terminal and did not end");
        usleep(1000);
    }
    return true;
}

/* ---- conditions ------------------------------------------------------------------------------- */

static bool has_text(test *t, const char *text) {
    char line[LINE];
    for (int row = 0; row < t->screen.height; row++)
        if (strstr(terminal_row(&t->screen, row, line), text)) return true;
    return false;
}

static bool has_text_here(test *t, const char *text) {
    char line[LINE];
    return strstr(terminal_row(&t->screen, t->screen.row, line), text) != NULL;
}

static bool ever_had_text(test *t, const char *text) {
    return has_text(t, text) || (t->screen.scrolled && strstr(t->screen.scrolled, text));
}

/* All rows, newlines between, without the blank ones at the end but for the cursor's. */
static char *whole_screen(const terminal *t) {
    char line[LINE];
    char *all = calloc((size_t)t->height, LINE);
    if (!all) abort();
    int last = t->row;
    for (int row = 0; row < t->height; row++)
        if (*terminal_row(t, row, line) && row > last) last = row;
    for (int row = 0; row <= last; row++) {
        strcat(all, terminal_row(t, row, line));
        strcat(all, "\n");
    }
    return all;
}

static bool is_screen(test *t, const char *wanted) {
    char *got = whole_screen(&t->screen);
    bool same = strcmp(got, wanted) == 0;
    free(got);
    return same;
}

static bool is_tail(test *t, const char *wanted) {
    char *got = whole_screen(&t->screen);
    size_t n = strlen(got), m = strlen(wanted);
    bool same = n >= m && strcmp(got + n - m, wanted) == 0 && (n == m || got[n - m - 1] == '\n');
    free(got);
    return same;
}

static bool takes_pastes(test *t, const char *unused) {
    (void)unused;
    return t->screen.pasting;
}

static bool is_cursor(test *t, const char *wanted) {
    int row, column;
    return sscanf(wanted, "%d %d", &row, &column) == 2 && t->screen.row == row &&
           t->screen.column + t->screen.wraps == column;
}

static bool is_style(test *t, const char *wanted) {
    char text[LINE];
    snprintf(text, sizeof text, "%s", wanted);
    char *parameters = strrchr(text, ' ');
    if (!parameters) return false;
    *parameters++ = '\0';
    const char *style = terminal_style(&t->screen, text);
    return style && strcmp(style, strcmp(parameters, "-") == 0 ? "" : parameters) == 0;
}

/* ---- directives ------------------------------------------------------------------------------- */

static bool send(test *t, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(t->fd, bytes, size);
        if (n < 0) return fail(t, "the program takes no keys: %s", strerror(errno));
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static size_t unescape(const char *text, char *out) {
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        unsigned byte;
        if (*p != '\\' || !p[1]) {
            out[n++] = *p;
            continue;
        }
        p++;
        if (*p == 'x' && sscanf(p + 1, "%2x", &byte) == 1) {
            out[n++] = (char)byte;
            p += 2;
        } else {
            static const char from[] = "rtes\\", to[] = "\r\t\033 \\";
            const char *found = strchr(from, *p);
            out[n++] = found ? to[found - from] : *p;
        }
    }
    return n;
}

static bool type_keys(test *t, const char *text) {
    char bytes[LINE];
    size_t size = unescape(text, bytes);
    t->left = size == 1 && bytes[0] == 4;
    return send(t, bytes, size);
}

static bool read_line(test *t, char *line) {
    if (!fgets(line, LINE, t->script)) return false;
    line[strcspn(line, "\n")] = '\0';
    t->line++;
    return true;
}

/* The lines up to `end`; blanks at the end of one do not show, and do not count. */
static char *read_block(test *t, bool trim) {
    char line[LINE];
    char *all = calloc(64, LINE);
    if (!all) abort();
    while (read_line(t, line) && strcmp(line, "end") != 0) {
        size_t n = strlen(line);
        while (trim && n > 0 && line[n - 1] == ' ') line[--n] = '\0';
        strcat(all, line);
        strcat(all, "\n");
    }
    return all;
}

static bool expect_block(test *t, condition holds, const char *what) {
    int line = t->line;
    char *wanted = read_block(t, true);
    bool ok = wait_until(t, holds, wanted);
    if (!ok) fail(t, "line %d: the %s is not\n%s", line, what, wanted);
    free(wanted);
    return ok;
}

static bool paste(test *t) {
    char *text = read_block(t, false);
    bool ok = wait_until(t, takes_pastes, "") || fail(t, "bracketed paste is not on");
    for (char *p = text; *p; p++) /* as terminals send it; a last line `\` has no newline */
        if (*p == '\n') *p = '\r';
    size_t n = strlen(text);
    if (n >= 2 && strcmp(text + n - 2, "\\\r") == 0) n -= n > 2 ? 3 : 2;
    ok = ok && send(t, "\033[200~", 6) && send(t, text, n) && send(t, "\033[201~", 6);
    free(text);
    return ok;
}

static bool resize(test *t, const char *rest) {
    int width, height;
    if (sscanf(rest, "%d %d", &width, &height) != 2) return fail(t, "resize COLUMNS ROWS");
    struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
    terminal_resize(&t->screen, width, height);
    return ioctl(t->fd, TIOCSWINSZ, &size) == 0 || fail(t, "TIOCSWINSZ: %s", strerror(errno));
}

/* Takes the text over. */
static bool put_file(test *t, const char *path, char *text) {
    FILE *file = fopen(path, "w");
    bool ok = file && fputs(text, file) >= 0;
    if (file && fclose(file) != 0) ok = false;
    free(text);
    return ok || fail(t, "%s: %s", path, strerror(errno));
}

static bool takes_keys(test *t, const char *unused) {
    struct termios mode;
    (void)unused;
    return tcgetattr(t->fd, &mode) == 0 && !(mode.c_lflag & (ICANON | ECHO));
}

static bool resume(test *t) {
    struct termios mode;
    if (kill(t->pid, SIGSTOP) != 0 || tcgetattr(t->fd, &mode) != 0)
        return fail(t, "the program cannot be stopped: %s", strerror(errno));
    mode.c_lflag |= ICANON | ECHO;
    mode.c_iflag |= ICRNL;
    if (tcsetattr(t->fd, TCSANOW, &mode) != 0 || kill(t->pid, SIGCONT) != 0)
        return fail(t, "the program cannot go on: %s", strerror(errno));
    return wait_until(t, takes_keys, "") || fail(t, "the terminal is left as the shell has set it");
}

static bool restart(test *t) {
    if (!type_keys(t, "\\x04") || !wait_for_end(t)) return false;
    if (t->status != 0) return fail(t, "the program ended with status %d", t->status);
    terminal_close(&t->screen);
    t->ended = false;
    return start(t);
}

static bool expect_exit(test *t, const char *rest) {
    if (!wait_for_end(t)) return false;
    int status = WIFEXITED(t->status) ? WEXITSTATUS(t->status) : 128 + WTERMSIG(t->status);
    return status == atoi(rest) || fail(t, "the exit status is %d", status);
}

static bool add_args(test *t, char *rest) {
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " "))
        if (t->arg_count < MOST_ARGS) t->args[t->arg_count++] = copy(word);
    return true;
}

static bool write_file(test *t, char *path) {
    for (char *p = path; *p; p++) {
        if (*p != '/' || p == path) continue;
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    return put_file(t, path, read_block(t, false));
}

/* The time that all threads have run, which a busy machine does not lengthen. */
static double cpu_milliseconds(const test *t) {
    char path[64], line[128];
    double total = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)t->pid);
    DIR *dir = opendir(path);
    if (!dir) return 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/schedstat", (int)t->pid, entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(line, sizeof line, file)) total += atof(line);
        if (file) fclose(file);
    }
    closedir(dir);
    return total / 1e6;
}

static bool check_cpu(test *t, const char *rest) {
    const char *sanitized = getenv("GRADUS_SANITIZED");
    double used = cpu_milliseconds(t);
    return (sanitized && *sanitized) || used <= atof(rest) ||
           fail(t, "the program has used %.1f ms", used);
}

static bool before_start(test *t, const char *word, char *rest, bool *known) {
    *known = true;
    if (strcmp(word, "size") == 0)
        return sscanf(rest, "%d %d", &t->width, &t->height) == 2 || fail(t, "size COLUMNS ROWS");
    if (strcmp(word, "env") == 0 && t->env_count < MOST_ENV) {
        t->env[t->env_count++] = copy(rest);
        return true;
    }
    if (strcmp(word, "args") == 0) return add_args(t, rest);
    if (strcmp(word, "file") == 0) return write_file(t, rest);
    *known = false;
    return true;
}

static bool run_directive(test *t, const char *word, char *rest) {
    bool known;
    if (!before_start(t, word, rest, &known) || known) return !t->problem[0];
    if (!start(t)) return false;
    if (strcmp(word, "keys") == 0) return type_keys(t, rest);
    if (strcmp(word, "paste") == 0) return paste(t);
    if (strcmp(word, "see") == 0)
        return wait_until(t, has_text, rest) || fail(t, "the screen does not show `%s`", rest);
    if (strcmp(word, "here") == 0)
        return wait_until(t, has_text_here, rest) || fail(t, "`%s` is not where the cursor is", rest);
    if (strcmp(word, "never") == 0)
        return !ever_had_text(t, rest) || fail(t, "the screen shows `%s`", rest);
    if (strcmp(word, "screen") == 0) return expect_block(t, is_screen, "screen");
    if (strcmp(word, "tail") == 0) return expect_block(t, is_tail, "screen's end");
    if (strcmp(word, "cursor") == 0)
        return wait_until(t, is_cursor, rest) ||
               fail(t, "the cursor is at %d %d", t->screen.row, t->screen.column);
    if (strcmp(word, "style") == 0)
        return wait_until(t, is_style, rest) || fail(t, "the style is not `%s`", rest);
    if (strcmp(word, "resize") == 0) return resize(t, rest);
    if (strcmp(word, "show") == 0) return put_file(t, rest, whole_screen(&t->screen));
    if (strcmp(word, "cpu") == 0) return check_cpu(t, rest);
    if (strcmp(word, "resume") == 0) return resume(t);
    if (strcmp(word, "again") == 0) return restart(t);
    if (strcmp(word, "exit") == 0) return expect_exit(t, rest);
    return fail(t, "there is no directive `%s`", word);
}

/* ---- one case --------------------------------------------------------------------------------- */

static bool run_script(test *t) {
    char line[LINE];
    while (read_line(t, line)) {
        if (!*line || *line == '#') continue;
        char *rest = line + strcspn(line, " ");
        if (*rest) *rest++ = '\0';
        if (!run_directive(t, line, rest)) return false;
        if (t->screen.fault[0]) return fail(t, "the terminal does not know %s", t->screen.fault);
    }
    return t->ended || fail(t, "the script does not wait for the program's end");
}

static void comment(const char *text) {
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        printf("# %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void report(test *t, int number, const char *path, bool ok) {
    const char *slash = strrchr(path, '/');
    printf("%sok %d - %s\n", ok ? "" : "not ", number, slash ? slash + 1 : path);
    if (ok) return;
    printf("# line %d: ", t->line);
    printf("%.*s\n", (int)strcspn(t->problem, "\n"), t->problem);
    comment(t->problem + strcspn(t->problem, "\n"));
    if (!t->screen.cells) return;
    char *screen = whole_screen(&t->screen);
    printf("# the screen is (cursor %d %d):\n", t->screen.row, t->screen.column);
    comment(screen);
    free(screen);
}

static bool run_case(const char *program, const char *path, int number) {
    test t = {.program = program, .width = 80, .height = 24, .fd = -1};
    t.script = fopen(path, "r");
    bool ok = t.script ? run_script(&t) : fail(&t, "%s", strerror(errno));
    report(&t, number, path, ok);
    stop(&t);
    terminal_close(&t.screen);
    if (t.script) fclose(t.script);
    for (int i = 0; i < t.env_count; i++) free(t.env[i]);
    for (int i = 0; i < t.arg_count; i++) free(t.args[i]);
    fflush(stdout);
    return ok;
}

int main(int argc, char **argv) {
    const char *program = getenv("GRADUS");
    int failed = 0;
    if (!program || !setlocale(LC_ALL, "C.UTF-8")) {
        fputs("GRADUS must name the program, and the locale C.UTF-8 exist\n", stderr);
        return 99;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) failed += !run_case(program, argv[i], i);
    printf("1..%d\n", argc - 1);
    return failed ? 1 : 0;
}
