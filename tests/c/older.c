/* A program that was compiled when the structs had fewer fields: what it does not know keeps its default, and
 * nothing is read or written beyond what it has. The structs here are the first fields of those of the header. */
#include "check.h"

typedef struct {
    size_t struct_size;
    const char *content_type;
    size_t content_type_len;
} older_put_options;

typedef struct {
    size_t struct_size;
    uint64_t names;
    uint64_t accounts;
} older_stats;

typedef struct {
    size_t struct_size;
    int32_t create, dedup, durability, verify;
} older_store_options;

typedef struct {
    size_t struct_size;
    const char *prefix;
    size_t prefix_len;
} older_list_options;

typedef struct {
    size_t struct_size;
    uint64_t default_ttl_ms;
} older_policy;

typedef struct {
    size_t struct_size;
    const char *content_type;
    size_t content_type_len;
} older_update_options;

typedef struct {
    size_t struct_size;
    int32_t durability, reserved;
} older_delete_options;

typedef struct {
    size_t struct_size;
    uint64_t bytes_per_sec;
} older_verify_options;

typedef struct {
    size_t struct_size;
    uint64_t first;
} older_report;

typedef struct {
    size_t struct_size;
} older_signer_options;

typedef struct {
    size_t struct_size;
    int32_t method, reserved;
} older_grant_options;

static mcask_error *error;

/* Options and reports of upkeep, and of changes to a name that is there. */
static void check_others(mcask_store *store, mcask_account *account, const char *copy) {
    struct {
        older_update_options options;
        uint8_t beyond[256];
    } updating = {{sizeof(older_update_options), "text/plain", MCASK_NTS}, {0}};
    struct {
        older_delete_options options;
        uint8_t beyond[64];
    } deleting = {{sizeof(older_delete_options), MCASK_DURABILITY_OS, 0}, {0}};
    struct {
        older_verify_options options;
        uint8_t beyond[64];
    } verifying = {{sizeof(older_verify_options), MCASK_NO_LIMIT}, {0}};
    struct {
        older_report report;
        uint64_t beyond[8];
    } reporting = {{sizeof(older_report), 7}, {0}};
    mcask_verify_report *verified;
    mcask_entry *entry;
    int32_t existed;
    int i;
    memset(updating.beyond, 0xff, sizeof updating.beyond);
    memset(deleting.beyond, 0xff, sizeof deleting.beyond);
    memset(verifying.beyond, 0xff, sizeof verifying.beyond);
    memset(reporting.beyond, 0xee, sizeof reporting.beyond);
    OK(mcask_account_update(account, "img/a.png", MCASK_NTS, (void *)&updating, &entry, ERROR));
    CHECK(strcmp(entry->content_type, "text/plain") == 0 && entry->expires_at_unix_ms != MCASK_NO_TIME);
    mcask_entry_free(entry);
    OK(mcask_store_verify(store, (void *)&verifying, NULL, NULL, &verified, ERROR));
    CHECK(verified->entries_checked == 1 && verified->damaged_count == 0);
    mcask_verify_report_free(verified);
    OK(mcask_store_sweep(store, (void *)&reporting, ERROR));
    CHECK(reporting.report.first == 0);
    reporting.report.first = 7;
    OK(mcask_store_compact(store, (void *)&reporting, ERROR));
    CHECK(reporting.report.first == 0);
    reporting.report.first = 1000;
    OK(mcask_store_checkpoint(store, copy, MCASK_NTS, (void *)&reporting, ERROR));
    CHECK(reporting.report.first < 1000 && reporting.report.struct_size == sizeof(older_report));
    for (i = 0; i < 8; i++) {
        CHECK(reporting.beyond[i] == UINT64_C(0xeeeeeeeeeeeeeeee));
    }
    OK(mcask_account_delete(account, "img/a.png", MCASK_NTS, (void *)&deleting, &existed, ERROR));
    CHECK(existed == 1);
}

/* A clock and a time that would be asked for, and refused, if what stands behind were read. */
static void check_grants(void) {
    struct {
        older_signer_options options;
        uint8_t beyond[64];
    } opening = {{sizeof(older_signer_options)}, {0}};
    struct {
        older_grant_options options;
        uint8_t beyond[64];
    } asking = {{sizeof(older_grant_options), MCASK_METHOD_HEAD, 0}, {0}};
    static const uint8_t secret[32] = {1};
    mcask_signing_key key = {"2026-11", MCASK_NTS, secret};
    mcask_signer *signer;
    mcask_grant *grant;
    memset(opening.beyond, 0xff, sizeof opening.beyond);
    OK(mcask_signer_open(&key, 1, (void *)&opening, &signer, ERROR));
    OK(mcask_signer_sign(signer, "a", 1, "b", 1, (void *)&asking, &grant, ERROR));
    OK(mcask_signer_verify(signer, grant->text, MCASK_NTS, "a", 1, "b", 1, MCASK_METHOD_HEAD, NULL, ERROR));
    mcask_grant_free(grant);
    mcask_signer_free(signer);
}

int main(int argc, char **argv) {
    /* What stands behind them would be refused if it were read. */
    struct {
        older_store_options options;
        uint8_t beyond[256];
    } opening = {{sizeof(older_store_options), MCASK_CREATE_IF_MISSING, 0, MCASK_DURABILITY_OS, 0}, {0}};
    struct {
        older_put_options options;
        uint8_t beyond[256];
    } putting = {{sizeof(older_put_options), "image/png", MCASK_NTS}, {0}};
    struct {
        older_list_options options;
        uint8_t beyond[256];
    } listing = {{sizeof(older_list_options), "img/", MCASK_NTS}, {0}};
    struct {
        older_stats stats;
        uint64_t beyond[8];
    } counting = {{sizeof(older_stats), 0, 0}, {0}};
    struct {
        older_policy policy;
        uint64_t beyond[8];
    } policies = {{sizeof(older_policy), 60000}, {0}};
    mcask_store *store;
    mcask_account *account;
    mcask_entry *entry;
    mcask_page *page;
    char copy[4096];
    int i;
    memset(opening.beyond, 0xff, sizeof opening.beyond);
    memset(putting.beyond, 0xff, sizeof putting.beyond);
    memset(listing.beyond, 0xff, sizeof listing.beyond);
    memset(counting.beyond, 0xee, sizeof counting.beyond);
    memset(policies.beyond, 0, sizeof policies.beyond);
    CHECK(argc == 2);
    OK(mcask_store_open(argv[1], MCASK_NTS, (void *)&opening, &store, ERROR));
    OK(mcask_account_open(store, "5500001", MCASK_NTS, &account, ERROR));
    OK(mcask_account_set_policy(account, (void *)&policies, ERROR));
    OK(mcask_account_put(account, "img/a.png", MCASK_NTS, (const uint8_t *)"x", 1, (void *)&putting, &entry, ERROR));
    CHECK(strcmp(entry->content_type, "image/png") == 0 && entry->metadata_count == 0);
    CHECK(entry->expires_at_unix_ms == entry->updated_at_unix_ms + 60000);
    mcask_entry_free(entry);
    OK(mcask_account_list(account, (void *)&listing, &page, ERROR));
    CHECK(page->entry_count == 1 && page->next_token == NULL);
    mcask_page_free(page);
    OK(mcask_store_stats(store, (void *)&counting, ERROR));
    CHECK(counting.stats.struct_size == sizeof(older_stats));
    CHECK(counting.stats.names == 1 && counting.stats.accounts == 1);
    for (i = 0; i < 8; i++) {
        CHECK(counting.beyond[i] == UINT64_C(0xeeeeeeeeeeeeeeee));
    }
    policies.policy.default_ttl_ms = 0;
    OK(mcask_account_policy(account, (void *)&policies, ERROR));
    CHECK(policies.policy.default_ttl_ms == 60000 && policies.beyond[0] == 0);
    snprintf(copy, sizeof copy, "%s-copy", argv[1]);
    check_others(store, account, copy);
    check_grants();
    mcask_account_free(account);
    mcask_store_free(store);
    return 0;
}
