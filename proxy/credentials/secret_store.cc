// Secrets packed one after another into locked pages.
#include "proxy/credentials/secret_store.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <span>
#include <utility>

namespace anchorhold::proxy {

SecretStore::SecretStore() = default;
SecretStore::~SecretStore() = default;
SecretStore::SecretStore(SecretStore&&) noexcept = default;
SecretStore& SecretStore::operator=(SecretStore&&) noexcept = default;

Status SecretStore::add(std::string name, std::string_view value, std::string placeholder) {
    if (find(name) != nullptr) {
        return fail("secret " + name + ": there are two of that name");
    }
    if (blocks_.empty() ||
        blocks_.back().memory.bytes().size() - blocks_.back().used < value.size()) {
        blocks_.push_back(Block{ANCHORHOLD_TRY(LockedMemory::allocate(value.size())), 0, 0});
    }
    Block& block = blocks_.back();
    char* const place = block.memory.bytes().data() + block.used;
    std::ranges::copy(value, place);
    block.used += value.size();
    ++block.live;
    secrets_.push_back(std::make_unique<StoredSecret>(StoredSecret{
        std::move(name), std::string_view(place, value.size()), std::move(placeholder)}));
    return {};
}

void SecretStore::remove(std::string_view name) {
    const auto found =
        std::ranges::find_if(secrets_, [&](const auto& secret) { return secret->name == name; });
    if (found == secrets_.end()) {
        return;
    }
    const std::string_view value = (*found)->value;
    const auto holds = [&](const Block& block) {
        const std::span<char> bytes = block.memory.bytes();
        return value.data() >= bytes.data() && value.data() < bytes.data() + bytes.size();
    };
    const auto block = std::ranges::find_if(blocks_, holds);
    if (block != blocks_.end()) {
        OPENSSL_cleanse(
            block->memory.bytes().data() + (value.data() - block->memory.bytes().data()),
            value.size());
        if (--block->live == 0) {
            blocks_.erase(block);
        }
    }
    secrets_.erase(found);
}

const StoredSecret* SecretStore::find(std::string_view name) const {
    const auto found =
        std::ranges::find_if(secrets_, [&](const auto& secret) { return secret->name == name; });
    return found == secrets_.end() ? nullptr : found->get();
}

}  // namespace anchorhold::proxy
