/* Every operation once, as a program would call it, and what each answers. */
#include <errno.h>

#include "check.h"

static mcask_error *error;

/* Content of one blob equals a text. */
static int holds(const mcask_blob *blob, const char *text) {
    return blob && mcask_blob_len(blob) == strlen(text) && memcmp(mcask_blob_data(blob), text, strlen(text)) == 0;
}

static mcask_account *open_account(mcask_store *store, const char *name) {
    mcask_account *account;
    OK(mcask_account_open(store, name, MCASK_NTS, &account, ERROR));
    return account;
}

static void put(mcask_account *account, const char *name, const char *text) {
    OK(mcask_account_put(account, name, MCASK_NTS, (const uint8_t *)text, strlen(text), NULL, NULL, ERROR));
}

static void check_put_and_get(mcask_account *media) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    mcask_pair pairs[] = {MCASK_PAIR("campaign", "spring"), MCASK_PAIR("angle", "wide")};
    mcask_entry *entry, *found;
    mcask_blob *blob;
    char hex[65];
    options.content_type = "image/png";
    options.cache_control = "max-age=60, and what is beyond the length";
    options.cache_control_len = 10;
    options.metadata = pairs;
    options.metadata_count = 2;
    options.expiry = MCASK_EXPIRY_AFTER;
    options.expiry_ms = 48 * 3600 * 1000;
    OK(mcask_account_put(media, "img/a.png", MCASK_NTS, (const uint8_t *)"hello", 5, &options, &entry, ERROR));
    CHECK(strcmp(entry->name, "img/a.png") == 0 && entry->name_len == 9 && entry->size == 5);
    CHECK(strcmp(entry->content_type, "image/png") == 0 && entry->content_type_len == 9);
    CHECK(strcmp(entry->cache_control, "max-age=60") == 0 && entry->content_disposition == NULL);
    CHECK(entry->metadata_count == 2 && strcmp(entry->metadata[0].key, "angle") == 0);
    CHECK(strcmp(entry->metadata[1].value, "spring") == 0 && entry->metadata[1].value_len == 6);
    CHECK(entry->expires_at_unix_ms == entry->updated_at_unix_ms + 48 * 3600 * 1000);
    OK(mcask_digest_format(&entry->digest, hex, ERROR));
    CHECK(strcmp(hex, "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f") == 0);

    OK(mcask_account_head(media, "img/a.png...", 9, &found, ERROR));
    CHECK(found->generation == entry->generation && found->created_at_unix_ms == entry->created_at_unix_ms);
    mcask_entry_free(found);

    OK(mcask_account_get(media, "img/a.png", MCASK_NTS, &blob, ERROR));
    CHECK(holds(blob, "hello"));
    OK(mcask_blob_entry(blob, &found, ERROR));
    CHECK(found->generation == entry->generation && strcmp(found->content_type, "image/png") == 0);
    mcask_entry_free(found);
    mcask_blob_free(blob);

    OK(mcask_account_get_range(media, "img/a.png", MCASK_NTS, 1, 3, &blob, ERROR));
    CHECK(holds(blob, "el"));
    mcask_blob_free(blob);
    OK(mcask_account_get_range(media, "img/a.png", MCASK_NTS, 5, UINT64_MAX, &blob, ERROR));
    CHECK(blob && mcask_blob_len(blob) == 0 && mcask_blob_data(blob));
    mcask_blob_free(blob);
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_get_range(media, "img/a.png", MCASK_NTS, 6, 7, &blob, ERROR));
    CHECK(blob == NULL);

    /* Conditions: this very entry, then this content, then absence. */
    options = (mcask_put_options)MCASK_PUT_OPTIONS_INIT;
    options.if_generation = &entry->generation;
    put(media, "img/a.png", "world");
    FAILS(MCASK_E_PRECONDITION_FAILED,
          mcask_account_put(media, "img/a.png", MCASK_NTS, (const uint8_t *)"x", 1, &options, &found, ERROR));
    CHECK(found == NULL);
    options.if_generation = NULL;
    options.if_match = &entry->digest;
    FAILS(MCASK_E_PRECONDITION_FAILED,
          mcask_account_put(media, "img/a.png", MCASK_NTS, (const uint8_t *)"x", 1, &options, NULL, ERROR));
    options.if_match = NULL;
    options.if_absent = 1;
    FAILS(MCASK_E_PRECONDITION_FAILED,
          mcask_account_put(media, "img/a.png", MCASK_NTS, (const uint8_t *)"x", 1, &options, NULL, ERROR));
    options.if_absent = 0;
    options.expect_digest = &entry->digest;
    FAILS(MCASK_E_DIGEST_MISMATCH,
          mcask_account_put(media, "img/a.png", MCASK_NTS, (const uint8_t *)"x", 1, &options, NULL, ERROR));
    mcask_entry_free(entry);
}

/* Two reads of a name give the same bytes of memory: those of the map, not copies of them. */
static void check_no_copy(mcask_account *media) {
    static uint8_t content[16000];
    mcask_blob *first, *second, *range;
    memset(content, 'x', sizeof content);
    OK(mcask_account_put(media, "mapped", MCASK_NTS, content, sizeof content, NULL, NULL, ERROR));
    OK(mcask_account_get(media, "mapped", MCASK_NTS, &first, ERROR));
    OK(mcask_account_get(media, "mapped", MCASK_NTS, &second, ERROR));
    OK(mcask_account_get_range(media, "mapped", MCASK_NTS, 100, 200, &range, ERROR));
    CHECK(mcask_blob_data(first) == mcask_blob_data(second) && mcask_blob_len(first) == sizeof content);
    CHECK(mcask_blob_data(range) == mcask_blob_data(first) + 100 && mcask_blob_len(range) == 100);
    mcask_blob_free(first);
    mcask_blob_free(second);
    mcask_blob_free(range);
}

static void check_absence_and_emptiness(mcask_account *media) {
    mcask_blob *blob;
    mcask_entry *entry;
    mcask_reader *reader;
    int32_t answer;
    OK(mcask_account_get(media, "absent", MCASK_NTS, &blob, ERROR));
    CHECK(blob == NULL && mcask_blob_data(blob) == NULL && mcask_blob_len(blob) == 0);
    OK(mcask_account_head(media, "absent", MCASK_NTS, &entry, ERROR));
    CHECK(entry == NULL);
    OK(mcask_reader_open(media, "absent", MCASK_NTS, &reader, ERROR));
    CHECK(reader == NULL);
    OK(mcask_account_delete(media, "absent", MCASK_NTS, NULL, &answer, ERROR));
    CHECK(answer == 0);
    OK(mcask_account_put(media, "empty", MCASK_NTS, NULL, 0, NULL, NULL, ERROR));
    OK(mcask_account_get(media, "empty", MCASK_NTS, &blob, ERROR));
    CHECK(blob != NULL && mcask_blob_len(blob) == 0 && mcask_blob_data(blob) != NULL);
    mcask_blob_free(blob);
    OK(mcask_account_contains(media, "empty", MCASK_NTS, &answer, ERROR));
    CHECK(answer == 1);
    OK(mcask_account_delete(media, "empty", MCASK_NTS, NULL, &answer, ERROR));
    CHECK(answer == 1);
    OK(mcask_account_contains(media, "empty", MCASK_NTS, &answer, ERROR));
    CHECK(answer == 0);
}

static void check_writer_and_reader(mcask_account *media) {
    mcask_writer *writer;
    mcask_reader *reader;
    mcask_entry *entry;
    static uint8_t piece[100000], read[3 * sizeof piece + 10];
    size_t len, i;
    for (i = 0; i < sizeof piece; i++) {
        piece[i] = (uint8_t)(i * 7 + i / 251);
    }
    OK(mcask_writer_open(media, "clip.mp4", MCASK_NTS, NULL, &writer, ERROR));
    for (i = 0; i < 3; i++) {
        OK(mcask_writer_write(writer, piece, sizeof piece, ERROR));
    }
    OK(mcask_writer_write(writer, NULL, 0, ERROR));
    OK(mcask_writer_commit(writer, &entry, ERROR));
    CHECK(entry->size == 3 * sizeof piece);
    mcask_entry_free(entry);
    mcask_writer_free(writer);

    OK(mcask_reader_open(media, "clip.mp4", MCASK_NTS, &reader, ERROR));
    OK(mcask_reader_read(reader, read, sizeof read, &len, ERROR));
    CHECK(len == 3 * sizeof piece && memcmp(read + 2 * sizeof piece, piece, sizeof piece) == 0);
    OK(mcask_reader_read(reader, read, sizeof read, &len, ERROR));
    CHECK(len == 0);
    OK(mcask_reader_seek(reader, 2 * sizeof piece + 5, ERROR));
    OK(mcask_reader_read(reader, read, 10, &len, ERROR));
    CHECK(len == 10 && memcmp(read, piece + 5, 10) == 0);
    OK(mcask_reader_entry(reader, &entry, ERROR));
    CHECK(strcmp(entry->name, "clip.mp4") == 0);
    mcask_entry_free(entry);
    mcask_reader_free(reader);

    /* One that is not committed has done nothing. */
    OK(mcask_writer_open(media, "given up", MCASK_NTS, NULL, &writer, ERROR));
    OK(mcask_writer_write(writer, piece, sizeof piece, ERROR));
    mcask_writer_free(writer);
    OK(mcask_account_head(media, "given up", MCASK_NTS, &entry, ERROR));
    CHECK(entry == NULL);
}

static void check_update_copy_delete(mcask_store *store, mcask_account *media) {
    mcask_update_options update = MCASK_UPDATE_OPTIONS_INIT;
    mcask_delete_options delete_if = MCASK_DELETE_OPTIONS_INIT;
    mcask_pair pairs[] = {MCASK_PAIR("k", "v"), MCASK_PAIR("gone", NULL)};
    mcask_account *other = open_account(store, "5500002");
    mcask_entry *entry, *copied;
    put(media, "note", "a note");
    update.content_type = "text/plain";
    update.metadata = pairs;
    update.metadata_count = 2;
    update.expiry = MCASK_EXPIRY_AFTER;
    update.expiry_ms = 1000 * 3600;
    OK(mcask_account_update(media, "note", MCASK_NTS, &update, &entry, ERROR));
    CHECK(strcmp(entry->content_type, "text/plain") == 0 && entry->metadata_count == 1);
    CHECK(entry->expires_at_unix_ms == entry->updated_at_unix_ms + 1000 * 3600);
    OK(mcask_account_copy(media, "note", MCASK_NTS, other, "copy", MCASK_NTS, NULL, &copied, ERROR));
    CHECK(memcmp(&copied->digest, &entry->digest, sizeof copied->digest) == 0);
    CHECK(strcmp(copied->content_type, "text/plain") == 0 && copied->expires_at_unix_ms == MCASK_NO_TIME);
    mcask_entry_free(copied);
    OK(mcask_account_copy(media, "note", MCASK_NTS, NULL, "copy", MCASK_NTS, NULL, &copied, ERROR));
    CHECK(strcmp(copied->name, "copy") == 0);
    mcask_entry_free(copied);
    OK(mcask_account_copy(media, "absent", MCASK_NTS, NULL, "copy", MCASK_NTS, NULL, &copied, ERROR));
    CHECK(copied == NULL);
    mcask_entry_free(entry);

    update = (mcask_update_options)MCASK_UPDATE_OPTIONS_INIT;
    update.content_type = "";
    update.expiry = MCASK_EXPIRY_NEVER;
    OK(mcask_account_update(media, "note", MCASK_NTS, &update, &entry, ERROR));
    CHECK(entry->content_type == NULL && entry->metadata_count == 1 && entry->expires_at_unix_ms == MCASK_NO_TIME);
    OK(mcask_account_update(media, "absent", MCASK_NTS, &update, &copied, ERROR));
    CHECK(copied == NULL);

    put(media, "note", "another note");
    delete_if.if_match = &entry->digest;
    FAILS(MCASK_E_PRECONDITION_FAILED, mcask_account_delete(media, "note", MCASK_NTS, &delete_if, NULL, ERROR));
    delete_if.if_match = NULL;
    OK(mcask_account_delete(media, "note", MCASK_NTS, &delete_if, NULL, ERROR));
    mcask_entry_free(entry);
    mcask_account_free(other);
}

static void check_listing(mcask_store *store) {
    static const char *const names[] = {"a/1", "a/2", "b/1", "c", "d"};
    mcask_account *account = open_account(store, "listed");
    mcask_list_options options = MCASK_LIST_OPTIONS_INIT;
    mcask_page *page;
    char *token = NULL;
    size_t i, count = 0;
    uint64_t purged;
    for (i = 0; i < 5; i++) {
        put(account, names[i], "x");
    }
    options.delimiter = "/";
    OK(mcask_account_list(account, &options, &page, ERROR));
    CHECK(page->prefix_count == 2 && strcmp(page->prefixes[1], "b/") == 0 && page->accounts == NULL);
    CHECK(page->entry_count == 2 && strcmp(page->entries[0]->name, "c") == 0 && page->next_token == NULL);
    mcask_page_free(page);

    options = (mcask_list_options)MCASK_LIST_OPTIONS_INIT;
    options.limit = 2;
    do {
        options.token = token;
        OK(mcask_account_list(account, &options, &page, ERROR));
        free(token);
        token = page->next_token ? strdup(page->next_token) : NULL;
        for (i = 0; i < page->entry_count; i++) {
            CHECK(strcmp(page->entries[i]->name, names[count++]) == 0);
        }
        mcask_page_free(page);
    } while (token);
    CHECK(count == 5);
    options.token = "no token";
    FAILS(MCASK_E_INVALID_TOKEN, mcask_account_list(account, &options, &page, ERROR));
    CHECK(page == NULL);
    OK(mcask_account_purge(account, "a/", MCASK_NTS, &purged, ERROR));
    CHECK(purged == 2);
    OK(mcask_account_purge(account, "", MCASK_NTS, &purged, ERROR));
    CHECK(purged == 3);
    OK(mcask_account_list(account, NULL, &page, ERROR));
    CHECK(page->entry_count == 0 && page->entries == NULL);
    mcask_page_free(page);
    mcask_account_free(account);
}

static void check_batch(mcask_account *media) {
    mcask_batch *batch;
    mcask_outcomes *outcomes;
    mcask_blob *blob;
    put(media, "old", "old");
    OK(mcask_batch_open(media, &batch, ERROR));
    OK(mcask_batch_put(batch, "part/1", MCASK_NTS, (const uint8_t *)"one", 3, NULL, ERROR));
    OK(mcask_batch_delete(batch, "old", MCASK_NTS, NULL, ERROR));
    OK(mcask_batch_delete(batch, "absent", MCASK_NTS, NULL, ERROR));
    OK(mcask_account_get(media, "part/1", MCASK_NTS, &blob, ERROR));
    CHECK(blob == NULL);
    OK(mcask_batch_commit(batch, MCASK_DURABILITY_OS, &outcomes, ERROR));
    CHECK(outcomes->count == 3 && outcomes->entries[0]->size == 3 && outcomes->existed[0] == 0);
    CHECK(outcomes->entries[1] == NULL && outcomes->existed[1] == 1 && outcomes->existed[2] == 0);
    mcask_outcomes_free(outcomes);
    mcask_batch_free(batch);
    OK(mcask_account_get(media, "part/1", MCASK_NTS, &blob, ERROR));
    CHECK(holds(blob, "one"));
    mcask_blob_free(blob);
}

static void check_policy(mcask_store *store) {
    mcask_account *account = open_account(store, "limited");
    mcask_policy policy = MCASK_POLICY_INIT, found = MCASK_POLICY_INIT;
    mcask_accounts *accounts;
    uint64_t count, bytes;
    size_t i, seen = 0;
    found.quota_bytes = 1;
    OK(mcask_account_policy(account, &found, ERROR));
    CHECK(found.quota_bytes == MCASK_NO_LIMIT && found.default_ttl_ms == MCASK_NO_LIMIT);
    policy.quota_bytes = 10;
    policy.default_ttl_ms = 60000;
    OK(mcask_account_set_policy(account, &policy, ERROR));
    OK(mcask_account_policy(account, &found, ERROR));
    CHECK(found.quota_bytes == 10 && found.default_ttl_ms == 60000 && found.quota_count == MCASK_NO_LIMIT);
    put(account, "a", "12345678");
    FAILS(MCASK_E_QUOTA_EXCEEDED, mcask_account_put(account, "b", 1, (const uint8_t *)"123", 3, NULL, NULL, ERROR));
    OK(mcask_account_stats(account, &count, &bytes, ERROR));
    CHECK(count == 1 && bytes == 8);
    OK(mcask_store_accounts(store, &accounts, ERROR));
    for (i = 0; i < accounts->count; i++) {
        const mcask_account_info *info = accounts->accounts[i];
        if (strcmp(info->name, "limited") == 0) {
            CHECK(info->name_len == 7 && info->count == 1 && info->bytes == 8);
            CHECK(info->policy && info->policy->quota_bytes == 10);
            seen++;
        } else {
            CHECK(info->policy == NULL);
        }
    }
    CHECK(seen == 1 && accounts->count >= 3);
    mcask_accounts_free(accounts);
    mcask_account_free(account);
}

static void count_calls(void *context, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    ++*(int *)context;
}

static int32_t stop_at_once(void *context, uint64_t checked, uint64_t total, uint64_t damaged) {
    CHECK(checked <= total && damaged == 0);
    return ++*(int *)context;
}

static void check_upkeep(mcask_store *store) {
    mcask_compact_report compacted = MCASK_COMPACT_REPORT_INIT;
    mcask_verify_options options = MCASK_VERIFY_OPTIONS_INIT;
    mcask_verify_report *report;
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_health *health;
    char *resume;
    int calls = 0;
    OK(mcask_store_compact(store, NULL, ERROR));
    OK(mcask_store_compact(store, &compacted, ERROR));
    CHECK(compacted.segments_compacted == 0);
    OK(mcask_store_stats(store, &stats, ERROR));
    OK(mcask_store_verify(store, NULL, NULL, NULL, &report, ERROR));
    CHECK(report->entries_checked == stats.names && report->contents_checked >= stats.contents);
    CHECK(report->damaged_count == 0 && report->damaged == NULL && report->resume == NULL);
    mcask_verify_report_free(report);
    OK(mcask_store_verify(store, &options, stop_at_once, &calls, &report, ERROR));
    CHECK(calls == 1 && report->resume);
    resume = strdup(report->resume);
    mcask_verify_report_free(report);
    options.resume = resume;
    options.repair = 1;
    OK(mcask_store_verify(store, &options, NULL, NULL, &report, ERROR));
    CHECK(report->resume == NULL && report->repaired == 0);
    mcask_verify_report_free(report);
    free(resume);
    OK(mcask_store_health(store, &health, ERROR));
    CHECK(health->last_verify && health->last_verify->error == NULL && health->last_verify->count_count > 0);
    CHECK(strcmp(health->last_verify->counts[0].name, "bytes_checked") == 0);
    mcask_health_free(health);
}

/* An error has the system's number where there is one, and names the file. */
static void check_os_error(const char *path) {
    char within[4096];
    mcask_store_options options = MCASK_STORE_OPTIONS_INIT;
    mcask_store *store;
    snprintf(within, sizeof within, "%s-missing", path);
    options.create = MCASK_CREATE_NEVER;
    CHECK(mcask_store_open(within, MCASK_NTS, &options, &store, &error) == MCASK_E_IO && store == NULL);
    CHECK(error->code == MCASK_E_IO && error->os_error == ENOENT && strstr(error->message, within));
    mcask_error_free(error);
    error = NULL;
}

/* What was let go of is in no file, and the health says so; where nobody asked for that, it says nothing. */
static void check_erasure(mcask_store *without, const char *path) {
    char erasing[4096];
    mcask_store_options options = MCASK_STORE_OPTIONS_INIT;
    mcask_store *store;
    mcask_account *media;
    mcask_health *health;
    OK(mcask_store_health(without, &health, ERROR));
    CHECK(health->last_erasure == NULL && health->erasure_overdue == NULL);
    mcask_health_free(health);
    snprintf(erasing, sizeof erasing, "%s-erasing", path);
    options.upkeep = MCASK_UPKEEP_BY_HAND;
    options.erase_within_ms = 59999;
    FAILS(MCASK_E_INVALID_OPTION, mcask_store_open(erasing, MCASK_NTS, &options, &store, ERROR));
    options.erase_within_ms = 60000;
    OK(mcask_store_open(erasing, MCASK_NTS, &options, &store, ERROR));
    media = open_account(store, "a");
    put(media, "gone", "gone");
    OK(mcask_account_delete(media, "gone", MCASK_NTS, NULL, NULL, ERROR));
    OK(mcask_store_compact(store, NULL, ERROR));
    OK(mcask_store_health(store, &health, ERROR));
    CHECK(health->last_erasure && health->last_erasure->error == NULL && health->last_erasure->at_unix_ms > 0);
    CHECK(health->last_erasure->count_count > 0 && health->erasure_overdue == NULL);
    mcask_health_free(health);
    mcask_account_free(media);
    mcask_store_free(store);
    /* The next process knows of it. */
    OK(mcask_store_open(erasing, MCASK_NTS, &options, &store, ERROR));
    OK(mcask_store_health(store, &health, ERROR));
    CHECK(health->last_erasure && health->recovery_clean && health->erasure_overdue == NULL);
    mcask_health_free(health);
    mcask_store_free(store);
}

static void check_checkpoint(mcask_store *store, const char *path) {
    char copy[4096], elsewhere[4096];
    mcask_checkpoint_report report = MCASK_CHECKPOINT_REPORT_INIT;
    mcask_store *restored;
    mcask_account *media;
    mcask_blob *blob;
    snprintf(copy, sizeof copy, "%s-checkpoint", path);
    snprintf(elsewhere, sizeof elsewhere, "%s-restored", path);
    OK(mcask_store_checkpoint(store, copy, MCASK_NTS, NULL, ERROR));
    OK(mcask_store_checkpoint(store, copy, MCASK_NTS, &report, ERROR));
    CHECK(report.files_kept > 0 && report.last_sequence > 0);
    OK(mcask_store_restore(copy, MCASK_NTS, elsewhere, MCASK_NTS, NULL, ERROR));
    OK(mcask_store_open(elsewhere, MCASK_NTS, NULL, &restored, ERROR));
    media = open_account(restored, "5500001");
    OK(mcask_account_get(media, "part/1", MCASK_NTS, &blob, ERROR));
    CHECK(holds(blob, "one"));
    mcask_blob_free(blob);
    mcask_account_free(media);
    mcask_store_free(restored);
}

static void check_events(mcask_store *store, mcask_account *media) {
    mcask_events *events;
    mcask_event *event;
    uint64_t floor, last = 0;
    int count = 0;
    OK(mcask_store_events_floor(store, &floor, ERROR));
    OK(mcask_events_open(store, floor, &events, ERROR));
    for (;;) {
        OK(mcask_events_next(events, 0, &event, ERROR));
        if (!event) {
            break;
        }
        CHECK(event->sequence > last && event->at_unix_ms > 0 && strlen(event->name) == event->name_len);
        last = event->sequence;
        count++;
        mcask_event_free(event);
    }
    CHECK(count > 10);
    OK(mcask_events_next(events, 1, &event, ERROR));
    CHECK(event == NULL);
    OK(mcask_events_seen(events, &floor, ERROR));
    CHECK(floor >= last);
    put(media, "seen", "in the feed");
    OK(mcask_events_next(events, 60000, &event, ERROR));
    CHECK(event->kind == MCASK_EVENT_PUT && strcmp(event->name, "seen") == 0);
    CHECK(strcmp(event->account, "5500001") == 0);
    mcask_event_free(event);
    mcask_events_free(events);
}

static void check_store_wide(mcask_store *store, mcask_account *media) {
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_sweep_report report = MCASK_SWEEP_REPORT_INIT;
    mcask_health *health;
    mcask_page *page;
    mcask_digest digest, parsed;
    uint64_t count;
    int calls = 0;
    put(media, "twin", "the same");
    put(media, "twins", "the same");
    OK(mcask_store_stats(store, &stats, ERROR));
    CHECK(stats.names > stats.contents && stats.dedup_ratio > 1.0 && stats.struct_size == sizeof stats);
    OK(mcask_digest_of((const uint8_t *)"the same", 8, &digest, ERROR));
    OK(mcask_digest_parse("EA8F163DB38682925E4491C5E58D4BB3506EF8C14EB78A86E908C5624A67200F", 64, &parsed, ERROR));
    CHECK(parsed.bytes[0] == 0xea && parsed.bytes[31] == 0x0f);
    FAILS(MCASK_E_INVALID_OPTION, mcask_digest_parse("ea8f", MCASK_NTS, &parsed, ERROR));
    OK(mcask_store_names_of(store, &digest, &page, ERROR));
    CHECK(page->entry_count == 2 && strcmp(page->entries[1]->name, "twins") == 0);
    CHECK(strcmp(page->accounts[1], "5500001") == 0);
    mcask_page_free(page);
    OK(mcask_store_purge_digest(store, &digest, &count, ERROR));
    CHECK(count == 2);
    OK(mcask_store_sync(store, ERROR));
    OK(mcask_store_sweep(store, NULL, ERROR));
    OK(mcask_store_sweep(store, &report, ERROR));
    CHECK(report.expired == 0);
    OK(mcask_store_checkpoint_catalog(store, ERROR));
    OK(mcask_store_stats(store, &stats, ERROR));
    OK(mcask_store_rebuild_index(store, count_calls, &calls, &count, ERROR));
    CHECK(calls > 0 && count == stats.names);
    OK(mcask_store_health(store, &health, ERROR));
    CHECK(health->poisoned == NULL && health->damage_count == 0 && health->index_state == MCASK_INDEX_CURRENT);
    mcask_health_free(health);
}

int main(int argc, char **argv) {
    mcask_store *store, *second;
    mcask_account *media;
    mcask_blob *blob;
    CHECK(argc == 2);
    CHECK(strcmp(mcask_version(), MEDIACASK_VERSION) == 0);
    CHECK(strcmp(mcask_status_name(MCASK_E_LOCKED), "locked") == 0 && strcmp(mcask_status_name(0), "ok") == 0);
    CHECK(strcmp(mcask_status_name(MCASK_E_MISUSE), "misuse") == 0 && mcask_status_name(-50) == NULL);

    OK(mcask_store_open(argv[1], MCASK_NTS, NULL, &store, ERROR));
    CHECK(mcask_store_open(argv[1], strlen(argv[1]), NULL, &second, ERROR) == MCASK_E_LOCKED && second == NULL);
    CHECK(error->holder_pid > 0 && strstr(error->message, argv[1]));
    mcask_error_free(error);
    media = open_account(store, "5500001");
    check_put_and_get(media);
    check_no_copy(media);
    check_absence_and_emptiness(media);
    check_writer_and_reader(media);
    check_update_copy_delete(store, media);
    check_listing(store);
    check_batch(media);
    check_policy(store);
    check_store_wide(store, media);
    check_upkeep(store);
    check_os_error(argv[1]);
    check_erasure(store, argv[1]);
    check_checkpoint(store, argv[1]);
    check_events(store, media);

    OK(mcask_account_get(media, "part/1", MCASK_NTS, &blob, ERROR));
    OK(mcask_store_close(store, ERROR));
    OK(mcask_store_close(store, ERROR));
    FAILS(MCASK_E_CLOSED, mcask_store_sync(store, ERROR));
    mcask_store_free(store);
    FAILS(MCASK_E_CLOSED, mcask_account_put(media, "a", 1, NULL, 0, NULL, NULL, ERROR));
    mcask_account_free(media);
    CHECK(holds(blob, "one"));
    mcask_blob_free(blob);
    return 0;
}
