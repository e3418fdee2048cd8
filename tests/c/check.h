/* What the C tests check with: a check that does not hold says where and what, and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <mediacask.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

/* The call succeeds, and gives no error. `error` is a mcask_error pointer in the caller's scope. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        int32_t ok_status = (call);                                                                          \
        if (ok_status != MCASK_OK || error != NULL) {                                                        \
            fprintf(stderr, "%s:%d: %s: %d: %s\n", __FILE__, __LINE__, #call, (int)ok_status,                \
                    error ? error->message : "no error was given");                                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* The call fails with this status, and gives an error that says so in a sentence. */
#define FAILS(expected, call)                                                                                \
    do {                                                                                                     \
        int32_t fails_status = (call);                                                                       \
        if (fails_status != (expected) || !error || error->code != (expected) || strlen(error->message) < 12) { \
            fprintf(stderr, "%s:%d: %s: %d: %s\n", __FILE__, __LINE__, #call, (int)fails_status,             \
                    error ? error->message : "no error was given");                                          \
            exit(1);                                                                                         \
        }                                                                                                    \
        mcask_error_free(error);                                                                             \
        error = NULL;                                                                                        \
    } while (0)

/* The address of `error`, which is to be filled with something that is no error first: calls empty it. */
#define ERROR (error = (mcask_error *)0x1, &error)

#endif
