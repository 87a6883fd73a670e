// The secrets of one sandbox in locked memory, looked up by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proxy/credentials/locked_memory.h"

namespace anchorhold::proxy {

// A secret in the store. Never copied: `value` points into locked memory.
struct StoredSecret {
    std::string name;         // of the registry; "<binding id>/minted/1" for a captured one
    std::string_view value;   // lives as long as the store
    std::string placeholder;  // what the guest holds instead; empty: the guest holds nothing
};

// Move-only; pointers to what it holds stay valid when it is moved, when more is added and when
// something else is removed.
class SecretStore {
  public:
    SecretStore();
    ~SecretStore();
    SecretStore(SecretStore&&) noexcept;
    SecretStore& operator=(SecretStore&&) noexcept;

    // Copies `value` into locked memory; the caller wipes its own copy. Errors: the name is taken,
    // memory cannot be locked.
    Status add(std::string name, std::string_view value, std::string placeholder);

    // Zeroes and forgets it; nothing when there is none of that name.
    void remove(std::string_view name);

    // Null: no secret of that name.
    [[nodiscard]] const StoredSecret* find(std::string_view name) const;
    // In the order they were added.
    [[nodiscard]] const std::vector<std::unique_ptr<StoredSecret>>& all() const { return secrets_; }

  private:
    struct Block {
        LockedMemory memory;
        size_t used = 0;  // bytes, from its start
        size_t live = 0;  // secrets
    };
    std::vector<Block> blocks_;
    std::vector<std::unique_ptr<StoredSecret>> secrets_;
};

}  // namespace anchorhold::proxy
