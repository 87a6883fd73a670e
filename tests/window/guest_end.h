// The guest's end of a window in tests: opens streams as a VMM would pass them and speaks whatever
// a guest may speak.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "proto/egress.pb.h"
#include "proxy/tls/openssl.h"
#include "window/stand_in.h"

namespace anchorhold::window_test {

// A stream with everything that was read from it and a deadline on every read (an empty answer
// then).
class GuestStream final : public ByteStream {
  public:
    explicit GuestStream(OwnFd socket);
    bool write(std::string_view bytes) override;
    std::string read_some() override;

    // TLS from here on, trusting only `root_pem`. An error's text, or nothing.
    std::string start_tls(const std::string& name, const std::string& root_pem,
                          const std::vector<std::string>& alpn = {"http/1.1"});
    void finish_writing();
    // TLS that is started from here on sends everything in pieces of at most this many bytes.
    void cut_writes(size_t most) { piece_ = most; }
    // The peer reset the stream, rather than ending it.
    [[nodiscard]] bool was_reset() const { return reset_; }
    [[nodiscard]] std::string alpn() const;
    [[nodiscard]] int fd() const { return socket_.get(); }

  private:
    OwnFd socket_;
    proxy::OwnContext context_;
    proxy::OwnSsl session_;
    bool reset_ = false;
    size_t piece_ = 0;  // 0: uncut
};

// An HTTP/1.1 answer, framing taken off.
struct HttpAnswer {
    int status = 0;
    std::string head;
    std::string body;
    [[nodiscard]] std::string field(const std::string& name) const;
};
HttpAnswer read_answer(ByteStream& stream, std::string& buffer, bool head_only = false);

proto::StreamOpen claim_of(const std::string& host, uint16_t port);

}  // namespace anchorhold::window_test
