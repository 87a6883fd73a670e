// One pass over the bytes for all needles.
#include "vm/secret_search.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fd.h"

namespace anchorhold::vm_test {
namespace {

constexpr size_t kChunk = size_t{1} << 20;
constexpr size_t kPage = 4096;

size_t start_of(const char* bytes) {
    return static_cast<size_t>(static_cast<uint8_t>(bytes[0])) << 8U |
           static_cast<uint8_t>(bytes[1]);
}

bool all_zero(std::string_view page) {
    return page.front() == '\0' && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

// Feeds what `fd` has from `offset` to `end`; stops at what cannot be read.
uint64_t feed_range(int fd, uint64_t offset, uint64_t end, SecretSearch& search) {
    std::vector<char> buffer(kChunk);
    search.begin_run();
    const uint64_t begin = offset;
    while (offset < end) {
        const ssize_t count = ::pread(fd, buffer.data(), std::min<uint64_t>(kChunk, end - offset),
                                      static_cast<off_t>(offset));
        if (count <= 0) {
            break;
        }
        search.feed({buffer.data(), static_cast<size_t>(count)});
        offset += static_cast<uint64_t>(count);
    }
    return offset - begin;
}

}  // namespace

SecretSearch::SecretSearch(const std::vector<std::string_view>& secrets)
    : starts_(65536), found_(secrets.size()) {
    for (size_t secret = 0; secret < secrets.size(); ++secret) {
        for (Needle& needle : encodings_of(secrets[secret])) {
            const size_t start = start_of(needle.bytes.data());
            by_start_[start].push_back(static_cast<uint16_t>(sought_.size()));
            starts_[start] = true;
            longest_ = std::max(longest_, needle.bytes.size());
            sought_.push_back({std::move(needle), secret});
        }
    }
}

void SecretSearch::feed(std::span<const char> bytes) {
    bytes_ += bytes.size();
    std::string_view text(bytes.data(), bytes.size());
    // Where the former bytes end and these begin, in one piece.
    const std::string seam = tail_ + std::string(text.substr(0, longest_));
    scan(seam);
    // Most memory is empty: pages of zeros are left out, with the seam of their neighbours kept.
    while (!text.empty()) {
        size_t length = 0;
        while (length < text.size() && !all_zero(text.substr(length, kPage))) {
            length += std::min(kPage, text.size() - length);
        }
        scan(text.substr(0, std::min(length + longest_, text.size())));
        while (length < text.size() && all_zero(text.substr(length, kPage))) {
            length += std::min(kPage, text.size() - length);
        }
        // What begins within a page of zeros and goes on behind it starts with zeros of ours.
        const size_t back = length < text.size() ? std::min(length, longest_) : 0;
        if (back > 0) {
            scan(text.substr(length - back, 2 * longest_));
        }
        text.remove_prefix(length);
    }
    tail_ += std::string(bytes.end() - static_cast<ptrdiff_t>(std::min(bytes.size(), longest_)),
                         bytes.end());
    tail_.erase(0, tail_.size() > longest_ ? tail_.size() - longest_ : 0);
}

void SecretSearch::scan(std::string_view text) {
    for (size_t at = 0; at + 1 < text.size(); ++at) {
        const size_t start = start_of(text.data() + at);
        if (!starts_[start]) {
            continue;
        }
        for (const uint16_t index : by_start_[start]) {
            const Sought& sought = sought_[index];
            if (text.substr(at).starts_with(sought.needle.bytes)) {
                found_[sought.secret].insert(sought.needle.encoding);
            }
        }
    }
}

std::vector<Mapping> mappings_of(pid_t pid) {
    std::vector<Mapping> result;
    std::ifstream smaps("/proc/" + std::to_string(pid) + "/smaps");
    for (std::string line; std::getline(smaps, line);) {
        Mapping mapping;
        char* end = nullptr;
        mapping.begin = std::strtoull(line.c_str(), &end, 16);
        if (*end == '-' && end != line.c_str()) {
            mapping.end = std::strtoull(end + 1, nullptr, 16);
            std::istringstream fields(line);
            std::string skipped;
            fields >> skipped >> skipped >> skipped >> skipped >> skipped >> mapping.name;
            result.push_back(mapping);
        } else if (line.starts_with("VmFlags:") && !result.empty()) {
            result.back().flags = line.substr(std::strlen("VmFlags:")) + " ";
        }
    }
    return result;
}

uint64_t search_memory(pid_t pid, const std::function<bool(const Mapping&)>& wanted,
                       SecretSearch& search) {
    const OwnFd memory(::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY));
    uint64_t total = 0;
    for (const Mapping& mapping : mappings_of(pid)) {
        if (memory.valid() && wanted(mapping)) {
            total += feed_range(memory.get(), mapping.begin, mapping.end, search);
        }
    }
    return total;
}

size_t search_writable_files(pid_t pid, SecretSearch& search) {
    const std::string process = "/proc/" + std::to_string(pid);
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(process + "/fd")) {
        std::ifstream info(process + "/fdinfo/" + entry.path().filename().string());
        unsigned long flags = 0;
        for (std::string line; std::getline(info, line);) {
            if (line.starts_with("flags:")) {
                flags = std::strtoul(line.c_str() + std::strlen("flags:"), nullptr, 8);
            }
        }
        struct stat status {};
        if ((flags & O_ACCMODE) == O_RDONLY || ::stat(entry.path().c_str(), &status) != 0 ||
            !S_ISREG(status.st_mode)) {
            continue;
        }
        const OwnFd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        if (!file.valid()) {
            continue;
        }
        ++files;
        // Holes are not read: SEEK_DATA, lseek(2).
        const off_t end = status.st_size;
        for (off_t at = ::lseek(file.get(), 0, SEEK_DATA); at >= 0 && at < end;) {
            const off_t hole = ::lseek(file.get(), at, SEEK_HOLE);
            feed_range(file.get(), static_cast<uint64_t>(at), static_cast<uint64_t>(hole), search);
            at = ::lseek(file.get(), hole, SEEK_DATA);
        }
    }
    return files;
}

void search_folder(const std::string& folder, SecretSearch& search) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            const OwnFd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
            feed_range(file.get(), 0, entry.file_size(), search);
        }
    }
}

}  // namespace anchorhold::vm_test
