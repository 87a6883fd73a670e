// A Duplex over a plain socket, for tests of what stands on one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>

#include <cerrno>

#include "base/fd.h"
#include "proxy/duplex.h"

namespace anchorhold::fakes {

namespace asio = boost::asio;

class SocketDuplex final : public proxy::Duplex {
  public:
    // The socket is not blocking.
    SocketDuplex(asio::io_context& context, OwnFd socket) : socket_(context, socket.release()) {}

    // How many reads and writes found something to do.
    size_t reads = 0;
    size_t writes = 0;

    proxy::IoResult try_read(std::span<std::byte> buffer) override {
        return done(cancelled_ ? -1 : ::recv(fd(), buffer.data(), buffer.size(), 0), Way::in);
    }
    proxy::IoResult try_write(std::span<const std::byte> bytes) override {
        return done(cancelled_ ? -1 : ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                    Way::out);
    }
    asio::awaitable<void> wait_readable() override {
        return wait(asio::posix::stream_descriptor::wait_read);
    }
    asio::awaitable<void> wait_writable() override {
        return wait(asio::posix::stream_descriptor::wait_write);
    }
    void finish_writing() override { ::shutdown(fd(), SHUT_WR); }
    void cancel() override {
        cancelled_ = true;
        socket_.cancel();
    }
    void reset() override { cancel(); }

  private:
    using Kind = proxy::IoResult::Kind;
    enum class Way { in, out };

    int fd() { return socket_.native_handle(); }

    proxy::IoResult done(ssize_t count, Way way) {
        if (cancelled_) {
            return {Kind::failed, 0, "cancelled"};
        }
        if (count < 0 && errno == EAGAIN) {
            return {way == Way::in ? Kind::want_read : Kind::want_write};
        }
        if (count < 0) {
            return {Kind::failed, 0, "the connection was reset"};
        }
        if (count == 0 && way == Way::in) {
            return {Kind::end};
        }
        ++(way == Way::in ? reads : writes);
        return {Kind::bytes, static_cast<size_t>(count)};
    }

    asio::awaitable<void> wait(asio::posix::stream_descriptor::wait_type what) {
        if (!cancelled_) {
            boost::system::error_code ignored;
            co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, ignored));
        }
    }

    asio::posix::stream_descriptor socket_;
    bool cancelled_ = false;
};

}  // namespace anchorhold::fakes
