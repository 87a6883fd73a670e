// Looks for a secret in bytes that should not have it: memory of processes, files; in every form
// that a program might have given it.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::vm_test {

struct Needle {
    std::string encoding;  // "plain", "hex", "base64 at 1", …
    std::string bytes;
};

// The secret (16 bytes or more) plain, each half of it, reversed, in hexadecimal digits of either
// case, percent-encoded (all of it, and what RFC 3986 §2.3 does not reserve left alone), as base64
// and base64url at each of the three alignments without the characters that depend on neighbours,
// as base32 likewise at its five, and as UTF-16 of either order. No two are equal.
std::vector<Needle> encodings_of(std::string_view secret);

// Feed it bytes; it says which encodings it saw, of each of its secrets.
class SecretSearch {
  public:
    explicit SecretSearch(const std::vector<std::string_view>& secrets);
    explicit SecretSearch(std::string_view secret)
        : SecretSearch(std::vector<std::string_view>{secret}) {}

    // The next bytes of one run: what is torn between two calls is found.
    void feed(std::span<const char> bytes);
    // What comes next does not follow on what was.
    void begin_run() { tail_.clear(); }

    // Of the secret with this number, in the constructor's order.
    [[nodiscard]] const std::set<std::string>& found(size_t secret = 0) const {
        return found_[secret];
    }
    [[nodiscard]] uint64_t bytes() const { return bytes_; }

  private:
    void scan(std::string_view text);

    struct Sought {
        Needle needle;
        size_t secret;
    };

    std::vector<Sought> sought_;
    std::array<std::vector<uint16_t>, 65536> by_start_;  // first two bytes -> sought_
    std::vector<bool> starts_;
    size_t longest_ = 0;
    std::string tail_;
    std::vector<std::set<std::string>> found_;
    uint64_t bytes_ = 0;
};

// One line group of /proc/PID/smaps (proc(5)).
struct Mapping {
    uint64_t begin = 0;
    uint64_t end = 0;
    std::string name;   // file, "[heap]" or empty
    std::string flags;  // VmFlags with a blank at either end; " dd " is MADV_DONTDUMP
};
std::vector<Mapping> mappings_of(pid_t pid);

// Reads the mappings for which `wanted` says so through /proc/PID/mem, pages never touched
// included. How many bytes that were; devices' memory cannot be read and does not count.
uint64_t search_memory(pid_t pid, const std::function<bool(const Mapping&)>& wanted,
                       SecretSearch& search);
// Every regular file that the process has open for writing, memfds and unlinked ones included.
// How many files.
size_t search_writable_files(pid_t pid, SecretSearch& search);
// Every regular file below the folder.
void search_folder(const std::string& folder, SecretSearch& search);

}  // namespace anchorhold::vm_test
