// What a request is answered with: JSON, text, a problem, or a descriptor.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/http_codec.h"

namespace anchorhold::service {

struct Reply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string fields;  // further lines of the head, each with its CRLF

    // A 101 passes `descriptor` with its head; the connection is a lease from then on:
    // `on_lease_end` runs once, when the client closed it or could not be told, with what it said
    // last (at most kMaxLastWord bytes).
    OwnFd descriptor;
    std::function<void(std::string_view last_word)> on_lease_end;
};

constexpr size_t kMaxLastWord = 4096;

// Answers one request; call it once, at once or later, on the loop's thread.
using Respond = std::function<void(Reply)>;
using RequestHandler = std::function<void(const HttpRequest&, Respond)>;

// RFC 9457: {type, title, status, detail}; the detail is `detail`, one line.
[[nodiscard]] Reply problem(int status, std::string_view detail);

// The problem for an error: its code says which (ENOENT 404, EEXIST and EBUSY 409, EINVAL 400,
// ENOSYS 501, EAGAIN, ENOMEM and ENOSPC 503, anything else 500).
[[nodiscard]] Reply problem(const Error& error);

}  // namespace anchorhold::service
