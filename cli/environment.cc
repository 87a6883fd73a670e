// getenv for keys alone.
#include "cli/environment.h"

#include <fmt/format.h>

#include <cstdlib>

namespace anchorhold::cli {

Result<std::vector<std::string>> resolve_environment(const std::vector<std::string>& given) {
    std::vector<std::string> result;
    for (const std::string& variable : given) {
        if (variable.empty() || variable.front() == '=') {
            return fail(fmt::format("--env '{}': write KEY=VALUE or KEY", variable));
        }
        if (variable.find('=') != std::string::npos) {
            result.push_back(variable);
        } else if (const char* value =
                       std::getenv(variable.c_str())) {  // NOLINT(concurrency-mt-unsafe)
            result.push_back(variable + "=" + value);
        }
    }
    return result;
}

}  // namespace anchorhold::cli
