// `anchorhold pool`: guests that wait to be claimed.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "base/log.h"
#include "cli/command.h"
#include "cli/service_command.h"

namespace anchorhold::cli {
namespace {

struct Arguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::string name;
    uint32_t parked = 0;
    uint32_t shells = 0;
    bool json = false;
};

Result<int> set(ServiceClient& client, const Arguments& arguments) {
    const nlohmann::json body = {{"parked", arguments.parked}, {"shells", arguments.shells}};
    ANCHORHOLD_TRY(client.call("PUT", "/v1/pools/" + arguments.name, body.dump()));
    fmt::print("{}\n", arguments.name);
    return 0;
}

Result<int> list(ServiceClient& client, const Arguments& arguments) {
    const std::string answer = ANCHORHOLD_TRY(client.call("GET", "/v1/pools"));
    if (arguments.json) {
        fmt::print("{}", answer);
        return 0;
    }
    const auto pools = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
    constexpr const char* kRow = "{:<24} {:>9} {:>9} {:>8}  {}\n";
    fmt::print(kRow, "TEMPLATE", "PARKED", "SHELLS", "CLAIMED", "NOTE");
    for (const auto& pool : pools.value("pools", nlohmann::json::array())) {
        const auto target = pool.value("target", nlohmann::json::object());
        const std::string note = pool.value("last_error", pool.value("limited_by", ""));
        fmt::print(kRow, pool.value("template", ""),
                   fmt::format("{}/{}", pool.value("parked", 0), target.value("parked", 0)),
                   fmt::format("{}/{}", pool.value("shells", 0), target.value("shells", 0)),
                   pool.value("claimed", 0), log::escaped(note, 200));
    }
    return 0;
}

}  // namespace

void add_pool(CommandLine& line) {
    CLI::App* group =
        line.app.add_subcommand("pool", "Guests of a template that wait, started ahead of use");
    group->footer(
        "A parked guest is restored and stands still; a shell is a VM without a guest. Both are "
        "made "
        "in the background by anchorhold serve, within its limits, and used once.");
    group->require_subcommand(1);

    auto target = std::make_shared<Arguments>();
    CLI::App* set_app = group->add_subcommand("set", "Say how many are to wait");
    set_app->footer(
        "Neither option removes the pool.\n\nExamples:\n  anchorhold pool set python --parked 4 "
        "--shells 2\n  "
        "anchorhold pool set python");
    set_app->add_option("template", target->name, "The template")->required();
    set_app->add_option("--parked", target->parked, "Guests that wait")->capture_default_str();
    set_app->add_option("--shells", target->shells, "VMs without a guest that wait")
        ->capture_default_str();
    add_socket_option(*set_app, target->service);
    set_service_action(line, *set_app, target->service,
                       [target](ServiceClient& client) { return set(client, *target); });

    auto listed = std::make_shared<Arguments>();
    CLI::App* list_app = group->add_subcommand("ls", "List the pools");
    list_app->footer("Example:\n  anchorhold pool ls");
    list_app->add_flag("--json", listed->json, "Print JSON");
    add_socket_option(*list_app, listed->service);
    set_service_action(line, *list_app, listed->service,
                       [listed](ServiceClient& client) { return list(client, *listed); });
}

}  // namespace anchorhold::cli
