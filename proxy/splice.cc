// One buffer a direction, held only while bytes are on their way.
#include "proxy/splice.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <functional>
#include <memory>

#include "base/clock.h"

namespace anchorhold::proxy {
namespace {

constexpr size_t kBuffer = size_t{64} << 10;

// Counts bytes; an error's text when they may not pass.
using Count = std::function<std::string(size_t)>;

asio::awaitable<std::string> pass(Duplex& from, Duplex& to, Count count) {
    std::unique_ptr<std::byte[]> buffer;
    for (;;) {
        if (!buffer) {
            buffer = std::make_unique_for_overwrite<std::byte[]>(kBuffer);
        }
        const IoResult result = from.try_read({buffer.get(), kBuffer});
        switch (result.kind) {
            case IoResult::Kind::bytes: {
                if (std::string over = count(result.count); !over.empty()) {
                    from.reset();
                    to.reset();
                    co_return over;
                }
                const Status written = co_await write_all(to, {buffer.get(), result.count});
                if (!written) {
                    from.cancel();
                    co_return written.error().message;
                }
                break;
            }
            case IoResult::Kind::end:
                to.finish_writing();
                co_return "";
            case IoResult::Kind::failed:
                to.reset();
                co_return result.why;
            case IoResult::Kind::want_read:
                buffer.reset();
                co_await from.wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await from.wait_writable();
                break;
        }
    }
}

}  // namespace

asio::awaitable<std::string> splice(Window& window, Duplex& guest, Duplex& upstream,
                                    Connection& connection) {
    using namespace asio::experimental::awaitable_operators;
    using Direction = policy::Limits::Direction;
    const auto counting = [&](uint64_t& counter, Direction direction) -> Count {
        return [&window, &connection, &counter, direction](size_t bytes) -> std::string {
            counter += bytes;
            const proto::Limit* limit = window.limits.add_bytes(connection.endpoint(), direction,
                                                                bytes, steady_clock().now());
            return limit == nullptr ? std::string()
                                    : "beyond the limit at " +
                                          window.parts.evaluator.origin_text(limit->origin());
        };
    };
    const auto [out, in] = co_await (
        pass(guest, upstream, counting(connection.bytes_from_guest, Direction::to_upstream)) &&
        pass(upstream, guest, counting(connection.bytes_to_guest, Direction::to_guest)));
    co_return out.empty() ? in : out;
}

}  // namespace anchorhold::proxy
