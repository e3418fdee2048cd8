/* What programs do wrong, and the library answers: NULL everywhere, absurd lengths, handles used and freed after
 * their end, a failure of the library itself. Nothing of it may crash, leak, or leave an output unset. */
#include "check.h"

int32_t mcask_test_panic(mcask_error **error);

static mcask_error *error;

#define NOWHERE ((void *)0x1)
#define HUGE_LEN (SIZE_MAX / 2 + 2)

static const uint8_t *bytes(const char *text) {
    return (const uint8_t *)text;
}

/* The call fails, and leaves its output NULL, or 0, that was something before: all ones, which is no address of a
 * handle and no number that a call gives. */
#define EMPTIES(output, expected, call)              \
    do {                                             \
        memset(&(output), 0xff, sizeof(output));     \
        FAILS(expected, call);                       \
        CHECK(!(output));                            \
    } while (0)

static void check_null_handles(void) {
    mcask_account *account;
    mcask_blob *blob;
    mcask_entry *entry;
    mcask_page *page;
    mcask_writer *writer;
    mcask_reader *reader;
    mcask_batch *batch;
    mcask_outcomes *outcomes;
    mcask_accounts *accounts;
    mcask_health *health;
    mcask_events *events;
    mcask_event *event;
    mcask_signer *signer;
    mcask_grant *grant;
    int64_t until;
    mcask_digest digest = {{0}};
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_policy policy = MCASK_POLICY_INIT;
    mcask_sweep_report report = MCASK_SWEEP_REPORT_INIT;
    mcask_compact_report compacted = MCASK_COMPACT_REPORT_INIT;
    mcask_verify_report *verified;
    uint64_t count;
    size_t len;
    int32_t answer;
    uint8_t buffer[4];
    FAILS(MCASK_E_MISUSE, mcask_store_close(NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_sync(NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_sweep(NULL, &report, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_checkpoint_catalog(NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_compact(NULL, &compacted, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_checkpoint(NULL, "a", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_restore(NULL, 0, NULL, 0, NULL, ERROR));
    EMPTIES(verified, MCASK_E_MISUSE, mcask_store_verify(NULL, NULL, NULL, NULL, &verified, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_store_rebuild_index(NULL, NULL, NULL, &count, ERROR));
    EMPTIES(page, MCASK_E_MISUSE, mcask_store_names_of(NULL, &digest, &page, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_store_purge_digest(NULL, &digest, &count, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_stats(NULL, &stats, ERROR));
    EMPTIES(health, MCASK_E_MISUSE, mcask_store_health(NULL, &health, ERROR));
    EMPTIES(accounts, MCASK_E_MISUSE, mcask_store_accounts(NULL, &accounts, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_store_events_floor(NULL, &count, ERROR));
    EMPTIES(events, MCASK_E_MISUSE, mcask_events_open(NULL, 0, &events, ERROR));
    EMPTIES(event, MCASK_E_MISUSE, mcask_events_next(NULL, 0, &event, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_events_seen(NULL, &count, ERROR));
    EMPTIES(account, MCASK_E_MISUSE, mcask_account_open(NULL, "a", 1, &account, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_account_put(NULL, "a", 1, NULL, 0, NULL, &entry, ERROR));
    EMPTIES(blob, MCASK_E_MISUSE, mcask_account_get(NULL, "a", 1, &blob, ERROR));
    EMPTIES(blob, MCASK_E_MISUSE, mcask_account_get_range(NULL, "a", 1, 0, 1, &blob, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_account_head(NULL, "a", 1, &entry, ERROR));
    EMPTIES(answer, MCASK_E_MISUSE, mcask_account_contains(NULL, "a", 1, &answer, ERROR));
    EMPTIES(answer, MCASK_E_MISUSE, mcask_account_delete(NULL, "a", 1, NULL, &answer, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_account_update(NULL, "a", 1, NULL, &entry, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_account_copy(NULL, "a", 1, NULL, "b", 1, NULL, &entry, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_account_purge(NULL, "", 0, &count, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_account_stats(NULL, &count, NULL, ERROR));
    EMPTIES(count, MCASK_E_MISUSE, mcask_account_stats(NULL, NULL, &count, ERROR));
    EMPTIES(page, MCASK_E_MISUSE, mcask_account_list(NULL, NULL, &page, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_policy(NULL, &policy, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_set_policy(NULL, &policy, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_blob_entry(NULL, &entry, ERROR));
    EMPTIES(reader, MCASK_E_MISUSE, mcask_reader_open(NULL, "a", 1, &reader, ERROR));
    EMPTIES(len, MCASK_E_MISUSE, mcask_reader_read(NULL, buffer, 4, &len, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_seek(NULL, 0, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_reader_entry(NULL, &entry, ERROR));
    EMPTIES(writer, MCASK_E_MISUSE, mcask_writer_open(NULL, "a", 1, NULL, &writer, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_writer_write(NULL, NULL, 0, ERROR));
    EMPTIES(entry, MCASK_E_MISUSE, mcask_writer_commit(NULL, &entry, ERROR));
    EMPTIES(batch, MCASK_E_MISUSE, mcask_batch_open(NULL, &batch, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_put(NULL, "a", 1, NULL, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_delete(NULL, "a", 1, NULL, ERROR));
    EMPTIES(outcomes, MCASK_E_MISUSE, mcask_batch_commit(NULL, 0, &outcomes, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_format(NULL, (char *)buffer, ERROR));
    EMPTIES(signer, MCASK_E_MISUSE, mcask_store_signer(NULL, &signer, ERROR));
    EMPTIES(grant, MCASK_E_MISUSE, mcask_signer_sign(NULL, "a", 1, "a", 1, NULL, &grant, ERROR));
    EMPTIES(until, MCASK_E_MISUSE, mcask_signer_verify(NULL, "a", 1, "a", 1, "a", 1, 0, &until, ERROR));
    EMPTIES(signer, MCASK_E_MISUSE, mcask_signer_open(NULL, 1, NULL, &signer, ERROR));
    EMPTIES(signer, MCASK_E_MISUSE, mcask_signer_open(NULL, 0, NULL, &signer, ERROR));
    EMPTIES(signer, MCASK_E_INVALID_OPTION, mcask_signer_open(NULL, SIZE_MAX, NULL, &signer, ERROR));
    CHECK(mcask_blob_data(NULL) == NULL && mcask_blob_len(NULL) == 0);
}

static void check_null_frees(void) {
    mcask_error_free(NULL);
    mcask_store_free(NULL);
    mcask_account_free(NULL);
    mcask_entry_free(NULL);
    mcask_page_free(NULL);
    mcask_blob_free(NULL);
    mcask_reader_free(NULL);
    mcask_writer_free(NULL);
    mcask_batch_free(NULL);
    mcask_outcomes_free(NULL);
    mcask_accounts_free(NULL);
    mcask_health_free(NULL);
    mcask_events_free(NULL);
    mcask_event_free(NULL);
    mcask_verify_report_free(NULL);
    mcask_grant_free(NULL);
    mcask_signer_free(NULL);
}

static void check_null_arguments(const char *path, mcask_store *store, mcask_account *account) {
    mcask_store *opened = NOWHERE;
    mcask_reader *reader;
    mcask_digest digest, none = {{0}};
    size_t len;
    FAILS(MCASK_E_MISUSE, mcask_store_open(NULL, MCASK_NTS, NULL, &opened, ERROR));
    CHECK(opened == NULL);
    FAILS(MCASK_E_MISUSE, mcask_store_open(path, MCASK_NTS, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_open(store, NULL, MCASK_NTS, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, NULL, 0, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, NULL, 5, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_get(account, "a", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_head(account, "a", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_list(account, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_purge(account, NULL, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_policy(account, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_set_policy(account, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_stats(store, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_names_of(store, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_purge_digest(store, NULL, NULL, ERROR));
    memset(&digest, 7, sizeof digest);
    FAILS(MCASK_E_MISUSE, mcask_digest_of(NULL, 1, &digest, ERROR));
    CHECK(memcmp(&digest, &none, sizeof digest) == 0);
    FAILS(MCASK_E_MISUSE, mcask_digest_of(NULL, 0, NULL, ERROR));
    OK(mcask_account_put(account, "there", MCASK_NTS, bytes("content"), 7, NULL, NULL, ERROR));
    OK(mcask_reader_open(account, "there", MCASK_NTS, &reader, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_read(reader, NULL, 10, &len, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_read(reader, NOWHERE, 10, NULL, ERROR));
    OK(mcask_reader_read(reader, NULL, 0, &len, ERROR));
    CHECK(len == 0);
    mcask_reader_free(reader);
    /* Without a place for the error, too. */
    CHECK(mcask_store_sync(NULL, NULL) == MCASK_E_MISUSE);
    CHECK(mcask_account_get(account, "a", 1, NULL, NULL) == MCASK_E_MISUSE);
}

/* Outputs without which a call makes no sense, and those without which it does. */
static void check_null_outputs(const char *path, mcask_store *store, mcask_account *account) {
    mcask_blob *blob;
    mcask_reader *reader;
    mcask_writer *writer;
    mcask_events *events;
    mcask_digest digest;
    char hex[65];
    OK(mcask_digest_of(bytes("content"), 7, &digest, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_get_range(account, "there", MCASK_NTS, 0, 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_contains(account, "there", MCASK_NTS, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_open(store, "a", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_open(account, "there", MCASK_NTS, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_writer_open(account, "there", MCASK_NTS, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_open(account, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_events_open(store, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_events_floor(store, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_accounts(store, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_health(store, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_verify(store, NULL, NULL, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_names_of(store, &digest, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_parse("a", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_parse(NULL, 64, &digest, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_format(&digest, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_format(NULL, hex, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_checkpoint(store, NULL, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_restore(path, MCASK_NTS, NULL, 0, NULL, ERROR));
    OK(mcask_account_get(account, "there", MCASK_NTS, &blob, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_blob_entry(blob, NULL, ERROR));
    mcask_blob_free(blob);
    OK(mcask_reader_open(account, "there", MCASK_NTS, &reader, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_entry(reader, NULL, ERROR));
    mcask_reader_free(reader);
    OK(mcask_events_open(store, 0, &events, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_events_next(events, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_events_seen(events, NULL, ERROR));
    mcask_events_free(events);

    OK(mcask_account_stats(account, NULL, NULL, ERROR));
    OK(mcask_account_update(account, "there", MCASK_NTS, NULL, NULL, ERROR));
    OK(mcask_account_copy(account, "there", MCASK_NTS, NULL, "copy", MCASK_NTS, NULL, NULL, ERROR));
    OK(mcask_account_delete(account, "copy", MCASK_NTS, NULL, NULL, ERROR));
    OK(mcask_account_purge(account, "none", MCASK_NTS, NULL, ERROR));
    OK(mcask_store_sweep(store, NULL, ERROR));
    OK(mcask_store_compact(store, NULL, ERROR));
    OK(mcask_writer_open(account, "w", 1, NULL, &writer, ERROR));
    OK(mcask_writer_commit(writer, NULL, ERROR));
    mcask_writer_free(writer);
}

static void check_signers(mcask_store *store) {
    static const uint8_t secret[32] = {1};
    mcask_signing_key key = {"a", 1, NULL}, keys[17];
    mcask_signer_options opening = MCASK_SIGNER_OPTIONS_INIT;
    mcask_grant_options options = MCASK_GRANT_OPTIONS_INIT;
    mcask_signer *signer;
    mcask_grant *grant;
    int64_t until;
    size_t i;
    FAILS(MCASK_E_MISUSE, mcask_signer_open(&key, 1, NULL, &signer, ERROR));
    key.secret = secret;
    FAILS(MCASK_E_MISUSE, mcask_signer_open(&key, 1, NULL, NULL, ERROR));
    key.id = NULL;
    FAILS(MCASK_E_MISUSE, mcask_signer_open(&key, 1, NULL, &signer, ERROR));
    key.id = "a";
    key.id_len = SIZE_MAX - 1;
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_open(&key, 1, NULL, &signer, ERROR));
    key.id_len = 0;
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_open(&key, 1, NULL, &signer, ERROR));
    key.id_len = MCASK_NTS;
    for (i = 0; i < 17; i++) {
        keys[i] = key;
    }
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_open(keys, 17, NULL, &signer, ERROR));
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_open(keys, 2, NULL, &signer, ERROR));
    opening.struct_size = 0;
    FAILS(MCASK_E_MISUSE, mcask_signer_open(&key, 1, &opening, &signer, ERROR));
    CHECK(signer == NULL);
    FAILS(MCASK_E_MISUSE, mcask_store_signer(store, NULL, ERROR));
    OK(mcask_store_signer(store, &signer, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_signer_sign(signer, "a", 1, "b", 1, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_signer_sign(signer, NULL, 0, "b", 1, NULL, &grant, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_signer_verify(signer, NULL, 0, "a", 1, "b", 1, 0, &until, ERROR));
    FAILS(MCASK_E_INVALID_TOKEN, mcask_signer_verify(signer, "a", SIZE_MAX - 1, "a", 1, "b", 1, 0, &until, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_signer_sign(signer, "a", SIZE_MAX - 1, "b", 1, NULL, &grant, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_signer_sign(signer, "a", 1, "b", SIZE_MAX - 1, NULL, &grant, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_signer_sign(signer, "a", 1, NULL, 1, NULL, &grant, ERROR));
    options.method = 2;
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_sign(signer, "a", 1, "b", 1, &options, &grant, ERROR));
    options.method = MCASK_METHOD_GET;
    options.ttl_ms = 0;
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_sign(signer, "a", 1, "b", 1, &options, &grant, ERROR));
    options.ttl_ms = UINT64_MAX - 1;
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_sign(signer, "a", 1, "b", 1, &options, &grant, ERROR));
    options = (mcask_grant_options)MCASK_GRANT_OPTIONS_INIT;
    options.reserved = 1;
    FAILS(MCASK_E_MISUSE, mcask_signer_sign(signer, "a", 1, "b", 1, &options, &grant, ERROR));
    options.struct_size = sizeof options + 8;
    FAILS(MCASK_E_MISUSE, mcask_signer_sign(signer, "a", 1, "b", 1, &options, &grant, ERROR));
    CHECK(grant == NULL);
    FAILS(MCASK_E_INVALID_OPTION, mcask_signer_verify(signer, "a", 1, "a", 1, "b", 1, -1, &until, ERROR));
    OK(mcask_signer_sign(signer, "a", 1, "b", 1, NULL, &grant, ERROR));
    CHECK(strlen(grant->text) == grant->text_len);
    OK(mcask_signer_verify(signer, grant->text, MCASK_NTS, "a", 1, "b", 1, MCASK_METHOD_HEAD, &until, ERROR));
    CHECK(until > 0);
    OK(mcask_signer_verify(signer, grant->text, MCASK_NTS, "a", 1, "b", 1, MCASK_METHOD_GET, NULL, ERROR));
    FAILS(MCASK_E_INVALID_TOKEN, mcask_signer_verify(signer, grant->text, MCASK_NTS, "a", 1, "c", 1, 0, &until, ERROR));
    CHECK(until == 0);
    mcask_signer_free(signer);
    mcask_signer_free(signer);
    FAILS(MCASK_E_MISUSE, mcask_signer_verify(signer, grant->text, MCASK_NTS, "a", 1, "b", 1, 0, &until, ERROR));
    mcask_grant_free(grant);
}

/* Lengths that no memory has are answered before anything is read there. */
static void check_absurd_lengths(mcask_store *store, mcask_account *account) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    mcask_list_options list = MCASK_LIST_OPTIONS_INIT;
    mcask_account *opened;
    mcask_reader *reader;
    mcask_store *second;
    mcask_digest digest;
    mcask_page *page;
    size_t len;
    FAILS(MCASK_E_INVALID_NAME, mcask_account_put(account, "a", HUGE_LEN, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_put(account, "a", 1025, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_put(account, "", 0, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_put(account, "a\0b", 3, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_put(account, "\xff", 1, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_open(store, "a", 256, &opened, ERROR));
    FAILS(MCASK_E_INVALID_NAME, mcask_account_open(store, "a", SIZE_MAX - 1, &opened, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, bytes("a"), HUGE_LEN, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, bytes("a"), SIZE_MAX, NULL, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_digest_of(bytes("a"), SIZE_MAX, &digest, ERROR));
    FAILS(MCASK_E_INVALID_OPTION, mcask_digest_parse("a", SIZE_MAX - 1, &digest, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_store_open("a", SIZE_MAX - 1, NULL, &second, ERROR));
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_purge(account, "a", SIZE_MAX - 1, NULL, ERROR));
    options.content_type = "text/plain";
    options.content_type_len = SIZE_MAX - 1;
    FAILS(MCASK_E_TOO_LARGE, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options = (mcask_put_options)MCASK_PUT_OPTIONS_INIT;
    options.metadata_count = SIZE_MAX;
    FAILS(MCASK_E_TOO_LARGE, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.metadata_count = 3;
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    list.token = "token";
    list.token_len = SIZE_MAX - 1;
    FAILS(MCASK_E_INVALID_TOKEN, mcask_account_list(account, &list, &page, ERROR));
    OK(mcask_reader_open(account, "there", MCASK_NTS, &reader, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_reader_read(reader, NOWHERE, SIZE_MAX, &len, ERROR));
    mcask_reader_free(reader);
}

static void check_wrong_structs(mcask_store *store, mcask_account *account) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_delete_options none;
    int32_t existed;
    memset(&none, 0, sizeof none);
    FAILS(MCASK_E_MISUSE, mcask_account_delete(account, "a", 1, &none, &existed, ERROR));
    options.struct_size = 5;
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.struct_size = sizeof options + 8;
    FAILS(MCASK_E_MISUSE, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options = (mcask_put_options)MCASK_PUT_OPTIONS_INIT;
    options.durability = 3;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.durability = INT32_MIN;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options = (mcask_put_options)MCASK_PUT_OPTIONS_INIT;
    options.expiry = INT32_MIN;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.expiry = MCASK_EXPIRY_AFTER;
    options.expiry_ms = -1;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.expiry_ms = INT64_MAX;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    options.expiry = MCASK_EXPIRY_AT;
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_put(account, "a", 1, NULL, 0, &options, NULL, ERROR));
    stats.struct_size = 0;
    FAILS(MCASK_E_MISUSE, mcask_store_stats(store, &stats, ERROR));
}

static void check_handles_after_their_end(mcask_store *store, mcask_account *account) {
    mcask_writer *writer, *other;
    mcask_batch *batch;
    mcask_account *freed;
    mcask_entry *entry;
    mcask_blob *blob = NOWHERE;
    int round;
    OK(mcask_writer_open(account, "w", 1, NULL, &writer, ERROR));
    OK(mcask_writer_commit(writer, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_writer_write(writer, bytes("x"), 1, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_writer_commit(writer, &entry, ERROR));
    CHECK(entry == NULL);
    mcask_writer_free(writer);
    FAILS(MCASK_E_MISUSE, mcask_writer_write(writer, bytes("x"), 1, ERROR));
    mcask_writer_free(writer);

    OK(mcask_batch_open(account, &batch, ERROR));
    OK(mcask_batch_commit(batch, MCASK_DURABILITY_DEFAULT, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_put(batch, "x", 1, NULL, 0, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_delete(batch, "x", 1, NULL, ERROR));
    FAILS(MCASK_E_MISUSE, mcask_batch_commit(batch, MCASK_DURABILITY_DEFAULT, NULL, ERROR));
    mcask_batch_free(batch);
    mcask_batch_free(batch);

    OK(mcask_account_open(store, "freed", MCASK_NTS, &freed, ERROR));
    mcask_account_free(freed);
    mcask_account_free(freed);
    FAILS(MCASK_E_MISUSE, mcask_account_get(freed, "a", 1, &blob, ERROR));
    CHECK(blob == NULL);
    /* One handle in the place of another. */
    FAILS(MCASK_E_MISUSE, mcask_writer_commit((mcask_writer *)(void *)account, NULL, ERROR));
    mcask_writer_free((mcask_writer *)(void *)account);
    OK(mcask_account_get(account, "there", MCASK_NTS, &blob, ERROR));
    mcask_blob_free(blob);
    /* However many come and go, a new one is never taken for an old one that lives. */
    OK(mcask_writer_open(account, "lives", MCASK_NTS, NULL, &writer, ERROR));
    for (round = 0; round < 2000; round++) {
        OK(mcask_writer_open(account, "short", MCASK_NTS, NULL, &other, ERROR));
        CHECK(other != writer);
        mcask_writer_free(other);
    }
    OK(mcask_writer_commit(writer, NULL, ERROR));
    mcask_writer_free(writer);
}

static void check_own_failure(mcask_account *account) {
    int round;
    CHECK(mcask_test_panic(NULL) == MCASK_E_INTERNAL);
    for (round = 0; round < 100; round++) {
        CHECK(mcask_test_panic(ERROR) == MCASK_E_INTERNAL);
        CHECK(error && error->code == MCASK_E_INTERNAL);
        CHECK(strstr(error->message, "on purpose") && strstr(error->message, "panic.rs:"));
        mcask_error_free(error);
    }
    OK(mcask_account_put(account, "after", MCASK_NTS, bytes("it goes on"), 10, NULL, NULL, ERROR));
}

/* A store that is closed amid what is held of it. */
static void check_close_amid(const char *path) {
    mcask_store *store;
    mcask_account *account;
    mcask_writer *writer, *open_writer;
    mcask_reader *reader;
    mcask_batch *batch;
    mcask_events *events;
    mcask_event *event;
    mcask_signer *signer, *late;
    mcask_grant *grant;
    mcask_health *health;
    mcask_blob *blob;
    mcask_page *page;
    uint8_t buffer[16];
    size_t len;
    OK(mcask_store_open(path, MCASK_NTS, NULL, &store, ERROR));
    OK(mcask_account_open(store, "a", 1, &account, ERROR));
    OK(mcask_account_put(account, "a", 1, bytes("held"), 4, NULL, NULL, ERROR));
    OK(mcask_account_get(account, "a", 1, &blob, ERROR));
    OK(mcask_reader_open(account, "a", 1, &reader, ERROR));
    OK(mcask_writer_open(account, "b", 1, NULL, &writer, ERROR));
    OK(mcask_writer_write(writer, bytes("x"), 1, ERROR));
    OK(mcask_batch_open(account, &batch, ERROR));
    OK(mcask_batch_put(batch, "c", 1, bytes("x"), 1, NULL, ERROR));
    OK(mcask_events_open(store, 0, &events, ERROR));
    OK(mcask_store_signer(store, &signer, ERROR));
    OK(mcask_store_close(store, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_store_signer(store, &late, ERROR));
    CHECK(late == NULL);
    OK(mcask_store_health(store, &health, ERROR));
    mcask_health_free(health);
    FAILS(MCASK_E_CLOSED, mcask_writer_write(writer, bytes("x"), 1, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_batch_commit(batch, 0, NULL, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_events_next(events, 0, &event, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_writer_open(account, "b", 1, NULL, &open_writer, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_account_list(account, NULL, &page, ERROR));
    OK(mcask_reader_read(reader, buffer, sizeof buffer, &len, ERROR));
    CHECK(len == 4 && memcmp(buffer, "held", 4) == 0);
    mcask_store_free(store);
    OK(mcask_signer_sign(signer, "a", 1, "a", 1, NULL, &grant, ERROR));
    OK(mcask_signer_verify(signer, grant->text, grant->text_len, "a", 1, "a", 1, MCASK_METHOD_GET, NULL, ERROR));
    mcask_grant_free(grant);
    mcask_signer_free(signer);
    CHECK(mcask_blob_len(blob) == 4 && memcmp(mcask_blob_data(blob), "held", 4) == 0);
    mcask_account_free(account);
    mcask_writer_free(writer);
    mcask_batch_free(batch);
    mcask_events_free(events);
    mcask_reader_free(reader);
    CHECK(memcmp(mcask_blob_data(blob), "held", 4) == 0);
    mcask_blob_free(blob);
    /* And it can be had again at once. */
    OK(mcask_store_open(path, MCASK_NTS, NULL, &store, ERROR));
    mcask_store_free(store);
}

/* A store that is freed but not closed: what is left of it decides when others may have it. */
static void check_what_holds_it_open(const char *path) {
    mcask_store *store, *second;
    mcask_account *account;
    mcask_writer *writer;
    mcask_reader *reader;
    mcask_batch *batch;
    mcask_events *events;
    mcask_signer *signer;
    mcask_blob *blob;
    OK(mcask_store_open(path, MCASK_NTS, NULL, &store, ERROR));
    OK(mcask_account_open(store, "a", 1, &account, ERROR));
    OK(mcask_account_get(account, "a", 1, &blob, ERROR));
    OK(mcask_reader_open(account, "a", 1, &reader, ERROR));
    OK(mcask_store_signer(store, &signer, ERROR));
    OK(mcask_writer_open(account, "b", 1, NULL, &writer, ERROR));
    OK(mcask_batch_open(account, &batch, ERROR));
    OK(mcask_events_open(store, 0, &events, ERROR));
    mcask_store_free(store);
    mcask_account_free(account);
    FAILS(MCASK_E_LOCKED, mcask_store_open(path, MCASK_NTS, NULL, &second, ERROR));
    mcask_writer_free(writer);
    FAILS(MCASK_E_LOCKED, mcask_store_open(path, MCASK_NTS, NULL, &second, ERROR));
    mcask_batch_free(batch);
    FAILS(MCASK_E_LOCKED, mcask_store_open(path, MCASK_NTS, NULL, &second, ERROR));
    mcask_events_free(events);
    OK(mcask_store_open(path, MCASK_NTS, NULL, &second, ERROR));
    mcask_store_free(second);
    mcask_signer_free(signer);
    mcask_reader_free(reader);
    mcask_blob_free(blob);
}

int main(int argc, char **argv) {
    mcask_store *store;
    mcask_account *account;
    CHECK(argc == 2);
    check_null_handles();
    check_null_frees();
    check_close_amid(argv[1]);
    check_what_holds_it_open(argv[1]);
    OK(mcask_store_open(argv[1], MCASK_NTS, NULL, &store, ERROR));
    OK(mcask_account_open(store, "5500001", MCASK_NTS, &account, ERROR));
    check_null_arguments(argv[1], store, account);
    check_null_outputs(argv[1], store, account);
    check_signers(store);
    check_absurd_lengths(store, account);
    check_wrong_structs(store, account);
    check_handles_after_their_end(store, account);
    check_own_failure(account);
    mcask_account_free(account);
    mcask_store_free(store);
    mcask_store_free(store);
    FAILS(MCASK_E_MISUSE, mcask_store_sync(store, ERROR));
    return 0;
}
