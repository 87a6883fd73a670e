// How commands hang on the command line: each registers itself on the parser and leaves what to do
// when it was chosen.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

#include "supervisor/installation.h"

namespace anchorhold::cli {

struct CommandLine {
    CLI::App& app;
    const supervisor::Installation& installation;
    // Everything after the first "--", untouched by the parser; `has_command` tells "--" from none.
    const std::vector<std::string>& command;
    // Everything as it was given, for another `anchorhold` that is to do the same.
    const std::vector<std::string>& arguments;
    // Set by the chosen command's callback; returns the exit status.
    std::function<int()>& action;
};

void add_run(CommandLine& line);
void add_doctor(CommandLine& line);
void add_machine(CommandLine& line);
void add_audit(CommandLine& line);
void add_bench(CommandLine& line);
void add_policy(CommandLine& line);
void add_template(CommandLine& line);
void add_serve(CommandLine& line);
void add_create(CommandLine& line);
void add_exec(CommandLine& line);
void add_lifecycle(CommandLine& line);  // start stop pause resume hibernate rm fork
void add_ps(CommandLine& line);         // ps inspect
void add_pool(CommandLine& line);

// A validator for CLI11 from one of our parsers: the error's text becomes the parser's.
template <typename Parse>
CLI::Validator checked_by(Parse parse, const std::string& type_name) {
    return CLI::Validator(
        [parse](std::string& text) {
            const auto parsed = parse(text);
            return parsed ? std::string() : parsed.error().message;
        },
        type_name);
}

}  // namespace anchorhold::cli
