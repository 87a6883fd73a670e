// A template's memory stored another way: small, or such that it can be mapped.
#pragma once

#include <string>

#include "base/result.h"
#include "supervisor/installation.h"
#include "supervisor/memory_backend.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::supervisor {

// Makes the memory file of `made`, whose sparse one is complete, one of the form kCompressed, and
// notes it in `manifest`, which is not written.
Status compress(const Installation& installation, const NewTemplate& made,
                TemplateManifest& manifest);

// Replaces the template by the same one with its memory in `form`, in one step; nothing where it is
// in that form already. The new file was read back and compared with the digests. Sandboxes and
// whoever has it open go on with what they have.
[[nodiscard]] Result<TemplateManifest> store_as(const TemplateStore& store,
                                                const Installation& installation,
                                                const std::string& name,
                                                const std::string& digest_cache, MemoryForm form);

}  // namespace anchorhold::supervisor
