/* What a child that was made by fork may do with its parent's handles: read the blobs it holds, hear
 * MCASK_E_FORKED from everything else, free it all, and open stores of its own. The parent goes on unharmed. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static mcask_error *error;
static mcask_store *store;
static mcask_account *account;
static mcask_blob *blob;
static mcask_reader *reader;
static mcask_writer *writer;
static mcask_batch *batch;
static mcask_events *events;
static mcask_signer *signer;
static mcask_grant *grant;

static void hold_everything(const char *path) {
    OK(mcask_store_open(path, MCASK_NTS, NULL, &store, ERROR));
    OK(mcask_account_open(store, "5500001", MCASK_NTS, &account, ERROR));
    OK(mcask_account_put(account, "a", 1, (const uint8_t *)"held", 4, NULL, NULL, ERROR));
    OK(mcask_account_get(account, "a", 1, &blob, ERROR));
    OK(mcask_reader_open(account, "a", 1, &reader, ERROR));
    OK(mcask_writer_open(account, "b", 1, NULL, &writer, ERROR));
    OK(mcask_writer_write(writer, (const uint8_t *)"under way", 9, ERROR));
    OK(mcask_batch_open(account, &batch, ERROR));
    OK(mcask_batch_put(batch, "c", 1, (const uint8_t *)"x", 1, NULL, ERROR));
    OK(mcask_events_open(store, 0, &events, ERROR));
    OK(mcask_store_signer(store, &signer, ERROR));
    OK(mcask_signer_sign(signer, "5500001", MCASK_NTS, "a", 1, NULL, &grant, ERROR));
}

static void free_everything(void) {
    mcask_grant_free(grant);
    mcask_signer_free(signer);
    mcask_events_free(events);
    mcask_batch_free(batch);
    mcask_writer_free(writer);
    mcask_reader_free(reader);
    mcask_blob_free(blob);
    mcask_account_free(account);
    mcask_store_free(store);
}

/* Every call that needs the store, in a child. */
static void hear_forked(const char *own) {
    static const mcask_digest digest = {{7}};
    mcask_policy policy = MCASK_POLICY_INIT;
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_account *late;
    mcask_accounts *accounts;
    mcask_entry *entry;
    mcask_page *page;
    mcask_reader *late_reader;
    mcask_writer *late_writer;
    mcask_events *feed;
    mcask_event *event;
    mcask_verify_report *report;
    uint64_t count = 7;
    int32_t answer;
    FAILS(MCASK_E_FORKED, mcask_account_open(store, "b", 1, &late, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_contains(account, "a", 1, &answer, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_update(account, "a", 1, NULL, &entry, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_copy(account, "a", 1, NULL, "b", 1, NULL, &entry, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_purge(account, "", 0, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_stats(account, NULL, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_policy(account, &policy, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_set_policy(account, &policy, ERROR));
    FAILS(MCASK_E_FORKED, mcask_reader_open(account, "a", 1, &late_reader, ERROR));
    FAILS(MCASK_E_FORKED, mcask_writer_open(account, "a", 1, NULL, &late_writer, ERROR));
    FAILS(MCASK_E_FORKED, mcask_batch_put(batch, "d", 1, NULL, 0, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_batch_delete(batch, "d", 1, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_accounts(store, &accounts, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_stats(store, &stats, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_names_of(store, &digest, &page, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_purge_digest(store, &digest, &count, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_sweep(store, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_compact(store, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_verify(store, NULL, NULL, NULL, &report, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_checkpoint(store, own, MCASK_NTS, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_checkpoint_catalog(store, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_rebuild_index(store, NULL, NULL, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_events_open(store, 0, &feed, ERROR));
    FAILS(MCASK_E_FORKED, mcask_events_next(events, 1000, &event, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_events_floor(store, &count, ERROR));
    CHECK(!late && !entry && !page && !accounts && !late_reader && !late_writer && !report && !feed && count == 0);
}

static void be_the_child(const char *own) {
    mcask_store *mine;
    mcask_account *own_account;
    mcask_stats stats = MCASK_STATS_INIT;
    mcask_entry *entry;
    mcask_page *page;
    mcask_blob *another;
    mcask_health *health;
    mcask_event *event;
    mcask_signer *late;
    mcask_grant *own_grant;
    uint8_t buffer[8];
    size_t len;
    CHECK(mcask_blob_len(blob) == 4 && memcmp(mcask_blob_data(blob), "held", 4) == 0);
    OK(mcask_reader_read(reader, buffer, sizeof buffer, &len, ERROR));
    CHECK(len == 4 && memcmp(buffer, "held", 4) == 0);
    hear_forked(own);
    FAILS(MCASK_E_FORKED, mcask_account_get(account, "a", 1, &another, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_head(account, "a", 1, &entry, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_put(account, "a", 1, NULL, 0, NULL, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_list(account, NULL, &page, ERROR));
    FAILS(MCASK_E_FORKED, mcask_account_delete(account, "a", 1, NULL, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_writer_write(writer, (const uint8_t *)"x", 1, ERROR));
    FAILS(MCASK_E_FORKED, mcask_writer_commit(writer, &entry, ERROR));
    FAILS(MCASK_E_FORKED, mcask_batch_commit(batch, 0, NULL, ERROR));
    FAILS(MCASK_E_FORKED, mcask_events_next(events, 0, &event, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_stats(store, &stats, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_sync(store, ERROR));
    FAILS(MCASK_E_FORKED, mcask_store_signer(store, &late, ERROR));
    CHECK(late == NULL);
    FAILS(MCASK_E_FORKED, mcask_store_close(store, ERROR));
    OK(mcask_signer_verify(signer, grant->text, MCASK_NTS, "5500001", MCASK_NTS, "a", 1, 0, NULL, ERROR));
    OK(mcask_signer_sign(signer, "5500001", MCASK_NTS, "b", 1, NULL, &own_grant, ERROR));
    mcask_grant_free(own_grant);
    OK(mcask_store_health(store, &health, ERROR));
    CHECK(health->poisoned != NULL);
    mcask_health_free(health);
    free_everything();

    OK(mcask_store_open(own, MCASK_NTS, NULL, &mine, ERROR));
    OK(mcask_account_open(mine, "own", MCASK_NTS, &own_account, ERROR));
    OK(mcask_account_put(own_account, "a", 1, (const uint8_t *)"mine", 4, NULL, NULL, ERROR));
    mcask_account_free(own_account);
    OK(mcask_store_close(mine, ERROR));
    mcask_store_free(mine);
    /* It becomes another program, as most children do: what its parent's threads held is nobody's to free here. */
    execlp("true", "true", (char *)NULL);
    _exit(1);
}

int main(int argc, char **argv) {
    char own[4096];
    mcask_entry *entry;
    int round, status;
    CHECK(argc == 2);
    hold_everything(argv[1]);
    for (round = 0; round < 3; round++) {
        pid_t child;
        snprintf(own, sizeof own, "%s-of-child-%d", argv[1], round);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            be_the_child(own);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    OK(mcask_writer_commit(writer, &entry, ERROR));
    CHECK(entry->size == 9);
    mcask_entry_free(entry);
    OK(mcask_batch_commit(batch, 0, NULL, ERROR));
    OK(mcask_store_close(store, ERROR));
    free_everything();
    return 0;
}
