// `anchorhold ps` and `anchorhold inspect`.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "base/log.h"
#include "cli/command.h"
#include "cli/run_report.h"
#include "cli/service_command.h"
#include "supervisor/spec.h"

namespace anchorhold::cli {
namespace {

struct Arguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::string name;
    bool json = false;
};

Result<int> print_list(ServiceClient& client, const Arguments& arguments) {
    const std::string answer = ANCHORHOLD_TRY(client.call("GET", "/v1/sandboxes"));
    if (arguments.json) {
        fmt::print("{}", answer);
        return 0;
    }
    const auto list = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
    constexpr const char* kRow = "{:<24} {:<11} {:<18} {:>4} {:>9} {:>8}  {}\n";
    fmt::print(kRow, "NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "COMMANDS", "CREATED");
    for (const auto& each : list.value("sandboxes", nlohmann::json::array())) {
        const std::string operation = each.value("operation", "");
        const std::string from = each.value("template", each.value("image", ""));
        fmt::print(kRow, each.value("name", ""),
                   operation.empty() ? each.value("state", "") : operation + "…",
                   log::escaped(from, 80), each.value("cpus", 0),
                   supervisor::display_size(each.value("memory_bytes", uint64_t{0})),
                   each.value("commands", 0), each.value("created", ""));
    }
    for (const auto& line : list.value("damaged", nlohmann::json::array())) {
        print_error("damaged: " + log::escaped(line.get<std::string>(), 500));
    }
    return 0;
}

Result<int> inspect(ServiceClient& client, const Arguments& arguments) {
    const std::string answer =
        ANCHORHOLD_TRY(client.call("GET", "/v1/sandboxes/" + arguments.name));
    const auto json = nlohmann::ordered_json::parse(answer, nullptr, /*allow_exceptions=*/false);
    fmt::print("{}\n", json.dump(2));
    return 0;
}

}  // namespace

void add_ps(CommandLine& line) {
    auto listed = std::make_shared<Arguments>();
    CLI::App* ps = line.app.add_subcommand("ps", "List the named sandboxes");
    ps->footer("Examples:\n  anchorhold ps\n  anchorhold ps --json");
    ps->add_flag("--json", listed->json, "Print JSON");
    add_socket_option(*ps, listed->service);
    set_service_action(line, *ps, listed->service,
                       [listed](ServiceClient& client) { return print_list(client, *listed); });

    auto one = std::make_shared<Arguments>();
    CLI::App* app = line.app.add_subcommand("inspect", "Print everything about a sandbox, as JSON");
    app->footer("Example:\n  anchorhold inspect amber");
    app->add_option("name", one->name, "The sandbox")->required();
    app->add_flag("--json", one->json, "What it does anyway");
    add_socket_option(*app, one->service);
    set_service_action(line, *app, one->service,
                       [one](ServiceClient& client) { return inspect(client, *one); });
}

}  // namespace anchorhold::cli
