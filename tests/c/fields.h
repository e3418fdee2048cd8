/* How the runners of the conformance scripts speak with the test that drives them (bindings/c/tests/conformance).
 *
 * A request and an answer are lines `KEY KIND VALUE`, and an empty line at the end. The kinds: `t`, a text or bytes
 * in hex; `n`, a whole number; `b`, 1 or 0; `z`, null; `l`, texts in hex, a comma behind each. A runner reads requests from
 * standard input until its end, and writes an answer to each; a field of a request that it has not looked at by
 * then fails it. C11 and C++17.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 40 };

typedef struct {
    char *key;
    char kind;
    /* The bytes of `t`, a NUL behind them; the rest of the line of the others. */
    char *value;
    size_t len;
    int used;
} Field;

typedef struct {
    Field all[FIELDS_MAX];
    size_t count;
} Fields;

static inline void fail(const char *what, const char *which) {
    fprintf(stderr, "the runner: %s: %s\n", what, which);
    exit(1);
}

static inline int hex_digit(char digit) {
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Turns hex digits into the bytes they stand for, in place; gives their number. */
static inline size_t bytes_of_hex(char *hex) {
    size_t len = strlen(hex) / 2, i;
    for (i = 0; i < len; i++) {
        hex[i] = (char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    }
    hex[len] = 0;
    return len;
}

/* Reads a request; 0 at the end of all. */
static inline int read_fields(Fields *fields) {
    char *line = NULL;
    size_t capacity = 0;
    fields->count = 0;
    for (;;) {
        Field *field = &fields->all[fields->count];
        ssize_t len = getline(&line, &capacity, stdin);
        char *kind;
        if (len <= 0) {
            free(line);
            return 0;
        }
        line[len - 1] = 0;
        if (len == 1) {
            free(line);
            return 1;
        }
        kind = strchr(line, ' ');
        if (!kind || kind[2] != ' ' || fields->count + 1 == FIELDS_MAX) {
            fail("a line it cannot read", line);
        }
        *kind = 0;
        field->key = strdup(line);
        field->kind = kind[1];
        field->value = strdup(kind + 3);
        field->len = field->kind == 't' ? bytes_of_hex(field->value) : strlen(field->value);
        field->used = 0;
        fields->count++;
    }
}

/* Forgets a request; what nobody has looked at fails, unless the call failed before it came to that. */
static inline void forget_fields(Fields *fields, int call_failed) {
    size_t i;
    for (i = 0; i < fields->count; i++) {
        if (!fields->all[i].used && !call_failed) {
            fail("a field it does not know", fields->all[i].key);
        }
        free(fields->all[i].key);
        free(fields->all[i].value);
    }
}

/* A field; NULL when the request has none of this key. */
static inline Field *field_of(Fields *fields, const char *key) {
    size_t i;
    for (i = 0; i < fields->count; i++) {
        if (strcmp(fields->all[i].key, key) == 0) {
            fields->all[i].used = 1;
            return &fields->all[i];
        }
    }
    return NULL;
}

/* A text; NULL when there is none, or null. */
static inline Field *text_of(Fields *fields, const char *key) {
    Field *field = field_of(fields, key);
    return field && field->kind == 't' ? field : NULL;
}

static inline Field *needed(Fields *fields, const char *key) {
    Field *field = field_of(fields, key);
    if (!field) {
        fail("a request lacks", key);
    }
    return field;
}

static inline int is_op(Fields *fields, const char *op) {
    return strcmp(needed(fields, "op")->value, op) == 0;
}

static inline uint64_t number_of(Fields *fields, const char *key, uint64_t otherwise) {
    Field *field = field_of(fields, key);
    return field ? strtoull(field->value, NULL, 10) : otherwise;
}

static inline int64_t instant_of(Fields *fields, const char *key, int64_t otherwise) {
    Field *field = field_of(fields, key);
    return field ? strtoll(field->value, NULL, 10) : otherwise;
}

/* The place of a field's word in a list of words that ends with NULL; `otherwise` when there is no such field. */
static inline int32_t word_of(Fields *fields, const char *key, const char *const *words, int32_t otherwise) {
    Field *field = field_of(fields, key);
    int32_t place;
    if (!field) {
        return otherwise;
    }
    for (place = 0; words[place]; place++) {
        if (strcmp(words[place], field->value) == 0) {
            return place;
        }
    }
    fail("a word it does not know", field->value);
    return 0;
}

/* The next text of a list, NUL behind it; NULL at its end. `at` begins as the field's value. */
static inline char *next_of_list(char **at, size_t *len) {
    char *text = *at, *comma = strchr(text, ',');
    if (!comma) {
        return NULL;
    }
    *comma = 0;
    *at = comma + 1;
    *len = bytes_of_hex(text);
    return text;
}

static inline void print_hex(const void *data, size_t len) {
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;
    for (i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
}

static inline void answer_bytes(const char *key, const void *data, size_t len) {
    printf("%s t ", key);
    print_hex(data, len);
    printf("\n");
}

/* A text that ends with NUL; NULL is null. */
static inline void answer_text(const char *key, const char *text) {
    if (text) {
        answer_bytes(key, text, strlen(text));
    } else {
        printf("%s z \n", key);
    }
}

static inline void answer_number(const char *key, uint64_t number) {
    printf("%s n %" PRIu64 "\n", key, number);
}

static inline void answer_null(const char *key) {
    printf("%s z \n", key);
}

static inline void answer_true(const char *key, int is_true) {
    printf("%s b %d\n", key, is_true ? 1 : 0);
}

static inline void begin_list(const char *key) {
    printf("%s l ", key);
}

static inline void add_to_list(const char *text) {
    print_hex(text, strlen(text));
    printf(",");
}

static inline void end_list(void) {
    printf("\n");
}

static inline void end_answer(void) {
    printf("\n");
    fflush(stdout);
}

#endif
