// `anchorhold create`: a named sandbox in the running service.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/run_report.h"
#include "cli/service_command.h"
#include "cli/text.h"

namespace anchorhold::cli {
namespace {

struct CreateArguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::string name;
    std::string from;
    std::string memory_backend;
    std::string image;
    uint32_t cpus = 0;
    std::string memory;
    std::string disk;
    std::string idle;
    std::vector<std::string> policies;
    std::vector<std::string> labels;
    bool json = false;
};

// As the service finds it, wherever it was started.
std::string absolute(const std::string& file_or_name) {
    return file_or_name.find('/') == std::string::npos
               ? file_or_name
               : std::filesystem::absolute(file_or_name).string();
}

Result<nlohmann::json> request(const CreateArguments& arguments) {
    nlohmann::json body = nlohmann::json::object();
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            body[key] = value;
        }
    };
    add("name", arguments.name);
    add("template", arguments.from);
    add("memory_backend", arguments.memory_backend);
    add("image", absolute(arguments.image));
    if (arguments.cpus != 0) {
        body["cpus"] = arguments.cpus;
    }
    if (!arguments.memory.empty()) {
        body["memory_bytes"] = ANCHORHOLD_TRY(parse_size(arguments.memory));
    }
    if (!arguments.disk.empty()) {
        body["disk_bytes"] = ANCHORHOLD_TRY(parse_size(arguments.disk));
    }
    if (!arguments.idle.empty()) {
        const Duration idle = ANCHORHOLD_TRY(parse_duration(arguments.idle));
        body["idle_seconds"] = std::chrono::ceil<std::chrono::seconds>(idle).count();
    }
    for (const std::string& policy : arguments.policies) {
        body["policies"].push_back(absolute(policy));
    }
    for (const std::string& label : arguments.labels) {
        const size_t equals = label.find('=');
        if (equals == 0 || equals == std::string::npos) {
            return fail(fmt::format("--label '{}': write KEY=VALUE", label));
        }
        body["labels"][label.substr(0, equals)] = label.substr(equals + 1);
    }
    return body;
}

Result<int> create(ServiceClient& client, const CreateArguments& arguments) {
    const auto body = ANCHORHOLD_TRY(request(arguments));
    const std::string answer = ANCHORHOLD_TRY(client.call("POST", "/v1/sandboxes", body.dump()));
    const auto made = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
    if (arguments.json) {
        fmt::print("{}", answer);
    } else {
        fmt::print("{}\n", made.value("name", ""));
        if (const std::string why = made.value("passed_over", ""); !why.empty()) {
            print_error(fmt::format("started {}: {}", made.value("start", ""), why));
        }
    }
    return 0;
}

}  // namespace

void add_create(CommandLine& line) {
    auto arguments = std::make_shared<CreateArguments>();
    CLI::App* app =
        line.app.add_subcommand("create", "Make a named sandbox that stays until it is removed");
    app->footer(
        "Needs a running service (anchorhold serve). Prints the sandbox's name when it takes "
        "commands. Its "
        "disk stays over stop, start and hibernation.\n\nExamples:\n  anchorhold create amber\n  "
        "anchorhold create --image debian --memory 1G --idle 10m builder\n  anchorhold create "
        "--from python agent-7\n  "
        "anchorhold create --policy anthropic --label team=blue helper");
    app->add_option("name", arguments->name,
                    "Lower-case letters, digits and hyphens, at most 63 (default: one is made up)");
    CLI::Option* from =
        app->add_option("--from", arguments->from, "A template; it says what the machine is")
            ->type_name("TEMPLATE");
    app->add_option("--memory-backend", arguments->memory_backend,
                    "How its first guest gets its memory: file or userfaultfd (see: anchorhold "
                    "run)")
        ->type_name("file|userfaultfd")
        ->needs(from);
    app->add_option("--image", arguments->image,
                    "Root image: a name (tiny, debian) or the path of an EROFS file");
    app->add_option("--cpus", arguments->cpus, "Processors, 1 to 8 (default 1)");
    app->add_option("-m,--memory", arguments->memory, "Memory, at least 64M (default 512M)")
        ->type_name("SIZE");
    app->add_option(
           "--disk", arguments->disk,
           "Size of the writable layer, a sparse file (default 4G); 0: in the guest's memory")
        ->type_name("SIZE");
    app->add_option("--idle", arguments->idle,
                    "Hibernate it when no command ran for so long; the next one resumes it")
        ->type_name("DURATION");
    app->add_option("--policy", arguments->policies,
                    "Give it a window that lets through what this policy grants; may be given "
                    "several times")
        ->type_name("FILE|NAME")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app->add_option("--label", arguments->labels, "For ps and inspect; may be given several times")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app->add_flag("--json", arguments->json, "Print the whole sandbox as JSON");
    add_socket_option(*app, arguments->service);
    set_service_action(line, *app, arguments->service,
                       [arguments](ServiceClient& client) { return create(client, *arguments); });
}

}  // namespace anchorhold::cli
