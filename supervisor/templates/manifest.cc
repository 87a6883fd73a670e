// JSON, read strictly.
#include "supervisor/templates/manifest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "supervisor/spec.h"

namespace anchorhold::supervisor {
namespace {

using nlohmann::json;

constexpr uint64_t kVersion = 1;
constexpr size_t kMaxName = 63;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The field as what `out` is, or an error that names it.
Status take(const json& document, const char* field, std::string& out) {
    const auto found = document.find(field);
    if (found == document.end() || !found->is_string()) {
        return fail(fmt::format("manifest: '{}' is no text", field));
    }
    out = found->get<std::string>();
    return {};
}

template <typename Number>
Status take(const json& document, const char* field, Number& out, uint64_t most) {
    const auto found = document.find(field);
    if (found == document.end() || !found->is_number_unsigned() || found->get<uint64_t>() > most) {
        return fail(fmt::format("manifest: '{}' is no number up to {}", field, most));
    }
    out = static_cast<Number>(found->get<uint64_t>());
    return {};
}

constexpr const char* kSparse = "sparse";
constexpr const char* kCompressed = "compressed";

const char* form_text(MemoryForm form) {
    return form == MemoryForm::kSparse ? kSparse : kCompressed;
}

// Manifests from before there were two forms say nothing.
Status take_form(const json& document, TemplateManifest& manifest) {
    if (!document.contains("memory_form")) {
        return {};
    }
    std::string form;
    ANCHORHOLD_TRY(take(document, "memory_form", form));
    if (form != kSparse && form != kCompressed) {
        return fail(
            fmt::format("manifest: 'memory_form' is neither '{}' nor '{}'; this build is "
                        "too old for it, or it is damaged",
                        kSparse, kCompressed));
    }
    manifest.memory_form = form == kSparse ? MemoryForm::kSparse : MemoryForm::kCompressed;
    return take(document, "memory_file", manifest.memory_file, UINT64_MAX);
}

}  // namespace

bool is_template_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && is_alphanumeric(name.front()) &&
           is_alphanumeric(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
               return is_alphanumeric(c) || c == '-';
           });
}

std::string to_json(const TemplateManifest& manifest) {
    const json document = {{"version", kVersion},
                           {"name", manifest.name},
                           {"created", manifest.created},
                           {"image", manifest.image},
                           {"image_digest", manifest.image_digest},
                           {"cpus", manifest.shape.cpus},
                           {"memory_bytes", manifest.shape.memory_bytes},
                           {"disks", manifest.shape.disks},
                           {"disk_bytes", manifest.disk_bytes},
                           {"disk_digest", manifest.disk_digest},
                           {"warm", manifest.warm},
                           {"memory_stored", manifest.memory_stored},
                           {"memory_form", form_text(manifest.memory_form)},
                           {"memory_file", manifest.memory_file},
                           {"working_set", manifest.working_set},
                           {"authority", manifest.authority}};
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<TemplateManifest> read_manifest(std::string_view text) {
    const json document = json::parse(text, nullptr, false);
    if (!document.is_object()) {
        return fail("manifest: not a JSON object");
    }
    uint64_t version = 0;
    ANCHORHOLD_TRY(take(document, "version", version, UINT32_MAX));
    if (version != kVersion) {
        return fail(
            fmt::format("manifest: version {}, this build reads {}; create the template again",
                        version, kVersion));
    }
    TemplateManifest manifest;
    ANCHORHOLD_TRY(take(document, "name", manifest.name));
    ANCHORHOLD_TRY(take(document, "created", manifest.created));
    ANCHORHOLD_TRY(take(document, "image", manifest.image));
    ANCHORHOLD_TRY(take(document, "image_digest", manifest.image_digest));
    ANCHORHOLD_TRY(take(document, "authority", manifest.authority));
    ANCHORHOLD_TRY(take(document, "cpus", manifest.shape.cpus, kMaxCpus));
    ANCHORHOLD_TRY(take(document, "memory_bytes", manifest.shape.memory_bytes, UINT64_MAX));
    ANCHORHOLD_TRY(take(document, "disks", manifest.shape.disks, 2));
    ANCHORHOLD_TRY(take(document, "disk_bytes", manifest.disk_bytes, UINT64_MAX));
    ANCHORHOLD_TRY(take(document, "memory_stored", manifest.memory_stored, UINT64_MAX));
    ANCHORHOLD_TRY(take(document, "working_set", manifest.working_set, UINT64_MAX));
    ANCHORHOLD_TRY(take_form(document, manifest));
    if (document.contains("disk_digest")) {  // templates that are older than it have none
        ANCHORHOLD_TRY(take(document, "disk_digest", manifest.disk_digest));
    }
    if (!is_template_name(manifest.name) || manifest.shape.cpus < 1 ||
        manifest.shape.memory_bytes < kMinMemoryBytes || manifest.shape.memory_bytes % 4096 != 0 ||
        manifest.shape.disks < 1) {
        return fail("manifest: it describes no machine");
    }
    if (const auto warm = document.find("warm"); warm != document.end() && warm->is_array()) {
        for (const json& command : *warm) {
            manifest.warm.push_back(command.is_string() ? command.get<std::string>() : "");
        }
    }
    return manifest;
}

}  // namespace anchorhold::supervisor
