// The pipe's bytes and the parsed strings are wiped as soon as the store has them.
#include "proxy/setup_reader.h"

#include <string.h>

#include "base/sys.h"
#include "proto/frame.h"
#include "proxy/credentials/locked_memory.h"

namespace anchorhold::proxy {
namespace {

constexpr size_t kFirstBuffer = size_t{64} << 10;
constexpr size_t kMaxSetup = size_t{16} << 20;

struct Text {
    LockedMemory memory;
    size_t size = 0;
};

Result<Text> read_to_end(int pipe) {
    Text text{ANCHORHOLD_TRY(LockedMemory::allocate(kFirstBuffer))};
    for (;;) {
        if (text.size == text.memory.bytes().size()) {
            if (text.size >= kMaxSetup) {
                return fail("the setup is longer than 16 MiB");
            }
            LockedMemory larger =
                ANCHORHOLD_TRY(LockedMemory::allocate(2 * text.memory.bytes().size()));
            ::memcpy(larger.bytes().data(), text.memory.bytes().data(), text.size);
            text.memory = std::move(larger);
        }
        const auto count = ANCHORHOLD_TRY(sys::read_some(
            pipe, {reinterpret_cast<std::byte*>(text.memory.bytes().data()) + text.size,
                   text.memory.bytes().size() - text.size}));
        if (!count || *count == 0) {
            return text;
        }
        text.size += *count;
    }
}

}  // namespace

Result<ReadSetup> read_setup(int pipe) {
    const Text text = ANCHORHOLD_TRY(read_to_end(pipe));
    ReadSetup setup;
    setup.message = ANCHORHOLD_TRY(proto::parse<proto::ProxySetup>(
        {reinterpret_cast<const char*>(text.memory.bytes().data()), text.size}, "the setup"));
    Status stored;
    for (proto::Secret& secret : *setup.message.mutable_secrets()) {
        if (stored) {
            stored = setup.secrets.add(secret.name(), secret.value(), secret.placeholder());
        }
        ::explicit_bzero(secret.mutable_value()->data(), secret.value().size());
    }
    setup.message.clear_secrets();
    if (!stored) {
        return tl::unexpected(stored.error());
    }
    return setup;
}

}  // namespace anchorhold::proxy
