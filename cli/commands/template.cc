// `anchorhold template`: guests made ready once, to start from any number of times.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

#include "base/event_loop.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"
#include "cli/text.h"
#include "exec/shell_command.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/templates/template_builder.h"
#include "supervisor/templates/template_form.h"
#include "supervisor/templates/template_store.h"
#include "supervisor/window/certificate_authority.h"

namespace anchorhold::cli {
namespace {

using supervisor::TemplateManifest;
using supervisor::TemplateStore;

struct TemplateArguments {
    std::string name;
    supervisor::SandboxSpec sandbox;
    std::string memory;
    std::string disk;
    std::vector<std::string> warm;
    std::string probe;
    bool compress = false;
    bool quiet = false;
    bool json = false;
};

// What every guest of this installation trusts, so that a claim has nothing to write into one.
Status add_trust(supervisor::TemplateRequest& request) {
    const std::string folder = ANCHORHOLD_TRY(supervisor::default_ca_folder());
    const auto authority = ANCHORHOLD_TRY(supervisor::CertificateAuthority::open(folder));
    proto::ControlRequest control;
    control.mutable_set_up()->set_ca_root_pem(authority.root_pem());
    control.mutable_set_up()->set_ca_subject_hash(authority.root_subject_hash());
    request.authority = authority.root_subject_hash();
    request.set_up = std::move(control);
    return {};
}

Result<supervisor::TemplateRequest> request_of(const TemplateArguments& arguments) {
    supervisor::TemplateRequest request;
    request.name = arguments.name;
    request.sandbox = arguments.sandbox;
    if (!arguments.memory.empty()) {
        request.sandbox.memory_bytes = ANCHORHOLD_TRY(parse_size(arguments.memory));
    }
    if (!arguments.disk.empty()) {
        request.sandbox.disk_bytes = ANCHORHOLD_TRY(parse_size(arguments.disk));
    }
    for (const std::string& line : arguments.warm) {
        request.warm.push_back(exec::shell_command(line));
    }
    const std::string probe = !arguments.probe.empty()  ? arguments.probe
                              : !arguments.warm.empty() ? arguments.warm.back()
                                                        : ":";
    request.probe = exec::shell_command(probe);
    request.form =
        arguments.compress ? supervisor::MemoryForm::kCompressed : supervisor::MemoryForm::kSparse;
    request.digest_cache = supervisor::default_digest_cache();
    request.output = {.in = -1, .out = 2, .err = 2};
    ANCHORHOLD_TRY(add_trust(request));
    return request;
}

bool is_compressed(const TemplateManifest& manifest) {
    return manifest.memory_form == supervisor::MemoryForm::kCompressed;
}

uint64_t bytes_stored(const TemplateManifest& manifest) {
    return is_compressed(manifest) ? manifest.memory_file : manifest.memory_stored;
}

void print_manifest(const TemplateManifest& manifest) {
    std::printf("%s\n", fmt::format("{:<20} {:>3} CPU {:>8}  {:>8} {}  {}  {}", manifest.name,
                                    manifest.shape.cpus,
                                    supervisor::display_size(manifest.shape.memory_bytes),
                                    supervisor::display_size(bytes_stored(manifest)),
                                    is_compressed(manifest) ? "compressed" : "stored",
                                    manifest.created, log::escaped(manifest.image))
                            .c_str());
}

std::string packed_text(const TemplateManifest& manifest) {
    return is_compressed(manifest)
               ? fmt::format(", compressed to {}", supervisor::display_size(manifest.memory_file))
               : "";
}

Result<TemplateStore> store() {
    return TemplateStore(ANCHORHOLD_TRY(supervisor::default_template_folder()));
}

Status create(const supervisor::Installation& installation, const TemplateArguments& arguments) {
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    supervisor::TemplateRequest request = ANCHORHOLD_TRY(request_of(arguments));
    std::optional<Result<TemplateManifest>> done;
    supervisor::TemplateBuilder::Handlers handlers;
    handlers.on_step = [&](const std::string& step) {
        if (!arguments.quiet) {
            std::fputs(fmt::format("anchorhold: {}…\n", step).c_str(), stderr);
        }
    };
    handlers.on_done = [&](Result<TemplateManifest> manifest) { done = std::move(manifest); };
    const TemplateStore templates = ANCHORHOLD_TRY(store());
    const auto builder = ANCHORHOLD_TRY(supervisor::TemplateBuilder::start(
        *loop, installation, templates, std::move(request), std::move(handlers)));
    while (!done) {
        ANCHORHOLD_TRY(loop->run_once(Duration::max()));
    }
    const TemplateManifest manifest = ANCHORHOLD_TRY(*done);
    if (arguments.json) {
        std::fputs(supervisor::to_json(manifest).c_str(), stdout);
    } else if (!arguments.quiet) {
        print_error(fmt::format(
            "template {}: {} of memory stored of {}{}; its first command uses {}", manifest.name,
            supervisor::display_size(manifest.memory_stored),
            supervisor::display_size(manifest.shape.memory_bytes), packed_text(manifest),
            supervisor::display_size(manifest.working_set * 4096)));
    }
    return {};
}

Status list(const TemplateArguments& arguments) {
    const TemplateStore templates = ANCHORHOLD_TRY(store());
    const auto manifests = ANCHORHOLD_TRY(templates.list());
    if (arguments.json) {
        nlohmann::json all = nlohmann::json::array();
        for (const TemplateManifest& manifest : manifests) {
            all.push_back(nlohmann::json::parse(supervisor::to_json(manifest)));
        }
        std::printf("%s\n", all.dump(2).c_str());
        return {};
    }
    for (const TemplateManifest& manifest : manifests) {
        print_manifest(manifest);
    }
    return {};
}

Status remove(const TemplateArguments& arguments) {
    const TemplateStore templates = ANCHORHOLD_TRY(store());
    return templates.remove(arguments.name);
}

Status change_form(const supervisor::Installation& installation, const TemplateArguments& arguments,
                   supervisor::MemoryForm form) {
    const TemplateStore templates = ANCHORHOLD_TRY(store());
    const TemplateManifest manifest = ANCHORHOLD_TRY(supervisor::store_as(
        templates, installation, arguments.name, supervisor::default_digest_cache(), form));
    if (!arguments.quiet) {
        print_error(fmt::format("template {}: {} of memory stored of {}{}", manifest.name,
                                supervisor::display_size(manifest.memory_stored),
                                supervisor::display_size(manifest.shape.memory_bytes),
                                packed_text(manifest)));
    }
    return {};
}

Status verify(const supervisor::Installation& installation, const TemplateArguments& arguments) {
    const TemplateStore templates = ANCHORHOLD_TRY(store());
    ANCHORHOLD_TRY(
        templates.verify(arguments.name, supervisor::default_digest_cache(), installation));
    if (!arguments.quiet) {
        print_error(
            fmt::format("template {}: state and memory are what was written", arguments.name));
    }
    return {};
}

int report(const Status& status) {
    if (!status) {
        print_error(status.error().message);
        return kExitFailed;
    }
    return 0;
}

// The same command in the emulated host, where templates of its sandboxes are.
int there(const supervisor::Installation& installation, std::vector<std::string> arguments) {
    const auto machine = ensure_machine(installation);
    if (!machine) {
        print_error(machine.error().message);
        return kExitFailed;
    }
    return run_in(*machine, ourselves(std::move(arguments)));
}

std::vector<std::string> create_arguments(const TemplateArguments& arguments) {
    std::vector<std::string> line = {"template", "create", arguments.name,
                                     "--image=" + arguments.sandbox.image,
                                     fmt::format("--cpus={}", arguments.sandbox.cpus)};
    const auto add = [&line](const char* option, const std::string& value) {
        if (!value.empty()) {
            line.push_back(fmt::format("{}={}", option, value));
        }
    };
    add("--memory", arguments.memory);
    add("--disk", arguments.disk);
    for (const std::string& warm : arguments.warm) {
        add("--warm", warm);
    }
    add("--probe", arguments.probe);
    if (arguments.compress) {
        line.emplace_back("--compress");
    }
    if (arguments.quiet) {
        line.emplace_back("--quiet");
    }
    if (arguments.json) {
        line.emplace_back("--json");
    }
    return line;
}

using Here = std::function<Status()>;
using There = std::function<std::vector<std::string>()>;

void choose(CommandLine& line, CLI::App* command, Here here, There arguments) {
    command->callback([&action = line.action, installation = &line.installation,
                       here = std::move(here), arguments = std::move(arguments)] {
        action = [installation, here, arguments] {
            return host_has_kvm() ? report(here()) : there(*installation, arguments());
        };
    });
}

// `compress` and `expand`.
void add_form_command(CommandLine& line, CLI::App& all,
                      const std::shared_ptr<TemplateArguments>& arguments, const std::string& word,
                      const std::string& description, supervisor::MemoryForm form) {
    CLI::App* command = all.add_subcommand(word, description);
    command->add_option("name", arguments->name)->required();
    command->add_flag("-q,--quiet", arguments->quiet, "Say nothing");
    choose(
        line, command,
        [arguments, form, installation = &line.installation] {
            return change_form(*installation, *arguments, form);
        },
        [arguments, word] {
            std::vector<std::string> words = {"template", word, arguments->name};
            if (arguments->quiet) {
                words.emplace_back("--quiet");
            }
            return words;
        });
}

}  // namespace

void add_template(CommandLine& line) {
    auto arguments = std::make_shared<TemplateArguments>();
    CLI::App* all = line.app.add_subcommand(
        "template", "Guests made ready once, from which sandboxes start in milliseconds");
    all->require_subcommand(1);
    all->footer(
        "A template is a guest that has booted and run its warming commands, written down: its "
        "memory, its "
        "processors, its disk. Sandboxes that start from it share its memory until they write to "
        "it, and each is a "
        "machine of its own: entropy, clock, machine-id, boot_id and host name are new before "
        "anything of it runs. "
        "No credential is ever in a template.\n\nExamples:\n  "
        "anchorhold template create py --image debian --warm 'python3 -c \"import json, ssl\"'\n  "
        "anchorhold run --from py -- python3 -c 'print(1)'");

    CLI::App* create_command =
        all->add_subcommand("create", "Make a template, in place of one of that name");
    create_command->add_option("name", arguments->name, "Letters, digits, hyphens")->required();
    create_command
        ->add_option("--image", arguments->sandbox.image,
                     "Root image: a name (tiny, debian) or the path of an EROFS file")
        ->capture_default_str();
    create_command->add_option("--cpus", arguments->sandbox.cpus, "Processors, 1 to 8")
        ->capture_default_str();
    create_command
        ->add_option("-m,--memory", arguments->memory, "Memory, at least 64M (default 512M)")
        ->type_name("SIZE");
    create_command
        ->add_option("--disk", arguments->disk,
                     "Size of the writable layer (default 4G); 0: in the guest's memory")
        ->type_name("SIZE");
    create_command
        ->add_option("--warm", arguments->warm,
                     "A shell command to run before the guest is written down; what it leaves in "
                     "the caches and "
                     "in the background is in the template. May be given several times")
        ->type_name("COMMAND")
        ->allow_extra_args(false);
    create_command
        ->add_option("--probe", arguments->probe,
                     "A shell command as later sandboxes will run it: the memory it uses is put in "
                     "place at each "
                     "start (default: the last --warm)")
        ->type_name("COMMAND");
    create_command->add_flag("--compress", arguments->compress,
                             "Store the memory compressed: sandboxes from it get it by the "
                             "userfaultfd backend, a little later (see: template compress)");
    create_command->add_flag("-q,--quiet", arguments->quiet, "No progress lines");
    create_command->add_flag("--json", arguments->json, "Print the manifest");
    choose(
        line, create_command,
        [arguments, installation = &line.installation] {
            return create(*installation, *arguments);
        },
        [arguments] { return create_arguments(*arguments); });

    CLI::App* list_command = all->add_subcommand("ls", "List templates");
    list_command->add_flag("--json", arguments->json, "As JSON");
    choose(
        line, list_command, [arguments] { return list(*arguments); },
        [arguments] {
            return arguments->json ? std::vector<std::string>{"template", "ls", "--json"}
                                   : std::vector<std::string>{"template", "ls"};
        });

    add_form_command(line, *all, arguments, "compress",
                     "Store a template's memory compressed: a fraction of the space. Sandboxes "
                     "from it get each piece unpacked and checked when they touch it, and need "
                     "/dev/userfaultfd; they share no memory with one another",
                     supervisor::MemoryForm::kCompressed);
    add_form_command(line, *all, arguments, "expand",
                     "Store a compressed template's memory such that it can be mapped and shared",
                     supervisor::MemoryForm::kSparse);

    CLI::App* remove_command =
        all->add_subcommand("rm", "Delete a template; sandboxes that run from it go on");
    remove_command->add_option("name", arguments->name)->required();
    choose(
        line, remove_command, [arguments] { return remove(*arguments); },
        [arguments] {
            return std::vector<std::string>{"template", "rm", arguments->name};
        });

    CLI::App* verify_command =
        all->add_subcommand("verify", "Read all of a template and compare it with its digests");
    verify_command->add_option("name", arguments->name)->required();
    choose(
        line, verify_command,
        [arguments, installation = &line.installation] {
            return verify(*installation, *arguments);
        },
        [arguments] {
            return std::vector<std::string>{"template", "verify", arguments->name};
        });
}

}  // namespace anchorhold::cli
