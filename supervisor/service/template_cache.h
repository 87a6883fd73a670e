// Templates as the service uses them: opened once, their memory resident
// (supervisor/templates/resident.h), for as long as the same one has its name.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::service {

using TemplateRef = std::shared_ptr<const supervisor::OpenTemplate>;

class TemplateCache {
  public:
    TemplateCache(supervisor::TemplateStore store, std::string digest_cache)
        : store_(std::move(store)), digest_cache_(std::move(digest_cache)) {}

    // The template that has this name now. The first call for one reads all of its memory. The
    // error's code is ENOENT where there is none.
    Result<TemplateRef> find(const std::string& name);

  private:
    // Tells one template from another that took its name.
    struct Version {
        uint64_t inode = 0;
        int64_t seconds = 0;
        int64_t nanoseconds = 0;
        bool operator==(const Version&) const = default;
    };
    struct Entry {
        Version version;
        TemplateRef opened;
    };
    [[nodiscard]] Result<Version> version_of(const std::string& name) const;

    supervisor::TemplateStore store_;
    std::string digest_cache_;
    std::map<std::string, Entry> entries_;
};

}  // namespace anchorhold::service
