// `anchorhold start`, `stop`, `pause`, `resume`, `hibernate`, `rm` and `fork`.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "cli/service_command.h"

namespace anchorhold::cli {
namespace {

struct Arguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::vector<std::string> names;
    bool force = false;
    uint32_t count = 1;
    bool json = false;
};

// One call for each name; what fails is told and the others are done all the same.
int for_each_name(ServiceClient& client, const Arguments& arguments, std::string_view method,
                  std::string_view suffix) {
    int status = 0;
    for (const std::string& name : arguments.names) {
        const auto answer = client.call(method, "/v1/sandboxes/" + name + std::string(suffix));
        if (answer) {
            fmt::print("{}\n", name);
        } else {
            print_error(answer.error().message);
            status = kExitFailed;
        }
    }
    return status;
}

struct Verb {
    const char* name;
    const char* description;
    const char* footer;
};

constexpr Verb kVerbs[] = {
    {"start", "Boot a stopped sandbox on its disk", "Example:\n  anchorhold start amber"},
    {"stop", "End a sandbox's guest and keep its disk",
     "Everything in it is ended and its disk written out first; anchorhold start boots it "
     "again.\n\nExample:\n  anchorhold stop amber"},
    {"pause", "Let a sandbox stand still, in memory",
     "The next exec, or resume, lets it go on.\n\nExample:\n  anchorhold pause amber"},
    {"resume", "Let a paused or hibernated sandbox go on", "Example:\n  anchorhold resume amber"},
    {"hibernate", "Put a sandbox away on disk, its guest and all",
     "It takes no memory then and survives a reboot of the host; the next exec, or resume, brings "
     "it back where it "
     "stood.\n\nExample:\n  anchorhold hibernate amber"},
};

void add_names(CLI::App& app, const std::shared_ptr<Arguments>& arguments) {
    app.add_option("name", arguments->names, "The sandbox; several may be given")->required();
    add_socket_option(app, arguments->service);
}

void add_verb(CommandLine& line, const Verb& verb) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* app = line.app.add_subcommand(verb.name, verb.description);
    app->footer(verb.footer);
    add_names(*app, arguments);
    set_service_action(line, *app, arguments->service,
                       [arguments, name = verb.name](ServiceClient& client) -> Result<int> {
                           return for_each_name(client, *arguments, "POST",
                                                std::string("/") + name);
                       });
}

void add_remove(CommandLine& line) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* app = line.app.add_subcommand("rm", "Remove a sandbox, its disk and its snapshot");
    app->footer("Examples:\n  anchorhold rm amber\n  anchorhold rm -f amber-1 amber-2");
    add_names(*app, arguments);
    app->add_flag("-f,--force", arguments->force, "Also one that runs or is paused");
    set_service_action(line, *app, arguments->service,
                       [arguments](ServiceClient& client) -> Result<int> {
                           return for_each_name(client, *arguments, "DELETE",
                                                arguments->force ? "?force=true" : "");
                       });
}

Result<int> fork(ServiceClient& client, const Arguments& arguments) {
    const nlohmann::json body = {{"count", arguments.count}};
    const std::string answer = ANCHORHOLD_TRY(
        client.call("POST", "/v1/sandboxes/" + arguments.names.front() + "/fork", body.dump()));
    if (arguments.json) {
        fmt::print("{}", answer);
        return 0;
    }
    const auto made = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
    for (const auto& sandbox : made.value("sandboxes", nlohmann::json::array())) {
        fmt::print("{}\n", sandbox.value("name", ""));
    }
    return 0;
}

void add_fork(CommandLine& line) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* app =
        line.app.add_subcommand("fork", "Make several sandboxes of one that runs or is paused");
    app->footer(
        "The new ones are NAME-1, NAME-2 and so on. Each goes on where the source stood, with its "
        "memory until it writes "
        "to it, a copy of its disk, and randomness of its own. All of them exist afterwards, or "
        "none.\n\nExample:\n  "
        "anchorhold fork amber --count 8");
    app->add_option("name", arguments->names, "The source")->required()->expected(1);
    app->add_option("-n,--count", arguments->count, "How many, 1 to 256")->capture_default_str();
    app->add_flag("--json", arguments->json, "Print the new ones as JSON");
    add_socket_option(*app, arguments->service);
    set_service_action(line, *app, arguments->service,
                       [arguments](ServiceClient& client) { return fork(client, *arguments); });
}

}  // namespace

void add_lifecycle(CommandLine& line) {
    for (const Verb& verb : kVerbs) {
        add_verb(line, verb);
    }
    add_remove(line);
    add_fork(line);
}

}  // namespace anchorhold::cli
