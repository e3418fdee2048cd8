// The C++ interface as a program uses it: values, exceptions, streams, listings, and what must not compile.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <type_traits>

#include <mediacask.hpp>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                                 \
        }                                                                                 \
    } while (false)

// The act throws this kind of error, with its code, and a sentence.
#define THROWS(kind, expected, act)                                                                      \
    do {                                                                                                 \
        bool thrown = false;                                                                             \
        try {                                                                                            \
            act;                                                                                         \
        } catch (const mediacask::kind &failed) {                                                        \
            const mediacask::error &base = failed;                                                       \
            thrown = base.code() == (expected) && std::string_view(base.what()).size() > 12;             \
        }                                                                                                \
        CHECK(thrown);                                                                                   \
    } while (false)

using namespace std::chrono_literals;

// Moved, not copied; and a view of a blob that ends with the expression is refused.
template <typename T> constexpr bool moves_only = std::is_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
static_assert(moves_only<mediacask::store> && moves_only<mediacask::account> && moves_only<mediacask::blob>);
static_assert(moves_only<mediacask::reader> && moves_only<mediacask::writer> && moves_only<mediacask::batch>);
static_assert(moves_only<mediacask::events> && moves_only<mediacask::signer>);
static_assert(std::is_base_of_v<std::runtime_error, mediacask::error>);
template <typename T, typename = void> struct views_of_a_temporary : std::false_type {};
template <typename T>
struct views_of_a_temporary<T, std::void_t<decltype(std::declval<T &&>().view())>> : std::true_type {};
static_assert(!views_of_a_temporary<mediacask::blob>::value);
// So is a listing of an account that ends with it.
template <typename T, typename = void> struct lists_a_temporary : std::false_type {};
template <typename T> struct lists_a_temporary<T, std::void_t<decltype(std::declval<T>().entries())>> : std::true_type {};
static_assert(!lists_a_temporary<mediacask::account &&>::value && lists_a_temporary<const mediacask::account &>::value);
#if __cplusplus >= 202002L
#ifndef MEDIACASK_HAS_SPAN
#error "C++20 has spans"
#endif
template <typename T> concept spans = requires(T blob) { std::forward<T>(blob).span(); };
static_assert(spans<const mediacask::blob &> && !spans<mediacask::blob &&>);
#endif

static void check_put_and_get(const mediacask::account &media) {
    auto options = mediacask::put_options().type("image/png").meta("campaign", "spring").ttl(48h);
    const auto entry = media.put("img/a.png", "hello", options);
    CHECK(entry.name == "img/a.png" && entry.size == 5 && entry.content_type == "image/png");
    CHECK(entry.metadata.at("campaign") == "spring" && !entry.cache_control);
    CHECK(entry.expires_at == entry.updated_at + 48h);
    mediacask::put_options until;
    const auto instant = std::chrono::system_clock::now() + 1h;
    until.expiry = mediacask::expiry::at(instant);
    CHECK(media.put("until", "then", until).expires_at == std::chrono::floor<std::chrono::milliseconds>(instant));
    CHECK(media.remove("until"));
    CHECK(entry.digest == mediacask::digest::of("hello"));
    CHECK(mediacask::digest::parse(entry.digest.to_string()) == entry.digest);

    const auto blob = media.get("img/a.png");
    CHECK(blob && blob->view() == "hello" && blob->entry().generation == entry.generation);
    CHECK(media.get_range("img/a.png", 1, 3)->size() == 2);
    CHECK(!media.get("absent") && !media.head("absent") && !media.reader("absent") && !media.contains("absent"));
    media.put("empty", "");
    CHECK(media.get("empty") && media.get("empty")->empty());
#ifdef MEDIACASK_HAS_SPAN
    const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
    media.put("bytes", std::span(bytes));
    const auto found = media.get("bytes");
    CHECK(found->span().size() == 3 && found->span()[2] == std::byte{3});
#endif

    mediacask::put_options only;
    only.if_generation = entry.generation;
    media.put("img/a.png", "world");
    THROWS(precondition_failed, MCASK_E_PRECONDITION_FAILED, media.put("img/a.png", "late", only));
    THROWS(digest_mismatch, MCASK_E_DIGEST_MISMATCH, [&] {
        mediacask::put_options expecting;
        expecting.expect_digest = entry.digest;
        media.put("img/a.png", "other", expecting);
    }());
    THROWS(invalid_name, MCASK_E_INVALID_NAME, media.put("", "x"));
    // A view of nothing is an empty text.
    const std::string_view nothing;
    THROWS(invalid_name, MCASK_E_INVALID_NAME, media.contains(nothing));
    CHECK(media.put("empty", nothing).size == 0 && !media.list(nothing).entries.empty());
    THROWS(misuse, MCASK_E_MISUSE, [&] {
        auto writer = media.writer("moved from");
        const auto other = std::move(writer);
        writer.write("x");
    }());
    THROWS(invalid_option, MCASK_E_INVALID_OPTION, media.get_range("empty", 1));
    THROWS(error, MCASK_E_INVALID_OPTION, mediacask::digest::parse("no digest"));
    CHECK(blob->view() == "hello");
}

static void check_update_copy_remove(const mediacask::store &store, const mediacask::account &media) {
    mediacask::update_options update;
    update.content_type = "text/plain";
    update.metadata = {{"k", "v"}, {"campaign", std::nullopt}};
    update.expiry = mediacask::expiry::never();
    const auto updated = media.update("img/a.png", update);
    CHECK(updated && updated->content_type == "text/plain" && updated->metadata.size() == 1 && !updated->expires_at);
    CHECK(!media.update("absent", update));
    const auto other = store.account("5500002");
    CHECK(media.copy("img/a.png", "copy")->digest == updated->digest);
    CHECK(media.copy_to("img/a.png", other, "copy")->digest == updated->digest && !media.copy("absent", "copy"));
    CHECK(store.names_of(updated->digest).size() == 3 && store.names_of(updated->digest)[2].first == "5500002");
    mediacask::remove_options if_match;
    if_match.if_match = mediacask::digest::of("something else");
    THROWS(precondition_failed, MCASK_E_PRECONDITION_FAILED, media.remove("copy", if_match));
    CHECK(media.remove("copy") && !media.remove("copy"));
    CHECK(store.purge_digest(updated->digest) == 2 && !media.head("img/a.png"));
}

static void check_listing(const mediacask::store &store) {
    const auto listed = store.account("listed");
    for (const char *name : {"a/1", "a/2", "b/1", "c", "d"}) {
        listed.put(name, name);
    }
    std::string names;
    mediacask::list_options two_a_page;
    two_a_page.limit = 2;
    for (const auto &entry : listed.entries(two_a_page)) {
        names += entry.name + " ";
    }
    CHECK(names == "a/1 a/2 b/1 c d ");
    names.clear();
    for (const auto &entry : listed.entries("a/")) {
        names += entry.name + " ";
    }
    CHECK(names == "a/1 a/2 ");
    for (const auto &entry : listed.entries("none")) {
        CHECK(entry.name.empty());
    }
    mediacask::list_options rolled;
    rolled.delimiter = "/";
    const auto page = listed.list(rolled);
    CHECK(page.prefixes.size() == 2 && page.entries.size() == 2 && !page.next_token);
    THROWS(invalid_token, MCASK_E_INVALID_TOKEN, [&] {
        rolled.token = "no token";
        listed.list(rolled);
    }());
    CHECK(listed.purge("") == 5);
}

static void check_streams(const mediacask::account &media) {
    std::string content;
    for (int i = 0; content.size() < 300000; i++) {
        content += std::to_string(i) + "\n";
    }
    mediacask::blob_ostream out(media.writer("numbers", mediacask::put_options().type("text/plain")));
    for (std::size_t at = 0; at < content.size(); at += 7777) {
        out << content.substr(at, 7777);
    }
    out.put('x') << std::flush;
    CHECK(!media.head("numbers"));
    const auto entry = out.commit();
    CHECK(entry.size == content.size() + 1 && entry.content_type == "text/plain");
    content += 'x';

    mediacask::blob_istream in(*media.reader("numbers"));
    CHECK(in.entry().size == content.size());
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == content);
    in.clear();
    in.seekg(200000);
    std::string line, expected;
    std::getline(in, line);
    expected = content.substr(200000, content.find('\n', 200000) - 200000);
    CHECK(line == expected && in.tellg() == std::streamoff(200000 + static_cast<std::streamoff>(line.size()) + 1));
    in.seekg(-5, std::ios::end);
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == content.substr(content.size() - 5));

    { mediacask::blob_ostream(media.writer("given up")) << "never"; }
    CHECK(!media.contains("given up"));
    auto writer = media.writer("committed");
    writer.write("one").commit();
    THROWS(misuse, MCASK_E_MISUSE, writer.write("two"));
}

static void check_batch_and_policy(const mediacask::store &store) {
    const auto limited = store.account("limited");
    mediacask::policy policy;
    policy.quota_count = 2;
    policy.default_ttl = 1min;
    limited.set_policy(policy);
    CHECK(limited.policy().quota_count == 2U && limited.policy().default_ttl == 1min && !limited.policy().quota_bytes);
    auto batch = limited.batch();
    batch.put("a", "one").put("b", "two").remove("absent");
    const auto outcomes = batch.commit(mediacask::durability::os);
    CHECK(outcomes.size() == 3 && outcomes[0].entry->name == "a" && !outcomes[2].entry && !outcomes[2].existed);
    CHECK(outcomes[1].entry->expires_at == outcomes[1].entry->updated_at + 1min);
    THROWS(quota_exceeded, MCASK_E_QUOTA_EXCEEDED, limited.put("c", "three"));
    CHECK(limited.stats() == std::make_pair(std::uint64_t{2}, std::uint64_t{6}));
    bool seen = false;
    for (const auto &info : store.accounts()) {
        seen = seen || (info.name == "limited" && info.count == 2 && info.policy->quota_count == 2U);
    }
    CHECK(seen);
}

static void check_grants(const mediacask::store &store) {
    const auto signer = store.signer();
    mediacask::grant_options facts;
    facts.method = mediacask::method::head;
    facts.ttl = 1h;
    const auto grant = signer.sign("5500001", "a.png", facts);
    CHECK(signer.verify(grant, "5500001", "a.png", mediacask::method::head) > std::chrono::system_clock::now() + 59min);
    THROWS(invalid_token, MCASK_E_INVALID_TOKEN, signer.verify(grant, "5500001", "a.png"));
    const mediacask::signing_key old{"2026-10", {1}}, current{"2026-11", {2}};
    facts.ttl = -1ms;
    THROWS(invalid_option, MCASK_E_INVALID_OPTION, signer.sign("5500001", "a.png", facts));
    static std::int64_t now_ms = 1000;
    mediacask::signer_options by_hand;
    by_hand.clock = [](void *now) { return *static_cast<std::int64_t *>(now); };
    by_hand.clock_context = &now_ms;
    const mediacask::signer tested({current}, by_hand);
    facts.ttl = 500ms;
    const auto short_one = tested.sign("5500001", "a.png", facts);
    CHECK(tested.verify(short_one, "5500001", "a.png", mediacask::method::head) == mediacask::time_point(1500ms));
    now_ms = 1500;
    THROWS(expired_token, MCASK_E_EXPIRED_TOKEN,
           tested.verify(short_one, "5500001", "a.png", mediacask::method::head));
    const auto earlier = mediacask::signer({old}).sign("5500001", "a.png");
    CHECK(mediacask::signer({current, old}).verify(earlier, "5500001", "a.png") > mediacask::time_point());
    THROWS(unknown_key, MCASK_E_UNKNOWN_KEY, mediacask::signer({current}).verify(earlier, "5500001", "a.png"));
    THROWS(misuse, MCASK_E_MISUSE, mediacask::signer(std::vector<mediacask::signing_key>()));
}

static void check_store(mediacask::store &store) {
    store.sync();
    CHECK(store.sweep().expired == 0 && store.compact().segments_compacted == 0);
    store.checkpoint_catalog();
    CHECK(store.rebuild_index() == store.stats().names);
    std::uint64_t rows = 0;
    CHECK(store.rebuild_index([&](std::uint64_t done, std::uint64_t) { rows = done; }) == rows);
    bool rebuild_threw = false;
    try {
        store.rebuild_index([](std::uint64_t, std::uint64_t) { throw 41; });
    } catch (int thrown) {
        rebuild_threw = thrown == 41;
    }
    CHECK(rebuild_threw);
    const auto health = store.health();
    CHECK(!health.poisoned && !health.trouble && health.damage.empty() && health.damaged_contents.empty());
    CHECK(health.index_state == mediacask::index_state::current && !health.index_reason);
    CHECK(health.recovery.bytes_cut == 0 && health.last_sweep && !health.last_verify);
    CHECK(health.last_sweep->counts.count("expired") == 1 && !health.last_sweep->error);
    CHECK(health.last_sweep->ended_at > mediacask::time_point());
    int calls = 0;
    const auto broken_off = store.verify({}, [&](std::uint64_t, std::uint64_t, std::uint64_t) { return ++calls == 0; });
    CHECK(calls == 1 && broken_off.resume);
    mediacask::verify_options go_on;
    go_on.resume = broken_off.resume;
    CHECK(store.verify(go_on).damaged.empty());
    bool came_out = false;
    try {
        store.verify({}, [](std::uint64_t, std::uint64_t, std::uint64_t) -> bool { throw 42; });
    } catch (int thrown) {
        came_out = thrown == 42;
    }
    CHECK(came_out);
    auto events = store.events(store.events_floor());
    std::uint64_t last = 0;
    while (const auto event = events.next()) {
        CHECK(event->sequence > last && !event->name.empty());
        last = event->sequence;
    }
    CHECK(events.seen() >= last && !events.next(-1ms));
    store.account("5500001").put("seen", "in the feed");
    CHECK(events.next(60s)->kind == mediacask::event_kind::put);
}

static void check_erasure(const std::filesystem::path &path) {
    mediacask::store_options options;
    options.upkeep_in_background = false;
    options.erase_within = -1ms;
    THROWS(invalid_option, MCASK_E_INVALID_OPTION, mediacask::store(path, options));
    options.erase_within = 1min;
    const mediacask::store store(path, options);
    const auto media = store.account("a");
    media.put("gone", "gone");
    CHECK(media.remove("gone") && !store.health().last_erasure);
    store.compact();
    const auto health = store.health();
    CHECK(health.last_erasure && !health.last_erasure->error && health.last_erasure->counts.at("late_ms") == 0);
    CHECK(!health.erasure_overdue);
    options.create = false;
    try {
        mediacask::store(path / "nowhere", options);
        CHECK(false);
    } catch (const mediacask::io_error &failed) {
        CHECK(failed.os_error() == ENOENT && failed.name() == "io" && failed.holder_pid() == 0);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(mediacask::version() == MEDIACASK_VERSION);
    const std::filesystem::path path = argv[1];
    mediacask::store store(path);
    try {
        mediacask::store second(path);
        CHECK(false);
    } catch (const mediacask::locked &locked) {
        CHECK(locked.holder_pid() > 0 && locked.name() == "locked");
    }
    const auto media = store.account("5500001");
    check_put_and_get(media);
    check_update_copy_remove(store, media);
    check_listing(store);
    check_streams(media);
    check_batch_and_policy(store);
    check_grants(store);
    check_store(store);
    check_erasure(path.string() + "-erasing");
    store.checkpoint(path.string() + "-checkpoint");
    mediacask::restore(path.string() + "-checkpoint", path.string() + "-restored");
    CHECK(mediacask::store(path.string() + "-restored").account("5500001").contains("numbers"));
    media.put("held", "held");
    const auto held = media.get("held");
    mediacask::store moved = std::move(store);
    moved.close();
    moved.close();
    THROWS(closed, MCASK_E_CLOSED, media.get("held"));
    CHECK(held->view() == "held");
    return 0;
}
