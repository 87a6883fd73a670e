// The table, and one segment after the other.
#include "supervisor/service/routes.h"

#include <algorithm>

namespace anchorhold::service {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/v1/version", Call::version},
    {"GET", "/v1/openapi.json", Call::openapi},
    {"GET", "/v1/metrics", Call::metrics},
    {"POST", "/v1/run", Call::run},
    {"POST", "/v1/sandboxes", Call::create_sandbox},
    {"GET", "/v1/sandboxes", Call::list_sandboxes},
    {"GET", "/v1/sandboxes/{name}", Call::get_sandbox},
    {"DELETE", "/v1/sandboxes/{name}", Call::delete_sandbox},
    {"POST", "/v1/sandboxes/{name}/start", Call::start_sandbox},
    {"POST", "/v1/sandboxes/{name}/stop", Call::stop_sandbox},
    {"POST", "/v1/sandboxes/{name}/pause", Call::pause_sandbox},
    {"POST", "/v1/sandboxes/{name}/resume", Call::resume_sandbox},
    {"POST", "/v1/sandboxes/{name}/hibernate", Call::hibernate_sandbox},
    {"POST", "/v1/sandboxes/{name}/fork", Call::fork_sandbox},
    {"POST", "/v1/sandboxes/{name}/exec", Call::exec_sandbox},
    {"GET", "/v1/pools", Call::list_pools},
    {"GET", "/v1/pools/{template}", Call::get_pool},
    {"PUT", "/v1/pools/{template}", Call::put_pool},
};

// The segment up to the next slash, taken off `path`, which begins with one.
std::string_view take_segment(std::string_view& path) {
    const size_t end = path.find('/', 1);
    const std::string_view segment = path.substr(1, end == std::string_view::npos ? end : end - 1);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
    return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::string_view& parameter) {
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = take_segment(pattern);
        const std::string_view there = take_segment(path);
        if (wanted.starts_with('{')) {
            parameter = there;
        } else if (wanted != there) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

Result<MatchedRoute> match_route(std::string_view method, std::string_view target,
                                 std::string* allowed) {
    const size_t question = target.find('?');
    const std::string_view path = target.substr(0, question);
    // Names need no escapes, so there are none.
    if (!path.starts_with('/') || path.find_first_of("%#\\") != std::string_view::npos) {
        return fail("the request's target is no path of this service", 400);
    }
    bool known = false;
    for (const Route& route : kRoutes) {
        std::string_view parameter;
        if (!matches(route.path, path, parameter)) {
            continue;
        }
        if (route.method == method) {
            return MatchedRoute{route.call, std::string(parameter),
                                question == std::string_view::npos
                                    ? std::string()
                                    : std::string(target.substr(question + 1))};
        }
        known = true;
        if (allowed != nullptr) {
            *allowed += (allowed->empty() ? "" : ", ") + std::string(route.method);
        }
    }
    return known ? fail("this resource has no such method", 405)
                 : fail("there is no such resource; see /v1/openapi.json", 404);
}

}  // namespace anchorhold::service
