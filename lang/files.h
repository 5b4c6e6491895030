/* SPDX-License-Identifier: MIT */
/*
 * Whole files in and out, and the texts that stand in them: tables and JSON.
 */
#ifndef GR_FILES_H
#define GR_FILES_H

#include "vm.h"

/* Reads a file ("-": standard input, "gradus:NAME": one that the program carries) to its end into
 * `out`. False: errno says why, or memory is out (errno ENOMEM). */
bool gr_read_file(gr_buffer *out, const char *path);
/* A new file takes the place of an old one at once, or not at all. False: errno says why. */
bool gr_write_file(ad_ctx *ctx, const char *path, const char *bytes, size_t length);
/* «cannot read `x.csv`: no such file» at the argument; false. */
bool gr_raise_file(gr_vm *vm, const gr_call *call, uint32_t i, const char *verb, const char *path);
/* Valid UTF-8? Else the offset of the first byte that is not. */
bool gr_is_utf8(const char *bytes, size_t length, size_t *bad);

/* ---- CSV -------------------------------------------------------------------------------------- */

typedef struct gr_csv_options {
    bool header;              /* the first line names the columns */
    enum { GR_MISSING_ERROR, GR_MISSING_NAN, GR_MISSING_DROP } missing;
    gr_value text;            /* tuple of names of columns to be taken as strings, or nil */
    char separator;
} gr_csv_options;

/* Text to a record of columns, or (without header) to one tensor. `name` is for messages. */
bool gr_csv_parse(gr_vm *vm, const gr_call *call, const char *name, const char *bytes,
                  size_t length, const gr_csv_options *options, gr_value *out);
/* A record of columns, a matrix, or a tuple of records. False: raised. */
bool gr_csv_write(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out);

/* ---- JSON ------------------------------------------------------------------------------------- */

/* Arrays become tuples, null nil. With `kinds`, what gr_json_save wrote comes back as it was. */
bool gr_json_parse(gr_vm *vm, const gr_call *call, const char *bytes, size_t length, gr_value *out);
/* One line. False: raised (nan, inf, a function). */
bool gr_json_write(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out);
/* The form with kinds, shapes and dtypes, and back. */
bool gr_json_save(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out);
bool gr_json_load(gr_vm *vm, const gr_call *call, const char *bytes, size_t length, gr_value *out);

/* Deepest nesting of JSON that is read or written. */
#define GR_MAX_JSON_DEPTH 512

#endif
