// A stream socket without TLS: the guest's streams before and below TLS, and plain upstreams.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <string>

#include "base/fd.h"
#include "proxy/duplex.h"

namespace anchorhold::proxy {

class PlainStream final : public Duplex {
  public:
    // Makes the socket non-blocking. `read_ahead` holds bytes that were read from it already.
    PlainStream(asio::io_context& context, OwnFd socket, std::string read_ahead = {});

    IoResult try_read(std::span<std::byte> buffer) override;
    IoResult try_write(std::span<const std::byte> bytes) override;
    asio::awaitable<void> wait_readable() override;
    asio::awaitable<void> wait_writable() override;
    void finish_writing() override;
    void cancel() override;
    void reset() override;

    // Gives bytes back: the next read returns them first.
    void unread(std::string bytes) { read_ahead_ = std::move(bytes) + read_ahead_; }

    [[nodiscard]] int fd() { return socket_.native_handle(); }

  private:
    asio::posix::stream_descriptor socket_;
    std::string read_ahead_;
    bool cancelled_ = false;
    bool drained_ = false;  // the last read took all there was; only waiting tells of more
};

}  // namespace anchorhold::proxy
