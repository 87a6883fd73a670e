// One stat(2) for each use.
#include "supervisor/service/template_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "supervisor/templates/resident.h"

namespace anchorhold::service {

Result<TemplateCache::Version> TemplateCache::version_of(const std::string& name) const {
    struct stat status {};
    const std::string manifest = store_.path(name) + "/" + supervisor::template_file::kManifest;
    if (!supervisor::is_template_name(name) || ::stat(manifest.c_str(), &status) < 0) {
        return fail(fmt::format("there is no template '{}'; see: anchorhold template ls", name),
                    ENOENT);
    }
    return Version{status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Result<TemplateRef> TemplateCache::find(const std::string& name) {
    const auto version = version_of(name);
    if (!version) {
        entries_.erase(name);
        return tl::unexpected(version.error());
    }
    if (const auto found = entries_.find(name);
        found != entries_.end() && found->second.version == *version) {
        return found->second.opened;
    }
    supervisor::OpenTemplate opened = ANCHORHOLD_TRY(store_.open(name, digest_cache_));
    ANCHORHOLD_TRY(supervisor::make_resident(opened));
    const auto shared = std::make_shared<const supervisor::OpenTemplate>(std::move(opened));
    entries_[name] = {*version, shared};
    return TemplateRef(shared);
}

}  // namespace anchorhold::service
