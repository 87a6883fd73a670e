// One reader that knows which keys were asked for.
#include "supervisor/service/request_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "base/log.h"

namespace anchorhold::service {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxText = 4096;
constexpr size_t kMaxEntries = 64;
constexpr size_t kMaxWords = 8192;

tl::unexpected<Error> refuse(std::string_view key, std::string_view what) {
    return fail(fmt::format("'{}' {}", log::escaped(key, 80), what), EINVAL);
}

class ObjectReader {
  public:
    static Result<ObjectReader> open(std::string_view body) {
        ObjectReader reader;
        reader.json_ =
            body.empty() ? Json::object() : Json::parse(body, nullptr, /*allow_exceptions=*/false);
        if (!reader.json_.is_object()) {
            return fail("the request's body is no JSON object", EINVAL);
        }
        return reader;
    }

    // Leave `target` as it is where the key is missing.
    Status text(const char* key, std::string& target) {
        const Json* value = find(key);
        if (value == nullptr) {
            return {};
        }
        if (!value->is_string() || value->get_ref<const std::string&>().size() > kMaxText) {
            return refuse(key, fmt::format("is no text of at most {} bytes", kMaxText));
        }
        target = value->get<std::string>();
        return {};
    }
    template <typename T>
    Status number(const char* key, T& target) {
        const Json* value = find(key);
        if (value == nullptr) {
            return {};
        }
        if (!value->is_number_unsigned() ||
            value->get<uint64_t>() > std::numeric_limits<T>::max()) {
            return refuse(
                key, fmt::format("is no whole number from 0 to {}", std::numeric_limits<T>::max()));
        }
        target = value->get<T>();
        return {};
    }
    Status texts(const char* key, std::vector<std::string>& target, size_t most) {
        const Json* value = find(key);
        if (value == nullptr) {
            return {};
        }
        if (!value->is_array() || value->size() > most) {
            return refuse(key, fmt::format("is no list of at most {} texts", most));
        }
        for (const Json& each : *value) {
            if (!each.is_string()) {
                return refuse(key, fmt::format("is no list of at most {} texts", most));
            }
            target.push_back(each.get<std::string>());
        }
        return {};
    }
    Status map(const char* key, std::map<std::string, std::string>& target) {
        const Json* value = find(key);
        if (value == nullptr) {
            return {};
        }
        const bool good =
            value->is_object() && value->size() <= kMaxEntries &&
            std::all_of(value->begin(), value->end(), [](const Json& each) {
                return each.is_string() && each.get_ref<const std::string&>().size() <= kMaxText;
            });
        if (!good) {
            return refuse(key, fmt::format("is no object of at most {} texts", kMaxEntries));
        }
        target = value->get<std::map<std::string, std::string>>();
        return {};
    }
    // After the last key that is known.
    Status close() const {
        for (const auto& [key, value] : json_.items()) {
            if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
                return refuse(key, "is no key of this request");
            }
        }
        return {};
    }

  private:
    const Json* find(const char* key) {
        known_.emplace_back(key);
        const auto found = json_.find(key);
        return found == json_.end() || found->is_null() ? nullptr : &*found;
    }

    Json json_;
    std::vector<std::string_view> known_;
};

// What create and run have in common.
Status read_machine(ObjectReader& reader, std::string& template_name, supervisor::SandboxSpec& spec,
                    std::vector<std::string>& policies) {
    std::string image;
    uint32_t cpus = 0;
    uint64_t memory = 0;
    uint64_t disk = std::numeric_limits<uint64_t>::max();
    ANCHORHOLD_TRY(reader.text("template", template_name));
    ANCHORHOLD_TRY(reader.text("image", image));
    ANCHORHOLD_TRY(reader.number("cpus", cpus));
    ANCHORHOLD_TRY(reader.number("memory_bytes", memory));
    ANCHORHOLD_TRY(reader.number("disk_bytes", disk));
    ANCHORHOLD_TRY(reader.texts("policies", policies, kMaxEntries));
    const bool shaped =
        !image.empty() || cpus != 0 || memory != 0 || disk != std::numeric_limits<uint64_t>::max();
    if (!template_name.empty() && shaped) {
        return fail(
            "'template' says what the machine is: leave 'image', 'cpus', 'memory_bytes' "
            "and 'disk_bytes' out",
            EINVAL);
    }
    if (!image.empty()) {
        spec.image = image;
    }
    if (cpus != 0) {
        spec.cpus = cpus;
    }
    if (memory != 0) {
        spec.memory_bytes = memory;
    }
    if (disk != std::numeric_limits<uint64_t>::max()) {
        spec.disk_bytes = disk;
    }
    return {};
}

Result<std::optional<supervisor::MemoryBackend>> read_backend(ObjectReader& reader,
                                                              const std::string& template_name) {
    std::string word;
    ANCHORHOLD_TRY(reader.text("memory_backend", word));
    auto backend = supervisor::wished_backend(word);
    if (!backend) {
        return refuse("memory_backend", "is neither 'file' nor 'userfaultfd'");
    }
    if (*backend && template_name.empty()) {
        return fail("'memory_backend' is for sandboxes that start from a 'template'", EINVAL);
    }
    return backend;
}

Status read_command(ObjectReader& reader, StatedCommand& command) {
    ANCHORHOLD_TRY(reader.texts("command", command.argv, kMaxWords));
    ANCHORHOLD_TRY(reader.text("user", command.user));
    return reader.text("working_directory", command.working_directory);
}

}  // namespace

Result<CreateRequest> parse_create(std::string_view body) {
    ObjectReader reader = ANCHORHOLD_TRY(ObjectReader::open(body));
    CreateRequest request;
    ANCHORHOLD_TRY(reader.text("name", request.name));
    ANCHORHOLD_TRY(read_machine(reader, request.template_name, request.spec, request.policies));
    ANCHORHOLD_TRY(reader.number("idle_seconds", request.idle_seconds));
    ANCHORHOLD_TRY(reader.map("labels", request.labels));
    request.memory_backend = ANCHORHOLD_TRY(read_backend(reader, request.template_name));
    ANCHORHOLD_TRY(reader.close());
    return request;
}

Result<RunRequest> parse_run(std::string_view body) {
    ObjectReader reader = ANCHORHOLD_TRY(ObjectReader::open(body));
    RunRequest request;
    ANCHORHOLD_TRY(read_machine(reader, request.template_name, request.spec, request.policies));
    request.memory_backend = ANCHORHOLD_TRY(read_backend(reader, request.template_name));
    ANCHORHOLD_TRY(read_command(reader, request.command));
    ANCHORHOLD_TRY(reader.close());
    return request;
}

Result<StatedCommand> parse_exec(std::string_view body) {
    ObjectReader reader = ANCHORHOLD_TRY(ObjectReader::open(body));
    StatedCommand command;
    ANCHORHOLD_TRY(read_command(reader, command));
    ANCHORHOLD_TRY(reader.close());
    return command;
}

Result<uint32_t> parse_fork(std::string_view body) {
    ObjectReader reader = ANCHORHOLD_TRY(ObjectReader::open(body));
    uint32_t count = 1;
    ANCHORHOLD_TRY(reader.number("count", count));
    ANCHORHOLD_TRY(reader.close());
    return count;
}

Result<PoolTarget> parse_pool(std::string_view body) {
    ObjectReader reader = ANCHORHOLD_TRY(ObjectReader::open(body));
    PoolTarget target;
    ANCHORHOLD_TRY(reader.number("parked", target.parked));
    ANCHORHOLD_TRY(reader.number("shells", target.shells));
    ANCHORHOLD_TRY(reader.close());
    return target;
}

Status parse_nothing(std::string_view body) {
    return ANCHORHOLD_TRY(ObjectReader::open(body)).close();
}

}  // namespace anchorhold::service
