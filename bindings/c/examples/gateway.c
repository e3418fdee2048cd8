/* The media of an MMS gateway: kept for 48 hours, listed page by page, replaced only by who has seen the last
 * version, read in ranges, gone when their time is over.
 *
 *     cc gateway.c $(pkg-config --cflags --libs mediacask) -o gateway && ./gateway media.cask
 */
#include <mediacask.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t TTL_MS = INT64_C(48) * 3600 * 1000;

/* The gateway's clock, so that the end of this program need not wait two days. In a service: leave it out. */
static int64_t now_ms = INT64_C(1700000000000);

static int64_t read_clock(void *context) {
    (void)context;
    return now_ms;
}

/* Ends the program with what the library says, if a call failed. */
static void check(int32_t status, mcask_error *error, const char *what) {
    if (status != MCASK_OK) {
        fprintf(stderr, "%s: %s (%s)\n", what, error->message, mcask_status_name(status));
        mcask_error_free(error);
        exit(1);
    }
}

/* Keeps a part of a message; durable when it returns. */
static void keep(const mcask_account *media, const char *name, const char *type, const void *data, size_t len) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    mcask_error *error;
    int32_t status;
    options.content_type = type;
    options.expiry = MCASK_EXPIRY_AFTER;
    options.expiry_ms = TTL_MS;
    /* At most 10 parts and 5 MB for one message. */
    options.limit_prefix = name;
    options.limit_prefix_len = (size_t)(strchr(name, '/') + 1 - name);
    options.limit_count = 10;
    options.limit_bytes = 5 * 1000 * 1000;
    status = mcask_account_put(media, name, MCASK_NTS, data, len, &options, NULL, &error);
    check(status, error, "put");
}

/* Shows all names that begin with a prefix, two on a page. */
static size_t list(const mcask_account *media, const char *prefix) {
    mcask_list_options options = MCASK_LIST_OPTIONS_INIT;
    mcask_error *error;
    mcask_page *page;
    char *token = NULL;
    size_t i, count = 0;
    int32_t status;
    options.prefix = prefix;
    options.limit = 2;
    do {
        options.token = token;
        status = mcask_account_list(media, &options, &page, &error);
        check(status, error, "list");
        for (i = 0; i < page->entry_count; i++, count++) {
            const mcask_entry *entry = page->entries[i];
            printf("  %-24s %8llu bytes  %s\n", entry->name, (unsigned long long)entry->size, entry->content_type);
        }
        /* A token is a text like any other: it can be kept, and survives a restart. */
        free(token);
        token = page->next_token ? strdup(page->next_token) : NULL;
        mcask_page_free(page);
    } while (token);
    return count;
}

/* Replaces a part only if it still is the version that was seen. */
static int replace(const mcask_account *media, const mcask_entry *seen, const void *data, size_t len) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    mcask_error *error;
    int32_t status;
    options.content_type = seen->content_type;
    options.expiry = MCASK_EXPIRY_AFTER;
    options.expiry_ms = TTL_MS;
    options.if_generation = &seen->generation;
    status = mcask_account_put(media, seen->name, seen->name_len, data, len, &options, NULL, &error);
    if (status == MCASK_E_PRECONDITION_FAILED) {
        mcask_error_free(error);
        return 0;
    }
    check(status, error, "replace");
    return 1;
}

/* Answers `Range: bytes=FIRST-LAST` of a request. */
static void send_range(const mcask_account *media, const char *name, uint64_t first, uint64_t last) {
    mcask_error *error;
    mcask_blob *blob;
    int32_t status = mcask_account_get_range(media, name, MCASK_NTS, first, last + 1, &blob, &error);
    check(status, error, "range");
    if (!blob) {
        printf("  404 Not Found\n");
        return;
    }
    printf("  206 Partial Content, %zu bytes: %.*s\n", mcask_blob_len(blob), (int)mcask_blob_len(blob),
           (const char *)mcask_blob_data(blob));
    mcask_blob_free(blob);
}

int main(int argc, char **argv) {
    static const char text[] = "See you at the lake!";
    mcask_store_options opening = MCASK_STORE_OPTIONS_INIT;
    mcask_sweep_report swept = MCASK_SWEEP_REPORT_INIT;
    mcask_error *error;
    mcask_store *store;
    mcask_account *media;
    mcask_entry *seen;
    int32_t status;
    opening.clock = read_clock;
    status = mcask_store_open(argc > 1 ? argv[1] : "media.cask", MCASK_NTS, &opening, &store, &error);
    check(status, error, "open");
    status = mcask_account_open(store, "5500001", MCASK_NTS, &media, &error);
    check(status, error, "account");

    keep(media, "MM1/part-1.txt", "text/plain", text, strlen(text));
    keep(media, "MM1/part-2.gif", "image/gif", "GIF89a...", 9);
    keep(media, "MM1/part-3.vcf", "text/vcard", "BEGIN:VCARD", 11);
    keep(media, "MM2/part-1.txt", "text/plain", text, strlen(text));
    printf("message MM1:\n");
    printf("  %zu parts\n", list(media, "MM1/"));

    status = mcask_account_head(media, "MM1/part-2.gif", MCASK_NTS, &seen, &error);
    check(status, error, "head");
    printf("replaced what was seen: %s\n", replace(media, seen, "GIF89a, smaller", 15) ? "yes" : "no");
    printf("replaced it once more:  %s\n", replace(media, seen, "GIF89a, too late", 16) ? "yes" : "no");
    mcask_entry_free(seen);

    printf("bytes 11 to 18 of the text:\n");
    send_range(media, "MM1/part-1.txt", 11, 18);

    now_ms += TTL_MS;
    printf("48 hours later:\n");
    send_range(media, "MM1/part-1.txt", 11, 18);
    status = mcask_store_sweep(store, &swept, &error);
    check(status, error, "sweep");
    printf("  %llu parts swept, %zu left\n", (unsigned long long)swept.expired, list(media, ""));

    mcask_account_free(media);
    status = mcask_store_close(store, &error);
    check(status, error, "close");
    mcask_store_free(store);
    return 0;
}
