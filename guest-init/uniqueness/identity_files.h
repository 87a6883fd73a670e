// The files that say who this guest is. They are made at boot and held open, so that a resume
// rewrites them in place: no path is walked, nothing is mounted, readers keep their inode.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

// One small file of init's. An empty one, of which nothing could be made, cannot be rewritten.
class InPlaceFile {
  public:
    InPlaceFile() = default;
    // Makes the file, mode 0444, in place of one that is there.
    static Result<InPlaceFile> create(const std::string& path, std::string_view text);

    // The text is the whole file afterwards. Whoever reads meanwhile may see a part of it.
    [[nodiscard]] Status rewrite(std::string_view text);

  private:
    explicit InPlaceFile(OwnFd fd, std::string path, size_t size)
        : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

    OwnFd fd_;
    std::string path_;
    size_t size_ = 0;
};

struct IdentityFiles {
    InPlaceFile boot_id;     // is mounted over /proc/sys/kernel/random/boot_id
    InPlaceFile machine_id;  // over /etc/machine-id, which is made where the image has none
    InPlaceFile host_name;   // over /etc/hostname where the image has one
    InPlaceFile generation;  // /run/anchorhold/generation
    OwnFd hooks;             // the folder /run/anchorhold/resume
};

// Of a cold boot.
constexpr uint64_t kFirstGeneration = 1;

// The generation file's whole text: 20 decimal digits and a newline, so that whoever has it mapped
// compares 21 bytes (docs/uniqueness.md).
[[nodiscard]] std::string generation_text(uint64_t generation);

// Makes all of them, with random ids, and what they will be mounted over below `root`; /run is
// mounted there already. What fails is added to `warnings`, and its file stays empty.
[[nodiscard]] IdentityFiles make_identity_files(const std::string& root,
                                                std::vector<std::string>& warnings);

}  // namespace anchorhold::guest_init
