// What is known of a template besides its files: manifest.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/snapshot_files.h"

namespace anchorhold::supervisor {

struct TemplateManifest {
    std::string name;
    std::string image;         // path of its file
    std::string image_digest;  // "sha256:…": the guest has it mounted, so it must be the same bytes
                               // for ever
    MachineShape shape;
    uint64_t disk_bytes = 0;
    std::string disk_digest;        // disk_digest() of its disk; empty: nobody checks it
    std::vector<std::string> warm;  // commands it was warmed with, for people
    std::string created;            // RFC 3339, UTC
    uint64_t memory_stored = 0;     // bytes of the memory that are not in pages of zeros
    MemoryForm memory_form = MemoryForm::kSparse;
    uint64_t memory_file = 0;  // bytes that a compressed memory takes on disk
    uint64_t working_set = 0;  // pages written by the first command
    std::string
        authority;  // subject hash of the root certificate that its guests trust; may be empty
};

// A name is 1 to 63 letters, digits and hyphens, beginning and ending with a letter or digit.
[[nodiscard]] bool is_template_name(std::string_view name);

[[nodiscard]] std::string to_json(const TemplateManifest& manifest);
// Refuses what is no manifest of this version; the error names the field.
[[nodiscard]] Result<TemplateManifest> read_manifest(std::string_view json);

}  // namespace anchorhold::supervisor
