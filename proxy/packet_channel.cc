// Packets are tried at once; Asio waits.
#include "proxy/packet_channel.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace anchorhold::proxy {

PacketChannel::PacketChannel(asio::io_context& context, OwnFd socket)
    : socket_(context, socket.release()) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
}

asio::awaitable<std::optional<Packet>> PacketChannel::receive() {
    while (socket_.is_open()) {
        auto packet = receive_packet(socket_.native_handle());
        if (!packet) {
            break;
        }
        if (*packet) {
            if ((*packet)->bytes.empty() && (*packet)->fds.empty()) {
                break;
            }
            co_return std::move(**packet);
        }
        boost::system::error_code error;
        co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            break;
        }
    }
    co_return std::nullopt;
}

std::optional<Packet> PacketChannel::try_receive() {
    auto packet = socket_.is_open() ? receive_packet(socket_.native_handle())
                                    : Result<std::optional<Packet>>(std::nullopt);
    // End of file and errors stay what they are: the next receive() finds them again.
    return packet && *packet && !(*packet)->bytes.empty() ? std::move(*packet) : std::nullopt;
}

Status PacketChannel::send(std::string_view bytes, std::span<const int> fds) {
    if (!socket_.is_open()) {
        return fail("the channel is closed");
    }
    return send_packet(socket_.native_handle(), bytes, fds);
}

asio::awaitable<void> PacketChannel::wait_writable() {
    boost::system::error_code ignored;
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                                asio::redirect_error(asio::use_awaitable, ignored));
}

void PacketChannel::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

}  // namespace anchorhold::proxy
