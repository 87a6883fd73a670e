// `anchorhold serve`: the supervisor that stays.
#include "supervisor/service/serve.h"

#include <fmt/format.h>

#include <memory>

#include "base/log.h"
#include "base/private_folder.h"
#include "cli/background.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/run_report.h"
#include "cli/service_command.h"
#include "cli/text.h"
#include "cli/version.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/service/policy_windows.h"
#include "supervisor/service/sandbox_engine.h"

namespace anchorhold::cli {
namespace {

struct ServeArguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::string state;
    std::string on_exit = "keep";
    std::string patience;
    std::string pool_memory;
    std::string memory_floor;
    bool background = false;
    service::PoolLimits limits;
};

Result<service::ServeOptions> options_from(const ServeArguments& arguments) {
    service::ServeOptions options;
    options.socket =
        arguments.service->socket.empty() ? service::default_socket() : arguments.service->socket;
    options.state_folder =
        arguments.state.empty() ? ANCHORHOLD_TRY(state_folder_path()) : arguments.state;
    options.on_exit = arguments.on_exit == "stop" ? service::ServeOptions::OnExit::stop
                                                  : service::ServeOptions::OnExit::keep;
    if (!arguments.patience.empty()) {
        const Duration patience = ANCHORHOLD_TRY(parse_duration(arguments.patience));
        options.keeper_patience_seconds =
            static_cast<uint64_t>(std::chrono::ceil<std::chrono::seconds>(patience).count());
    }
    options.pool_limits = arguments.limits;
    if (!arguments.pool_memory.empty()) {
        options.pool_limits.max_parked_bytes = ANCHORHOLD_TRY(parse_size(arguments.pool_memory));
    }
    if (!arguments.memory_floor.empty()) {
        options.pool_limits.min_available_bytes =
            ANCHORHOLD_TRY(parse_size(arguments.memory_floor));
    }
    options.version = kVersion;
    return options;
}

int serve(const CommandLine& line, const ServeArguments& arguments) {
    if (!host_has_kvm()) {
        return run_ourselves_there(line, *arguments.service);
    }
    auto options = options_from(arguments);
    Status done = options ? Status() : Status(tl::unexpected(options.error()));
    if (done && arguments.background) {
        done = start_in_background(line.installation, line.arguments,
                                   options->state_folder + "/serve.log");
        if (done) {
            fmt::print("serving at {}\n", options->socket);
        }
    } else if (done) {
        log::configure("serve", log::level_from_environment(log::Level::kInfo));
        service::ServeMakers makers;
        makers.engine = [&](EventLoop& loop) {
            return std::make_unique<service::RealEngine>(
                loop, line.installation, options->state_folder,
                service::TemplateCache(
                    supervisor::TemplateStore(options->state_folder + "/templates"),
                    supervisor::default_digest_cache()));
        };
        makers.windows = [&](EventLoop& loop) -> Result<std::unique_ptr<service::Windows>> {
            return service::PolicyWindows::create(loop, line.installation);
        };
        done = service::serve(line.installation, *options, makers);
    }
    if (!done) {
        print_error("serve: " + done.error().message);
        return kExitFailed;
    }
    return 0;
}

}  // namespace

void add_serve(CommandLine& line) {
    auto arguments = std::make_shared<ServeArguments>();
    CLI::App* app =
        line.app.add_subcommand("serve", "Serve named sandboxes and pools on a unix socket");
    app->footer(
        "The socket speaks HTTP with JSON (GET /v1/openapi.json says what) to its own user and "
        "root. State is in "
        "$XDG_STATE_HOME/anchorhold, for root in /var/lib/anchorhold. Running sandboxes outlive "
        "it: "
        "anchorhold-keeper holds them, and the next serve goes on with them.\n\nExamples:\n  "
        "anchorhold serve "
        "--background\n  anchorhold serve --on-exit stop --pool-memory 8G\n  systemctl enable "
        "--now anchorhold");
    app->add_flag(
        "--background", arguments->background,
        "Start it, wait until it is ready, and return; it writes to serve.log in its state folder");
    app->add_option("--state", arguments->state, "The state folder")->type_name("DIR");
    app->add_option("--on-exit", arguments->on_exit,
                    "What SIGTERM means for running sandboxes: keep them, or stop them")
        ->check(CLI::IsMember({"keep", "stop"}))
        ->capture_default_str();
    app->add_option("--keep-for", arguments->patience,
                    "How long sandboxes go on without a serve (default: for ever)")
        ->type_name("DURATION");
    app->add_option("--pool-memory", arguments->pool_memory,
                    "Memory that parked guests may take (default 4G)")
        ->type_name("SIZE");
    app->add_option("--memory-floor", arguments->memory_floor,
                    "Memory that pools leave available on the host (default 512M)")
        ->type_name("SIZE");
    app->add_option("--pool-total", arguments->limits.max_waiting,
                    "Most parked guests and shells together")
        ->capture_default_str();
    app->add_option("--pool-cpu", arguments->limits.cpu_percent,
                    "Percent of one processor that filling pools may take")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    add_socket_option(*app, arguments->service);
    app->callback([&line, arguments] {
        line.action = [&line, arguments] { return serve(line, *arguments); };
    });
}

}  // namespace anchorhold::cli
