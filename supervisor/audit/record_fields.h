// Reading a parsed record without trusting its types.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace anchorhold::supervisor {

// Empty when the field is missing or no string.
[[nodiscard]] inline std::string string_field(const nlohmann::json& record, const char* key) {
    const auto found = record.find(key);
    return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// 0 when the field is missing or no unsigned number.
[[nodiscard]] inline uint64_t number_field(const nlohmann::json& record, const char* key) {
    const auto found = record.find(key);
    return found != record.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

// The entries of a list of strings, with blanks between them.
[[nodiscard]] inline std::string joined_field(const nlohmann::json& record, const char* key) {
    std::string joined;
    const auto found = record.find(key);
    if (found == record.end() || !found->is_array()) {
        return joined;
    }
    for (const nlohmann::json& entry : *found) {
        if (entry.is_string()) {
            joined += (joined.empty() ? "" : " ") + entry.get<std::string>();
        }
    }
    return joined;
}

}  // namespace anchorhold::supervisor
