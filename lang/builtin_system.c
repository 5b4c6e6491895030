/* SPDX-License-Identifier: MIT */
/*
 * The world around a program: time, arguments, environment, errors of its own, help.
 */
#include "builtin.h"
#include "format.h"
#include "help.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool text_result(gr_vm *vm, gr_call *call, const char *text) {
    call->result = gr_string_text(vm, text);
    return !gr_failed(call->result);
}

static bool gr_b_clock(gr_vm *vm, gr_call *call) {
    struct timespec now;
    (void)vm;
    clock_gettime(CLOCK_MONOTONIC, &now);
    call->result = ad_number((double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return true;
}

static bool gr_b_env(gr_vm *vm, gr_call *call) {
    char *name;
    size_t bytes;
    if (!gr_want_path(vm, call, 0, &name, &bytes)) return false;
    const char *value = getenv(name);
    ad_mem_put(gr_ctx(vm), name, bytes);
    return !value || text_result(vm, call, value); /* else nil */
}

static bool gr_b_is_terminal(gr_vm *vm, gr_call *call) {
    static const char *const names[] = {"input", "output", "errors"};
    gr_string *stream = NULL;
    if (gr_given(call, 0) && !gr_want_string(vm, call, 0, &stream)) return false;
    for (int k = 0; stream && k < 3; k++)
        if (gr_string_is(call->args[0], names[k])) {
            call->result = ad_bool(isatty(k) == 1);
            return true;
        }
    if (stream) {
        gr_raise_argument(vm, call, 0, GR_E_wrong_value,
                        "a stream is \"input\", \"output\" or \"errors\"; this is \"%.*s\"",
                        (int)(stream->length > 40 ? 40 : stream->length), stream->bytes);
        return false;
    }
    call->result = ad_bool(isatty(STDERR_FILENO) == 1);
    return true;
}

static bool gr_b_error(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    for (uint32_t k = 0; k < call->rest_count; k++)
        if (!gr_format_value(vm, &text, call->rest[k], NULL)) break;
    if (!gr_has_raised(vm)) gr_raise(vm, GR_E_user_error, "%s", text.text ? text.text : "error");
    gr_buffer_free(&text);
    return false;
}

/* {ok, value, error} */
static bool try_record(gr_vm *vm, gr_call *call, bool ok, gr_value value, const gr_buffer *message) {
    gr_value r = gr_record_new(vm);
    gr_value text = ok ? gr_nil()
                       : gr_string_new(vm, message->text ? message->text : "", message->size);
    if (gr_failed(r) || gr_failed(text)) return false;
    bool set = gr_record_set_text(vm, &r, "ok", ad_bool(ok)) &&
               gr_record_set_text(vm, &r, "value", value) &&
               gr_record_set_text(vm, &r, "error", text);
    call->result = r;
    return set;
}

static bool gr_b_try(gr_vm *vm, gr_call *call) {
    gr_value value = gr_nil();
    gr_buffer message;
    if (!gr_want_function(vm, call, 0)) return false;
    gr_buffer_init(&message, gr_ctx(vm));
    bool ok = gr_call_function(vm, call->args[0], call->rest_count, call->rest, &value);
    if (!ok) value = gr_nil();
    bool caught = ok || gr_catch(vm, &message);
    bool made = caught && try_record(vm, call, ok, value, &message);
    gr_buffer_free(&message);
    return made;
}

/* {interrupted, value} */
static bool gr_b_interruptible(gr_vm *vm, gr_call *call) {
    gr_value value = gr_nil();
    if (!gr_want_function(vm, call, 0)) return false;
    bool ended = gr_call_interruptible(vm, call->args[0], call->rest_count, call->rest, &value);
    if (!ended) value = gr_nil();
    if (!ended && !gr_catch_interrupt(vm)) return false;
    gr_value r = gr_record_new(vm);
    bool set = !gr_failed(r) && gr_record_set_text(vm, &r, "interrupted", ad_bool(!ended)) &&
               gr_record_set_text(vm, &r, "value", value);
    call->result = r;
    return set;
}

static bool gr_b_type(gr_vm *vm, gr_call *call) {
    return text_result(vm, call, gr_kind_name(call->args[0]));
}

static bool gr_b_exit(gr_vm *vm, gr_call *call) {
    int64_t status = 0;
    if (gr_given(call, 0) && !gr_want_whole(vm, call, 0, &status)) return false;
    gr_exit(vm, (int)(status & 255));
    return false;
}

/* Of a function, of what a string names, of any other value. */
static bool gr_b_help(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    if (!gr_may_print(vm)) return true;
    gr_buffer_init(&text, gr_ctx(vm));
    if (gr_is_absent(call->args[0])) {
        gr_buffer_puts(&text, "help(f) tells what a function does; `gradus --help` how to call gradus");
    } else if (call->args[0].kind == GR_STRING) {
        gr_help_name(vm, &text, gr_as_string(call->args[0])->bytes, gr_as_string(call->args[0])->length);
    } else {
        const gr_source *source;
        gr_span span = gr_operand_span(vm, 2, &source);
        gr_help_value(vm, &text, call->args[0]);
        if (source) gr_help_variable(vm, &text, source->text + span.begin, span.end - span.begin);
    }
    if (text.size == 0 || text.text[text.size - 1] != '\n') gr_buffer_puts(&text, "\n");
    if (!text.failed) gr_write(vm, text.text, text.size);
    gr_buffer_free(&text);
    return true;
}

const gr_builtin gr_builtins_system[] = {
    GR_BUILTIN(clock, "", "seconds of a clock that only goes forward"),
    GR_BUILTIN(env, "name", "a variable of the environment, nil if it is not set"),
    GR_BUILTIN(is_terminal, "stream = \"errors\"",
               "whether a stream is a terminal: \"errors\", where printerr writes, \"input\" or \"output\""),
    GR_BUILTIN(error, "...text", "ends with an error of this text"),
    GR_BUILTIN(try, "f, ...args",
               "calls f and gives {ok, value, error}: its value, or the first line of its error"),
    GR_BUILTIN(interruptible, "f, ...args",
               "calls f and gives {interrupted, value}: an interrupt (Ctrl-C) ends f, not the program"),
    GR_BUILTIN(type, "x", "the kind of a value: \"number\", \"tensor\", \"string\" …"),
    GR_BUILTIN(help, "x = nil",
               "prints what a function does, or what a value is; of a string: what it names, also a "
               "keyword or a sign"),
    GR_BUILTIN(exit, "status = 0", "ends the program"),
    GR_BUILTINS_END};
