// Descriptors along with bytes of an AF_UNIX byte stream.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold {

// The most descriptors that are sent at once.
constexpr size_t kMaxStreamFds = 4;

// Sends bytes and, with the first of them, descriptors, which stay the caller's. Returns how many
// bytes went; nullopt when it would block, and then no descriptor went either.
[[nodiscard]] Result<std::optional<size_t>> send_with_fds(int socket, std::string_view bytes,
                                                          std::span<const int> fds);

struct ReceivedBytes {
    size_t count = 0;        // 0: end of file
    std::vector<OwnFd> fds;  // close-on-exec
};

// Receives what is there, waiting if the socket blocks; nullopt when it would block. More
// descriptors than kMaxStreamFds are an error, and all of them are closed.
[[nodiscard]] Result<std::optional<ReceivedBytes>> receive_with_fds(int socket,
                                                                    std::span<std::byte> buffer);

}  // namespace anchorhold
