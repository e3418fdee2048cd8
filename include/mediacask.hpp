// mediacask for C++17 and later: a header over mediacask.h, which it needs beside it, and without any logic of its own.
//
//     mediacask::store store("media.cask");
//     auto media = store.account("5500001");
//     media.put("img/logo.png", bytes, mediacask::put_options().type("image/png").ttl(std::chrono::hours(48)));
//     if (auto blob = media.get("img/logo.png")) { send(blob->view()); }
//     for (const auto &entry : media.entries({"img/"})) { std::cout << entry.name << '\n'; }
//
// 1. Every object owns what it holds and gives it back when it ends; objects are moved, not copied. Plain values
//    (entry, digest, options) are copied.
// 2. What fails throws an exception of mediacask::error or a class of its; each kind of failure has one. Absence is no
//    failure: it is an empty std::optional.
// 3. Texts are UTF-8, and copied. The bytes of a blob are not: they are valid as long as the blob is.
// 4. What mediacask.h says of threads, forks and durability holds here, too.

#ifndef MEDIACASK_HPP
#define MEDIACASK_HPP

#include <mediacask.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <istream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__has_include)
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#define MEDIACASK_HAS_SPAN 1
#endif
#endif

namespace mediacask {

/// The version of the library.
inline std::string_view version() { return mcask_version(); }

// ---- Errors ----

/// Why a call failed; what() is a sentence for an operator.
class error : public std::runtime_error {
public:
    error(std::int32_t code, std::int32_t os_error, std::int64_t holder_pid, const std::string &message)
        : std::runtime_error(message), code_(code), os_error_(os_error), holder_pid_(holder_pid) {}

    /// One of MCASK_E_.
    std::int32_t code() const noexcept { return code_; }
    /// The name of the code, as logs and the other languages have it: "locked", say.
    std::string_view name() const noexcept {
        const char *name = mcask_status_name(code_);
        return name ? name : "unknown";
    }
    /// The operating system's errno; 0 where there is none.
    std::int32_t os_error() const noexcept { return os_error_; }
    /// The process that holds a store that is locked; 0 where it is not known.
    std::int64_t holder_pid() const noexcept { return holder_pid_; }

private:
    std::int32_t code_;
    std::int32_t os_error_;
    std::int64_t holder_pid_;
};

/// One class for each kind: of an error with this code.
template <std::int32_t Code> class error_of : public error {
public:
    using error::error;
};

using invalid_name = error_of<MCASK_E_INVALID_NAME>;
using invalid_option = error_of<MCASK_E_INVALID_OPTION>;
using too_large = error_of<MCASK_E_TOO_LARGE>;
using quota_exceeded = error_of<MCASK_E_QUOTA_EXCEEDED>;
using precondition_failed = error_of<MCASK_E_PRECONDITION_FAILED>;
using invalid_token = error_of<MCASK_E_INVALID_TOKEN>;
using digest_mismatch = error_of<MCASK_E_DIGEST_MISMATCH>;
using corrupt = error_of<MCASK_E_CORRUPT>;
using locked = error_of<MCASK_E_LOCKED>;
using newer_version = error_of<MCASK_E_VERSION>;
using poisoned = error_of<MCASK_E_POISONED>;
using read_only = error_of<MCASK_E_READ_ONLY>;
using no_space = error_of<MCASK_E_NO_SPACE>;
using forked = error_of<MCASK_E_FORKED>;
using closed = error_of<MCASK_E_CLOSED>;
using io_error = error_of<MCASK_E_IO>;
using expired_token = error_of<MCASK_E_EXPIRED_TOKEN>;
using unknown_key = error_of<MCASK_E_UNKNOWN_KEY>;
using internal_error = error_of<MCASK_E_INTERNAL>;
using misuse = error_of<MCASK_E_MISUSE>;

namespace detail {

template <std::int32_t... Codes> struct codes {};

using all_codes =
    codes<MCASK_E_INVALID_NAME, MCASK_E_INVALID_OPTION, MCASK_E_TOO_LARGE, MCASK_E_QUOTA_EXCEEDED,
          MCASK_E_PRECONDITION_FAILED, MCASK_E_INVALID_TOKEN, MCASK_E_DIGEST_MISMATCH, MCASK_E_CORRUPT, MCASK_E_LOCKED,
          MCASK_E_VERSION, MCASK_E_POISONED, MCASK_E_READ_ONLY, MCASK_E_NO_SPACE, MCASK_E_FORKED, MCASK_E_CLOSED,
          MCASK_E_IO, MCASK_E_EXPIRED_TOKEN, MCASK_E_UNKNOWN_KEY, MCASK_E_INTERNAL, MCASK_E_MISUSE>;

template <std::int32_t Code>
void throw_if(std::int32_t code, std::int32_t os_error, std::int64_t pid, const std::string &message) {
    if (code == Code) {
        throw error_of<Code>(code, os_error, pid, message);
    }
}

template <std::int32_t... Codes> [[noreturn]] void throw_as(codes<Codes...>, std::int32_t code, mcask_error *raw) {
    std::unique_ptr<mcask_error, void (*)(mcask_error *)> owned(raw, mcask_error_free);
    const std::string message = raw ? raw->message : "a call failed";
    const std::int32_t os_error = raw ? raw->os_error : 0;
    const std::int64_t pid = raw ? raw->holder_pid : 0;
    (throw_if<Codes>(code, os_error, pid, message), ...);
    throw error(code, os_error, pid, message);
}

/// An argument as it is; but a std::string_view of nothing is an empty text, not NULL.
template <typename T> T given(T argument) { return argument; }
inline const char *given(const char *text) { return text ? text : ""; }

/// Calls a function of mediacask.h with its arguments and a place for the error; throws what comes back.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments) {
    mcask_error *raw = nullptr;
    const std::int32_t code = function(given(arguments)..., &raw);
    if (code != MCASK_OK) {
        throw_as(all_codes(), code, raw);
    }
}

template <typename T, void (*Free)(T *)> struct freed_by {
    void operator()(T *raw) const noexcept { Free(raw); }
};

/// Something of the library's that is freed when this ends.
template <typename T, void (*Free)(T *)> using owned = std::unique_ptr<T, freed_by<T, Free>>;

/// Calls a function whose last output is something to own.
template <typename Owned, typename Function, typename... Arguments> Owned get(Function function, Arguments... arguments) {
    typename Owned::pointer raw = nullptr;
    call(function, arguments..., &raw);
    return Owned(raw);
}

inline std::optional<std::string> text(const char *data, std::size_t len) {
    return data ? std::optional<std::string>(std::in_place, data, len) : std::nullopt;
}

inline std::optional<std::string> text(const char *data) {
    return data ? std::optional<std::string>(data) : std::nullopt;
}

/// Bytes as the C functions take them.
inline const std::uint8_t *bytes(std::string_view content) {
    return reinterpret_cast<const std::uint8_t *>(content.data());
}

inline const char *data_of(const std::optional<std::string> &text) { return text ? text->c_str() : nullptr; }
inline std::size_t len_of(const std::optional<std::string> &text) { return text ? text->size() : 0; }

} // namespace detail

// ---- Values ----

/// Times are whole milliseconds of the system's clock.
using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

namespace detail {

inline time_point time(std::int64_t unix_ms) { return time_point(std::chrono::milliseconds(unix_ms)); }
inline std::int64_t unix_ms(time_point time) { return time.time_since_epoch().count(); }

inline std::optional<time_point> optional_time(std::int64_t unix_ms) {
    return unix_ms == MCASK_NO_TIME ? std::nullopt : std::optional<time_point>(time(unix_ms));
}

} // namespace detail

/// The BLAKE3 hash of a content.
class digest {
public:
    digest() = default;
    explicit digest(const mcask_digest &raw) : raw_(raw) {}

    /// The digest of content.
    static digest of(std::string_view content) {
        digest made;
        detail::call(mcask_digest_of, detail::bytes(content), content.size(), &made.raw_);
        return made;
    }

    /// A digest from its 64 hex digits.
    static digest parse(std::string_view hex) {
        digest made;
        detail::call(mcask_digest_parse, hex.data(), hex.size(), &made.raw_);
        return made;
    }

    /// 64 lower-case hex digits.
    std::string to_string() const {
        std::array<char, 65> hex{};
        detail::call(mcask_digest_format, &raw_, hex.data());
        return std::string(hex.data());
    }

    const mcask_digest &raw() const noexcept { return raw_; }

    friend bool operator==(const digest &a, const digest &b) noexcept { return compare(a, b) == 0; }
    friend bool operator!=(const digest &a, const digest &b) noexcept { return compare(a, b) != 0; }
    friend bool operator<(const digest &a, const digest &b) noexcept { return compare(a, b) < 0; }

private:
    static int compare(const digest &a, const digest &b) noexcept {
        return std::memcmp(a.raw_.bytes, b.raw_.bytes, sizeof a.raw_.bytes);
    }

    mcask_digest raw_{};
};

/// The facts of one name.
struct entry {
    std::string name;
    mediacask::digest digest;
    std::uint64_t size = 0;
    std::optional<std::string> content_type;
    std::optional<std::string> cache_control;
    std::optional<std::string> content_disposition;
    std::map<std::string, std::string> metadata;
    time_point created_at;
    time_point updated_at;
    /// Empty: never.
    std::optional<time_point> expires_at;
    std::uint64_t generation = 0;

    entry() = default;
    explicit entry(const mcask_entry &raw)
        : name(raw.name, raw.name_len), digest(raw.digest), size(raw.size),
          content_type(detail::text(raw.content_type, raw.content_type_len)),
          cache_control(detail::text(raw.cache_control, raw.cache_control_len)),
          content_disposition(detail::text(raw.content_disposition, raw.content_disposition_len)),
          created_at(detail::time(raw.created_at_unix_ms)), updated_at(detail::time(raw.updated_at_unix_ms)),
          expires_at(detail::optional_time(raw.expires_at_unix_ms)), generation(raw.generation) {
        for (std::size_t i = 0; i < raw.metadata_count; i++) {
            const mcask_pair &pair = raw.metadata[i];
            metadata.emplace(std::string(pair.key, pair.key_len), std::string(pair.value, pair.value_len));
        }
    }
};

namespace detail {

using owned_entry = owned<mcask_entry, mcask_entry_free>;
using owned_page = owned<mcask_page, mcask_page_free>;

inline std::optional<entry> maybe(const owned_entry &raw) {
    return raw ? std::optional<entry>(std::in_place, *raw) : std::nullopt;
}

} // namespace detail

/// Until when an entry lives.
class expiry {
public:
    /// Of a put: as the account's policy says. Of an update: as it was.
    expiry() = default;
    /// As the account's policy says; of an update, anew.
    static expiry policy() { return expiry(MCASK_EXPIRY_POLICY, 0); }
    /// For ever.
    static expiry never() { return expiry(MCASK_EXPIRY_NEVER, 0); }
    /// For this long after the write.
    static expiry after(std::chrono::milliseconds ttl) { return expiry(MCASK_EXPIRY_AFTER, ttl.count()); }
    /// Until this instant of the system's clock, in whole milliseconds.
    template <typename Duration> static expiry at(std::chrono::time_point<std::chrono::system_clock, Duration> instant) {
        return expiry(MCASK_EXPIRY_AT, detail::unix_ms(std::chrono::floor<std::chrono::milliseconds>(instant)));
    }

    std::int32_t kind() const noexcept { return kind_; }
    std::int64_t ms() const noexcept { return ms_; }

private:
    expiry(std::int32_t kind, std::int64_t ms) : kind_(kind), ms_(ms) {}

    std::int32_t kind_ = MCASK_EXPIRY_DEFAULT;
    std::int64_t ms_ = 0;
};

/// When a write returns.
enum class durability : std::int32_t {
    standard = MCASK_DURABILITY_DEFAULT,
    sync = MCASK_DURABILITY_SYNC,
    os = MCASK_DURABILITY_OS
};

/// When the bytes that a read touches are checked.
enum class verify : std::int32_t {
    always = MCASK_VERIFY_ALWAYS,
    once = MCASK_VERIFY_ONCE,
    never = MCASK_VERIFY_NEVER
};

/// How many names, of how many bytes together, may live under a prefix.
struct prefix_limit {
    std::string prefix;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};

/// The options of a put, a copy or a writer. Set fields, or call what names them, one after the other.
struct put_options {
    std::optional<std::string> content_type;
    std::optional<std::string> cache_control;
    std::optional<std::string> content_disposition;
    std::map<std::string, std::string> metadata;
    mediacask::expiry expiry;
    mediacask::durability durability = mediacask::durability::standard;
    bool if_absent = false;
    std::optional<digest> if_match;
    std::optional<std::uint64_t> if_generation;
    std::optional<digest> expect_digest;
    std::optional<std::array<std::uint8_t, 16>> expect_md5;
    std::optional<std::array<std::uint8_t, 32>> expect_sha256;
    std::optional<prefix_limit> limit;

    put_options &type(std::string_view value) {
        content_type = std::string(value);
        return *this;
    }
    put_options &meta(std::string_view key, std::string_view value) {
        metadata[std::string(key)] = std::string(value);
        return *this;
    }
    put_options &ttl(std::chrono::milliseconds value) {
        expiry = mediacask::expiry::after(value);
        return *this;
    }
    put_options &only_if_absent() {
        if_absent = true;
        return *this;
    }
};

/// What an update changes; what is not set stays as it is, an empty text takes away.
struct update_options {
    std::optional<std::string> content_type;
    std::optional<std::string> cache_control;
    std::optional<std::string> content_disposition;
    /// Pairs to set; those without a value are taken away.
    std::map<std::string, std::optional<std::string>> metadata;
    mediacask::expiry expiry;
    mediacask::durability durability = mediacask::durability::standard;
    std::optional<digest> if_match;
    std::optional<std::uint64_t> if_generation;
};

/// The options of a delete.
struct remove_options {
    mediacask::durability durability = mediacask::durability::standard;
    std::optional<digest> if_match;
    std::optional<std::uint64_t> if_generation;
};

/// Which names a listing shows.
struct list_options {
    std::string prefix;
    std::optional<std::string> delimiter;
    std::optional<std::string> token;
    std::optional<time_point> created_from;
    std::optional<time_point> created_to;
    std::size_t limit = 1000;

    list_options() = default;
    list_options(std::string_view names_begin_with) : prefix(names_begin_with) {}
    list_options(const char *names_begin_with) : prefix(names_begin_with) {}
};

/// How a store is opened.
struct store_options {
    /// A missing store is made.
    bool create = true;
    /// Equal content is stored once in the whole store, not in each account.
    bool dedup_across_accounts = false;
    mediacask::durability durability = mediacask::durability::standard;
    mediacask::verify verify = mediacask::verify::always;
    /// A thread of the store's does the upkeep.
    bool upkeep_in_background = true;
    std::optional<std::chrono::milliseconds> os_sync_interval;
    std::optional<std::uint64_t> file_threshold;
    std::optional<std::uint64_t> segment_len;
    std::optional<std::uint64_t> index_cache_bytes;
    std::optional<std::uint64_t> space_amplification_percent;
    std::optional<std::chrono::milliseconds> events_keep;
    /// Where the store reads the time, in Unix milliseconds; null: the machine's clock. Throws nothing.
    std::int64_t (*clock)(void *context) = nullptr;
    void *clock_context = nullptr;
    /// What was deleted, overwritten or has expired is in no file of the store when this long has passed; at least a
    /// minute. Empty: it is gone for readers at once, and from the disk when its room is needed.
    std::optional<std::chrono::milliseconds> erase_within;
};

/// What holds for all puts of an account; what is empty is not limited.
struct policy {
    std::optional<std::chrono::milliseconds> default_ttl;
    std::optional<std::chrono::milliseconds> longest_ttl;
    std::optional<std::uint64_t> largest_blob;
    std::optional<std::uint64_t> quota_bytes;
    std::optional<std::uint64_t> quota_count;
};

namespace detail {

inline const mcask_digest *pointer(const std::optional<digest> &digest) { return digest ? &digest->raw() : nullptr; }

template <typename T> const T *pointer(const std::optional<T> &value) { return value ? &*value : nullptr; }

/// Options as the C functions take them. They point into those they were made of.
class raw_put_options {
public:
    explicit raw_put_options(const put_options &options) {
        for (const auto &[key, value] : options.metadata) {
            pairs_.push_back(mcask_pair{key.c_str(), key.size(), value.c_str(), value.size()});
        }
        raw_.content_type = data_of(options.content_type);
        raw_.content_type_len = len_of(options.content_type);
        raw_.cache_control = data_of(options.cache_control);
        raw_.cache_control_len = len_of(options.cache_control);
        raw_.content_disposition = data_of(options.content_disposition);
        raw_.content_disposition_len = len_of(options.content_disposition);
        raw_.metadata = pairs_.data();
        raw_.metadata_count = pairs_.size();
        raw_.expiry = options.expiry.kind();
        raw_.expiry_ms = options.expiry.ms();
        raw_.durability = static_cast<std::int32_t>(options.durability);
        raw_.if_absent = options.if_absent ? 1 : 0;
        raw_.if_match = pointer(options.if_match);
        raw_.if_generation = pointer(options.if_generation);
        raw_.expect_digest = pointer(options.expect_digest);
        raw_.expect_md5 = options.expect_md5 ? options.expect_md5->data() : nullptr;
        raw_.expect_sha256 = options.expect_sha256 ? options.expect_sha256->data() : nullptr;
        if (options.limit) {
            raw_.limit_prefix = options.limit->prefix.c_str();
            raw_.limit_prefix_len = options.limit->prefix.size();
            raw_.limit_count = options.limit->count;
            raw_.limit_bytes = options.limit->bytes;
        }
    }
    raw_put_options(const raw_put_options &) = delete;
    raw_put_options &operator=(const raw_put_options &) = delete;

    const mcask_put_options *get() const { return &raw_; }

private:
    std::vector<mcask_pair> pairs_;
    mcask_put_options raw_ = MCASK_PUT_OPTIONS_INIT;
};

class raw_update_options {
public:
    explicit raw_update_options(const update_options &options) {
        for (const auto &[key, value] : options.metadata) {
            pairs_.push_back(mcask_pair{key.c_str(), key.size(), data_of(value), len_of(value)});
        }
        raw_.content_type = data_of(options.content_type);
        raw_.content_type_len = len_of(options.content_type);
        raw_.cache_control = data_of(options.cache_control);
        raw_.cache_control_len = len_of(options.cache_control);
        raw_.content_disposition = data_of(options.content_disposition);
        raw_.content_disposition_len = len_of(options.content_disposition);
        raw_.metadata = pairs_.data();
        raw_.metadata_count = pairs_.size();
        raw_.expiry = options.expiry.kind();
        raw_.expiry_ms = options.expiry.ms();
        raw_.durability = static_cast<std::int32_t>(options.durability);
        raw_.if_match = pointer(options.if_match);
        raw_.if_generation = pointer(options.if_generation);
    }
    raw_update_options(const raw_update_options &) = delete;
    raw_update_options &operator=(const raw_update_options &) = delete;

    const mcask_update_options *get() const { return &raw_; }

private:
    std::vector<mcask_pair> pairs_;
    mcask_update_options raw_ = MCASK_UPDATE_OPTIONS_INIT;
};

inline mcask_delete_options raw(const remove_options &options) {
    mcask_delete_options raw = MCASK_DELETE_OPTIONS_INIT;
    raw.durability = static_cast<std::int32_t>(options.durability);
    raw.if_match = pointer(options.if_match);
    raw.if_generation = pointer(options.if_generation);
    return raw;
}

/// A time as the C functions take it: one below zero is zero, and not the greatest of all.
inline std::uint64_t number(std::chrono::milliseconds time) {
    return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

inline std::uint64_t number(const std::optional<std::chrono::milliseconds> &time, std::uint64_t otherwise) {
    return time ? number(*time) : otherwise;
}

inline mcask_store_options raw(const store_options &options) {
    mcask_store_options raw = MCASK_STORE_OPTIONS_INIT;
    raw.create = options.create ? MCASK_CREATE_IF_MISSING : MCASK_CREATE_NEVER;
    raw.dedup = options.dedup_across_accounts ? MCASK_DEDUP_STORE : MCASK_DEDUP_ACCOUNT;
    raw.durability = static_cast<std::int32_t>(options.durability);
    raw.verify = static_cast<std::int32_t>(options.verify);
    raw.upkeep = options.upkeep_in_background ? MCASK_UPKEEP_BACKGROUND : MCASK_UPKEEP_BY_HAND;
    raw.os_sync_interval_ms = number(options.os_sync_interval, MCASK_DEFAULT);
    raw.file_threshold = options.file_threshold.value_or(MCASK_DEFAULT);
    raw.segment_len = options.segment_len.value_or(MCASK_DEFAULT);
    raw.index_cache_bytes = options.index_cache_bytes.value_or(MCASK_DEFAULT);
    raw.space_amplification_percent = options.space_amplification_percent.value_or(MCASK_DEFAULT);
    raw.events_keep_ms = number(options.events_keep, MCASK_DEFAULT);
    raw.clock = options.clock;
    raw.clock_context = options.clock_context;
    raw.erase_within_ms = number(options.erase_within, MCASK_DEFAULT);
    return raw;
}

inline mcask_policy raw(const policy &policy) {
    mcask_policy raw = MCASK_POLICY_INIT;
    raw.default_ttl_ms = number(policy.default_ttl, MCASK_NO_LIMIT);
    raw.longest_ttl_ms = number(policy.longest_ttl, MCASK_NO_LIMIT);
    raw.largest_blob = policy.largest_blob.value_or(MCASK_NO_LIMIT);
    raw.quota_bytes = policy.quota_bytes.value_or(MCASK_NO_LIMIT);
    raw.quota_count = policy.quota_count.value_or(MCASK_NO_LIMIT);
    return raw;
}

inline policy policy_of(const mcask_policy &raw) {
    const auto limit = [](std::uint64_t given) {
        return given == MCASK_NO_LIMIT ? std::nullopt : std::optional<std::uint64_t>(given);
    };
    const auto ms = [](std::uint64_t given) {
        return given == MCASK_NO_LIMIT
                   ? std::nullopt
                   : std::optional<std::chrono::milliseconds>(static_cast<std::chrono::milliseconds::rep>(given));
    };
    return policy{ms(raw.default_ttl_ms), ms(raw.longest_ttl_ms), limit(raw.largest_blob), limit(raw.quota_bytes),
                  limit(raw.quota_count)};
}

} // namespace detail

/// A page of a listing.
struct page {
    std::vector<entry> entries;
    std::vector<std::string> prefixes;
    /// Empty on the last page; a page may be short and still have one.
    std::optional<std::string> next_token;

    page() = default;
    explicit page(const mcask_page &raw) : next_token(detail::text(raw.next_token)) {
        entries.reserve(raw.entry_count);
        for (std::size_t i = 0; i < raw.entry_count; i++) {
            entries.emplace_back(*raw.entries[i]);
        }
        prefixes.assign(raw.prefixes, raw.prefixes + raw.prefix_count);
    }
};

// ---- Reading ----

/// The content of a name, or a range of it. Its bytes are valid as long as it is, whatever becomes of the store.
class blob {
public:
    const std::byte *data() const noexcept { return reinterpret_cast<const std::byte *>(mcask_blob_data(raw_.get())); }
    std::size_t size() const noexcept { return mcask_blob_len(raw_.get()); }
    bool empty() const noexcept { return size() == 0; }

    /// The bytes; not of a blob that ends with the expression.
    std::string_view view() const & noexcept { return {reinterpret_cast<const char *>(data()), size()}; }
    std::string_view view() && = delete;

#ifdef MEDIACASK_HAS_SPAN
    std::span<const std::byte> span() const & noexcept { return {data(), size()}; }
    std::span<const std::byte> span() && = delete;
#endif

    /// The facts of the name at the time of the read.
    mediacask::entry entry() const {
        return mediacask::entry(*detail::get<detail::owned_entry>(mcask_blob_entry, raw_.get()));
    }

private:
    friend class account;
    using raw_type = detail::owned<mcask_blob, mcask_blob_free>;
    explicit blob(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

/// Reads content of any size in bounded memory, from any place.
class reader {
public:
    /// Reads on, as many bytes as there is room for; fewer only at the end.
    std::size_t read(void *buffer, std::size_t capacity) {
        std::size_t len = 0;
        detail::call(mcask_reader_read, raw_.get(), static_cast<std::uint8_t *>(buffer), capacity, &len);
        return len;
    }

#ifdef MEDIACASK_HAS_SPAN
    std::size_t read(std::span<std::byte> buffer) { return read(buffer.data(), buffer.size()); }
#endif

    void seek(std::uint64_t position) { detail::call(mcask_reader_seek, raw_.get(), position); }

    mediacask::entry entry() const {
        return mediacask::entry(*detail::get<detail::owned_entry>(mcask_reader_entry, raw_.get()));
    }

private:
    friend class account;
    using raw_type = detail::owned<mcask_reader, mcask_reader_free>;
    explicit reader(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

/// A stream buffer over a reader, 64 KiB at a time; seeks.
class reader_buf : public std::streambuf {
public:
    explicit reader_buf(reader from) : reader_(std::move(from)), size_(reader_.entry().size), buffer_(64 << 10) {}

    mediacask::entry entry() const { return reader_.entry(); }

protected:
    int_type underflow() override {
        const std::size_t len = reader_.read(buffer_.data(), buffer_.size());
        end_ += len;
        setg(buffer_.data(), buffer_.data(), buffer_.data() + len);
        return len == 0 ? traits_type::eof() : traits_type::to_int_type(*gptr());
    }

    pos_type seekoff(off_type distance, std::ios_base::seekdir from, std::ios_base::openmode) override {
        const off_type here = static_cast<off_type>(end_) - (egptr() - gptr());
        const off_type base = from == std::ios_base::beg   ? 0
                              : from == std::ios_base::cur ? here
                                                           : static_cast<off_type>(size_);
        return distance == 0 && from == std::ios_base::cur ? pos_type(here) : go_to(base + distance);
    }

    pos_type seekpos(pos_type position, std::ios_base::openmode) override { return go_to(off_type(position)); }

private:
    pos_type go_to(off_type position) {
        if (position < 0 || static_cast<std::uint64_t>(position) > size_) {
            return pos_type(off_type(-1));
        }
        reader_.seek(static_cast<std::uint64_t>(position));
        end_ = static_cast<std::uint64_t>(position);
        setg(buffer_.data(), buffer_.data(), buffer_.data());
        return pos_type(position);
    }

    reader reader_;
    std::uint64_t size_;
    /// The position behind what is in the buffer.
    std::uint64_t end_ = 0;
    std::vector<char> buffer_;
};

// ---- Writing ----

/// Writes content of unknown length; nothing happens before commit(), and nothing at all without.
class writer {
public:
    writer &write(std::string_view content) {
        detail::call(mcask_writer_write, raw_.get(), detail::bytes(content), content.size());
        return *this;
    }

#ifdef MEDIACASK_HAS_SPAN
    writer &write(std::span<const std::byte> content) {
        return write({reinterpret_cast<const char *>(content.data()), content.size()});
    }
#endif

    /// Gives what was written its name. After that, the writer is over.
    entry commit() { return entry(*detail::get<detail::owned_entry>(mcask_writer_commit, raw_.get())); }

private:
    friend class account;
    using raw_type = detail::owned<mcask_writer, mcask_writer_free>;
    explicit writer(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

/// A stream buffer over a writer; commit() gives what was written its name.
class writer_buf : public std::streambuf {
public:
    explicit writer_buf(writer to) : writer_(std::move(to)), buffer_(64 << 10) {
        setp(buffer_.data(), buffer_.data() + buffer_.size());
    }

    entry commit() {
        flush_buffer();
        return writer_.commit();
    }

protected:
    int_type overflow(int_type next) override {
        flush_buffer();
        if (!traits_type::eq_int_type(next, traits_type::eof())) {
            sputc(traits_type::to_char_type(next));
        }
        return traits_type::not_eof(next);
    }

    std::streamsize xsputn(const char *data, std::streamsize len) override {
        if (len < epptr() - pptr()) {
            return std::streambuf::xsputn(data, len);
        }
        flush_buffer();
        writer_.write({data, static_cast<std::size_t>(len)});
        return len;
    }

    int sync() override {
        flush_buffer();
        return 0;
    }

private:
    void flush_buffer() {
        const std::string_view waiting(pbase(), static_cast<std::size_t>(pptr() - pbase()));
        setp(buffer_.data(), buffer_.data() + buffer_.size());
        if (!waiting.empty()) {
            writer_.write(waiting);
        }
    }

    writer writer_;
    std::vector<char> buffer_;
};

/// A std::istream over the content of a name. A failure of the store comes out as its own exception.
class blob_istream : public std::istream {
public:
    explicit blob_istream(reader from) : std::istream(nullptr), buffer_(std::move(from)) {
        rdbuf(&buffer_);
        exceptions(std::ios_base::badbit);
    }

    mediacask::entry entry() const { return buffer_.entry(); }

private:
    reader_buf buffer_;
};

/// A std::ostream into a name; what was written has happened when commit() returns, and not at all without.
class blob_ostream : public std::ostream {
public:
    explicit blob_ostream(writer to) : std::ostream(nullptr), buffer_(std::move(to)) {
        rdbuf(&buffer_);
        exceptions(std::ios_base::badbit);
    }

    mediacask::entry commit() { return buffer_.commit(); }

private:
    writer_buf buffer_;
};

/// What became of one operation of a batch.
struct outcome {
    /// Of a put, the new entry.
    std::optional<mediacask::entry> entry;
    /// Of a delete, whether the name was there.
    bool existed = false;
};

/// Puts and deletes that happen all together or not at all.
class batch {
public:
    batch &put(std::string_view name, std::string_view content, const put_options &options = {}) {
        const detail::raw_put_options raw(options);
        detail::call(mcask_batch_put, raw_.get(), name.data(), name.size(), detail::bytes(content), content.size(),
                     raw.get());
        return *this;
    }

    batch &remove(std::string_view name, const remove_options &options = {}) {
        const mcask_delete_options raw = detail::raw(options);
        detail::call(mcask_batch_delete, raw_.get(), name.data(), name.size(), &raw);
        return *this;
    }

    /// Does all of it, or nothing. After that, the batch is over.
    std::vector<outcome> commit(durability when = durability::standard) {
        const auto raw = detail::get<detail::owned<mcask_outcomes, mcask_outcomes_free>>(
            mcask_batch_commit, raw_.get(), static_cast<std::int32_t>(when));
        std::vector<outcome> outcomes(raw->count);
        for (std::size_t i = 0; i < raw->count; i++) {
            if (raw->entries[i]) {
                outcomes[i].entry.emplace(*raw->entries[i]);
            }
            outcomes[i].existed = raw->existed[i] != 0;
        }
        return outcomes;
    }

private:
    friend class account;
    using raw_type = detail::owned<mcask_batch, mcask_batch_free>;
    explicit batch(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

// ---- Accounts ----

class account;

/// All entries that a listing lets through, page after page: `for (const auto &entry : media.entries())`. It is
/// walked once, and the account lives as long as it does.
class listing {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = entry;
        using difference_type = std::ptrdiff_t;
        using pointer = const entry *;
        using reference = const entry &;

        reference operator*() const { return listing_->page_.entries[listing_->at_]; }
        pointer operator->() const { return &**this; }
        iterator &operator++() {
            listing_->at_++;
            settle();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) { return a.listing_ == b.listing_; }
        friend bool operator!=(const iterator &a, const iterator &b) { return a.listing_ != b.listing_; }

    private:
        friend class listing;
        iterator() = default;
        explicit iterator(listing *of) : listing_(of) { settle(); }

        inline void settle();

        listing *listing_ = nullptr;
    };

    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }

private:
    friend class account;
    listing(const account &of, list_options options) : account_(&of), options_(std::move(options)) {}

    const account *account_;
    list_options options_;
    page page_;
    std::size_t at_ = 0;
    bool begun_ = false;
};

/// The names of one account. Any number of threads may use it at once.
class account {
public:
    const std::string &name() const noexcept { return name_; }

    /// Stores content under a name, in the place of what was there. Durable when it returns, unless told otherwise.
    entry put(std::string_view name, std::string_view content, const put_options &options = {}) const {
        const detail::raw_put_options raw(options);
        return entry(*detail::get<detail::owned_entry>(mcask_account_put, raw_.get(), name.data(), name.size(),
                                                       detail::bytes(content), content.size(), raw.get()));
    }

#ifdef MEDIACASK_HAS_SPAN
    entry put(std::string_view name, std::span<const std::byte> content, const put_options &options = {}) const {
        return put(name, std::string_view(reinterpret_cast<const char *>(content.data()), content.size()), options);
    }
#endif

    /// The content of a name, all of it checked, without a copy; empty when there is no such name.
    std::optional<blob> get(std::string_view name) const {
        return maybe<blob>(detail::get<blob::raw_type>(mcask_account_get, raw_.get(), name.data(), name.size()));
    }

    /// The bytes `start` to `end`, without `end`; an end beyond the content is brought back to it.
    std::optional<blob> get_range(std::string_view name, std::uint64_t start, std::uint64_t end = UINT64_MAX) const {
        return maybe<blob>(
            detail::get<blob::raw_type>(mcask_account_get_range, raw_.get(), name.data(), name.size(), start, end));
    }

    /// A reader over the content of a name; empty when there is no such name.
    std::optional<mediacask::reader> reader(std::string_view name) const {
        return maybe<mediacask::reader>(
            detail::get<mediacask::reader::raw_type>(mcask_reader_open, raw_.get(), name.data(), name.size()));
    }

    /// A writer for content that comes in pieces.
    mediacask::writer writer(std::string_view name, const put_options &options = {}) const {
        const detail::raw_put_options raw(options);
        return mediacask::writer(detail::get<mediacask::writer::raw_type>(mcask_writer_open, raw_.get(), name.data(),
                                                                          name.size(), raw.get()));
    }

    /// The facts of a name.
    std::optional<entry> head(std::string_view name) const {
        return detail::maybe(detail::get<detail::owned_entry>(mcask_account_head, raw_.get(), name.data(), name.size()));
    }

    bool contains(std::string_view name) const {
        std::int32_t contained = 0;
        detail::call(mcask_account_contains, raw_.get(), name.data(), name.size(), &contained);
        return contained != 0;
    }

    /// Takes a name down; says whether it was there.
    bool remove(std::string_view name, const remove_options &options = {}) const {
        const mcask_delete_options raw = detail::raw(options);
        std::int32_t existed = 0;
        detail::call(mcask_account_delete, raw_.get(), name.data(), name.size(), &raw, &existed);
        return existed != 0;
    }

    /// Changes facts and expiry without touching the content; empty when there is no such name.
    std::optional<entry> update(std::string_view name, const update_options &options) const {
        const detail::raw_update_options raw(options);
        return detail::maybe(
            detail::get<detail::owned_entry>(mcask_account_update, raw_.get(), name.data(), name.size(), raw.get()));
    }

    /// Gives the content of `from` a second name in this account; empty when there is no such name.
    std::optional<entry> copy(std::string_view from, std::string_view to, const put_options &options = {}) const {
        return copy_to(from, *this, to, options);
    }

    /// Likewise in another account of the store.
    std::optional<entry> copy_to(std::string_view from, const account &other, std::string_view to,
                                 const put_options &options = {}) const {
        const detail::raw_put_options raw(options);
        const mcask_account *target = &other == this ? nullptr : other.raw_.get();
        return detail::maybe(detail::get<detail::owned_entry>(mcask_account_copy, raw_.get(), from.data(), from.size(),
                                                              target, to.data(), to.size(), raw.get()));
    }

    /// One page of the names, in bytewise order.
    page list(const list_options &options = {}) const {
        mcask_list_options raw = MCASK_LIST_OPTIONS_INIT;
        raw.prefix = options.prefix.c_str();
        raw.prefix_len = options.prefix.size();
        raw.delimiter = detail::data_of(options.delimiter);
        raw.delimiter_len = detail::len_of(options.delimiter);
        raw.token = detail::data_of(options.token);
        raw.token_len = detail::len_of(options.token);
        raw.created_from_unix_ms = options.created_from ? detail::unix_ms(*options.created_from) : MCASK_NO_TIME;
        raw.created_to_unix_ms = options.created_to ? detail::unix_ms(*options.created_to) : MCASK_NO_TIME;
        raw.limit = options.limit;
        return page(*detail::get<detail::owned_page>(mcask_account_list, raw_.get(), &raw));
    }

    /// All entries, page after page; not of an account that ends with the expression.
    listing entries(list_options options = {}) const & { return listing(*this, std::move(options)); }
    listing entries(list_options options = {}) && = delete;

    /// An empty batch.
    mediacask::batch batch() const {
        return mediacask::batch(detail::get<mediacask::batch::raw_type>(mcask_batch_open, raw_.get()));
    }

    mediacask::policy policy() const {
        mcask_policy raw = MCASK_POLICY_INIT;
        detail::call(mcask_account_policy, raw_.get(), &raw);
        return detail::policy_of(raw);
    }

    void set_policy(const mediacask::policy &policy) const {
        const mcask_policy raw = detail::raw(policy);
        detail::call(mcask_account_set_policy, raw_.get(), &raw);
    }

    /// How many names it has, and how many bytes of content.
    std::pair<std::uint64_t, std::uint64_t> stats() const {
        std::pair<std::uint64_t, std::uint64_t> stats;
        detail::call(mcask_account_stats, raw_.get(), &stats.first, &stats.second);
        return stats;
    }

    /// Takes down every name that begins with a prefix; gives their number.
    std::uint64_t purge(std::string_view prefix) const {
        std::uint64_t purged = 0;
        detail::call(mcask_account_purge, raw_.get(), prefix.data(), prefix.size(), &purged);
        return purged;
    }

private:
    friend class store;
    using raw_type = detail::owned<mcask_account, mcask_account_free>;
    account(raw_type raw, std::string_view name) : raw_(std::move(raw)), name_(name) {}

    template <typename T> static std::optional<T> maybe(typename T::raw_type raw) {
        return raw ? std::optional<T>(T(std::move(raw))) : std::nullopt;
    }

    raw_type raw_;
    std::string name_;
};

inline void listing::iterator::settle() {
    while (listing_->at_ >= listing_->page_.entries.size()) {
        if (listing_->begun_ && !listing_->page_.next_token) {
            listing_ = nullptr;
            return;
        }
        if (listing_->begun_) {
            listing_->options_.token = listing_->page_.next_token;
        }
        listing_->page_ = listing_->account_->list(listing_->options_);
        listing_->begun_ = true;
        listing_->at_ = 0;
    }
}

// ---- Events ----

/// What happened to a name. Later versions may have more.
enum class event_kind : std::int32_t {
    put = MCASK_EVENT_PUT,
    update = MCASK_EVENT_UPDATE,
    remove = MCASK_EVENT_DELETE,
    expire = MCASK_EVENT_EXPIRE
};

/// Something that happened to a name.
struct event {
    std::uint64_t sequence = 0;
    event_kind kind = event_kind::put;
    std::string account;
    std::string name;
    mediacask::digest digest;
    time_point at;
};

/// A feed of events.
class events {
public:
    /// The next event; empty when there is none yet after waiting this long.
    std::optional<event> next(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        const auto raw = detail::get<detail::owned<mcask_event, mcask_event_free>>(
            mcask_events_next, raw_.get(), detail::number(timeout));
        if (!raw) {
            return std::nullopt;
        }
        return event{raw->sequence,
                     static_cast<event_kind>(raw->kind),
                     raw->account,
                     std::string(raw->name, raw->name_len),
                     mediacask::digest(raw->digest),
                     detail::time(raw->at_unix_ms)};
    }

    /// How far it has come: where a later feed goes on.
    std::uint64_t seen() const {
        std::uint64_t sequence = 0;
        detail::call(mcask_events_seen, raw_.get(), &sequence);
        return sequence;
    }

private:
    friend class store;
    using raw_type = detail::owned<mcask_events, mcask_events_free>;
    explicit events(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

// ---- Signed grants ----

/// What a grant lets its bearer read.
enum class method : std::int32_t {
    /// Content and facts.
    get = MCASK_METHOD_GET,
    /// Facts only.
    head = MCASK_METHOD_HEAD
};

/// A key of a signer.
struct signing_key {
    /// 1 to 32 visible characters of ASCII; it stands in every grant in the clear.
    std::string id;
    /// Random bytes that nobody else may know.
    std::array<std::uint8_t, 32> secret{};
};

struct signer_options {
    /// As of store_options.
    std::int64_t (*clock)(void *context) = nullptr;
    void *clock_context = nullptr;
};

struct grant_options {
    mediacask::method method = mediacask::method::get;
    /// At most a week; empty: four hours.
    std::optional<std::chrono::milliseconds> ttl;
};

/// Signs grants, texts that let whoever shows one read one name for a while, and verifies them. Any number of threads
/// may use it at once. store::signer() gives one with the store's own key.
class signer {
public:
    /// The first key signs, all are accepted. It needs no store: processes that share a key take each other's grants.
    explicit signer(const std::vector<signing_key> &keys, const signer_options &options = {}) {
        mcask_signer_options raw = MCASK_SIGNER_OPTIONS_INIT;
        raw.clock = options.clock;
        raw.clock_context = options.clock_context;
        std::vector<mcask_signing_key> raw_keys;
        for (const signing_key &key : keys) {
            raw_keys.push_back(mcask_signing_key{key.id.c_str(), key.id.size(), key.secret.data()});
        }
        raw_ = detail::get<raw_type>(mcask_signer_open, raw_keys.data(), raw_keys.size(), &raw);
    }

    /// The text of a grant of a name, which begins now, of characters that stand in a URL as they are.
    std::string sign(std::string_view account, std::string_view name, const grant_options &options = {}) const {
        mcask_grant_options raw = MCASK_GRANT_OPTIONS_INIT;
        raw.method = static_cast<std::int32_t>(options.method);
        raw.ttl_ms = detail::number(options.ttl, MCASK_DEFAULT);
        const auto grant = detail::get<detail::owned<mcask_grant, mcask_grant_free>>(
            mcask_signer_sign, raw_.get(), account.data(), account.size(), name.data(), name.size(), &raw);
        return std::string(grant->text, grant->text_len);
    }

    /// The instant from which the text grants this no more. Throws mediacask::invalid_token, unknown_key or
    /// expired_token when it does not now.
    time_point verify(std::string_view grant, std::string_view account, std::string_view name,
                      mediacask::method method = mediacask::method::get) const {
        std::int64_t expires_at = 0;
        detail::call(mcask_signer_verify, raw_.get(), grant.data(), grant.size(), account.data(), account.size(),
                     name.data(), name.size(), static_cast<std::int32_t>(method), &expires_at);
        return detail::time(expires_at);
    }

private:
    friend class store;
    using raw_type = detail::owned<mcask_signer, mcask_signer_free>;
    explicit signer(raw_type raw) : raw_(std::move(raw)) {}

    raw_type raw_;
};

// ---- The store ----

/// What one account holds.
struct account_info {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::optional<mediacask::policy> policy;
};

/// Damage in a file of the store.
struct damage {
    std::filesystem::path path;
    std::uint64_t offset = 0;
    std::uint64_t len = 0;
    std::string what;
};

/// How the index stands.
enum class index_state : std::int32_t {
    current = MCASK_INDEX_CURRENT,
    stale = MCASK_INDEX_STALE,
    in_memory = MCASK_INDEX_IN_MEMORY
};

/// What opening a store came to.
struct recovery {
    /// It was closed properly before.
    bool clean = false;
    /// It began with what the last checkpoint of the catalog knew.
    bool from_checkpoint = false;
    std::uint64_t records_replayed = 0;
    /// At the end of the log: what did not stand.
    std::uint64_t bytes_cut = 0;
    std::uint64_t segments = 0;
    std::chrono::milliseconds duration{0};
};

/// A run of upkeep.
struct activity {
    time_point ended_at;
    std::chrono::milliseconds duration{0};
    /// Why it failed.
    std::optional<std::string> error;
    /// What it came to, by name.
    std::map<std::string, std::uint64_t> counts;
};

/// How a store does.
struct health {
    /// Why nothing can be written any more; empty when all is well.
    std::optional<std::string> poisoned;
    /// What went wrong behind the scenes last.
    std::optional<std::string> trouble;
    mediacask::index_state index_state = mediacask::index_state::current;
    /// Why it is not current.
    std::optional<std::string> index_reason;
    mediacask::recovery recovery;
    std::vector<mediacask::damage> damage;
    /// Contents that were found damaged when they were read.
    std::vector<digest> damaged_contents;
    /// What upkeep did last of each kind; empty: nothing that is known of.
    std::optional<activity> last_sweep;
    std::optional<activity> last_compaction;
    std::optional<activity> last_verify;
    std::optional<activity> last_catalog_checkpoint;
    std::optional<activity> last_index_renewal;
    /// `late_ms` of its counts tells by how much the deadline was missed.
    std::optional<activity> last_erasure;
    /// By how much what was let go of is late to be erased, and why; empty when nothing is.
    std::optional<std::string> erasure_overdue;
};

namespace detail {

inline std::chrono::milliseconds milliseconds(std::uint64_t count) {
    return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(count));
}

inline std::optional<activity> maybe(const mcask_activity *raw) {
    if (!raw) {
        return std::nullopt;
    }
    activity done{time(raw->at_unix_ms), milliseconds(raw->duration_ms), text(raw->error), {}};
    for (std::size_t i = 0; i < raw->count_count; i++) {
        done.counts.emplace(raw->counts[i].name, raw->counts[i].count);
    }
    return done;
}

inline health health_of(const mcask_health &raw) {
    health health;
    health.poisoned = text(raw.poisoned);
    health.trouble = text(raw.trouble);
    health.index_state = static_cast<index_state>(raw.index_state);
    health.index_reason = text(raw.index_reason);
    health.recovery = {raw.recovery_clean != 0,
                       raw.recovery_from_checkpoint != 0,
                       raw.recovery_records_replayed,
                       raw.recovery_bytes_cut,
                       raw.recovery_segments,
                       milliseconds(raw.recovery_duration_ms)};
    for (std::size_t i = 0; i < raw.damage_count; i++) {
        const mcask_damage &found = raw.damage[i];
        health.damage.push_back({found.path, found.offset, found.len, found.what});
    }
    for (std::size_t i = 0; i < raw.damaged_content_count; i++) {
        health.damaged_contents.emplace_back(raw.damaged_contents[i]);
    }
    health.last_sweep = maybe(raw.last_sweep);
    health.last_compaction = maybe(raw.last_compaction);
    health.last_verify = maybe(raw.last_verify);
    health.last_catalog_checkpoint = maybe(raw.last_catalog_checkpoint);
    health.last_index_renewal = maybe(raw.last_index_renewal);
    health.last_erasure = maybe(raw.last_erasure);
    health.erasure_overdue = text(raw.erasure_overdue);
    return health;
}

} // namespace detail

/// How a store is verified.
struct verify_options {
    std::optional<std::uint64_t> bytes_per_sec;
    std::optional<std::string> resume;
    bool repair = false;
};

/// Bytes that are not what was written, and what they cost.
struct damaged {
    std::filesystem::path path;
    std::uint64_t offset = 0;
    std::uint64_t len = 0;
    std::optional<mediacask::digest> digest;
    /// Accounts and names.
    std::vector<std::pair<std::string, std::string>> names;
    std::string what;
    std::string remedy;
};

/// What a verification found.
struct verify_report {
    std::uint64_t bytes_checked = 0;
    std::uint64_t contents_checked = 0;
    std::uint64_t entries_checked = 0;
    std::vector<mediacask::damaged> damaged;
    std::uint64_t wrong_references = 0;
    std::uint64_t index_differences = 0;
    std::uint64_t repaired = 0;
    /// Where to go on, if it was broken off.
    std::optional<std::string> resume;
};

/// Hears how far a verification is: bytes checked, bytes in all, damage found; false breaks it off, and so does an
/// exception, which comes out of verify().
using verify_progress = std::function<bool(std::uint64_t, std::uint64_t, std::uint64_t)>;

/// Hears how far the index is: rows done, rows in all.
using rebuild_progress = std::function<void(std::uint64_t, std::uint64_t)>;

/// An open store. Any number of threads may use it at once.
class store {
public:
    /// Opens the store in a directory, and makes it there unless the options say otherwise.
    explicit store(const std::filesystem::path &path, const store_options &options = {}) {
        const mcask_store_options raw = detail::raw(options);
        const std::string &native = path.native();
        raw_ = detail::get<raw_type>(mcask_store_open, native.c_str(), native.size(), &raw);
    }

    mediacask::account account(std::string_view name) const {
        return mediacask::account(
            detail::get<mediacask::account::raw_type>(mcask_account_open, raw_.get(), name.data(), name.size()), name);
    }

    /// The accounts that hold names or have a policy.
    std::vector<account_info> accounts() const {
        const auto raw = detail::get<detail::owned<mcask_accounts, mcask_accounts_free>>(mcask_store_accounts, raw_.get());
        std::vector<account_info> accounts;
        for (std::size_t i = 0; i < raw->count; i++) {
            const mcask_account_info &info = *raw->accounts[i];
            accounts.push_back({std::string(info.name, info.name_len), info.count, info.bytes, std::nullopt});
            if (info.policy) {
                accounts.back().policy = detail::policy_of(*info.policy);
            }
        }
        return accounts;
    }

    /// Makes durable all that was written with durability::os.
    void sync() const { detail::call(mcask_store_sync, raw_.get()); }

    /// Ends at once all that is over.
    mcask_sweep_report sweep() const {
        mcask_sweep_report report = MCASK_SWEEP_REPORT_INIT;
        detail::call(mcask_store_sweep, raw_.get(), &report);
        return report;
    }

    /// Compacts all segments that are worth it.
    mcask_compact_report compact() const {
        mcask_compact_report report = MCASK_COMPACT_REPORT_INIT;
        detail::call(mcask_store_compact, raw_.get(), &report);
        return report;
    }

    /// Makes a copy of the store as it is now in a directory, by hard links where that is possible.
    mcask_checkpoint_report checkpoint(const std::filesystem::path &path) const {
        mcask_checkpoint_report report = MCASK_CHECKPOINT_REPORT_INIT;
        detail::call(mcask_store_checkpoint, raw_.get(), path.c_str(), path.native().size(), &report);
        return report;
    }

    void checkpoint_catalog() const { detail::call(mcask_store_checkpoint_catalog, raw_.get()); }

    /// Builds the index anew from the log; gives the number of its rows. What `progress` throws comes out of this
    /// when it is done.
    std::uint64_t rebuild_index(rebuild_progress progress = {}) const {
        std::uint64_t rows = 0;
        listener<rebuild_progress> who{std::move(progress), nullptr};
        detail::call(mcask_store_rebuild_index, raw_.get(), who.progress ? &store::hear_rebuild : nullptr,
                     static_cast<void *>(&who), &rows);
        if (who.thrown) {
            std::rethrow_exception(who.thrown);
        }
        return rows;
    }

    /// Reads everything that is stored and checks it.
    verify_report verify(const verify_options &options = {}, verify_progress progress = {}) const {
        mcask_verify_options raw = MCASK_VERIFY_OPTIONS_INIT;
        raw.bytes_per_sec = options.bytes_per_sec.value_or(MCASK_NO_LIMIT);
        raw.resume = detail::data_of(options.resume);
        raw.resume_len = detail::len_of(options.resume);
        raw.repair = options.repair ? 1 : 0;
        listener<verify_progress> who{std::move(progress), nullptr};
        const auto found = detail::get<detail::owned<mcask_verify_report, mcask_verify_report_free>>(
            mcask_store_verify, raw_.get(), &raw, who.progress ? &store::hear_verify : nullptr,
            static_cast<void *>(&who));
        if (who.thrown) {
            std::rethrow_exception(who.thrown);
        }
        return report_of(*found);
    }

    /// Every name that holds a content, with its account. For the owner of the store.
    std::vector<std::pair<std::string, entry>> names_of(const digest &of) const {
        const auto raw = detail::get<detail::owned_page>(mcask_store_names_of, raw_.get(), &of.raw());
        std::vector<std::pair<std::string, entry>> names;
        for (std::size_t i = 0; i < raw->entry_count; i++) {
            names.emplace_back(raw->accounts[i], entry(*raw->entries[i]));
        }
        return names;
    }

    /// Takes down every name that holds a content; gives their number.
    std::uint64_t purge_digest(const digest &of) const {
        std::uint64_t purged = 0;
        detail::call(mcask_store_purge_digest, raw_.get(), &of.raw(), &purged);
        return purged;
    }

    mcask_stats stats() const {
        mcask_stats stats = MCASK_STATS_INIT;
        detail::call(mcask_store_stats, raw_.get(), &stats);
        return stats;
    }

    mediacask::health health() const {
        const auto raw = detail::get<detail::owned<mcask_health, mcask_health_free>>(mcask_store_health, raw_.get());
        return detail::health_of(*raw);
    }

    /// A feed of what happens after a sequence number.
    mediacask::events events(std::uint64_t after = 0) const {
        return mediacask::events(detail::get<mediacask::events::raw_type>(mcask_events_open, raw_.get(), after));
    }

    /// How far back events() goes.
    std::uint64_t events_floor() const {
        std::uint64_t floor = 0;
        detail::call(mcask_store_events_floor, raw_.get(), &floor);
        return floor;
    }

    /// Signs and verifies with the store's own key and clock.
    mediacask::signer signer() const {
        return mediacask::signer(detail::get<mediacask::signer::raw_type>(mcask_store_signer, raw_.get()));
    }

    /// Makes everything durable and lets other processes have the store; the destructor does so, too, and keeps to
    /// itself what fails. Later calls throw mediacask::closed; blobs stay valid.
    void close() { detail::call(mcask_store_close, raw_.get()); }

private:
    using raw_type = detail::owned<mcask_store, mcask_store_free>;

    /// Who hears the progress of a call, and what it threw: nothing may be thrown through the library.
    template <typename Progress> struct listener {
        Progress progress;
        std::exception_ptr thrown;
    };

    static std::int32_t hear_verify(void *context, std::uint64_t checked, std::uint64_t total, std::uint64_t damaged) {
        auto &who = *static_cast<listener<verify_progress> *>(context);
        try {
            return who.progress(checked, total, damaged) ? 0 : 1;
        } catch (...) {
            who.thrown = std::current_exception();
            return 1;
        }
    }

    static void hear_rebuild(void *context, std::uint64_t done, std::uint64_t total) {
        auto &who = *static_cast<listener<rebuild_progress> *>(context);
        if (who.thrown) {
            return;
        }
        try {
            who.progress(done, total);
        } catch (...) {
            who.thrown = std::current_exception();
        }
    }

    static verify_report report_of(const mcask_verify_report &raw) {
        verify_report report;
        report.bytes_checked = raw.bytes_checked;
        report.contents_checked = raw.contents_checked;
        report.entries_checked = raw.entries_checked;
        report.wrong_references = raw.wrong_references;
        report.index_differences = raw.index_differences;
        report.repaired = raw.repaired;
        report.resume = detail::text(raw.resume);
        for (std::size_t i = 0; i < raw.damaged_count; i++) {
            const mcask_damaged &found = *raw.damaged[i];
            mediacask::damaged damaged{found.path, found.offset, found.len, std::nullopt, {}, found.what, found.remedy};
            if (found.digest) {
                damaged.digest.emplace(*found.digest);
            }
            for (std::size_t j = 0; j < found.name_count; j++) {
                damaged.names.emplace_back(found.accounts[j], found.names[j]);
            }
            report.damaged.push_back(std::move(damaged));
        }
        return report;
    }

    raw_type raw_;
};

/// Makes a store of a checkpoint in another directory; both are then independent of each other.
inline mcask_checkpoint_report restore(const std::filesystem::path &checkpoint, const std::filesystem::path &path) {
    mcask_checkpoint_report report = MCASK_CHECKPOINT_REPORT_INIT;
    detail::call(mcask_store_restore, checkpoint.c_str(), checkpoint.native().size(), path.c_str(),
                 path.native().size(), &report);
    return report;
}

} // namespace mediacask

#endif
