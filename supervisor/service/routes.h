// Which request means what.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::service {

enum class Call {
    version,
    openapi,
    metrics,
    create_sandbox,
    list_sandboxes,
    get_sandbox,
    delete_sandbox,
    start_sandbox,
    stop_sandbox,
    pause_sandbox,
    resume_sandbox,
    hibernate_sandbox,
    fork_sandbox,
    exec_sandbox,
    run,
    list_pools,
    get_pool,
    put_pool,
};

struct Route {
    std::string_view method;
    std::string_view path;  // a segment in braces is a parameter
    Call call;
};

// Every call of the API. openapi.json has the same, which a test holds it to.
[[nodiscard]] std::span<const Route> routes();

struct MatchedRoute {
    Call call;
    std::string parameter;  // of the one segment in braces; empty: the path has none
    std::string query;      // after "?", as it was sent
};

// The error's code is the HTTP status: 400 for a target that is no path, 404 for a path that is
// none of ours, 405 for another method of it; then `allowed` has those that are, for the Allow
// field.
[[nodiscard]] Result<MatchedRoute> match_route(std::string_view method, std::string_view target,
                                               std::string* allowed = nullptr);

}  // namespace anchorhold::service
