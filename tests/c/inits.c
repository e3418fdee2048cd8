/* Writes what each _INIT macro makes, byte by byte, for the test that compares it with the library's own defaults:
 * `NAME HEX` a line. */
#include "check.h"

static void show(const char *name, const void *data, size_t len) {
    const unsigned char *bytes = data;
    size_t i;
    printf("%s ", name);
    for (i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

#define SHOW(type, macro)            \
    do {                             \
        type made = macro;           \
        show(#type, &made, sizeof made); \
    } while (0)

int main(void) {
    SHOW(mcask_store_options, MCASK_STORE_OPTIONS_INIT);
    SHOW(mcask_put_options, MCASK_PUT_OPTIONS_INIT);
    SHOW(mcask_update_options, MCASK_UPDATE_OPTIONS_INIT);
    SHOW(mcask_delete_options, MCASK_DELETE_OPTIONS_INIT);
    SHOW(mcask_list_options, MCASK_LIST_OPTIONS_INIT);
    SHOW(mcask_verify_options, MCASK_VERIFY_OPTIONS_INIT);
    SHOW(mcask_policy, MCASK_POLICY_INIT);
    SHOW(mcask_sweep_report, MCASK_SWEEP_REPORT_INIT);
    SHOW(mcask_compact_report, MCASK_COMPACT_REPORT_INIT);
    SHOW(mcask_checkpoint_report, MCASK_CHECKPOINT_REPORT_INIT);
    SHOW(mcask_signer_options, MCASK_SIGNER_OPTIONS_INIT);
    SHOW(mcask_grant_options, MCASK_GRANT_OPTIONS_INIT);
    return 0;
}
