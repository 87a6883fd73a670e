// Conditions over the top-level fields.
#include "supervisor/audit/record_filter.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/log.h"

namespace anchorhold::supervisor {
namespace {

std::string text_of(const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

bool is_time_byte(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == ':' || c == 'T' || c == '.' || c == 'Z';
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
    size_t at = 0;
    size_t in = 0;
    size_t star = std::string_view::npos;
    size_t resume = 0;
    while (in < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            resume = in;
        } else if (at < pattern.size() && pattern[at] == text[in]) {
            ++at;
            ++in;
        } else if (star != std::string_view::npos) {
            at = star + 1;
            in = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

Result<RecordFilter> RecordFilter::parse(std::string_view text) {
    RecordFilter filter;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        const size_t equals = part.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail("'" + log::escaped(part, 128) +
                        "' is no condition; write field=value, for example host=*.example");
        }
        filter.conditions_.push_back(
            {std::string(part.substr(0, equals)), std::string(part.substr(equals + 1))});
    }
    return filter;
}

Status RecordFilter::set_since(std::string_view time) {
    if (time.size() < 4 || !std::all_of(time.begin(), time.end(), is_time_byte)) {
        return fail("'" + log::escaped(time, 64) +
                    "' is no time; write it as 2026-01-02T03:04:05 (UTC), or as a duration such as "
                    "10m");
    }
    since_ = time;
    if (since_.back() == 'Z') {
        since_.pop_back();
    }
    return {};
}

bool RecordFilter::matches(const nlohmann::json& record) const {
    if (!record.is_object()) {
        return false;
    }
    if (!since_.empty()) {
        const auto time = record.find("time");
        if (time == record.end() || text_of(*time) < since_) {
            return false;
        }
    }
    return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
        const auto field = record.find(condition.field);
        if (field == record.end()) {
            return false;
        }
        if (field->is_array()) {
            return std::any_of(field->begin(), field->end(), [&](const nlohmann::json& entry) {
                return glob_matches(condition.pattern, text_of(entry));
            });
        }
        return glob_matches(condition.pattern, text_of(*field));
    });
}

}  // namespace anchorhold::supervisor
