/* Eight threads at one store and one account while another closes it: every call either works or says that the
 * store is closed, and a writer that two threads use at once tells the second so. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

enum { THREADS = 8 };

static mcask_store *store;
static mcask_account *account;
static mcask_signer *signer;
static atomic_int put_count, closed;

/* One signer is every thread's. */
static void sign_and_verify(const char *name) {
    mcask_error *error;
    mcask_grant *grant;
    OK(mcask_signer_sign(signer, "5500001", MCASK_NTS, name, MCASK_NTS, NULL, &grant, ERROR));
    OK(mcask_signer_verify(signer, grant->text, grant->text_len, "5500001", MCASK_NTS, name, MCASK_NTS,
                           MCASK_METHOD_GET, NULL, ERROR));
    mcask_grant_free(grant);
}

static void *work(void *argument) {
    int me = *(int *)argument;
    char name[32], content[64];
    int round;
    for (round = 0;; round++) {
        mcask_error *error;
        mcask_blob *blob;
        mcask_page *page;
        int32_t status;
        int len = snprintf(content, sizeof content, "content %d of %d", round, me);
        snprintf(name, sizeof name, "%d/%d", me, round % 5);
        if (round < 20) {
            sign_and_verify(name);
        }
        status = mcask_account_put(account, name, MCASK_NTS, (const uint8_t *)content, (size_t)len, NULL, NULL, &error);
        if (status == MCASK_OK) {
            atomic_fetch_add(&put_count, 1);
            status = mcask_account_get(account, name, MCASK_NTS, &blob, &error);
        }
        if (status == MCASK_OK) {
            CHECK(blob && mcask_blob_len(blob) == (size_t)len && memcmp(mcask_blob_data(blob), content, (size_t)len) == 0);
            mcask_blob_free(blob);
            status = mcask_account_list(account, NULL, &page, &error);
        }
        if (status == MCASK_OK) {
            CHECK(page->entry_count > 0);
            mcask_page_free(page);
            continue;
        }
        if (status != MCASK_E_CLOSED) {
            fprintf(stderr, "thread %d: %s\n", me, error->message);
        }
        CHECK(status == MCASK_E_CLOSED && error->code == MCASK_E_CLOSED);
        mcask_error_free(error);
        atomic_fetch_add(&closed, 1);
        return NULL;
    }
}

static atomic_int refused, taken;

static void *write_to(void *writer) {
    int round;
    for (round = 0; round < 2000; round++) {
        mcask_error *error;
        int32_t status = mcask_writer_write(writer, (const uint8_t *)"0123456789", 10, &error);
        CHECK(status == MCASK_OK || status == MCASK_E_MISUSE);
        atomic_fetch_add(status == MCASK_OK ? &taken : &refused, 1);
        mcask_error_free(error);
    }
    return NULL;
}

/* A mistake of the program's: none of it may break the writer. */
static void check_one_writer_of_two_threads(void) {
    mcask_error *error;
    mcask_writer *writer;
    mcask_entry *entry;
    pthread_t threads[2];
    int i;
    OK(mcask_writer_open(account, "shared", MCASK_NTS, NULL, &writer, ERROR));
    for (i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, write_to, writer) == 0);
    }
    for (i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    OK(mcask_writer_commit(writer, &entry, ERROR));
    CHECK(atomic_load(&taken) + atomic_load(&refused) == 4000);
    CHECK(entry->size == 10 * (uint64_t)atomic_load(&taken));
    mcask_entry_free(entry);
    mcask_writer_free(writer);
}

int main(int argc, char **argv) {
    mcask_error *error;
    pthread_t threads[THREADS];
    int numbers[THREADS], i, round;
    CHECK(argc == 2);
    for (round = 1; round <= 3; round++) {
        atomic_store(&put_count, 0);
        atomic_store(&closed, 0);
        OK(mcask_store_open(argv[1], MCASK_NTS, NULL, &store, ERROR));
        OK(mcask_account_open(store, "5500001", MCASK_NTS, &account, ERROR));
        OK(mcask_store_signer(store, &signer, ERROR));
        if (round == 1) {
            check_one_writer_of_two_threads();
        }
        for (i = 0; i < THREADS; i++) {
            numbers[i] = i;
            CHECK(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
        }
        while (atomic_load(&put_count) < 20 * round) {
            sched_yield();
        }
        OK(mcask_store_close(store, ERROR));
        for (i = 0; i < THREADS; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
        }
        CHECK(atomic_load(&closed) == THREADS);
        mcask_signer_free(signer);
        mcask_account_free(account);
        mcask_store_free(store);
    }
    return 0;
}
