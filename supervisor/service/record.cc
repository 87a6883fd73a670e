// Records to JSON and back.
#include "supervisor/service/record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace anchorhold::service {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr size_t kMaxName = 63;
constexpr std::array<std::pair<SandboxState, std::string_view>, 5> kStates = {{
    {SandboxState::creating, "creating"},
    {SandboxState::running, "running"},
    {SandboxState::paused, "paused"},
    {SandboxState::hibernated, "hibernated"},
    {SandboxState::stopped, "stopped"},
}};

template <typename T>
constexpr bool kIsMap = false;
template <>
inline constexpr bool kIsMap<std::map<std::string, std::string>> = true;

template <typename T>
bool has_type(const Json& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return value.is_string();
    } else if constexpr (std::is_unsigned_v<T>) {
        return value.is_number_unsigned() && value.get<uint64_t>() <= std::numeric_limits<T>::max();
    } else if constexpr (std::is_same_v<T, int64_t>) {
        return value.is_number_integer();
    } else if constexpr (kIsMap<T>) {
        return value.is_object() && std::all_of(value.begin(), value.end(),
                                                [](const Json& each) { return each.is_string(); });
    } else {
        return value.is_array() && std::all_of(value.begin(), value.end(),
                                               [](const Json& each) { return each.is_string(); });
    }
}

template <typename T>
Status read(const Json& object, const char* name, T& target) {
    const auto found = object.find(name);
    if (found == object.end() || !has_type<T>(*found)) {
        return fail(fmt::format("'{}' is missing or of another type", name));
    }
    target = found->get<T>();
    return {};
}

Json pending_json(const std::optional<PendingOperation>& pending) {
    if (!pending) {
        return nullptr;
    }
    return {{"kind", pending->kind}, {"source", pending->source}, {"group", pending->group}};
}

bool is_lower_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

Status check(std::string_view name, std::string_view inner, std::string_view what) {
    const bool good =
        !name.empty() && name.size() <= kMaxName && is_lower_alphanumeric(name.front()) &&
        is_lower_alphanumeric(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
            return is_lower_alphanumeric(c) || inner.find(c) != std::string_view::npos;
        });
    if (!good) {
        return fail(fmt::format("'{}' is no {}: 1 to 63 lower-case letters and digits, with {} "
                                "between them",
                                log::escaped(name, 80), what,
                                inner == "-" ? "hyphens" : "hyphens, dots and underscores"),
                    EINVAL);
    }
    return {};
}

}  // namespace

supervisor::SandboxSpec Record::spec() const {
    supervisor::SandboxSpec result;
    result.image = image;
    result.cpus = cpus;
    result.memory_bytes = memory_bytes;
    result.disk_bytes = disk_bytes;
    return result;
}

std::string_view to_text(SandboxState state) {
    return kStates[static_cast<size_t>(state)].second;
}

std::string to_json(const Record& record) {
    const Json json = {{"format", kFormat},
                       {"name", record.name},
                       {"id", record.id},
                       {"generation", record.generation},
                       {"state", to_text(record.state)},
                       {"pending", pending_json(record.pending)},
                       {"image", record.image},
                       {"template", record.template_name},
                       {"cpus", record.cpus},
                       {"memory_bytes", record.memory_bytes},
                       {"disk_bytes", record.disk_bytes},
                       {"policies", record.policies},
                       {"idle_seconds", record.idle_seconds},
                       {"labels", record.labels},
                       {"start", record.start},
                       {"parent", record.parent},
                       {"snapshot", record.snapshot},
                       {"reason", record.reason},
                       {"last_fork", record.last_fork},
                       {"adoptions", record.adoptions},
                       {"created_unix", record.created_unix}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Record> parse_record(std::string_view text) {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
        return fail("not a JSON object");
    }
    uint32_t format = 0;
    ANCHORHOLD_TRY(read(json, "format", format));
    if (format != kFormat) {
        return fail(fmt::format("format {}, this build knows {}", format, kFormat));
    }
    Record record;
    std::string state;
    ANCHORHOLD_TRY(read(json, "name", record.name));
    ANCHORHOLD_TRY(check_name(record.name));
    ANCHORHOLD_TRY(read(json, "id", record.id));
    ANCHORHOLD_TRY(read(json, "generation", record.generation));
    ANCHORHOLD_TRY(read(json, "state", state));
    ANCHORHOLD_TRY(read(json, "image", record.image));
    ANCHORHOLD_TRY(read(json, "template", record.template_name));
    ANCHORHOLD_TRY(read(json, "cpus", record.cpus));
    ANCHORHOLD_TRY(read(json, "memory_bytes", record.memory_bytes));
    ANCHORHOLD_TRY(read(json, "disk_bytes", record.disk_bytes));
    ANCHORHOLD_TRY(read(json, "policies", record.policies));
    ANCHORHOLD_TRY(read(json, "idle_seconds", record.idle_seconds));
    ANCHORHOLD_TRY(read(json, "labels", record.labels));
    ANCHORHOLD_TRY(read(json, "start", record.start));
    ANCHORHOLD_TRY(read(json, "parent", record.parent));
    ANCHORHOLD_TRY(read(json, "snapshot", record.snapshot));
    ANCHORHOLD_TRY(read(json, "reason", record.reason));
    ANCHORHOLD_TRY(read(json, "last_fork", record.last_fork));
    ANCHORHOLD_TRY(read(json, "adoptions", record.adoptions));
    ANCHORHOLD_TRY(read(json, "created_unix", record.created_unix));
    const auto* known = std::find_if(kStates.begin(), kStates.end(),
                                     [&](const auto& entry) { return entry.second == state; });
    if (known == kStates.end()) {
        return fail("'state' is none that this build knows");
    }
    record.state = known->first;
    if (record.snapshot.find('/') != std::string::npos || record.snapshot == "..") {
        return fail("'snapshot' is no name of a folder");
    }
    const auto pending = json.find("pending");
    if (pending != json.end() && !pending->is_null()) {
        if (!pending->is_object()) {
            return fail("'pending' is of another type");
        }
        record.pending.emplace();
        ANCHORHOLD_TRY(read(*pending, "kind", record.pending->kind));
        ANCHORHOLD_TRY(read(*pending, "source", record.pending->source));
        ANCHORHOLD_TRY(read(*pending, "group", record.pending->group));
    }
    return record;
}

Status check_name(std::string_view name) {
    return check(name, "-", "name");
}

Status check_template_name(std::string_view name) {
    return check(name, "-._", "template's name");
}

std::string random_id() {
    std::array<unsigned char, 16> bytes{};
    [[maybe_unused]] const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    std::string id;
    for (const unsigned char byte : bytes) {
        id += fmt::format("{:02x}", byte);
    }
    return id;
}

}  // namespace anchorhold::service
