// The user's own policies come before the installation's.
#include "policy/policy_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "policy/compose.h"
#include "policy/document.h"

namespace anchorhold::policy {
namespace {

namespace fs = std::filesystem;

constexpr char kFolder[] = "anchorhold/policies";

std::string variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? "" : value;
}

std::vector<fs::path> policy_folders() {
    std::vector<fs::path> folders;
    const std::string config = variable("XDG_CONFIG_HOME");
    const std::string home = variable("HOME");
    if (fs::path(config).is_absolute()) {
        folders.push_back(fs::path(config) / kFolder);
    } else if (fs::path(home).is_absolute()) {
        folders.push_back(fs::path(home) / ".config" / kFolder);
    }
    std::error_code failed;
    const fs::path program = fs::read_symlink("/proc/self/exe", failed);
    if (!failed) {
        folders.push_back(program.parent_path().parent_path() / "share" / kFolder);
    }
    return folders;
}

bool is_file(const fs::path& path) {
    std::error_code failed;
    return fs::exists(path, failed) && !fs::is_directory(path, failed);
}

}  // namespace

Result<std::string> find_policy_file(const std::string& name_or_path) {
    if (is_file(name_or_path)) {
        return name_or_path;
    }
    if (name_or_path.empty() || name_or_path.find('/') != std::string::npos) {
        return fail(fmt::format("no policy file '{}'", name_or_path));
    }
    const bool has_ending = name_or_path.ends_with(".yaml") || name_or_path.ends_with(".yml");
    const std::string file = has_ending ? name_or_path : name_or_path + ".yaml";
    std::string looked;
    for (const fs::path& folder : policy_folders()) {
        if (is_file(folder / file)) {
            return (folder / file).string();
        }
        looked += fmt::format(" or in {}", folder.string());
    }
    return fail(fmt::format("no policy '{}': not a file here{}", name_or_path, looked));
}

Result<proto::ResolvedPolicy> load_policy(const std::vector<std::string>& names_or_paths) {
    std::vector<Document> documents;
    for (const std::string& name : names_or_paths) {
        const std::string path = ANCHORHOLD_TRY(find_policy_file(name));
        documents.push_back(ANCHORHOLD_TRY(load_document(path)));
    }
    return compose(std::move(documents));
}

}  // namespace anchorhold::policy
