// recv and send at once; Asio only where it would block.
#include "proxy/plain_stream.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace anchorhold::proxy {

PlainStream::PlainStream(asio::io_context& context, OwnFd socket, std::string read_ahead)
    : socket_(context, socket.release()), read_ahead_(std::move(read_ahead)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
}

IoResult PlainStream::try_read(std::span<std::byte> buffer) {
    if (cancelled_) {
        return {IoResult::Kind::failed, 0, "the stream was closed"};
    }
    if (!read_ahead_.empty()) {
        const size_t count = std::min(buffer.size(), read_ahead_.size());
        std::memcpy(buffer.data(), read_ahead_.data(), count);
        if (count == read_ahead_.size()) {
            std::string().swap(read_ahead_);
        } else {
            read_ahead_.erase(0, count);
        }
        return {IoResult::Kind::bytes, count};
    }
    if (drained_) {
        return {IoResult::Kind::want_read};
    }
    ssize_t count = 0;
    do {
        count = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        drained_ = static_cast<size_t>(count) < buffer.size();
        return {IoResult::Kind::bytes, static_cast<size_t>(count)};
    }
    if (count == 0) {
        return {IoResult::Kind::end};
    }
    if (errno == EAGAIN) {
        return {IoResult::Kind::want_read};
    }
    return {IoResult::Kind::failed, 0, "the connection was reset"};
}

IoResult PlainStream::try_write(std::span<const std::byte> bytes) {
    if (cancelled_) {
        return {IoResult::Kind::failed, 0, "the stream was closed"};
    }
    ssize_t count = 0;
    do {
        count = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        return {IoResult::Kind::bytes, static_cast<size_t>(count)};
    }
    if (errno == EAGAIN) {
        return {IoResult::Kind::want_write};
    }
    return {IoResult::Kind::failed, 0, "the connection was reset"};
}

asio::awaitable<void> PlainStream::wait_readable() {
    drained_ = false;
    if (!cancelled_) {
        boost::system::error_code ignored;
        co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> PlainStream::wait_writable() {
    if (!cancelled_) {
        boost::system::error_code ignored;
        co_await socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                                    asio::redirect_error(asio::use_awaitable, ignored));
    }
}

void PlainStream::finish_writing() {
    ::shutdown(socket_.native_handle(), SHUT_WR);
}

void PlainStream::cancel() {
    cancelled_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void PlainStream::reset() {
    const linger at_once{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    cancel();
}

}  // namespace anchorhold::proxy
