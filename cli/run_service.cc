// POST /v1/run, then the command's stream as a descriptor.
#include "cli/run_service.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>

#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "cli/service_client.h"
#include "cli/service_exec.h"
#include "supervisor/service/serve.h"
#include "supervisor/timeline.h"

namespace anchorhold::cli {
namespace {

std::string request(const RunOptions& options) {
    nlohmann::json body = {{"template", options.from},
                           {"command", options.command},
                           {"user", options.user},
                           {"working_directory", options.working_directory}};
    if (options.memory_backend) {
        body["memory_backend"] = supervisor::to_text(*options.memory_backend);
    }
    return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// What the service said of the run's guest.
struct Origin {
    std::string sandbox;
    std::string start;
    std::string memory_backend;
};

// `first_byte` in nanoseconds, from the request on the service's socket; 0: there was none.
void report(const RunOptions& options, const Origin& origin, uint64_t first_byte, int status) {
    if (options.json) {
        nlohmann::ordered_json line = {
            {"exit_status", status}, {"sandbox", origin.sandbox}, {"start", origin.start}};
        if (!origin.memory_backend.empty()) {
            line["memory_backend"] = origin.memory_backend;
        }
        if (first_byte != 0) {
            line["milliseconds"] = {
                {"first_byte", static_cast<double>(first_byte / 1000) / 1000.0}};
        }
        std::fputs((line.dump() + "\n").c_str(), stderr);
    }
}

}  // namespace

std::optional<int> run_on_service(const RunOptions& options) {
    // The window of a run tells its person what it denies; a time limit is the run's own.
    if (options.from.empty() || !options.policies.empty() || options.timeout) {
        return std::nullopt;
    }
    auto client = ServiceClient::connect(service::default_socket());
    if (!client) {
        return std::nullopt;
    }
    const std::string body = request(options);
    const uint64_t requested = supervisor::monotonic_ns();
    auto stream = std::move(*client).open_stream("/v1/run", body);
    if (!stream) {
        print_error(stream.error().message);
        return kExitFailed;
    }
    const Origin origin{stream->sandbox, stream->start, stream->memory_backend};
    uint64_t first_byte = 0;
    exec::ClientHooks hooks;
    hooks.first_byte = [&] { first_byte = supervisor::monotonic_ns() - requested; };
    const auto status = exec_on(std::move(*stream), options, std::move(hooks));
    if (!status) {
        print_error(fmt::format("sandbox {}: {}", origin.sandbox, status.error().message));
        return kExitFailed;
    }
    report(options, origin, first_byte, *status);
    return *status;
}

}  // namespace anchorhold::cli
