// The conformance scripts through the C++ interface: does each step it is asked for, and answers the facts.
//
// `conformance MS` begins with a clock that shows MS, in Unix milliseconds. tests/c/fields.h tells how it is asked.
#include <mediacask.hpp>

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "fields.h"

namespace {

using namespace mediacask;

std::atomic<std::int64_t> now_ms;

std::int64_t read_clock(void *) { return now_ms; }

struct Held {
    store_options options;
    std::optional<mediacask::store> store;
    std::optional<mediacask::writer> writer;
    std::uint64_t written = 0;
    std::optional<mediacask::batch> batch;
    mediacask::durability batch_durability = mediacask::durability::standard;
    std::optional<mediacask::blob> held;
} it;

std::string_view view(const Field *field) { return {field->value, field->len}; }

std::string_view text(Fields &fields, const char *key) { return view(needed(&fields, key)); }

std::optional<std::string> maybe_text(Fields &fields, const char *key) {
    const Field *field = text_of(&fields, key);
    return field ? std::optional<std::string>(view(field)) : std::nullopt;
}

std::optional<std::uint64_t> maybe_number(Fields &fields, const char *key) {
    return field_of(&fields, key) ? std::optional<std::uint64_t>(number_of(&fields, key, 0)) : std::nullopt;
}

std::optional<std::chrono::milliseconds> maybe_ms(Fields &fields, const char *key) {
    const auto number = maybe_number(fields, key);
    return number ? std::optional<std::chrono::milliseconds>(static_cast<std::int64_t>(*number)) : std::nullopt;
}

std::optional<time_point> maybe_time(Fields &fields, const char *key) {
    return field_of(&fields, key)
               ? std::optional<time_point>(std::chrono::milliseconds(instant_of(&fields, key, 0)))
               : std::nullopt;
}

std::optional<digest> maybe_digest(Fields &fields, const char *key) {
    const Field *field = text_of(&fields, key);
    return field ? std::optional<digest>(digest::parse(view(field))) : std::nullopt;
}

bool is(Fields &fields, const char *key) { return number_of(&fields, key, 0) != 0; }

mediacask::durability durability_of(Fields &fields) {
    static const char *const words[] = {"default", "sync", "os", nullptr};
    return static_cast<mediacask::durability>(word_of(&fields, "durability", words, 0));
}

expiry expiry_of(Fields &fields) {
    static const char *const words[] = {"default", "policy", "never", nullptr};
    if (const auto ttl = maybe_ms(fields, "ttl_ms")) {
        return expiry::after(*ttl);
    }
    if (const auto instant = maybe_time(fields, "expires_at")) {
        return expiry::at(*instant);
    }
    switch (word_of(&fields, "expiry", words, 0)) {
    case 1:
        return expiry::policy();
    case 2:
        return expiry::never();
    default:
        return expiry();
    }
}

std::vector<std::string> list_of(Fields &fields, const char *key) {
    std::vector<std::string> texts;
    if (Field *field = field_of(&fields, key)) {
        char *at = field->value;
        std::size_t len;
        while (const char *text = next_of_list(&at, &len)) {
            texts.emplace_back(text, len);
        }
    }
    return texts;
}

template <std::size_t N> std::optional<std::array<std::uint8_t, N>> hash_of(Fields &fields, const char *key) {
    const auto bytes = maybe_text(fields, key);
    if (!bytes) {
        return std::nullopt;
    }
    std::array<std::uint8_t, N> hash{};
    std::memcpy(hash.data(), bytes->data(), N);
    return hash;
}

put_options put_options_of(Fields &fields) {
    put_options options;
    options.content_type = maybe_text(fields, "content_type");
    options.cache_control = maybe_text(fields, "cache_control");
    options.content_disposition = maybe_text(fields, "content_disposition");
    for (const std::string &pair : list_of(fields, "metadata")) {
        options.meta(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
    }
    options.expiry = expiry_of(fields);
    options.durability = durability_of(fields);
    options.if_absent = is(fields, "if_absent");
    options.if_match = maybe_digest(fields, "if_match");
    options.if_generation = maybe_number(fields, "if_generation");
    options.expect_digest = maybe_digest(fields, "expect_digest");
    options.expect_md5 = hash_of<16>(fields, "expect_md5");
    options.expect_sha256 = hash_of<32>(fields, "expect_sha256");
    if (const auto prefix = maybe_text(fields, "limit_prefix")) {
        options.limit = prefix_limit{*prefix, number_of(&fields, "limit_count", 0), number_of(&fields, "limit_bytes", 0)};
    }
    return options;
}

// A fact of an update: not named, it stays; null takes it away.
std::optional<std::string> fact_of(Fields &fields, const char *key) {
    const Field *field = field_of(&fields, key);
    return field ? std::optional<std::string>(field->kind == 'z' ? std::string_view() : view(field)) : std::nullopt;
}

update_options update_options_of(Fields &fields) {
    update_options options;
    options.content_type = fact_of(fields, "content_type");
    options.cache_control = fact_of(fields, "cache_control");
    options.content_disposition = fact_of(fields, "content_disposition");
    for (const std::string &pair : list_of(fields, "set_metadata")) {
        options.metadata[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    }
    for (const std::string &key : list_of(fields, "unset_metadata")) {
        options.metadata[key] = std::nullopt;
    }
    options.expiry = expiry_of(fields);
    options.durability = durability_of(fields);
    options.if_match = maybe_digest(fields, "if_match");
    options.if_generation = maybe_number(fields, "if_generation");
    return options;
}

remove_options remove_options_of(Fields &fields) {
    return {durability_of(fields), maybe_digest(fields, "if_match"), maybe_number(fields, "if_generation")};
}

list_options list_options_of(Fields &fields) {
    list_options options(maybe_text(fields, "prefix").value_or(""));
    options.delimiter = maybe_text(fields, "delimiter");
    options.token = maybe_text(fields, "token");
    options.created_from = maybe_time(fields, "created_from");
    options.created_to = maybe_time(fields, "created_to");
    options.limit = static_cast<std::size_t>(number_of(&fields, "limit", 1000));
    return options;
}

// ---- Answers ----

void answer_list(const char *key, const std::vector<std::string> &texts) {
    begin_list(key);
    for (const std::string &text : texts) {
        add_to_list(text.c_str());
    }
    end_list();
}

void answer_maybe(const char *key, const std::optional<std::string> &text) {
    answer_text(key, text ? text->c_str() : nullptr);
}

void answer_time(const char *key, time_point time) {
    answer_number(key, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

template <typename Number> void answer_limit(const char *key, const std::optional<Number> &limit) {
    if (!limit) {
        answer_null(key);
    } else if constexpr (std::is_same_v<Number, std::chrono::milliseconds>) {
        answer_number(key, static_cast<std::uint64_t>(limit->count()));
    } else {
        answer_number(key, *limit);
    }
}

void answer(const entry &entry) {
    std::vector<std::string> pairs;
    for (const auto &[key, value] : entry.metadata) {
        pairs.push_back(key + "=" + value);
    }
    answer_bytes("name", entry.name.data(), entry.name.size());
    answer_text("digest", entry.digest.to_string().c_str());
    answer_number("size", entry.size);
    answer_maybe("content_type", entry.content_type);
    answer_maybe("cache_control", entry.cache_control);
    answer_maybe("content_disposition", entry.content_disposition);
    answer_list("metadata", pairs);
    answer_time("created_at", entry.created_at);
    answer_time("updated_at", entry.updated_at);
    if (entry.expires_at) {
        answer_time("expires_at", *entry.expires_at);
    } else {
        answer_null("expires_at");
    }
    answer_number("generation", entry.generation);
}

void answer(const std::optional<entry> &entry) {
    if (entry) {
        answer(*entry);
    } else {
        answer_true("absent", 1);
    }
}

void answer(const std::optional<blob> &blob) {
    if (!blob) {
        answer_true("absent", 1);
        return;
    }
    answer_bytes("content", blob->view().data(), blob->size());
    answer(blob->entry());
}

// ---- Steps ----

mediacask::account account_of(Fields &fields, const char *key = "account") {
    return it.store->account(text(fields, key));
}

void open(Fields &fields) {
    static const char *const creates[] = {"if_missing", "never", nullptr};
    static const char *const dedups[] = {"account", "store", nullptr};
    static const char *const verifies[] = {"always", "once", "never", nullptr};
    static const char *const upkeeps[] = {"background", "by_hand", nullptr};
    store_options options;
    if (is_op(&fields, "open")) {
        options.create = word_of(&fields, "create", creates, 0) == 0;
        options.dedup_across_accounts = word_of(&fields, "dedup", dedups, 0) == 1;
        options.durability = durability_of(fields);
        options.verify = static_cast<mediacask::verify>(word_of(&fields, "verify", verifies, MCASK_VERIFY_ALWAYS));
        options.upkeep_in_background = word_of(&fields, "upkeep", upkeeps, 0) == 0;
        options.os_sync_interval = maybe_ms(fields, "os_sync_interval_ms");
        options.file_threshold = maybe_number(fields, "file_threshold");
        options.segment_len = maybe_number(fields, "segment_len");
        options.index_cache_bytes = maybe_number(fields, "index_cache_bytes");
        options.space_amplification_percent = maybe_number(fields, "space_amplification");
        options.events_keep = maybe_ms(fields, "events_keep_ms");
        options.erase_within = maybe_ms(fields, "erase_within_ms");
        options.clock = read_clock;
        it.options = options;
    } else if (is_op(&fields, "reopen")) {
        it.store->close();
        options = it.options;
    }
    mediacask::store opened(std::string(text(fields, "path")), options);
    it.store = std::move(opened);
}

void read_by_reader(Fields &fields, const mediacask::account &account) {
    auto reader = account.reader(text(fields, "name"));
    if (!reader) {
        answer_true("absent", 1);
        return;
    }
    blob_istream in(*std::move(reader));
    std::uint64_t position = number_of(&fields, "seek", 0);
    in.seekg(static_cast<std::streamoff>(std::min(position, in.entry().size)));
    const std::string content(std::istreambuf_iterator<char>(in), {});
    answer_bytes("content", content.data(), content.size());
    answer(in.entry());
}

bool change(Fields &fields, const mediacask::account &account) {
    if (is_op(&fields, "put")) {
        answer(account.put(text(fields, "name"), text(fields, "content"), put_options_of(fields)));
    } else if (is_op(&fields, "put_reader")) {
        blob_ostream out(account.writer(text(fields, "name"), put_options_of(fields)));
        out << text(fields, "content");
        answer(out.commit());
    } else if (is_op(&fields, "update")) {
        answer(account.update(text(fields, "name"), update_options_of(fields)));
    } else if (is_op(&fields, "copy") && field_of(&fields, "to_account")) {
        const auto other = account_of(fields, "to_account");
        answer(account.copy_to(text(fields, "name"), other, text(fields, "to_name"), put_options_of(fields)));
    } else if (is_op(&fields, "copy")) {
        answer(account.copy(text(fields, "name"), text(fields, "to_name"), put_options_of(fields)));
    } else if (is_op(&fields, "delete")) {
        answer_true("existed", account.remove(text(fields, "name"), remove_options_of(fields)));
    } else if (is_op(&fields, "purge")) {
        answer_number("count", account.purge(text(fields, "prefix")));
    } else if (is_op(&fields, "writer_open")) {
        it.written = 0;
        it.writer.emplace(account.writer(text(fields, "name"), put_options_of(fields)));
    } else if (is_op(&fields, "batch_begin")) {
        it.batch_durability = durability_of(fields);
        it.batch.emplace(account.batch());
    } else {
        return false;
    }
    return true;
}

void list(Fields &fields, const mediacask::account &account) {
    if (is_op(&fields, "entries")) {
        std::vector<std::string> names;
        for (const entry &entry : account.entries(list_options_of(fields))) {
            names.push_back(entry.name);
        }
        answer_list("names", names);
        return;
    }
    const page page = account.list(list_options_of(fields));
    std::vector<std::string> names;
    for (const entry &entry : page.entries) {
        names.push_back(entry.name);
    }
    answer_list("names", names);
    answer_list("prefixes", page.prefixes);
    answer_true("more", page.next_token.has_value());
    answer_maybe("token", page.next_token);
}

bool ask(Fields &fields, const mediacask::account &account) {
    if (is_op(&fields, "get")) {
        answer(account.get(text(fields, "name")));
    } else if (is_op(&fields, "get_range")) {
        answer(account.get_range(text(fields, "name"), number_of(&fields, "start", 0),
                                 number_of(&fields, "end", UINT64_MAX)));
    } else if (is_op(&fields, "hold")) {
        it.held = account.get(text(fields, "name"));
        answer(it.held);
    } else if (is_op(&fields, "reader")) {
        read_by_reader(fields, account);
    } else if (is_op(&fields, "head")) {
        answer(account.head(text(fields, "name")));
    } else if (is_op(&fields, "contains")) {
        answer_true("exists", account.contains(text(fields, "name")));
    } else if (is_op(&fields, "list") || is_op(&fields, "entries")) {
        list(fields, account);
    } else if (is_op(&fields, "policy")) {
        const policy policy = account.policy();
        answer_limit("default_ttl_ms", policy.default_ttl);
        answer_limit("longest_ttl_ms", policy.longest_ttl);
        answer_limit("largest_blob", policy.largest_blob);
        answer_limit("quota_bytes", policy.quota_bytes);
        answer_limit("quota_count", policy.quota_count);
    } else if (is_op(&fields, "set_policy")) {
        account.set_policy({maybe_ms(fields, "default_ttl_ms"), maybe_ms(fields, "longest_ttl_ms"),
                            maybe_number(fields, "largest_blob"), maybe_number(fields, "quota_bytes"),
                            maybe_number(fields, "quota_count")});
    } else if (is_op(&fields, "account_stats")) {
        const auto [count, bytes] = account.stats();
        answer_text("account", account.name().c_str());
        answer_number("count", count);
        answer_number("bytes", bytes);
    } else {
        return false;
    }
    return true;
}

// What goes on with a writer or a batch that is open.
bool go_on(Fields &fields) {
    if (is_op(&fields, "writer_write")) {
        it.writer->write(text(fields, "content"));
        it.written += needed(&fields, "content")->len;
        answer_number("written", it.written);
    } else if (is_op(&fields, "writer_commit")) {
        auto writer = *std::exchange(it.writer, std::nullopt);
        answer(writer.commit());
    } else if (is_op(&fields, "writer_drop")) {
        it.writer.reset();
    } else if (is_op(&fields, "batch_put")) {
        it.batch->put(text(fields, "name"), text(fields, "content"), put_options_of(fields));
    } else if (is_op(&fields, "batch_delete")) {
        it.batch->remove(text(fields, "name"), remove_options_of(fields));
    } else if (is_op(&fields, "batch_drop")) {
        it.batch.reset();
    } else if (is_op(&fields, "batch_commit")) {
        auto batch = *std::exchange(it.batch, std::nullopt);
        std::vector<std::string> outcomes;
        for (const outcome &outcome : batch.commit(it.batch_durability)) {
            outcomes.push_back(outcome.entry ? "put" : outcome.existed ? "deleted" : "absent");
        }
        answer_list("outcomes", outcomes);
    } else if (is_op(&fields, "held")) {
        answer(it.held);
    } else {
        return false;
    }
    return true;
}

void answer_events(std::uint64_t after) {
    static const char *const kinds[] = {"put", "update", "delete", "expire"};
    std::vector<std::string> told;
    auto events = it.store->events(after);
    while (const auto event = events.next()) {
        told.push_back(std::string(kinds[static_cast<int>(event->kind)]) + " " + event->account + "/" + event->name);
        after = event->sequence;
    }
    answer_list("events", told);
    answer_number("last", after);
}

void answer_verify(Fields &fields) {
    const verify_options options{maybe_number(fields, "bytes_per_sec"), maybe_text(fields, "resume"),
                                 is(fields, "repair")};
    const verify_report report = it.store->verify(options);
    std::vector<std::string> names;
    for (const damaged &damaged : report.damaged) {
        for (const auto &[account, name] : damaged.names) {
            names.push_back(account + "/" + name);
        }
    }
    answer_number("contents_checked", report.contents_checked);
    answer_number("entries_checked", report.entries_checked);
    answer_list("damaged", names);
    answer_number("wrong_references", report.wrong_references);
    answer_number("index_differences", report.index_differences);
    answer_number("repaired", report.repaired);
    answer_maybe("resume", report.resume);
}

// The signer with the keys of a request, each `id=secret`, or the store's own.
signer signer_of(Fields &fields) {
    std::vector<signing_key> keys;
    for (const std::string &pair : list_of(fields, "keys")) {
        const std::size_t at = pair.find('=');
        std::string secret = pair.substr(at + 1);
        signing_key key{pair.substr(0, at), {}};
        if (bytes_of_hex(secret.data()) != key.secret.size()) {
            fail("a secret it cannot read", pair.c_str());
        }
        std::memcpy(key.secret.data(), secret.data(), key.secret.size());
        keys.push_back(std::move(key));
    }
    if (keys.empty()) {
        return it.store->signer();
    }
    signer_options options;
    options.clock = read_clock;
    return signer(keys, options);
}

void vouch(Fields &fields) {
    static const char *const methods[] = {"get", "head", nullptr};
    const auto account = text(fields, "account"), name = text(fields, "name");
    const auto signer = signer_of(fields);
    const auto asked = static_cast<method>(word_of(&fields, "method", methods, 0));
    if (is_op(&fields, "sign")) {
        grant_options options;
        options.method = asked;
        options.ttl = maybe_ms(fields, "ttl_ms");
        answer_text("grant", signer.sign(account, name, options).c_str());
        return;
    }
    const std::string grant = std::string(text(fields, "grant")) + maybe_text(fields, "grant_suffix").value_or("");
    const auto until = signer.verify(grant, account, name, asked);
    answer_number("expires_at", static_cast<std::uint64_t>(until.time_since_epoch().count()));
}

void answer_accounts() {
    std::vector<std::string> names;
    for (const account_info &info : it.store->accounts()) {
        names.push_back(info.name);
    }
    answer_list("accounts", names);
}

void answer_names_of(const digest &digest) {
    std::vector<std::string> names;
    for (const auto &[account, entry] : it.store->names_of(digest)) {
        names.push_back(account + "/" + entry.name);
    }
    answer_list("names", names);
}

void answer_stats() {
    const mcask_stats stats = it.store->stats();
    answer_number("names", stats.names);
    answer_number("accounts", stats.accounts);
    answer_number("logical_bytes", stats.logical_bytes);
    answer_number("contents", stats.contents);
    answer_number("content_bytes", stats.content_bytes);
    answer_number("blob_files", stats.blob_files);
}

void answer_compact() {
    const mcask_compact_report report = it.store->compact();
    answer_number("segments_compacted", report.segments_compacted);
    answer_number("segments_freed", report.segments_freed);
    answer_number("files_freed", report.files_freed);
    answer_number("bytes_rewritten", report.bytes_rewritten);
    answer_number("bytes_freed", report.bytes_freed);
}

void answer_checkpoint(Fields &fields) {
    const std::filesystem::path path = std::string(text(fields, "path"));
    const mcask_checkpoint_report report = is_op(&fields, "restore")
                                               ? restore(path, std::string(text(fields, "to_path")))
                                               : it.store->checkpoint(path);
    answer_number("files_linked", report.files_linked);
    answer_number("files_copied", report.files_copied);
    answer_number("files_kept", report.files_kept);
    answer_number("last_sequence", report.last_sequence);
}

void look_after(Fields &fields) {
    if (is_op(&fields, "close")) {
        it.store->close();
    } else if (is_op(&fields, "wait_ms")) {
        now_ms += static_cast<std::int64_t>(number_of(&fields, "ms", 0));
    } else if (is_op(&fields, "accounts")) {
        answer_accounts();
    } else if (is_op(&fields, "stats")) {
        answer_stats();
    } else if (is_op(&fields, "health")) {
        const health health = it.store->health();
        answer_true("poisoned", health.poisoned.has_value());
        answer_text("index", health.index_state == index_state::current ? "current" : "behind");
        answer_number("damage", health.damage.size());
        answer_true("last_erasure", health.last_erasure && !health.last_erasure->error);
        answer_true("erasure_overdue", health.erasure_overdue.has_value());
    } else if (is_op(&fields, "sync")) {
        it.store->sync();
    } else if (is_op(&fields, "sweep")) {
        answer_number("expired", it.store->sweep().expired);
    } else if (is_op(&fields, "checkpoint_catalog")) {
        it.store->checkpoint_catalog();
    } else if (is_op(&fields, "rebuild_index")) {
        answer_number("rows", it.store->rebuild_index());
    } else if (is_op(&fields, "compact")) {
        answer_compact();
    } else if (is_op(&fields, "checkpoint") || is_op(&fields, "restore")) {
        answer_checkpoint(fields);
    } else if (is_op(&fields, "verify")) {
        answer_verify(fields);
    } else if (is_op(&fields, "names_of")) {
        answer_names_of(*maybe_digest(fields, "digest"));
    } else if (is_op(&fields, "purge_digest")) {
        answer_number("count", it.store->purge_digest(*maybe_digest(fields, "digest")));
    } else if (is_op(&fields, "events")) {
        answer_events(number_of(&fields, "after", 0));
    } else if (is_op(&fields, "events_floor")) {
        answer_number("floor", it.store->events_floor());
    } else {
        fail("an operation it does not know", needed(&fields, "op")->value);
    }
}

void step(Fields &fields) {
    if (is_op(&fields, "open") || is_op(&fields, "open_again") || is_op(&fields, "reopen")) {
        open(fields);
    } else if (is_op(&fields, "sign") || is_op(&fields, "verify_grant")) {
        vouch(fields);
    } else if (field_of(&fields, "account")) {
        const auto account = account_of(fields);
        if (!change(fields, account) && !ask(fields, account)) {
            fail("an operation it does not know", needed(&fields, "op")->value);
        }
    } else if (!go_on(fields)) {
        look_after(fields);
    }
}

} // namespace

int main(int argc, char **argv) {
    static Fields fields;
    if (argc != 2) {
        fail("it takes the time to begin with", "");
    }
    now_ms = std::strtoll(argv[1], nullptr, 10);
    while (read_fields(&fields)) {
        int failed = 0;
        try {
            step(fields);
        } catch (const mediacask::error &error) {
            failed = 1;
            answer_text("error", mcask_status_name(error.code()));
            answer_text("message", error.what());
        }
        end_answer();
        forget_fields(&fields, failed);
    }
    return 0;
}
