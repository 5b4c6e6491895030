/* SPDX-License-Identifier: MIT */
/*
 * Values to text: the one formatter behind print, the prompt's echo, interpolation, messages and
 * what is saved as source. Text goes into a buffer; nothing is evaluated.
 *
 * Numbers have the fewest digits that read back. In a tensor they have at most eight decimals, of
 * all its elements alike, columns are aligned, and what is large is shown with its first and last
 * elements; all digits and all elements are had by a format of one's own, or by to_json and save.
 */
#ifndef GR_FORMAT_H
#define GR_FORMAT_H

#include "vm.h"

/* Values nested deeper are shown as "…". */
#define GR_MAX_SHOWN_DEPTH 64
/* Likewise of what is written as source. */
#define GR_MAX_WRITTEN_DEPTH 200
/* Columns that are filled before a value is broken into lines. */
#define GR_LINE_WIDTH 80

/* As interpolation and str show it: a string bare. `format` is printf's without the %, NULL for
 * none; applied to each number of a tensor or structure. False: raised, the format does not fit. */
bool gr_format_value(gr_vm *vm, gr_buffer *out, gr_value v, const char *format);

/* As print shows it on standard output: as wide as its window, pictures in colours if it has them. */
void gr_format_print(gr_vm *vm, gr_buffer *out, gr_value v);

/* The same in so many columns, with less of a long structure and no more digits than the echo shows. */
void gr_format_fitted(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width);

/* As the prompt shows it: strings quoted, tensors with shape and dtype, long structures one line a
 * leaf. `width` 0: the window's. */
void gr_format_echo(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width);

/* What the prompt adds to a value that is tracked: "param", or "tracked, 14 operations, ∂ reaches W1 b1";
 * nothing for others. */
void gr_format_tracked(gr_vm *vm, gr_buffer *out, gr_value v);
/* The variable of the top level that holds this tracked value; NULL if none does. */
const char *gr_tracked_name(gr_vm *vm, gr_value v);

/* On one line of about `room` characters at most, strings quoted: for messages. */
void gr_format_brief(gr_vm *vm, gr_buffer *out, gr_value v, unsigned room);

/* All digits and elements, as source that makes the value again, in a context of the same default
 * dtype. False: it has parts without such a form (functions, pictures, nesting beyond
 * GR_MAX_WRITTEN_DEPTH), which are written as they are shown. */
bool gr_format_source(gr_vm *vm, gr_buffer *out, gr_value v);

/* "a number", "a tensor [2, 3]", "a tuple of 3", "nil". */
void gr_describe(gr_vm *vm, gr_buffer *out, gr_value v);
/* "[2, 3]" of a tensor, else as above. */
void gr_describe_short(gr_vm *vm, gr_buffer *out, gr_value v);

/* "text" with quotes and escapes. */
void gr_format_quoted(gr_buffer *out, const char *bytes, size_t length);

/* As much as fits into `room` columns, with … at its end where something was cut off. */
void gr_put_cut(gr_buffer *out, const char *bytes, size_t length, size_t room);

/* Lines of text, broken at blanks where they have more than `width` columns; what goes on stands under the
 * beginning of its line. */
void gr_put_wrapped(gr_buffer *out, const char *bytes, size_t length, size_t width);

/* Terminal columns of UTF-8 text. */
size_t gr_text_width(const char *bytes, size_t length);

/* ---- shared by the files of the formatter ----------------------------------------------------- */

/* A printf format taken apart: flags, width, precision, conversion (0: none). */
typedef struct gr_spec {
    char flags[8];
    int width, precision; /* -1: not given */
    char conversion;
} gr_spec;

/* NULL, or what is wrong with the text. */
const char *gr_spec_parse(const char *text, gr_spec *spec);
/* Is the conversion one for numbers? */
bool gr_spec_is_numeric(const gr_spec *spec);
/* False: a conversion for whole numbers met another one. */
bool gr_spec_number(gr_buffer *out, const gr_spec *spec, double x, bool single);
/* Text with the width and precision (in characters) of the spec. */
void gr_spec_text(gr_buffer *out, const gr_spec *spec, const char *bytes, size_t length);

typedef enum gr_tensor_style {
    GR_TENSOR_ALIGNED, /* at most eight decimals, elided, broken into lines */
    GR_TENSOR_FITTED,  /* the same, elided so that it is as wide as the window and about as high */
    GR_TENSOR_SOURCE   /* everything, all digits */
} gr_tensor_style;

/* A tensor whose first character stands in column `indent`. `spec` may be NULL; `digits` 0: eight. */
bool gr_format_tensor(gr_buffer *out, const ad_tensor *t, gr_tensor_style style, const gr_spec *spec,
                      unsigned digits, unsigned indent, unsigned width);
/* The shortest text of x rounded to so many digits, but of a whole number below 1e15 all of them. 0:
 * no rounding. `text` has 32 bytes. */
size_t gr_number_rounded(double x, unsigned digits, bool single, char *text);

#endif
