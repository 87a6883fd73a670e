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

// Move-only; pointers to what it holds stay valid when it is moved and when more is added.
class SecretStore {
  public:
    SecretStore();
    ~SecretStore();
    SecretStore(SecretStore&&) noexcept;
    SecretStore& operator=(SecretStore&&) noexcept;

    // Copies `value` into locked memory; the caller wipes its own copy. Errors: the name is taken,
    // memory cannot be locked.
    Status add(std::string name, std::string_view value, std::string placeholder);

    // Null: no secret of that name.
    [[nodiscard]] const StoredSecret* find(std::string_view name) const;
    // In the order they were added.
    [[nodiscard]] const std::vector<std::unique_ptr<StoredSecret>>& all() const { return secrets_; }

  private:
    std::vector<LockedMemory> blocks_;
    size_t used_ = 0;  // bytes of the last block
    std::vector<std::unique_ptr<StoredSecret>> secrets_;
};

}  // namespace anchorhold::proxy
