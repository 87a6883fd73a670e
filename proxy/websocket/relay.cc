// Two loops of read, check, write; whichever ends the connection ends the other by cancelling.
#include "proxy/websocket/relay.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>

#include "proxy/websocket/frame_pipe.h"

namespace anchorhold::proxy::websocket {
namespace {

constexpr size_t kReadSize = size_t{32} << 10;

std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Direction {
    Duplex& from;
    Duplex& to;
    Sender sender;
    FramePipe pipe;
    uint64_t& passed;
    bool writing = false;
    bool finished = false;  // its loop has returned
};

class Relay {
  public:
    Relay(Duplex& guest, Duplex& upstream, Filters filters, Limits limits)
        : up_{guest, upstream, Sender::client,
              FramePipe(Sender::client, *filters.to_upstream, limits.max_message),
              end_.to_upstream},
          down_{upstream, guest, Sender::server,
                FramePipe(Sender::server, *filters.to_guest, limits.max_message), end_.to_guest} {}

    asio::awaitable<End> run(std::string guest_leftover, std::string upstream_leftover) {
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer settled(executor, asio::steady_timer::time_point::max());
        asio::co_spawn(executor, pass(down_, std::move(upstream_leftover)),
                       [&settled, this](const std::exception_ptr&) {
                           down_.finished = true;
                           settled.cancel();
                       });
        co_await pass(up_, std::move(guest_leftover));
        while (!down_.finished) {
            boost::system::error_code ignored;
            co_await settled.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        co_return std::move(end_);
    }

  private:
    asio::awaitable<void> pass(Direction& direction, std::string bytes);
    // False when the connection has ended.
    asio::awaitable<bool> send(Direction& direction, const std::string& bytes);
    void fail(Direction& direction, Failure failure);
    void cut_off(std::string why);

    End end_;
    bool ended_ = false;
    Direction up_;
    Direction down_;
};

// One direction's life. After its close frame it reads on only to see the end.
asio::awaitable<void> Relay::pass(Direction& direction, std::string bytes) {
    std::string out;
    for (;;) {
        if (!bytes.empty()) {
            auto failure = direction.pipe.take(bytes, out);
            if (!out.empty()) {
                const bool sent = co_await send(direction, out);
                if (!sent) {
                    co_return;
                }
            }
            if (failure) {
                fail(direction, std::move(*failure));
                co_return;
            }
            std::string().swap(out);
            std::string().swap(bytes);
        }
        if (up_.pipe.closed() && down_.pipe.closed() && !up_.writing && !down_.writing) {
            ended_ = true;
            up_.to.finish_writing();
            down_.to.finish_writing();
            up_.from.cancel();
            down_.from.cancel();
        }
        if (ended_) {
            co_return;
        }
        // The buffer is shared by all connections of the thread: it is empty again before the next
        // wait.
        thread_local std::array<std::byte, kReadSize> buffer;
        const IoResult result = direction.from.try_read(buffer);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                bytes = as_text(std::span(buffer).first(result.count));
                break;
            case IoResult::Kind::want_read:
                co_await direction.from.wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await direction.from.wait_writable();
                break;
            case IoResult::Kind::end:
                cut_off("ended without a close frame");
                co_return;
            case IoResult::Kind::failed:
                cut_off(result.why);
                co_return;
        }
    }
}

asio::awaitable<bool> Relay::send(Direction& direction, const std::string& bytes) {
    direction.writing = true;
    auto left = std::as_bytes(std::span(bytes));
    while (!left.empty()) {
        const IoResult result = direction.to.try_write(left);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                left = left.subspan(result.count);
                break;
            case IoResult::Kind::want_read:
                co_await direction.to.wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await direction.to.wait_writable();
                break;
            case IoResult::Kind::end:
            case IoResult::Kind::failed:
                cut_off(result.why);
                co_return false;
        }
    }
    direction.writing = false;
    direction.passed += bytes.size();
    co_return !ended_;
}

// Tells both sides why, as far as that goes without waiting, and ends.
void Relay::fail(Direction& direction, Failure failure) {
    if (ended_) {
        return;
    }
    ended_ = true;
    end_.error = direction.sender == Sender::client ? "the guest sent " : "the upstream sent ";
    end_.error += failure.why;
    std::string reason = "anchorhold: " + failure.why;
    if (failure.denied) {
        end_.error = failure.why;
        end_.denied = std::move(failure.denied);
    }
    for (Direction* each : {&up_, &down_}) {
        if (!each->writing) {
            std::string close;
            append_close(close, each->sender, failure.code, reason);
            [[maybe_unused]] const IoResult result =
                each->to.try_write(std::as_bytes(std::span(close)));
            each->to.finish_writing();
        }
    }
    up_.from.cancel();
    down_.from.cancel();
}

void Relay::cut_off(std::string why) {
    if (!ended_) {
        ended_ = true;
        // The end of a connection that was closed in good order is no error.
        if (!up_.pipe.closed() || !down_.pipe.closed()) {
            end_.error = std::move(why);
        }
    }
    up_.from.cancel();
    down_.from.cancel();
}

}  // namespace

asio::awaitable<End> relay_websocket(Duplex& guest, Duplex& upstream, std::string guest_leftover,
                                     std::string upstream_leftover, Filters filters,
                                     Limits limits) {
    Relay relay(guest, upstream, filters, limits);
    co_return co_await relay.run(std::move(guest_leftover), std::move(upstream_leftover));
}

}  // namespace anchorhold::proxy::websocket
