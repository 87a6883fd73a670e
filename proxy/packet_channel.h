// A SOCK_SEQPACKET socket (base/seqpacket.h) on the proxy's io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/seqpacket.h"

namespace anchorhold::proxy {

namespace asio = boost::asio;

class PacketChannel {
  public:
    PacketChannel(asio::io_context& context, OwnFd socket);

    // The next packet; nullopt at end of file, when the channel is broken, or after close().
    asio::awaitable<std::optional<Packet>> receive();
    // A packet that is there already; nullopt also where receive() has something else to tell.
    std::optional<Packet> try_receive();
    // Error code EAGAIN: the other side does not read; wait_writable() and try again.
    Status send(std::string_view bytes, std::span<const int> fds = {});
    asio::awaitable<void> wait_writable();
    void close();

  private:
    asio::posix::stream_descriptor socket_;
};

}  // namespace anchorhold::proxy
