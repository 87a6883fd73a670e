// How a restored guest gets its memory, and what the files that it is restored from allow.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::supervisor {

// How a memory file holds the memory.
enum class MemoryForm : uint8_t {
    kSparse,      // as many bytes as the memory has, zeros as holes
    kCompressed,  // each chunk by itself, by `anchorhold-pager compress`: it cannot be mapped
};

enum class MemoryBackend : uint8_t {
    kFile,         // mapped from the file, shared by all that are restored from it
    kUserfaultfd,  // page by page from anchorhold-pager, each chunk checked before it is seen
};

// "file" and "userfaultfd"; nothing where `text` is neither.
[[nodiscard]] std::string_view to_text(MemoryBackend backend);
[[nodiscard]] std::optional<MemoryBackend> memory_backend(std::string_view text);
// The same for options and requests; the error names both. An empty text is no wish.
[[nodiscard]] Result<std::optional<MemoryBackend>> wished_backend(std::string_view text);

// What a memory of this form is restored with: what is asked for, else a file that can be mapped
// is. An error where the form does not allow it.
[[nodiscard]] Result<MemoryBackend> choose_backend(MemoryForm form,
                                                   std::optional<MemoryBackend> asked);

// /dev/userfaultfd, through which a VMM has its missing pages asked for. Errors say what to do.
[[nodiscard]] Result<OwnFd> open_userfaultfd_device();

}  // namespace anchorhold::supervisor
