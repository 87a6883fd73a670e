// Which records somebody wants to see.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::supervisor {

class RecordFilter {
  public:
    // "host=*.example,verdict=deny": fields of a record, all must match; `*` stands for any
    // characters. Numbers compare as text; of a list one entry must match. Empty: every record.
    static Result<RecordFilter> parse(std::string_view text);
    // Records not older than this: an RFC 3339 time or its beginning, as records spell it
    // ("2026-01-02", "2026-01-02T03:04"), in UTC.
    Status set_since(std::string_view time);

    [[nodiscard]] bool matches(const nlohmann::json& record) const;

  private:
    struct Condition {
        std::string field;
        std::string pattern;
    };
    std::vector<Condition> conditions_;
    std::string since_;
};

// `*` in the pattern stands for any characters, none included.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace anchorhold::supervisor
