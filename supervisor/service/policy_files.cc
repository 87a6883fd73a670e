// Two files: placeholders first, so that a folder with a policy has both.
#include "supervisor/service/policy_files.h"

#include <nlohmann/json.hpp>

#include <cerrno>

#include "base/sys.h"

namespace anchorhold::service {
namespace {

constexpr const char* kPolicy = "/policy.pb";
constexpr const char* kPlaceholders = "/placeholders.json";
constexpr size_t kMost = size_t{4} << 20;

Status write_synced(const std::string& path, std::string_view bytes, FileSteps& steps) {
    const std::string beside = path + ".new";
    ANCHORHOLD_TRY(steps.write_file(beside, bytes));
    ANCHORHOLD_TRY(steps.sync_file(beside));
    return steps.rename(beside, path);
}

}  // namespace

Result<std::optional<KeptPolicy>> read_kept_policy(const std::string& folder) {
    const auto bytes = sys::read_file(folder + kPolicy, kMost);
    if (!bytes && bytes.error().code == ENOENT) {
        return std::optional<KeptPolicy>();
    }
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    KeptPolicy kept;
    if (!kept.policy.ParseFromString(*bytes)) {
        return fail(folder + kPolicy + ": not a policy that this build wrote");
    }
    const std::string text = ANCHORHOLD_TRY(sys::read_file(folder + kPlaceholders, kMost));
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
        return fail(folder + kPlaceholders + ": not what this build wrote");
    }
    for (const auto& [name, placeholder] : json.items()) {
        if (!placeholder.is_string()) {
            return fail(folder + kPlaceholders + ": not what this build wrote");
        }
        kept.placeholders[name] = placeholder.get<std::string>();
    }
    kept.on_disk = true;
    return std::optional<KeptPolicy>(std::move(kept));
}

Status write_kept_policy(const std::string& folder, const KeptPolicy& kept, FileSteps& steps) {
    const nlohmann::json json(kept.placeholders);
    ANCHORHOLD_TRY(write_synced(folder + kPlaceholders, json.dump(), steps));
    ANCHORHOLD_TRY(write_synced(folder + kPolicy, kept.policy.SerializeAsString(), steps));
    return steps.sync_file(folder);
}

}  // namespace anchorhold::service
