/* The conformance scripts through the C interface: does each step it is asked for, and answers the facts.
 *
 * `conformance MS` begins with a clock that shows MS, in Unix milliseconds.
 */
#include <mediacask.h>
#include <stdatomic.h>

#include "fields.h"

static const char *const DURABILITIES[] = {"default", "sync", "os", NULL};
static const char *const EXPIRIES[] = {"default", "policy", "never", NULL};

enum { PAIRS_MAX = 64 };

static struct {
    _Atomic int64_t now_ms;
    char *path;
    mcask_store_options options;
    mcask_store *store;
    mcask_writer *writer;
    uint64_t written;
    mcask_batch *batch;
    int32_t batch_durability;
    mcask_blob *held;
    /* Whether the step at hand was answered with an error. */
    int failed;
} it;

/* What a request points to while it is done. */
static mcask_pair pairs[PAIRS_MAX];
static mcask_digest digests[3];
static uint64_t generation;

static int64_t read_clock(void *context) {
    (void)context;
    return atomic_load(&it.now_ms);
}

/* Answers a call that failed; says whether it did. The error by its address: the call fills it before this reads it. */
static int failed(int32_t status, mcask_error **error) {
    if (status == MCASK_OK) {
        return 0;
    }
    if (!*error || (*error)->code != status) {
        fail("no error, or another one than the status", mcask_status_name(status));
    }
    answer_text("error", mcask_status_name(status));
    answer_text("message", (*error)->message);
    mcask_error_free(*error);
    it.failed = 1;
    return 1;
}

static void answer_entry(const mcask_entry *entry) {
    char hex[65];
    size_t i;
    if (!entry) {
        answer_true("absent", 1);
        return;
    }
    mcask_digest_format(&entry->digest, hex, NULL);
    answer_bytes("name", entry->name, entry->name_len);
    answer_text("digest", hex);
    answer_number("size", entry->size);
    answer_text("content_type", entry->content_type);
    answer_text("cache_control", entry->cache_control);
    answer_text("content_disposition", entry->content_disposition);
    begin_list("metadata");
    for (i = 0; i < entry->metadata_count; i++) {
        print_hex(entry->metadata[i].key, entry->metadata[i].key_len);
        print_hex("=", 1);
        add_to_list(entry->metadata[i].value);
    }
    end_list();
    answer_number("created_at", (uint64_t)entry->created_at_unix_ms);
    answer_number("updated_at", (uint64_t)entry->updated_at_unix_ms);
    if (entry->expires_at_unix_ms == MCASK_NO_TIME) {
        answer_null("expires_at");
    } else {
        answer_number("expires_at", (uint64_t)entry->expires_at_unix_ms);
    }
    answer_number("generation", entry->generation);
}

static void finish_entry(int32_t status, mcask_entry *entry, mcask_error *error) {
    if (!failed(status, &error)) {
        answer_entry(entry);
        mcask_entry_free(entry);
    }
}

static void finish_blob(int32_t status, const mcask_blob *blob, mcask_error *error) {
    mcask_entry *entry = NULL;
    if (failed(status, &error)) {
        return;
    }
    if (blob) {
        answer_bytes("content", mcask_blob_data(blob), mcask_blob_len(blob));
        if (mcask_blob_entry(blob, &entry, NULL) != MCASK_OK) {
            fail("no entry of a blob", "");
        }
    }
    answer_entry(entry);
    mcask_entry_free(entry);
}

static void finish_count(const char *fact, int32_t status, uint64_t count, mcask_error *error) {
    if (!failed(status, &error)) {
        answer_number(fact, count);
    }
}

/* The digest in a field; NULL when there is none. */
static const mcask_digest *digest_of(Fields *fields, const char *key, mcask_digest *place) {
    Field *field = text_of(fields, key);
    if (!field) {
        return NULL;
    }
    if (mcask_digest_parse(field->value, field->len, place, NULL) != MCASK_OK) {
        fail("no digest", field->value);
    }
    return place;
}

static const uint64_t *generation_of(Fields *fields) {
    Field *field = field_of(fields, "if_generation");
    generation = field ? strtoull(field->value, NULL, 10) : 0;
    return field ? &generation : NULL;
}

/* Adds the pairs of a field `metadata` or `set_metadata`, each `key=value`; gives how many there are now. */
static size_t add_pairs(Fields *fields, const char *key, size_t count) {
    Field *field = field_of(fields, key);
    char *at = field ? field->value : NULL, *pair;
    size_t len;
    while (field && (pair = next_of_list(&at, &len)) && count < PAIRS_MAX) {
        char *value = strchr(pair, '=');
        size_t key_len = (size_t)(value - pair);
        pairs[count++] = (mcask_pair){pair, key_len, value + 1, len - key_len - 1};
    }
    return count;
}

static void lifetime_of(Fields *fields, int32_t *expiry, int64_t *expiry_ms) {
    Field *ttl = field_of(fields, "ttl_ms");
    int64_t at = instant_of(fields, "expires_at", MCASK_NO_TIME);
    *expiry = word_of(fields, "expiry", EXPIRIES, MCASK_EXPIRY_DEFAULT);
    if (at != MCASK_NO_TIME) {
        *expiry = MCASK_EXPIRY_AT;
        *expiry_ms = at;
    }
    if (ttl) {
        *expiry = MCASK_EXPIRY_AFTER;
        *expiry_ms = strtoll(ttl->value, NULL, 10);
    }
}

static mcask_put_options put_options(Fields *fields) {
    mcask_put_options options = MCASK_PUT_OPTIONS_INIT;
    Field *field;
    if ((field = text_of(fields, "content_type"))) {
        options.content_type = field->value;
    }
    if ((field = text_of(fields, "cache_control"))) {
        options.cache_control = field->value;
        options.cache_control_len = field->len;
    }
    if ((field = text_of(fields, "content_disposition"))) {
        options.content_disposition = field->value;
    }
    options.metadata = pairs;
    options.metadata_count = add_pairs(fields, "metadata", 0);
    lifetime_of(fields, &options.expiry, &options.expiry_ms);
    options.durability = word_of(fields, "durability", DURABILITIES, MCASK_DURABILITY_DEFAULT);
    options.if_absent = (int32_t)number_of(fields, "if_absent", 0);
    options.if_match = digest_of(fields, "if_match", &digests[0]);
    options.if_generation = generation_of(fields);
    options.expect_digest = digest_of(fields, "expect_digest", &digests[1]);
    if ((field = text_of(fields, "expect_md5"))) {
        options.expect_md5 = (const uint8_t *)field->value;
    }
    if ((field = text_of(fields, "expect_sha256"))) {
        options.expect_sha256 = (const uint8_t *)field->value;
    }
    if ((field = text_of(fields, "limit_prefix"))) {
        options.limit_prefix = field->value;
        options.limit_prefix_len = field->len;
        options.limit_count = number_of(fields, "limit_count", 0);
        options.limit_bytes = number_of(fields, "limit_bytes", 0);
    }
    return options;
}

/* What an update does to a fact: NULL leaves it, "" takes it away. */
static const char *fact_of(Fields *fields, const char *key) {
    Field *field = field_of(fields, key);
    return !field ? NULL : field->kind == 'z' ? "" : field->value;
}

static mcask_update_options update_options(Fields *fields) {
    mcask_update_options options = MCASK_UPDATE_OPTIONS_INIT;
    Field *unset = field_of(fields, "unset_metadata");
    char *at = unset ? unset->value : NULL, *key;
    size_t count = add_pairs(fields, "set_metadata", 0), len;
    while (unset && (key = next_of_list(&at, &len)) && count < PAIRS_MAX) {
        pairs[count++] = (mcask_pair)MCASK_PAIR(key, NULL);
    }
    options.metadata = pairs;
    options.metadata_count = count;
    options.content_type = fact_of(fields, "content_type");
    options.cache_control = fact_of(fields, "cache_control");
    options.content_disposition = fact_of(fields, "content_disposition");
    lifetime_of(fields, &options.expiry, &options.expiry_ms);
    options.durability = word_of(fields, "durability", DURABILITIES, MCASK_DURABILITY_DEFAULT);
    options.if_match = digest_of(fields, "if_match", &digests[0]);
    options.if_generation = generation_of(fields);
    return options;
}

static mcask_delete_options delete_options(Fields *fields) {
    mcask_delete_options options = MCASK_DELETE_OPTIONS_INIT;
    options.durability = word_of(fields, "durability", DURABILITIES, MCASK_DURABILITY_DEFAULT);
    options.if_match = digest_of(fields, "if_match", &digests[0]);
    options.if_generation = generation_of(fields);
    return options;
}

static void open_store(Fields *fields) {
    static const char *const CREATES[] = {"if_missing", "never", NULL};
    static const char *const DEDUPS[] = {"account", "store", NULL};
    static const char *const VERIFIES[] = {"always", "once", "never", NULL};
    static const char *const UPKEEPS[] = {"background", "by_hand", NULL};
    mcask_error *error;
    mcask_store_options options = MCASK_STORE_OPTIONS_INIT;
    mcask_store *store;
    if (is_op(fields, "open")) {
        options.create = word_of(fields, "create", CREATES, MCASK_CREATE_IF_MISSING);
        options.dedup = word_of(fields, "dedup", DEDUPS, MCASK_DEDUP_ACCOUNT);
        options.durability = word_of(fields, "durability", DURABILITIES, MCASK_DURABILITY_DEFAULT);
        options.verify = word_of(fields, "verify", VERIFIES, MCASK_VERIFY_ALWAYS);
        options.upkeep = word_of(fields, "upkeep", UPKEEPS, MCASK_UPKEEP_BACKGROUND);
        options.os_sync_interval_ms = number_of(fields, "os_sync_interval_ms", MCASK_DEFAULT);
        options.file_threshold = number_of(fields, "file_threshold", MCASK_DEFAULT);
        options.segment_len = number_of(fields, "segment_len", MCASK_DEFAULT);
        options.index_cache_bytes = number_of(fields, "index_cache_bytes", MCASK_DEFAULT);
        options.space_amplification_percent = number_of(fields, "space_amplification", MCASK_DEFAULT);
        options.events_keep_ms = number_of(fields, "events_keep_ms", MCASK_DEFAULT);
        options.erase_within_ms = number_of(fields, "erase_within_ms", MCASK_DEFAULT);
        options.clock = read_clock;
        it.options = options;
    }
    if (is_op(fields, "reopen")) {
        if (failed(mcask_store_close(it.store, &error), &error)) {
            return;
        }
        options = it.options;
    }
    if (!failed(mcask_store_open(needed(fields, "path")->value, MCASK_NTS, &options, &store, &error), &error)) {
        mcask_store_free(it.store);
        it.store = store;
    }
}

static mcask_account *account_of(Fields *fields, const char *key) {
    Field *name = needed(fields, key);
    mcask_account *account;
    mcask_error *error;
    return failed(mcask_account_open(it.store, name->value, name->len, &account, &error), &error) ? NULL : account;
}

/* Content that comes from a reader comes, in C, by a writer. */
static void put_reader(Fields *fields, const mcask_account *account) {
    mcask_put_options options = put_options(fields);
    Field *name = needed(fields, "name"), *content = needed(fields, "content");
    const uint8_t *data = (const uint8_t *)content->value;
    mcask_error *error;
    mcask_writer *writer = NULL;
    mcask_entry *entry = NULL;
    int32_t status = mcask_writer_open(account, name->value, name->len, &options, &writer, &error);
    size_t half = content->len / 2;
    if (status == MCASK_OK) {
        status = mcask_writer_write(writer, data, half, &error);
    }
    if (status == MCASK_OK) {
        status = mcask_writer_write(writer, data + half, content->len - half, &error);
    }
    if (status == MCASK_OK) {
        status = mcask_writer_commit(writer, &entry, &error);
    }
    finish_entry(status, entry, error);
    mcask_writer_free(writer);
}

static void change(Fields *fields, const mcask_account *account) {
    mcask_error *error;
    mcask_entry *entry;
    int32_t status, existed;
    Field *name = is_op(fields, "purge") ? needed(fields, "prefix") : needed(fields, "name");
    if (is_op(fields, "put")) {
        mcask_put_options options = put_options(fields);
        Field *content = needed(fields, "content");
        status = mcask_account_put(account, name->value, name->len, (const uint8_t *)content->value, content->len,
                                   &options, &entry, &error);
        finish_entry(status, entry, error);
    } else if (is_op(fields, "put_reader")) {
        put_reader(fields, account);
    } else if (is_op(fields, "update")) {
        mcask_update_options options = update_options(fields);
        status = mcask_account_update(account, name->value, name->len, &options, &entry, &error);
        finish_entry(status, entry, error);
    } else if (is_op(fields, "copy")) {
        mcask_put_options options = put_options(fields);
        Field *to = needed(fields, "to_name");
        mcask_account *other = field_of(fields, "to_account") ? account_of(fields, "to_account") : NULL;
        status = mcask_account_copy(account, name->value, name->len, other, to->value, to->len, &options, &entry,
                                    &error);
        finish_entry(status, entry, error);
        mcask_account_free(other);
    } else if (is_op(fields, "delete")) {
        mcask_delete_options options = delete_options(fields);
        if (!failed(mcask_account_delete(account, name->value, name->len, &options, &existed, &error), &error)) {
            answer_true("existed", existed);
        }
    } else {
        uint64_t count;
        status = mcask_account_purge(account, name->value, name->len, &count, &error);
        finish_count("count", status, count, error);
    }
}

static void write_in_pieces(Fields *fields) {
    mcask_error *error;
    mcask_entry *entry;
    if (is_op(fields, "writer_open")) {
        mcask_put_options options = put_options(fields);
        Field *name = needed(fields, "name");
        mcask_account *account = account_of(fields, "account");
        it.written = 0;
        if (account) {
            failed(mcask_writer_open(account, name->value, name->len, &options, &it.writer, &error), &error);
        }
        mcask_account_free(account);
        return;
    }
    if (is_op(fields, "writer_write")) {
        Field *content = needed(fields, "content");
        if (!failed(mcask_writer_write(it.writer, (const uint8_t *)content->value, content->len, &error), &error)) {
            it.written += content->len;
            answer_number("written", it.written);
        }
        return;
    }
    if (is_op(fields, "writer_commit")) {
        int32_t status = mcask_writer_commit(it.writer, &entry, &error);
        finish_entry(status, entry, error);
    }
    mcask_writer_free(it.writer);
    it.writer = NULL;
}

static void end_batch(int commit) {
    mcask_error *error;
    mcask_outcomes *outcomes;
    size_t i;
    if (commit && !failed(mcask_batch_commit(it.batch, it.batch_durability, &outcomes, &error), &error)) {
        begin_list("outcomes");
        for (i = 0; i < outcomes->count; i++) {
            add_to_list(outcomes->entries[i] ? "put" : outcomes->existed[i] ? "deleted" : "absent");
        }
        end_list();
        mcask_outcomes_free(outcomes);
    }
    mcask_batch_free(it.batch);
    it.batch = NULL;
}

static void gather(Fields *fields) {
    mcask_error *error;
    Field *name;
    if (is_op(fields, "batch_begin")) {
        mcask_account *account = account_of(fields, "account");
        it.batch_durability = word_of(fields, "durability", DURABILITIES, MCASK_DURABILITY_DEFAULT);
        if (account) {
            failed(mcask_batch_open(account, &it.batch, &error), &error);
        }
        mcask_account_free(account);
    } else if (is_op(fields, "batch_put")) {
        mcask_put_options options = put_options(fields);
        Field *content = needed(fields, "content");
        name = needed(fields, "name");
        failed(mcask_batch_put(it.batch, name->value, name->len, (const uint8_t *)content->value, content->len,
                               &options, &error),
               &error);
    } else if (is_op(fields, "batch_delete")) {
        mcask_delete_options options = delete_options(fields);
        name = needed(fields, "name");
        failed(mcask_batch_delete(it.batch, name->value, name->len, &options, &error), &error);
    } else {
        end_batch(is_op(fields, "batch_commit"));
    }
}

static void read_by_reader(const mcask_account *account, Field *name, uint64_t position) {
    uint8_t *bytes = NULL;
    size_t len = 0, more = 0;
    mcask_error *error;
    mcask_entry *entry = NULL;
    mcask_reader *reader;
    if (failed(mcask_reader_open(account, name->value, name->len, &reader, &error), &error)) {
        return;
    }
    if (!reader) {
        answer_entry(NULL);
        return;
    }
    if (failed(mcask_reader_seek(reader, position, &error), &error)) {
        fail("a seek failed", "");
    }
    do {
        bytes = (uint8_t *)realloc(bytes, len + 100000);
        if (failed(mcask_reader_read(reader, bytes + len, 100000, &more, &error), &error)) {
            free(bytes);
            mcask_reader_free(reader);
            return;
        }
        len += more;
    } while (more == 100000);
    answer_bytes("content", bytes, len);
    if (mcask_reader_entry(reader, &entry, NULL) != MCASK_OK) {
        fail("no entry of a reader", name->value);
    }
    answer_entry(entry);
    mcask_entry_free(entry);
    free(bytes);
    mcask_reader_free(reader);
}

static void read_back(Fields *fields, const mcask_account *account) {
    Field *name = needed(fields, "name");
    mcask_error *error;
    mcask_blob *blob;
    int32_t status;
    if (is_op(fields, "reader")) {
        read_by_reader(account, name, number_of(fields, "seek", 0));
        return;
    }
    if (is_op(fields, "get_range")) {
        uint64_t start = number_of(fields, "start", 0), end = number_of(fields, "end", UINT64_MAX);
        status = mcask_account_get_range(account, name->value, name->len, start, end, &blob, &error);
    } else {
        status = mcask_account_get(account, name->value, name->len, &blob, &error);
    }
    finish_blob(status, blob, error);
    if (is_op(fields, "hold")) {
        it.held = blob;
    } else {
        mcask_blob_free(blob);
    }
}

/* One page, or all of them. */
static void list(Fields *fields, const mcask_account *account) {
    int all = is_op(fields, "entries");
    mcask_list_options options = MCASK_LIST_OPTIONS_INIT;
    mcask_error *error;
    mcask_page *page;
    char *token = NULL;
    Field *field;
    size_t i;
    int begun = 0;
    if ((field = text_of(fields, "prefix"))) {
        options.prefix = field->value;
    }
    if ((field = text_of(fields, "delimiter"))) {
        options.delimiter = field->value;
    }
    if ((field = text_of(fields, "token"))) {
        token = strdup(field->value);
    }
    options.created_from_unix_ms = instant_of(fields, "created_from", MCASK_NO_TIME);
    options.created_to_unix_ms = instant_of(fields, "created_to", MCASK_NO_TIME);
    options.limit = (size_t)number_of(fields, "limit", 1000);
    do {
        options.token = token;
        if (failed(mcask_account_list(account, &options, &page, &error), &error)) {
            free(token);
            return;
        }
        if (!begun++) {
            begin_list("names");
        }
        for (i = 0; i < page->entry_count; i++) {
            add_to_list(page->entries[i]->name);
        }
        free(token);
        token = page->next_token ? strdup(page->next_token) : NULL;
        if (!all || !token) {
            end_list();
        }
        if (!all) {
            begin_list("prefixes");
            for (i = 0; i < page->prefix_count; i++) {
                add_to_list(page->prefixes[i]);
            }
            end_list();
            answer_true("more", token != NULL);
            answer_text("token", token);
        }
        mcask_page_free(page);
    } while (all && token);
    free(token);
}

static void answer_limit(const char *fact, uint64_t limit) {
    if (limit == MCASK_NO_LIMIT) {
        answer_null(fact);
    } else {
        answer_number(fact, limit);
    }
}

static void ask(Fields *fields, const mcask_account *account) {
    mcask_error *error;
    mcask_policy policy = MCASK_POLICY_INIT;
    if (is_op(fields, "head")) {
        Field *name = needed(fields, "name");
        mcask_entry *entry;
        int32_t status = mcask_account_head(account, name->value, name->len, &entry, &error);
        finish_entry(status, entry, error);
    } else if (is_op(fields, "contains")) {
        Field *name = needed(fields, "name");
        int32_t exists;
        if (!failed(mcask_account_contains(account, name->value, name->len, &exists, &error), &error)) {
            answer_true("exists", exists);
        }
    } else if (is_op(fields, "policy")) {
        if (!failed(mcask_account_policy(account, &policy, &error), &error)) {
            answer_limit("default_ttl_ms", policy.default_ttl_ms);
            answer_limit("longest_ttl_ms", policy.longest_ttl_ms);
            answer_limit("largest_blob", policy.largest_blob);
            answer_limit("quota_bytes", policy.quota_bytes);
            answer_limit("quota_count", policy.quota_count);
        }
    } else if (is_op(fields, "set_policy")) {
        policy.default_ttl_ms = number_of(fields, "default_ttl_ms", MCASK_NO_LIMIT);
        policy.longest_ttl_ms = number_of(fields, "longest_ttl_ms", MCASK_NO_LIMIT);
        policy.largest_blob = number_of(fields, "largest_blob", MCASK_NO_LIMIT);
        policy.quota_bytes = number_of(fields, "quota_bytes", MCASK_NO_LIMIT);
        policy.quota_count = number_of(fields, "quota_count", MCASK_NO_LIMIT);
        failed(mcask_account_set_policy(account, &policy, &error), &error);
    } else {
        uint64_t count, bytes;
        if (!failed(mcask_account_stats(account, &count, &bytes, &error), &error)) {
            answer_text("account", needed(fields, "account")->value);
            answer_number("count", count);
            answer_number("bytes", bytes);
        }
    }
}

static void list_accounts(void) {
    mcask_error *error;
    mcask_accounts *accounts;
    size_t i;
    if (failed(mcask_store_accounts(it.store, &accounts, &error), &error)) {
        return;
    }
    begin_list("accounts");
    for (i = 0; i < accounts->count; i++) {
        add_to_list(accounts->accounts[i]->name);
    }
    end_list();
    mcask_accounts_free(accounts);
}

static void names_of(const mcask_digest *digest) {
    mcask_error *error;
    mcask_page *page;
    size_t i;
    if (failed(mcask_store_names_of(it.store, digest, &page, &error), &error)) {
        return;
    }
    begin_list("names");
    for (i = 0; i < page->entry_count; i++) {
        print_hex(page->accounts[i], strlen(page->accounts[i]));
        print_hex("/", 1);
        add_to_list(page->entries[i]->name);
    }
    end_list();
    mcask_page_free(page);
}

static void answer_stats(void) {
    mcask_error *error;
    mcask_stats stats = MCASK_STATS_INIT;
    if (!failed(mcask_store_stats(it.store, &stats, &error), &error)) {
        answer_number("names", stats.names);
        answer_number("accounts", stats.accounts);
        answer_number("logical_bytes", stats.logical_bytes);
        answer_number("contents", stats.contents);
        answer_number("content_bytes", stats.content_bytes);
        answer_number("blob_files", stats.blob_files);
    }
}

static void answer_health(void) {
    mcask_error *error;
    mcask_health *health;
    if (!failed(mcask_store_health(it.store, &health, &error), &error)) {
        answer_true("poisoned", health->poisoned != NULL);
        answer_text("index", health->index_state == MCASK_INDEX_CURRENT ? "current" : "behind");
        answer_number("damage", health->damage_count);
        answer_true("last_erasure", health->last_erasure && !health->last_erasure->error);
        answer_true("erasure_overdue", health->erasure_overdue != NULL);
        mcask_health_free(health);
    }
}

static void list_events(uint64_t after) {
    static const char *const KINDS[] = {"put", "update", "delete", "expire"};
    mcask_error *error;
    mcask_events *events;
    mcask_event *event;
    uint64_t last = after;
    int32_t status;
    if (failed(mcask_events_open(it.store, after, &events, &error), &error)) {
        return;
    }
    begin_list("events");
    while ((status = mcask_events_next(events, 0, &event, &error)) == MCASK_OK && event) {
        const char *kind = event->kind < 4 ? KINDS[event->kind] : "another";
        print_hex(kind, strlen(kind));
        print_hex(" ", 1);
        print_hex(event->account, strlen(event->account));
        print_hex("/", 1);
        add_to_list(event->name);
        last = event->sequence;
        mcask_event_free(event);
    }
    end_list();
    if (!failed(status, &error)) {
        answer_number("last", last);
    }
    mcask_events_free(events);
}

static void compact(void) {
    mcask_error *error;
    mcask_compact_report report = MCASK_COMPACT_REPORT_INIT;
    if (!failed(mcask_store_compact(it.store, &report, &error), &error)) {
        answer_number("segments_compacted", report.segments_compacted);
        answer_number("segments_freed", report.segments_freed);
        answer_number("files_freed", report.files_freed);
        answer_number("bytes_rewritten", report.bytes_rewritten);
        answer_number("bytes_freed", report.bytes_freed);
    }
}

static void checkpoint(Fields *fields) {
    mcask_error *error;
    mcask_checkpoint_report report = MCASK_CHECKPOINT_REPORT_INIT;
    const char *path = needed(fields, "path")->value;
    int32_t status;
    if (is_op(fields, "restore")) {
        const char *to = needed(fields, "to_path")->value;
        status = mcask_store_restore(path, MCASK_NTS, to, MCASK_NTS, &report, &error);
    } else {
        status = mcask_store_checkpoint(it.store, path, MCASK_NTS, &report, &error);
    }
    if (!failed(status, &error)) {
        answer_number("files_linked", report.files_linked);
        answer_number("files_copied", report.files_copied);
        answer_number("files_kept", report.files_kept);
        answer_number("last_sequence", report.last_sequence);
    }
}

static void verify(Fields *fields) {
    mcask_error *error;
    mcask_verify_options options = MCASK_VERIFY_OPTIONS_INIT;
    mcask_verify_report *report;
    Field *resume = text_of(fields, "resume");
    size_t i, j;
    options.repair = (int32_t)number_of(fields, "repair", 0);
    options.bytes_per_sec = number_of(fields, "bytes_per_sec", MCASK_NO_LIMIT);
    options.resume = resume ? resume->value : NULL;
    if (failed(mcask_store_verify(it.store, &options, NULL, NULL, &report, &error), &error)) {
        return;
    }
    answer_number("contents_checked", report->contents_checked);
    answer_number("entries_checked", report->entries_checked);
    answer_number("wrong_references", report->wrong_references);
    answer_number("index_differences", report->index_differences);
    answer_number("repaired", report->repaired);
    begin_list("damaged");
    for (i = 0; i < report->damaged_count; i++) {
        for (j = 0; j < report->damaged[i]->name_count; j++) {
            print_hex(report->damaged[i]->accounts[j], strlen(report->damaged[i]->accounts[j]));
            print_hex("/", 1);
            add_to_list(report->damaged[i]->names[j]);
        }
    }
    end_list();
    answer_text("resume", report->resume);
    mcask_verify_report_free(report);
}

static int hex_bytes(const char *hex, uint8_t *bytes, size_t len) {
    size_t i;
    for (i = 0; i < len && hex[2 * i] && hex[2 * i + 1]; i++) {
        bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    }
    return i == len && !hex[2 * i];
}

/* The signer with the keys of a request, each `id=secret`, or the store's own; NULL when it could not be had. */
static mcask_signer *signer_of(Fields *fields) {
    static uint8_t secrets[4][32];
    mcask_signing_key keys[4];
    mcask_signer_options options = MCASK_SIGNER_OPTIONS_INIT;
    mcask_signer *signer;
    mcask_error *error;
    size_t count = add_pairs(fields, "keys", 0), i;
    if (!field_of(fields, "keys")) {
        return failed(mcask_store_signer(it.store, &signer, &error), &error) ? NULL : signer;
    }
    for (i = 0; i < count; i++) {
        if (i == 4 || !hex_bytes(pairs[i].value, secrets[i], 32)) {
            fail("keys it cannot read", "");
        }
        keys[i] = (mcask_signing_key){pairs[i].key, pairs[i].key_len, secrets[i]};
    }
    options.clock = read_clock;
    return failed(mcask_signer_open(keys, count, &options, &signer, &error), &error) ? NULL : signer;
}

static void sign(Fields *fields) {
    static const char *const METHODS[] = {"get", "head", NULL};
    mcask_grant_options options = MCASK_GRANT_OPTIONS_INIT;
    Field *account = needed(fields, "account"), *name = needed(fields, "name");
    Field *suffix = text_of(fields, "grant_suffix");
    mcask_signer *signer = signer_of(fields);
    mcask_error *error;
    mcask_grant *grant;
    char text[256];
    int64_t until;
    if (!signer) {
        return;
    }
    options.method = word_of(fields, "method", METHODS, MCASK_METHOD_GET);
    options.ttl_ms = number_of(fields, "ttl_ms", MCASK_DEFAULT);
    if (is_op(fields, "sign")) {
        if (!failed(mcask_signer_sign(signer, account->value, account->len, name->value, name->len, &options, &grant,
                                      &error),
                    &error)) {
            answer_bytes("grant", grant->text, grant->text_len);
            mcask_grant_free(grant);
        }
    } else {
        snprintf(text, sizeof text, "%s%s", needed(fields, "grant")->value, suffix ? suffix->value : "");
        if (!failed(mcask_signer_verify(signer, text, MCASK_NTS, account->value, account->len, name->value, name->len,
                                        options.method, &until, &error),
                    &error)) {
            answer_number("expires_at", (uint64_t)until);
        }
    }
    mcask_signer_free(signer);
}

static void look_after(Fields *fields) {
    mcask_error *error;
    int32_t status;
    uint64_t count;
    if (is_op(fields, "accounts")) {
        list_accounts();
    } else if (is_op(fields, "stats")) {
        answer_stats();
    } else if (is_op(fields, "health")) {
        answer_health();
    } else if (is_op(fields, "sync")) {
        failed(mcask_store_sync(it.store, &error), &error);
    } else if (is_op(fields, "checkpoint_catalog")) {
        failed(mcask_store_checkpoint_catalog(it.store, &error), &error);
    } else if (is_op(fields, "sweep")) {
        mcask_sweep_report report = MCASK_SWEEP_REPORT_INIT;
        status = mcask_store_sweep(it.store, &report, &error);
        finish_count("expired", status, report.expired, error);
    } else if (is_op(fields, "rebuild_index")) {
        status = mcask_store_rebuild_index(it.store, NULL, NULL, &count, &error);
        finish_count("rows", status, count, error);
    } else if (is_op(fields, "names_of")) {
        names_of(digest_of(fields, "digest", &digests[0]));
    } else if (is_op(fields, "purge_digest")) {
        status = mcask_store_purge_digest(it.store, digest_of(fields, "digest", &digests[0]), &count, &error);
        finish_count("count", status, count, error);
    } else if (is_op(fields, "compact")) {
        compact();
    } else if (is_op(fields, "verify")) {
        verify(fields);
    } else if (is_op(fields, "checkpoint") || is_op(fields, "restore")) {
        checkpoint(fields);
    } else if (is_op(fields, "events")) {
        list_events(number_of(fields, "after", 0));
    } else if (is_op(fields, "events_floor")) {
        status = mcask_store_events_floor(it.store, &count, &error);
        finish_count("floor", status, count, error);
    } else {
        fail("an operation it does not know", needed(fields, "op")->value);
    }
}

static int is_one_of(Fields *fields, const char *const *ops) {
    for (; *ops; ops++) {
        if (is_op(fields, *ops)) {
            return 1;
        }
    }
    return 0;
}

static void step(Fields *fields) {
    static const char *const OPENS[] = {"open", "open_again", "reopen", NULL};
    static const char *const CHANGES[] = {"put", "put_reader", "delete", "update", "copy", "purge", NULL};
    static const char *const READS[] = {"get", "get_range", "reader", "hold", NULL};
    static const char *const LISTS[] = {"list", "entries", NULL};
    static const char *const ASKS[] = {"head", "contains", "policy", "set_policy", "account_stats", NULL};
    mcask_error *error;
    if (is_one_of(fields, OPENS)) {
        open_store(fields);
    } else if (is_op(fields, "close")) {
        failed(mcask_store_close(it.store, &error), &error);
    } else if (is_op(fields, "wait_ms")) {
        atomic_fetch_add(&it.now_ms, (int64_t)number_of(fields, "ms", 0));
    } else if (strncmp(needed(fields, "op")->value, "writer_", 7) == 0) {
        write_in_pieces(fields);
    } else if (strncmp(needed(fields, "op")->value, "batch_", 6) == 0) {
        gather(fields);
    } else if (is_op(fields, "held")) {
        finish_blob(MCASK_OK, it.held, NULL);
    } else if (is_op(fields, "sign") || is_op(fields, "verify_grant")) {
        sign(fields);
    } else if (field_of(fields, "account")) {
        mcask_account *account = account_of(fields, "account");
        if (!account) {
            return;
        }
        if (is_one_of(fields, CHANGES)) {
            change(fields, account);
        } else if (is_one_of(fields, READS)) {
            read_back(fields, account);
        } else if (is_one_of(fields, LISTS)) {
            list(fields, account);
        } else if (is_one_of(fields, ASKS)) {
            ask(fields, account);
        } else {
            fail("an operation it does not know", needed(fields, "op")->value);
        }
        mcask_account_free(account);
    } else {
        look_after(fields);
    }
}

int main(int argc, char **argv) {
    static Fields fields;
    if (argc != 2) {
        fail("it takes the time to begin with", "");
    }
    atomic_store(&it.now_ms, strtoll(argv[1], NULL, 10));
    while (read_fields(&fields)) {
        it.failed = 0;
        step(&fields);
        end_answer();
        forget_fields(&fields, it.failed);
    }
    mcask_blob_free(it.held);
    mcask_writer_free(it.writer);
    mcask_batch_free(it.batch);
    mcask_store_free(it.store);
    return 0;
}
