// One small file for each inode: size, times and digest in a line.
#include "supervisor/audit/file_digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "base/sys.h"
#include "supervisor/audit/digest.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

struct FreeDigest {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// What changes when a file's bytes do.
std::string state_of(const struct stat& status) {
    return fmt::format("{} {}.{:09} {}.{:09}", status.st_size, status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

Result<std::string> digest_of(int fd) {
    const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
    ANCHORHOLD_CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
    std::vector<std::byte> chunk(kChunk);
    for (;;) {
        const auto got = ANCHORHOLD_TRY(sys::read_some(fd, chunk));
        if (!got || *got == 0) {
            break;
        }
        ANCHORHOLD_CHECK(EVP_DigestUpdate(context.get(), chunk.data(), *got) == 1);
    }
    Sha256 digest{};
    ANCHORHOLD_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
    return "sha256:" + to_hex(digest);
}

// The digest in an entry of that state; empty where there is none.
std::string cached(const std::string& entry, const std::string& state) {
    const auto text = sys::read_file(entry);
    const size_t size = std::string_view("sha256:").size() + 2 * kSha256Size;
    return text && text->size() == state.size() + 1 + size && text->starts_with(state + " sha256:")
               ? text->substr(state.size() + 1)
               : "";
}

void keep(const std::string& folder, const std::string& entry, const std::string& text) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    // Whole or not at all: two that start at once write the same.
    const std::string temporary = fmt::format("{}.{}", entry, ::getpid());
    if (!failed && sys::write_file(temporary, text)) {
        ::rename(temporary.c_str(), entry.c_str());
    }
}

}  // namespace

Result<std::string> file_digest(const std::string& path, const std::string& cache_folder) {
    const OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return fail_errno("fstat", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + ": not a regular file");
    }
    if (cache_folder.empty()) {
        return digest_of(file.get());
    }
    const std::string state = state_of(status);
    const std::string entry = fmt::format("{}/{}-{}", cache_folder, status.st_dev, status.st_ino);
    std::string digest = cached(entry, state);
    if (digest.empty()) {
        digest = ANCHORHOLD_TRY(digest_of(file.get()));
        keep(cache_folder, entry, state + " " + digest);
    }
    return digest;
}

std::string default_digest_cache() {
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
        return std::string(cache) + "/anchorhold/digests";
    }
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return std::string(home) + "/.cache/anchorhold/digests";
    }
    return "";
}

}  // namespace anchorhold::supervisor
