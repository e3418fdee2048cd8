// A large file goes into a store and comes out again, in pieces and in bounded memory, with its progress told.
//
//     c++ -std=c++17 stream.cpp $(pkg-config --cflags --libs mediacask) -o stream
//     ./stream media.cask video.mp4 copy.mp4
#include <mediacask.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// Hears how many bytes of how many have been moved.
using progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

constexpr std::size_t piece = 1 << 20;

// Streams a file into the store; it is there when this returns, and not at all if this throws.
mediacask::entry put_file(const mediacask::account &media, const std::string &name, const std::filesystem::path &path,
                          const mediacask::put_options &options, const progress &tell) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw std::runtime_error("cannot open " + path.string());
    }
    const std::uint64_t total = std::filesystem::file_size(path);
    mediacask::writer writer = media.writer(name, options);
    std::vector<char> buffer(piece);
    std::uint64_t done = 0;
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
        const auto len = static_cast<std::size_t>(in.gcount());
        writer.write({buffer.data(), len});
        done += len;
        tell(done, total);
    }
    return writer.commit();
}

// Streams a name out into a file, every byte checked on the way; false when there is no such name.
bool get_file(const mediacask::account &media, const std::string &name, const std::filesystem::path &path,
              const progress &tell) {
    auto reader = media.reader(name);
    if (!reader) {
        return false;
    }
    const std::uint64_t total = reader->entry().size;
    std::ofstream out;
    out.exceptions(std::ios::badbit | std::ios::failbit);
    out.open(path, std::ios::binary);
    std::vector<char> buffer(piece);
    std::uint64_t done = 0;
    while (const std::size_t len = reader->read(buffer.data(), buffer.size())) {
        out.write(buffer.data(), static_cast<std::streamsize>(len));
        done += len;
        tell(done, total);
    }
    return true;
}

// Tells of each tenth.
progress tenths(const char *what) {
    return [what, told = std::uint64_t{0}](std::uint64_t done, std::uint64_t total) mutable {
        const std::uint64_t tenth = done * 10 / total;
        if (tenth != told) {
            told = tenth;
            std::printf("%s: %d %%\n", what, static_cast<int>(tenth * 10));
        }
    };
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::fprintf(stderr, "Usage: %s STORE FILE COPY\n", argv[0]);
        return 2;
    }
    try {
        mediacask::store store(argv[1]);
        const auto media = store.account("5500001");
        const std::string name = std::filesystem::path(argv[2]).filename().string();
        const auto options = mediacask::put_options().type("application/octet-stream").ttl(std::chrono::hours(48));

        const auto entry = put_file(media, name, argv[2], options, tenths("in"));
        std::printf("%s: %llu bytes, BLAKE3 %s\n", entry.name.c_str(), static_cast<unsigned long long>(entry.size),
                    entry.digest.to_string().c_str());
        if (!get_file(media, name, argv[3], tenths("out"))) {
            std::fprintf(stderr, "%s is gone already\n", name.c_str());
            return 1;
        }
        store.close();
    } catch (const std::exception &failed) {
        std::fprintf(stderr, "%s\n", failed.what());
        return 1;
    }
    return 0;
}
