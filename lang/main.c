/* SPDX-License-Identifier: MIT */
/*
 * The program. It reads the command line, runs the interpreter on a thread with a stack of its own
 * (large, but only what is used of it exists), so that the limits of the language do not depend on
 * `ulimit -s`, and turns SIGINT into the interrupt flag. The exit statuses: 0, 1 after an error, 2
 * for bad usage, 130 after an interrupt, or what the program gave to exit.
 */
#include "format.h"
#include "help.h"
#include "testing.h"
#include "watch.h"

#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- signals ---------------------------------------------------------------------------------- */

/* All that a signal handler can know: set before the handler is. */
static volatile sig_atomic_t *interrupt_flag, patient;
static gr_pausing pausing;
static timer_t patience;

/* What stops then has the rest of a tenth of a second for the block or tile that is at work. */
enum { PATIENCE_NS = 80000000 };

static void set_timer(long nanoseconds) {
    timer_settime(patience, 0, &(struct itimerspec){.it_value.tv_nsec = nanoseconds}, NULL);
}

static void on_interrupt(int signal) {
    (void)signal;
    bool waits = patient && pausing.updating && !pausing.wanted;
    pausing.wanted = waits;
    if (waits) set_timer(PATIENCE_NS);
    else *interrupt_flag = 1;
}

static void on_timer(int signal) {
    (void)signal;
    if (pausing.wanted) *interrupt_flag = 1;
    pausing.wanted = 0;
}

/* No SA_RESTART: a read that waits for the user ends too. */
static void catch_signal(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGALRM);
    sigaction(number, &action, NULL);
}

/* Can a run be held up? Where there is somebody to say how it goes on. */
static bool is_pausable(const gr_command *c) {
    bool prompt = c->interactive || (c->action == GR_DO_REPL && !c->dump);
    return prompt && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static gr_go pause_run(void *user, gr_vm *vm, const char *where) {
    (void)vm;
    return gr_repl_pause(user, where);
}

static void catch_interrupts(gr_host *host, gr_options *options) {
    struct sigevent alarm = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    interrupt_flag = ad_interrupt_flag(host->ctx);
    catch_signal(SIGINT, on_interrupt);
    if (!is_pausable(host->command) || timer_create(CLOCK_MONOTONIC, &alarm, &patience) != 0) return;
    catch_signal(SIGALRM, on_timer);
    host->pausable = true;
    options->pausing = &pausing;
    options->pause = pause_run;
}

static void forget_interrupts(const gr_host *host) {
    signal(SIGINT, SIG_IGN);
    if (!host->pausable) return;
    signal(SIGALRM, SIG_IGN);
    timer_delete(patience);
}

void gr_host_patience(gr_host *host, bool on) {
    if (!host->pausable) return;
    patient = on;
    if (on && *interrupt_flag) { /* typed since the line was read: for what goes on now */
        *interrupt_flag = 0;
        raise(SIGINT);
    }
    if (on) return;
    set_timer(0);
    pausing.wanted = 0;
    *interrupt_flag = 0; /* what ran has ended by itself: it is not for what will be typed */
}

/* ---- words of the interpreter ----------------------------------------------------------------- */

static void write_out(void *user, int stream, const char *text, size_t size) {
    (void)user;
    if (stream == 1) {
        fwrite(text, 1, size, stdout);
        return;
    }
    fflush(stdout);
    if (stream == 2) fwrite(text, 1, size, stderr);
}

/* What `why` tells of a report from now on. */
static void keep_why(gr_host *host, const gr_report *report) {
    if (!host->explains) return;
    gr_buffer_clear(&host->why);
    gr_render_report(&host->why, report, &(gr_render_options){.ids = host->command->ids, .why = true});
}

static void show_report(gr_host *host, const gr_report *report) {
    gr_buffer text;
    fflush(stdout);
    gr_buffer_init(&text, host->ctx);
    gr_render_report(&text, report, &(gr_render_options){.color = host->color, .ids = host->command->ids});
    if (text.text) fwrite(text.text, 1, text.size, stderr);
    gr_buffer_free(&text);
    keep_why(host, report);
}

/* A warning does not wait for the end of the run. */
static void show_warning(void *user, const gr_report *report) { show_report(user, report); }

static bool wants_color(const gr_command *command, int stream) {
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(stream) && !command->no_color && !(none && *none) && term &&
           strcmp(term, "dumb") != 0;
}

/* Columns of the window; of what is no window, 80. */
static unsigned window_width(void) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (!isatty(STDOUT_FILENO)) return 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    long n = columns ? strtol(columns, NULL, 10) : 0;
    return n >= 20 && n <= 1000 ? (unsigned)n : 80;
}

/* A terminal in a locale without UTF-8 and the console of Linux have no braille. */
static bool is_ascii_terminal(void) {
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO)) return false;
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0 ||
           (term && (strcmp(term, "linux") == 0 || strcmp(term, "dumb") == 0));
}

static void look_at_screen(void *user, gr_screen *out) {
    const gr_host *host = user;
    out->width = window_width();
    out->color = host->color_out;
    out->ascii = is_ascii_terminal();
    out->digits = host->digits;
}

void gr_host_report(gr_host *host) {
    gr_report *report = gr_vm_report(host->vm);
    fflush(stdout);
    if (report->first) gr_check_hints(host->vm);
    if (report->out_of_memory && !report->first) fputs("error: there is not enough memory\n", stderr);
    else if (report->first) show_report(host, report);
}

int gr_host_status(const gr_host *host, gr_status status) {
    switch (status) {
    case GR_OK: return 0;
    case GR_EXITED: return gr_exit_status(host->vm);
    case GR_INTERRUPTED: return 130;
    default: return 1;
    }
}

void gr_host_answer(const gr_host *host, bool echo) {
    gr_value v;
    gr_buffer text;
    if (!gr_answer(host->vm, &v) || gr_is_nil(v) || gr_is_absent(v)) return;
    gr_watch_value(host->vm, v, "what is printed");
    gr_buffer_init(&text, host->ctx);
    if (echo) gr_format_echo(host->vm, &text, v, 0);
    else gr_format_print(host->vm, &text, v);
    gr_buffer_puts(&text, "\n");
    if (text.text) fwrite(text.text, 1, text.size, stdout);
    gr_buffer_free(&text);
}

/* ---- an interpreter --------------------------------------------------------------------------- */

bool gr_host_open(gr_host *host, const gr_options *how) {
    const gr_command *c = host->command;
    gr_options options = *how;
    ad_config config = {.threads = c->threads, .dtype = c->dtype};
    options.nan = c->nan;
    options.explain = host->explains = c->interactive || (c->action == GR_DO_REPL && !c->dump);
    options.ctx = host->ctx = ad_new(&config);
    if (!host->ctx) return false;
    gr_buffer_init(&host->why, host->ctx);
    host->color = wants_color(c, STDERR_FILENO);
    host->color_out = wants_color(c, STDOUT_FILENO);
    catch_interrupts(host, &options);
    if (c->seeded) ad_seed(host->ctx, c->seed);
    host->vm = gr_vm_open(&options);
    return host->vm != NULL;
}

void gr_host_close(gr_host *host) {
    if (!host->ctx) return;
    gr_vm_close(host->vm);
    gr_buffer_free(&host->why);
    forget_interrupts(host);
    ad_free(host->ctx);
}

/* ---- running ---------------------------------------------------------------------------------- */

static int run_file(gr_host *host) {
    gr_status status = gr_run_file(host->vm, host->command->path, 0);
    gr_host_report(host);
    return gr_host_status(host, status);
}

static int run_expression(gr_host *host) {
    const char *text = host->command->expression;
    gr_status status = gr_run_text(host->vm, "-e", text, strlen(text), GR_RUN_ANSWER);
    if (status == GR_OK) gr_host_answer(host, false);
    gr_host_report(host);
    return gr_host_status(host, status);
}

/* The program is run first, and prints what it prints. */
static int dump_tape(gr_host *host) {
    const gr_command *c = host->command;
    const char *text = c->expression;
    gr_buffer out;
    gr_status status = c->action == GR_DO_EXPRESSION
                           ? gr_run_text(host->vm, "-e", text, strlen(text), GR_RUN_ANSWER)
                           : gr_run_file(host->vm, c->path, 0);
    gr_host_report(host);
    if (status != GR_OK) return gr_host_status(host, status);
    gr_buffer_init(&out, host->ctx);
    bool ok = gr_dump_tape(host->vm, &out);
    if (ok && out.text) fwrite(out.text, 1, out.size, stdout);
    gr_buffer_free(&out);
    return ok ? 0 : 1;
}

static int dump(gr_host *host) {
    static const char *const stages[] = {"", "tokens", "ast", "code"};
    const gr_command *c = host->command;
    if (c->dump == GR_DUMP_TAPE) return dump_tape(host);
    gr_buffer text, out;
    gr_buffer_init(&text, host->ctx);
    gr_buffer_init(&out, host->ctx);
    const char *name = c->action == GR_DO_EXPRESSION ? "-e" : c->path;
    gr_source *source = NULL;
    if (c->action == GR_DO_EXPRESSION) gr_buffer_puts(&text, c->expression);
    else if (gr_source_read(host->ctx, c->path, &source) == GR_SOURCE_OK)
        gr_buffer_put(&text, source->text, source->size);
    else
        fprintf(stderr, "gradus: cannot read `%s`\n", c->path);
    bool ok = c->action == GR_DO_EXPRESSION || source;
    ok = ok && gr_dump_text(host->vm, stages[c->dump], name, text.text ? text.text : "", text.size, &out);
    if (ok && out.text) fwrite(out.text, 1, out.size, stdout);
    gr_host_report(host);
    gr_source_free(source);
    gr_buffer_free(&text);
    gr_buffer_free(&out);
    return ok ? 0 : 1;
}

/* gradus doc: the status is 1 where a name is unknown. */
static int tell_names(gr_host *host) {
    const gr_command *c = host->command;
    gr_buffer text;
    int status = 0;
    gr_buffer_init(&text, host->ctx);
    for (int i = 0; i < c->argument_count; i++) {
        if (i) gr_buffer_puts(&text, "\n");
        if (!gr_help_name(host->vm, &text, c->arguments[i], strlen(c->arguments[i]))) status = 1;
    }
    if (text.text) fwrite(text.text, 1, text.size, stdout);
    gr_buffer_free(&text);
    return status;
}

static int act(gr_host *host) {
    const gr_command *c = host->command;
    if (c->dump && (c->action == GR_DO_EXPRESSION || c->action == GR_DO_FILE)) return dump(host);
    switch (c->action) {
    case GR_DO_FILE: return c->interactive ? gr_repl(host) : run_file(host);
    case GR_DO_EXPRESSION: return run_expression(host);
    case GR_DO_DOC: return tell_names(host);
    default: return gr_repl(host);
    }
}

/* The stack that the interpreter runs on: as much address space as can be had. */
enum { STACK_PER_CALL = 8192 };
static const size_t stack_sizes[] = {(size_t)1 << 30, (size_t)1 << 28, (size_t)1 << 26, (size_t)1 << 23};

typedef struct job {
    const gr_command *command;
    size_t stack;
    int status;
} job;

static int run_job(const job *j) {
    const gr_command *c = j->command;
    gr_host host = {.command = c};
    gr_options options = {.write = write_out, .screen = look_at_screen, .warn = show_warning, .user = &host,
                          .max_c_depth = (uint32_t)(j->stack / STACK_PER_CALL)};
    int status = 1;
    if (c->action == GR_DO_TEST) return gr_test(c, options.max_c_depth);
    if (gr_host_open(&host, &options)) {
        gr_set_arguments(host.vm, c->argument_count, c->arguments);
        status = act(&host);
    }
    gr_host_close(&host);
    return status;
}

static void *run_thread(void *argument) {
    job *j = argument;
    j->status = run_job(j);
    return NULL;
}

/* What `ulimit -v` allows: most of it is for values. */
static size_t address_space(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : SIZE_MAX;
}

/* Signals go to the interpreter's thread, whose reads and waits they interrupt. */
static bool start_thread(pthread_t *thread, job *j) {
    sigset_t interrupts, before;
    pthread_attr_t attributes;
    bool started = false;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGWINCH);
    sigaddset(&interrupts, SIGCONT);
    sigaddset(&interrupts, SIGALRM);
    for (size_t i = 0; !started && i < sizeof stack_sizes / sizeof *stack_sizes; i++) {
        j->stack = stack_sizes[i];
        if (i + 1 < sizeof stack_sizes / sizeof *stack_sizes && j->stack > address_space() / 4) continue;
        if (pthread_attr_init(&attributes) != 0) return false;
        started = pthread_attr_setstacksize(&attributes, j->stack) == 0 &&
                  pthread_create(thread, &attributes, run_thread, j) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (started) pthread_sigmask(SIG_BLOCK, &interrupts, &before);
    return started;
}

int main(int argc, char **argv) {
    gr_command command;
    char complaint[200];
    if (!gr_command_parse(argc, argv, &command, complaint, sizeof complaint)) {
        fprintf(stderr, "gradus: %s\nTry `gradus --help`.\n", complaint);
        return 2;
    }
    if (command.action == GR_DO_HELP) fputs(gr_usage, stdout);
    if (command.action == GR_DO_VERSION) puts("gradus " AD_VERSION);
    int status = 0;
    if (command.action != GR_DO_HELP && command.action != GR_DO_VERSION) {
        job j = {.command = &command, .status = 1};
        pthread_t thread;
        setlocale(LC_CTYPE, "");
        if (!start_thread(&thread, &j)) {
            fputs("gradus: cannot start a thread\n", stderr);
            return 1;
        }
        pthread_join(thread, NULL);
        status = j.status;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("gradus: cannot write to standard output\n", stderr);
        return 1;
    }
    return status;
}
