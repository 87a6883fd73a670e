// One buffer a direction, held only while bytes are on their way.
#include "proxy/splice.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <memory>

namespace anchorhold::proxy {
namespace {

constexpr size_t kBuffer = size_t{64} << 10;

asio::awaitable<std::string> pass(Duplex& from, Duplex& to, uint64_t& counter) {
    std::unique_ptr<std::byte[]> buffer;
    for (;;) {
        if (!buffer) {
            buffer = std::make_unique_for_overwrite<std::byte[]>(kBuffer);
        }
        const IoResult result = from.try_read({buffer.get(), kBuffer});
        switch (result.kind) {
            case IoResult::Kind::bytes: {
                counter += result.count;
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

asio::awaitable<std::string> splice(Duplex& guest, Duplex& upstream, Connection& connection) {
    using namespace asio::experimental::awaitable_operators;
    const auto [out, in] = co_await (pass(guest, upstream, connection.bytes_from_guest) &&
                                     pass(upstream, guest, connection.bytes_to_guest));
    co_return out.empty() ? in : out;
}

}  // namespace anchorhold::proxy
