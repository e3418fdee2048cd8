/* What the library leaves alone in a program that it is linked into: its signals, and its threads. Nothing is kept by
 * thread: one may begin what another goes on with and a third ends. That nothing is written to standard output or
 * error, whoever runs this sees. */
#include <pthread.h>
#include <signal.h>

#include "check.h"

enum { SIGNALS = 32 };

static mcask_account *account;

static struct sigaction actions[SIGNALS];
static sigset_t blocked;

static void read_signals(void) {
    int number;
    for (number = 1; number < SIGNALS; number++) {
        CHECK(sigaction(number, NULL, &actions[number]) == 0);
    }
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
}

/* Each signal is handled, and blocked, as when they were read. */
static void check_signals(void) {
    struct sigaction action;
    sigset_t now;
    int number;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
    for (number = 1; number < SIGNALS; number++) {
        CHECK(sigaction(number, NULL, &action) == 0);
        CHECK(action.sa_handler == actions[number].sa_handler && action.sa_flags == actions[number].sa_flags);
        CHECK(sigismember(&now, number) == sigismember(&blocked, number));
    }
}

static void *in_a_thread(void *(*act)(void *), void *argument) {
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, act, argument) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

static void *open_writer(void *nothing) {
    mcask_error *error;
    mcask_writer *writer;
    (void)nothing;
    OK(mcask_writer_open(account, "piece by piece", MCASK_NTS, NULL, &writer, ERROR));
    return writer;
}

static void *write_to(void *writer) {
    mcask_error *error;
    OK(mcask_writer_write(writer, (const uint8_t *)"by another", 10, ERROR));
    return writer;
}

static void *commit(void *writer) {
    mcask_error *error;
    mcask_entry *entry;
    OK(mcask_writer_commit(writer, &entry, ERROR));
    mcask_writer_free(writer);
    return entry;
}

static void *open_reader(void *name) {
    mcask_error *error;
    mcask_reader *reader;
    OK(mcask_reader_open(account, name, MCASK_NTS, &reader, ERROR));
    return reader;
}

static void *fail(void *nothing) {
    mcask_error *error;
    (void)nothing;
    CHECK(mcask_account_put(account, "", 0, NULL, 0, NULL, NULL, &error) == MCASK_E_INVALID_NAME);
    return error;
}

static void *free_error(void *failed) {
    mcask_error_free(failed);
    return NULL;
}

static void check_threads(void) {
    static char name[] = "piece by piece";
    mcask_error *error;
    mcask_writer *writer = in_a_thread(open_writer, NULL);
    mcask_entry *entry = in_a_thread(commit, in_a_thread(write_to, writer));
    mcask_reader *reader = in_a_thread(open_reader, name);
    mcask_error *others = in_a_thread(fail, NULL);
    mcask_blob *blob;
    uint8_t buffer[16];
    size_t len;
    CHECK(entry->size == 10);
    mcask_entry_free(entry);
    OK(mcask_reader_read(reader, buffer, sizeof buffer, &len, ERROR));
    CHECK(len == 10 && memcmp(buffer, "by another", 10) == 0);
    mcask_reader_free(reader);
    /* The error of one thread stays what it is while others fail and succeed. */
    FAILS(MCASK_E_INVALID_OPTION, mcask_account_get_range(account, name, MCASK_NTS, 11, 12, &blob, ERROR));
    CHECK(others->code == MCASK_E_INVALID_NAME && strstr(others->message, "name"));
    in_a_thread(free_error, others);
}

int main(int argc, char **argv) {
    mcask_error *error;
    mcask_store *store;
    CHECK(argc == 2);
    read_signals();
    OK(mcask_store_open(argv[1], MCASK_NTS, NULL, &store, ERROR));
    OK(mcask_account_open(store, "5500001", MCASK_NTS, &account, ERROR));
    check_threads();
    OK(mcask_store_sweep(store, NULL, ERROR));
    OK(mcask_store_compact(store, NULL, ERROR));
    check_signals();
    mcask_account_free(account);
    OK(mcask_store_close(store, ERROR));
    mcask_store_free(store);
    check_signals();
    return 0;
}
