// `anchorhold policy`: what policies say, before anything runs.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "policy/evaluator.h"
#include "policy/policy_file.h"
#include "policy/print.h"
#include "policy/request_line.h"
#include "policy/within.h"

namespace anchorhold::cli {
namespace {

constexpr int kExitAllowed = 0;
constexpr int kExitDenied = 1;
constexpr int kExitAsks = 2;

constexpr const char* kGroupFooter =
    "FILE is a path, or the bare name of a policy in $XDG_CONFIG_HOME/anchorhold/policies or among "
    "the ready-made ones: anthropic, openai, github-read, github-write, pypi, npm, debian, "
    "aws-s3-read. docs/policy.md describes the format.\n"
    "Exit status of check: 0 allowed, 1 denied, 2 a person is asked; of diff: 0 nothing changes, 1 "
    "something does; of all: 125 the policy or request cannot be read.\n"
    "Examples:\n"
    "  anchorhold policy check github-read --request 'POST https://api.github.com/repos/x/y'\n"
    "  anchorhold policy check mine.yaml --request 'POST https://api.example.com/graphql' --body "
    "query.json\n"
    "  anchorhold policy check mine.yaml --request tcp://db.example.com:5432\n"
    "  anchorhold policy explain anthropic pypi --request 'GET https://pypi.org/simple/flask/'\n"
    "  anchorhold policy diff github-read -- github-read github-write";

struct PolicyArguments {
    std::vector<std::string> files;
    std::string request;
    std::string body_file;
    std::vector<std::string> headers;
    bool json = false;
};

int failed(const Error& error) {
    print_error(error.message);
    return kExitFailed;
}

// The request's body and the headers that policy looks at.
struct Extras {
    std::string body;
    std::string content_type;
    std::string content_encoding;
};

Result<Extras> read_extras(const PolicyArguments& arguments) {
    Extras extras;
    if (!arguments.body_file.empty()) {
        std::ifstream in(arguments.body_file, std::ios::binary);
        if (!in) {
            return fail_errno("open body", arguments.body_file);
        }
        // One byte beyond the bound, so that too much is noticed.
        extras.body.resize(policy::kMaxReadBody + 1);
        in.read(extras.body.data(), static_cast<std::streamsize>(extras.body.size()));
        extras.body.resize(static_cast<size_t>(in.gcount()));
        extras.content_type = "application/json";
    }
    for (const std::string& header : arguments.headers) {
        const size_t colon = header.find(':');
        if (colon == std::string::npos) {
            return fail(fmt::format("--header '{}': write NAME: VALUE", header));
        }
        std::string name = header.substr(0, colon);
        for (char& c : name) {
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
        const size_t value = header.find_first_not_of(' ', colon + 1);
        const std::string text = value == std::string::npos ? "" : header.substr(value);
        if (name == "content-type") {
            extras.content_type = text;
        } else if (name == "content-encoding") {
            extras.content_encoding = text;
        }
    }
    return extras;
}

struct Judged {
    policy::Evaluator evaluator;
    policy::Decision decision;
    std::vector<policy::Considered> considered;  // for explain
};

Result<Judged> judge(const PolicyArguments& arguments) {
    const auto line = ANCHORHOLD_TRY(policy::RequestLine::parse(arguments.request));
    const Extras extras = ANCHORHOLD_TRY(read_extras(arguments));
    auto resolved = ANCHORHOLD_TRY(policy::load_policy(arguments.files));
    Judged judged{ANCHORHOLD_TRY(policy::Evaluator::create(std::move(resolved))), {}, {}};
    if (line.is_spliced()) {
        judged.decision = judged.evaluator.evaluate_connection(line.endpoint(), line.protocol());
        judged.considered = judged.evaluator.explain_connection(line.endpoint(), line.protocol());
        return judged;
    }
    policy::Request request = line.request();
    request.body = extras.body;
    request.content_type = extras.content_type;
    request.content_encoding = extras.content_encoding;
    judged.decision = judged.evaluator.evaluate(request);
    judged.considered = judged.evaluator.explain(request);
    return judged;
}

const char* verdict_word(policy::Verdict verdict) {
    switch (verdict) {
        case policy::Verdict::allow:
            return "allowed";
        case policy::Verdict::ask:
            return "asks";
        case policy::Verdict::deny:
            break;
    }
    return "denied";
}

int verdict_status(policy::Verdict verdict) {
    switch (verdict) {
        case policy::Verdict::allow:
            return kExitAllowed;
        case policy::Verdict::ask:
            return kExitAsks;
        case policy::Verdict::deny:
            break;
    }
    return kExitDenied;
}

nlohmann::ordered_json decision_json(const Judged& judged) {
    const policy::Decision& decision = judged.decision;
    nlohmann::ordered_json json;
    json["verdict"] = verdict_word(decision.verdict);
    json["reason"] = policy::reason_word(decision.reason);
    json["detail"] = decision.detail;
    if (decision.rule != nullptr) {
        json["rule"] = decision.rule->id();
        json["origin"] = judged.evaluator.origin_text(decision.rule->origin());
    }
    json["credentials"] = nlohmann::ordered_json::array();
    for (const proto::Binding* binding : decision.bindings) {
        json["credentials"].push_back(binding->secret());
    }
    return json;
}

void print_decision(const Judged& judged) {
    const policy::Decision& decision = judged.decision;
    std::string line = verdict_word(decision.verdict);
    if (decision.rule != nullptr) {
        line += fmt::format(" by {} ({})", decision.rule->id(),
                            judged.evaluator.origin_text(decision.rule->origin()));
    } else {
        line += fmt::format(": {}", policy::reason_word(decision.reason));
    }
    if (!decision.detail.empty()) {
        line += ": " + decision.detail;
    }
    fmt::print("{}\n", line);
    for (const proto::Binding* binding : decision.bindings) {
        fmt::print("  with the credential '{}' ({})\n", binding->secret(),
                   judged.evaluator.origin_text(binding->origin()));
    }
}

int check(const PolicyArguments& arguments) {
    const auto judged = judge(arguments);
    if (!judged) {
        return failed(judged.error());
    }
    if (arguments.json) {
        fmt::print("{}\n", decision_json(*judged).dump(2));
    } else {
        print_decision(*judged);
    }
    return verdict_status(judged->decision.verdict);
}

int explain(const PolicyArguments& arguments) {
    const auto judged = judge(arguments);
    if (!judged) {
        return failed(judged.error());
    }
    nlohmann::ordered_json json = decision_json(*judged);
    json["considered"] = nlohmann::ordered_json::array();
    for (const policy::Considered& one : judged->considered) {
        json["considered"].push_back({{"rule", one.rule->id()},
                                      {"origin", judged->evaluator.origin_text(one.rule->origin())},
                                      {"effect", policy::effect_word(one.rule->effect())},
                                      {"matched", one.matched},
                                      {"why", one.why}});
        if (!arguments.json) {
            fmt::print("{:<5} {} ({})\n      {}\n      {}\n",
                       policy::effect_word(one.rule->effect()), one.rule->id(),
                       judged->evaluator.origin_text(one.rule->origin()),
                       policy::rule_text(*one.rule),
                       one.matched ? "matches" : "does not match: " + one.why);
        }
    }
    if (arguments.json) {
        fmt::print("{}\n", json.dump(2));
    } else {
        print_decision(*judged);
    }
    return verdict_status(judged->decision.verdict);
}

int resolve(const PolicyArguments& arguments) {
    const auto resolved = policy::load_policy(arguments.files);
    if (!resolved) {
        return failed(resolved.error());
    }
    if (arguments.json) {
        fmt::print("{}\n", policy::print_policy_json(*resolved));
    } else {
        fmt::print("{}", policy::print_policy(*resolved));
    }
    return 0;
}

int diff(const PolicyArguments& arguments, const std::vector<std::string>& new_files) {
    if (new_files.empty()) {
        print_error("policy diff: no new policy; write: anchorhold policy diff OLD… -- NEW…");
        return kExitFailed;
    }
    const auto old_policy = policy::load_policy(arguments.files);
    if (!old_policy) {
        return failed(old_policy.error());
    }
    const auto new_policy = policy::load_policy(new_files);
    if (!new_policy) {
        return failed(new_policy.error());
    }
    const auto changes = policy::compare(*old_policy, *new_policy);
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const policy::PolicyChange& change : changes) {
        json.push_back({{"change", policy::change_word(change.kind)},
                        {"what", change.what},
                        {"origin", change.origin}});
        if (!arguments.json) {
            fmt::print("{}: {}  # {}\n", policy::change_word(change.kind), change.what,
                       change.origin);
        }
    }
    if (arguments.json) {
        fmt::print("{}\n", json.dump(2));
    } else if (changes.empty()) {
        fmt::print("nothing changes\n");
    }
    return changes.empty() ? 0 : 1;
}

void add_request_options(CLI::App& command, PolicyArguments& arguments) {
    command
        .add_option("--request", arguments.request,
                    "'METHOD URL', or tcp://host:port, tls://host:port")
        ->required();
    command.add_option("--body", arguments.body_file,
                       "File with the request's body, for rules that look into it");
    command.add_option("--header", arguments.headers,
                       "'NAME: VALUE'; content-type (application/json with --body) and "
                       "content-encoding count");
}

}  // namespace

void add_policy(CommandLine& line) {
    auto arguments = std::make_shared<PolicyArguments>();
    CLI::App* group = line.app.add_subcommand("policy", "What policies allow, before a run");
    group->footer(kGroupFooter);
    group->require_subcommand(1);
    std::function<int()>& action = line.action;
    const auto add = [&](const char* name, const char* description, const char* files) {
        CLI::App* command = group->add_subcommand(name, description);
        command->footer(kGroupFooter);
        command->add_option(files, arguments->files, "Policies, in order")->required();
        command->add_flag("--json", arguments->json, "Print JSON");
        return command;
    };
    CLI::App* check_command = add("check", "Say whether a request is allowed", "FILE");
    add_request_options(*check_command, *arguments);
    check_command->callback(
        [&action, arguments] { action = [arguments] { return check(*arguments); }; });
    CLI::App* explain_command =
        add("explain", "Show every rule, and why it does or does not match a request", "FILE");
    add_request_options(*explain_command, *arguments);
    explain_command->callback(
        [&action, arguments] { action = [arguments] { return explain(*arguments); }; });
    CLI::App* resolve_command = add(
        "resolve", "Print the policies composed into one, with the origin of every line", "FILE");
    resolve_command->callback(
        [&action, arguments] { action = [arguments] { return resolve(*arguments); }; });
    CLI::App* diff_command =
        add("diff", "Show what becomes allowed or denied: OLD… -- NEW…", "OLD");
    diff_command->callback([&action, arguments, command = &line.command] {
        action = [arguments, command] { return diff(*arguments, *command); };
    });
}

}  // namespace anchorhold::cli
