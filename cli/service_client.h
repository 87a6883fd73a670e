// The CLI's side of a running `anchorhold serve`.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/http_codec.h"

namespace anchorhold::cli {

// A stream for one command, and the connection that has to stay open while it runs.
struct ServiceStream {
    OwnFd stream;
    OwnFd lease;
    std::string sandbox;  // its name
    std::string start;    // how the guest came to be: parked, shell, restore, cold; may be empty
    std::string passed_over;     // why it was none of the faster ways
    std::string memory_backend;  // of a run whose guest did not boot: file, userfaultfd
};

// One blocking connection; calls go over it one after the other.
class ServiceClient {
  public:
    // The error's code is ENOENT or ECONNREFUSED where no service runs; its text says how to start
    // one.
    static Result<ServiceClient> connect(const std::string& socket);

    // The answer's body. An answer that is a problem is an error with its detail and an errno for
    // its status (ENOENT 404, EBUSY 409, …).
    Result<std::string> call(std::string_view method, std::string_view target,
                             std::string_view body = {});
    // The connection becomes the stream's lease.
    Result<ServiceStream> open_stream(std::string_view target, std::string_view body) &&;

  private:
    explicit ServiceClient(OwnFd socket) : socket_(std::move(socket)) {}
    struct Answer {
        service::HttpAnswer http;
        OwnFd descriptor;
    };
    Result<Answer> exchange(const std::string& request);

    OwnFd socket_;
};

}  // namespace anchorhold::cli
