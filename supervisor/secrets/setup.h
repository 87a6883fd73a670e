// ProxySetup with its secrets, written in locked memory only.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/locked_memory.h"
#include "proxy/credentials/secret_store.h"

namespace anchorhold::supervisor {

struct EncodedSetup {
    proxy::LockedMemory memory;
    size_t size = 0;

    [[nodiscard]] std::span<const std::byte> bytes() const {
        return std::as_bytes(memory.bytes().first(size));
    }
};

// `setup` without secrets, and those of the store, as one message: what goes into the setup pipe.
Result<EncodedSetup> encode_setup(const proto::ProxySetup& setup,
                                  const proxy::SecretStore& secrets);

}  // namespace anchorhold::supervisor
