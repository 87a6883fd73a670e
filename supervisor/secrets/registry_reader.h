// The registry's file. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/document_reader.h"
#include "supervisor/secrets/registry.h"

namespace anchorhold::supervisor {

class RegistryReader {
  public:
    explicit RegistryReader(std::string path);
    // Errors never quote a value, because it might be a secret in the wrong place.
    Status read(std::string_view text, SecretRegistry& registry) const;

  private:
    Result<SecretRegistry::Entry> read_entry(const policy::YamlNode& node) const;
    Result<SecretSource> read_source(const policy::YamlNode& node) const;
    [[nodiscard]] std::string file_path(const std::string& text) const;

    std::string path_;
    policy::DocumentReader reader_;
};

}  // namespace anchorhold::supervisor
