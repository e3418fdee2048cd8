/* The header alone, before anything else, as C and as C++: it needs nothing in front of it, and each _INIT macro
 * initializes its struct without a warning. */
#include <mediacask.h>

#include <string.h>

static mcask_store_options store_options = MCASK_STORE_OPTIONS_INIT;
static mcask_put_options put_options = MCASK_PUT_OPTIONS_INIT;
static mcask_update_options update_options = MCASK_UPDATE_OPTIONS_INIT;
static mcask_delete_options delete_options = MCASK_DELETE_OPTIONS_INIT;
static mcask_list_options list_options = MCASK_LIST_OPTIONS_INIT;
static mcask_verify_options verify_options = MCASK_VERIFY_OPTIONS_INIT;
static mcask_policy policy = MCASK_POLICY_INIT;
static mcask_stats stats = MCASK_STATS_INIT;
static mcask_sweep_report sweep_report = MCASK_SWEEP_REPORT_INIT;
static mcask_compact_report compact_report = MCASK_COMPACT_REPORT_INIT;
static mcask_pair pair = MCASK_PAIR("key", "value");

int main(int argc, char **argv) {
    (void)argv;
    return argc == 2 && store_options.struct_size == sizeof store_options &&
                   put_options.struct_size == sizeof put_options && update_options.struct_size == sizeof update_options &&
                   delete_options.struct_size == sizeof delete_options && list_options.limit == 1000 &&
                   verify_options.struct_size == sizeof verify_options && policy.quota_count == MCASK_NO_LIMIT &&
                   stats.struct_size == sizeof stats && sweep_report.struct_size == sizeof sweep_report &&
                   compact_report.struct_size == sizeof compact_report && strcmp(pair.value, "value") == 0
               ? 0
               : 1;
}
