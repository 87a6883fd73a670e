// ExecStart to Command.
#include "exec/command.h"

#include <map>
#include <string_view>

#include "base/log.h"

namespace anchorhold::exec {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

using Environment = std::map<std::string, std::string, std::less<>>;

Status check_text(std::string_view text, std::string_view what) {
    if (text.find('\0') != std::string_view::npos) {
        return fail(std::string(what) + " '" + log::escaped(text, 64) + "' has a NUL byte");
    }
    return {};
}

Status add_entry(Environment& environment, const std::string& entry) {
    ANCHORHOLD_TRY(check_text(entry, "environment entry"));
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
        return fail("environment entry '" + log::escaped(entry, 64) + "' is not KEY=VALUE");
    }
    environment[entry.substr(0, equals)] = entry.substr(equals + 1);
    return {};
}

Result<Environment> make_environment(const proto::ExecStart& start, const Account& account) {
    Environment result{
        {"PATH", std::string(kDefaultPath)}, {"HOME", account.home},   {"USER", account.name},
        {"LOGNAME", account.name},           {"SHELL", account.shell}, {"LANG", "C.UTF-8"}};
    for (const std::string& entry : account.environment) {
        ANCHORHOLD_TRY(add_entry(result, entry));
    }
    if (start.has_terminal()) {
        ANCHORHOLD_TRY(check_text(start.terminal_type(), "terminal type"));
        result["TERM"] = start.terminal_type().empty() ? "linux" : start.terminal_type();
    }
    for (const std::string& entry : start.env()) {
        ANCHORHOLD_TRY(add_entry(result, entry));
    }
    return result;
}

// An empty element of PATH is the working directory (POSIX XBD 8.3).
std::vector<std::string> candidates_of(const std::string& name, std::string_view path) {
    std::vector<std::string> result;
    for (;;) {
        const size_t colon = path.find(':');
        const std::string_view element = path.substr(0, colon);
        result.push_back(element.empty() ? "./" + name : std::string(element) + "/" + name);
        if (colon == std::string_view::npos) {
            return result;
        }
        path.remove_prefix(colon + 1);
    }
}

}  // namespace

Result<Command> make_command(const proto::ExecStart& start, const Account& account) {
    if (start.argv_size() == 0 || start.argv(0).empty()) {
        return fail("no command given");
    }
    Command command;
    for (const std::string& argument : start.argv()) {
        ANCHORHOLD_TRY(check_text(argument, "argument"));
        command.arguments.push_back(argument);
    }
    ANCHORHOLD_TRY(check_text(start.working_directory(), "working directory"));
    const Environment environment = ANCHORHOLD_TRY(make_environment(start, account));
    for (const auto& [key, value] : environment) {
        command.environment.push_back(key + "=" + value);
    }
    const std::string& name = command.arguments.front();
    if (name.find('/') != std::string::npos) {
        command.candidates.push_back(name);
    } else {
        command.search_path = environment.at("PATH");
        command.candidates = candidates_of(name, command.search_path);
    }
    if (!start.working_directory().empty()) {
        command.directory = start.working_directory();
        command.directory_origin = DirectoryOrigin::kAsked;
    } else {
        command.directory = account.home.empty() ? "/" : account.home;
    }
    return command;
}

}  // namespace anchorhold::exec
