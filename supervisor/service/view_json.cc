// Field by field.
#include "supervisor/service/view_json.h"

#include <nlohmann/json.hpp>

#include <ctime>

namespace anchorhold::service {
namespace {

using Json = nlohmann::ordered_json;

// RFC 3339, UTC.
std::string time_text(int64_t unix_seconds) {
    const auto seconds = static_cast<time_t>(unix_seconds);
    tm parts{};
    char text[32] = {};
    ::gmtime_r(&seconds, &parts);
    const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json json_of(const SandboxView& view) {
    const Record& record = view.record;
    Json json = {{"name", record.name},
                 {"id", record.id},
                 {"state", to_text(record.state)},
                 {"image", record.image},
                 {"cpus", record.cpus},
                 {"memory_bytes", record.memory_bytes},
                 {"disk_bytes", record.disk_bytes},
                 {"policies", record.policies},
                 {"idle_seconds", record.idle_seconds},
                 {"labels", record.labels},
                 {"start", record.start},
                 {"generation", record.generation},
                 {"commands", view.commands},
                 {"created", time_text(record.created_unix)}};
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            json[key] = value;
        }
    };
    add("operation", view.operation);
    add("template", record.template_name);
    add("parent", record.parent);
    add("reason", record.reason);
    add("passed_over", view.passed_over);
    add("window_shut", view.window);
    if (view.vmm_pid > 0) {
        json["pid"] = view.vmm_pid;
    }
    return json;
}

Json json_of(const PoolView& view) {
    Json json = {{"template", view.template_name},
                 {"target", {{"parked", view.target.parked}, {"shells", view.target.shells}}},
                 {"parked", view.parked},
                 {"shells", view.shells},
                 {"claimed", view.claimed}};
    if (!view.limit.empty()) {
        json["limited_by"] = view.limit;
    }
    if (!view.last_error.empty()) {
        json["last_error"] = view.last_error;
    }
    return json;
}

}  // namespace

std::string to_json(const SandboxView& view) {
    return dump(json_of(view));
}

std::string to_json(const std::vector<SandboxView>& views,
                    const std::vector<std::string>& damaged) {
    Json list = Json::array();
    for (const SandboxView& view : views) {
        list.push_back(json_of(view));
    }
    Json json = {{"sandboxes", list}};
    if (!damaged.empty()) {
        json["damaged"] = damaged;
    }
    return dump(json);
}

std::string to_json(const PoolView& view) {
    return dump(json_of(view));
}

std::string to_json(const std::vector<PoolView>& views) {
    Json list = Json::array();
    for (const PoolView& view : views) {
        list.push_back(json_of(view));
    }
    return dump({{"pools", list}});
}

}  // namespace anchorhold::service
