/* SPDX-License-Identifier: MIT */
/*
 * The tree as text, for --dump=ast. The writer recurses along the tree and stops at MOST_DEPTH: a
 * chain of half a million additions prints its first levels.
 */
#include "ast.h"

#include <string.h>

enum { MOST_DEPTH = 120 };

const char *gr_node_kind_name(gr_node_kind kind) {
    static const char *const names[GR_NODE_KINDS] = {
        [GR_N_NUMBER] = "number",
        [GR_N_STRING] = "string",
        [GR_N_TEMPLATE] = "template",
        [GR_N_TRUE] = "true",
        [GR_N_FALSE] = "false",
        [GR_N_NIL] = "nil",
        [GR_N_NAME] = "name",
        [GR_N_PLACEHOLDER] = "placeholder",
        [GR_N_TENSOR] = "tensor",
        [GR_N_TUPLE] = "tuple",
        [GR_N_RECORD] = "record",
        [GR_N_SPREAD] = "spread",
        [GR_N_COMPREHENSION] = "comprehension",
        [GR_N_FN] = "fn",
        [GR_N_IF] = "if",
        [GR_N_UNARY] = "unary",
        [GR_N_BINARY] = "binary",
        [GR_N_PIPE] = "pipe",
        [GR_N_RANGE] = "range",
        [GR_N_NEW_AXIS] = "new-axis",
        [GR_N_CALL] = "call",
        [GR_N_INDEX] = "index",
        [GR_N_FIELD] = "field",
        [GR_N_PRIME] = "prime",
        [GR_N_PARTIAL] = "partial",
        [GR_N_GRADIENT] = "gradient",
        [GR_N_BLOCK] = "block",
        [GR_N_DEFINE] = "define",
        [GR_N_LET] = "let",
        [GR_N_PARAM] = "param",
        [GR_N_ASSIGN] = "assign",
        [GR_N_FOR] = "for",
        [GR_N_WHILE] = "while",
        [GR_N_BREAK] = "break",
        [GR_N_CONTINUE] = "continue",
        [GR_N_RETURN] = "return",
        [GR_N_IMPORT] = "import",
        [GR_N_ASSERT] = "assert",
        [GR_N_TEST] = "test",
        [GR_N_PATTERN_NAME] = "pattern-name",
        [GR_N_PATTERN_IGNORE] = "pattern-ignore",
        [GR_N_PATTERN_TUPLE] = "pattern-tuple",
        [GR_N_PATTERN_REST] = "pattern-rest",
        [GR_N_PATTERN_RECORD] = "pattern-record",
    };
    return kind < GR_NODE_KINDS ? names[kind] : "?";
}

typedef struct dumper {
    gr_buffer *out;
    unsigned depth;
} dumper;

static void node(dumper *d, const char *role, const gr_node *n);

static void line(dumper *d, const char *role) {
    gr_buffer_fill(d->out, ' ', (size_t)2 * d->depth);
    if (*role) gr_buffer_printf(d->out, "%s: ", role);
}

static void quoted(dumper *d, gr_text text) {
    gr_buffer_put(d->out, " \"", 2);
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c == '"' || c == '\\')
            gr_buffer_printf(d->out, "\\%c", c);
        else if (c == '\n')
            gr_buffer_puts(d->out, "\\n");
        else if (c < 32 || c == 127)
            gr_buffer_printf(d->out, "\\u{%X}", c);
        else
            gr_buffer_put(d->out, (const char *)&text.bytes[i], 1);
    }
    gr_buffer_put(d->out, "\"", 1);
}

static void list(dumper *d, const gr_node_list *items) {
    for (uint32_t i = 0; i < items->count; i++) node(d, "", items->items[i]);
}

void gr_put_signature(gr_buffer *out, const gr_signature *s) {
    gr_buffer_puts(out, "[");
    for (uint32_t i = 0; i < s->count; i++) {
        if (i) gr_buffer_puts(out, ", ");
        if (s->dims[i].kind == GR_DIM_LETTER)
            gr_buffer_puts(out, s->dims[i].letter->text);
        else if (s->dims[i].kind == GR_DIM_ANY)
            gr_buffer_puts(out, "..");
        else
            gr_buffer_printf(out, "%llu", (unsigned long long)s->dims[i].number);
    }
    gr_buffer_puts(out, "]");
}

static void signature(dumper *d, const gr_signature *s) {
    if (!s) return;
    gr_buffer_puts(d->out, " : ");
    gr_put_signature(d->out, s);
}

/* What stands on the node's own line behind kind and span. */
static void detail(dumper *d, const gr_node *n) {
    switch (n->kind) {
    case GR_N_NUMBER: {
        char text[32];
        ad_number_text(n->as.number, text);
        gr_buffer_printf(d->out, " %s", text);
        break;
    }
    case GR_N_STRING: quoted(d, n->as.string); break;
    case GR_N_NAME:
    case GR_N_PATTERN_NAME: gr_buffer_printf(d->out, " %s", n->as.name->text); break;
    case GR_N_FIELD: gr_buffer_printf(d->out, " .%s", n->as.field.name->text); break;
    case GR_N_UNARY:
    case GR_N_BINARY: gr_buffer_printf(d->out, " %s", gr_operator_text(n->op)); break;
    case GR_N_PRIME: gr_buffer_printf(d->out, " %u", n->order); break;
    case GR_N_PARTIAL:
        if (n->order > 1) gr_buffer_printf(d->out, " order %u", n->order);
        if (n->flags & GR_TUPLE_WRITTEN) gr_buffer_puts(d->out, " tuple");
        break;
    case GR_N_COMPREHENSION:
        gr_buffer_puts(d->out, n->as.comprehension.tuple ? " ( )" : " [ ]");
        break;
    case GR_N_FN:
        if (n->as.fn->name) gr_buffer_printf(d->out, " %s", n->as.fn->name->text);
        signature(d, n->as.fn->result);
        if (n->as.fn->doc.size) quoted(d, n->as.fn->doc);
        break;
    case GR_N_LET:
    case GR_N_PARAM:
        if (n->as.bind.doc.size) quoted(d, n->as.bind.doc);
        break;
    case GR_N_ASSIGN:
        gr_buffer_printf(d->out, " %s%s", gr_operator_text(n->op),
                         n->as.assign.update ? ":=" : "=");
        break;
    case GR_N_IMPORT:
        quoted(d, n->as.import.path);
        gr_buffer_printf(d->out, " %s", n->as.import.name->text);
        break;
    case GR_N_TEST: quoted(d, n->as.test.name); break;
    default: break;
    }
    if (n->flags & GR_PARENTHESISED) gr_buffer_puts(d->out, " parenthesised");
    if (n->kind == GR_N_BINARY && n->flags & GR_SUPERSCRIPT) gr_buffer_puts(d->out, " superscript");
    if (n->kind == GR_N_PIPE && n->flags & GR_PLACED) gr_buffer_puts(d->out, " placed");
}

static void template_parts(dumper *d, const gr_node *n) {
    for (uint32_t i = 0; i < n->as.template.count; i++) {
        const gr_template_part *part = &n->as.template.parts[i];
        if (part->value) {
            node(d, part->format.size ? part->format.bytes : "", part->value);
            continue;
        }
        line(d, "text");
        quoted(d, part->text);
        gr_buffer_puts(d->out, "\n");
    }
}

static void fn_parts(dumper *d, const gr_fn *fn) {
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        const gr_parameter *p = &fn->parameters[i];
        line(d, "");
        gr_buffer_printf(d->out, "parameter %u..%u%s", p->span.begin, p->span.end,
                         p->rest ? " rest" : "");
        signature(d, p->signature);
        gr_buffer_puts(d->out, "\n");
        d->depth++;
        node(d, "", p->pattern);
        node(d, "default", p->fallback);
        d->depth--;
    }
    node(d, "body", fn->body);
}

static void named_parts(dumper *d, const gr_node *n) {
    if (n->kind == GR_N_CALL) {
        node(d, "callee", n->as.call.callee);
        for (uint32_t i = 0; i < n->as.call.count; i++) {
            const gr_argument *a = &n->as.call.arguments[i];
            node(d, a->name ? a->name->text : "", a->value);
        }
        return;
    }
    for (uint32_t i = 0; i < n->as.record.count; i++) {
        const gr_record_field *f = &n->as.record.fields[i];
        node(d, f->name ? f->name->text : "...", f->value);
    }
}

static void branches(dumper *d, const gr_node *n) {
    for (uint32_t i = 0; i < n->as.branch.count; i++) {
        node(d, "condition", n->as.branch.arms[i].condition);
        node(d, "then", n->as.branch.arms[i].body);
    }
    node(d, "else", n->as.branch.otherwise);
}

static void statement_children(dumper *d, const gr_node *n) {
    switch (n->kind) {
    case GR_N_BLOCK: list(d, &n->as.block); break;
    case GR_N_DEFINE: node(d, "", n->as.define); break;
    case GR_N_LET:
    case GR_N_PARAM:
        node(d, "", n->as.bind.pattern);
        node(d, "", n->as.bind.value);
        break;
    case GR_N_ASSIGN:
        node(d, "target", n->as.assign.target);
        node(d, "", n->as.assign.value);
        break;
    case GR_N_FOR:
    case GR_N_WHILE:
        node(d, "", n->kind == GR_N_FOR ? n->as.loop.pattern : NULL);
        node(d, n->kind == GR_N_FOR ? "in" : "condition", n->as.loop.source);
        node(d, "", n->as.loop.body);
        break;
    case GR_N_RETURN: node(d, "", n->as.result); break;
    case GR_N_ASSERT:
        node(d, "", n->as.assertion.condition);
        node(d, "message", n->as.assertion.message);
        break;
    case GR_N_TEST: node(d, "", n->as.test.body); break;
    case GR_N_PATTERN_TUPLE: list(d, &n->as.list); break;
    case GR_N_PATTERN_REST: node(d, "", n->as.spread); break;
    case GR_N_PATTERN_RECORD: named_parts(d, n); break;
    default: break;
    }
}

static void comprehension(dumper *d, const gr_node *n) {
    node(d, "", n->as.comprehension.pattern);
    node(d, "in", n->as.comprehension.source);
    node(d, "if", n->as.comprehension.condition);
    node(d, "value", n->as.comprehension.body);
}

static void children(dumper *d, const gr_node *n) {
    switch (n->kind) {
    case GR_N_TEMPLATE: template_parts(d, n); break;
    case GR_N_TENSOR:
    case GR_N_TUPLE: list(d, &n->as.list); break;
    case GR_N_RECORD:
    case GR_N_CALL: named_parts(d, n); break;
    case GR_N_SPREAD: node(d, "", n->as.spread); break;
    case GR_N_COMPREHENSION: comprehension(d, n); break;
    case GR_N_FN: fn_parts(d, n->as.fn); break;
    case GR_N_IF: branches(d, n); break;
    case GR_N_UNARY: node(d, "", n->as.unary.operand); break;
    case GR_N_BINARY:
    case GR_N_PIPE: /* begins with the same two members */
        node(d, "", n->as.binary.left);
        node(d, "", n->as.binary.right);
        break;
    case GR_N_RANGE:
        node(d, "from", n->as.range.low);
        node(d, "to", n->as.range.high);
        node(d, "by", n->as.range.step);
        break;
    case GR_N_INDEX:
        node(d, "object", n->as.index.object);
        list(d, &n->as.index.items);
        break;
    case GR_N_FIELD: node(d, "", n->as.field.object); break;
    case GR_N_PRIME: node(d, "", n->as.prime.object); break;
    case GR_N_PARTIAL:
        node(d, "numerator", n->as.partial.numerator);
        list(d, &n->as.partial.wrt);
        break;
    case GR_N_GRADIENT: node(d, "", n->as.gradient); break;
    default: statement_children(d, n); break;
    }
}

static void node(dumper *d, const char *role, const gr_node *n) {
    if (!n) return;
    line(d, role);
    if (d->depth >= MOST_DEPTH) {
        gr_buffer_puts(d->out, "\xe2\x80\xa6\n");
        return;
    }
    gr_buffer_printf(d->out, "%s %u..%u", gr_node_kind_name(n->kind), n->span.begin, n->span.end);
    detail(d, n);
    gr_buffer_puts(d->out, "\n");
    d->depth++;
    children(d, n);
    d->depth--;
}

void gr_dump_ast(gr_buffer *out, const gr_ast *ast) {
    dumper d = {out, 0};
    node(&d, "", ast->root);
}
