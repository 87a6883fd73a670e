// Waiting loops over the try operations.
#include "proxy/duplex.h"

#include <vector>

namespace anchorhold::proxy {

asio::awaitable<Status> Duplex::write_bulk(std::span<const std::byte> bytes, std::span<std::byte>) {
    while (!bytes.empty()) {
        const IoResult result = try_write(bytes);
        if (result.kind != IoResult::Kind::bytes) {
            break;
        }
        bytes = bytes.subspan(result.count);
    }
    const std::vector<std::byte> unsent(bytes.begin(), bytes.end());
    co_return co_await write_all(*this, unsent);
}

asio::awaitable<Result<size_t>> read_some(Duplex& stream, std::span<std::byte> buffer) {
    for (;;) {
        const IoResult result = stream.try_read(buffer);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                co_return result.count;
            case IoResult::Kind::end:
                co_return size_t{0};
            case IoResult::Kind::want_read:
                co_await stream.wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await stream.wait_writable();
                break;
            case IoResult::Kind::failed:
                co_return fail(result.why);
        }
    }
}

asio::awaitable<Status> write_all(Duplex& stream, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const IoResult result = stream.try_write(bytes);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                bytes = bytes.subspan(result.count);
                break;
            case IoResult::Kind::want_read:
                co_await stream.wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await stream.wait_writable();
                break;
            case IoResult::Kind::end:
            case IoResult::Kind::failed:
                co_return fail(result.why);
        }
    }
    co_return Status();
}

}  // namespace anchorhold::proxy
