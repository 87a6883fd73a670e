// What options become as arguments, and that the real parser reads them back as the same.
#include "cli/run_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/text.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

// The parser of `anchorhold run`, without running anything.
class RunParser {
  public:
    // True when the parser takes these arguments (those before "--").
    bool parse(const Words& arguments) {
        const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
        Words reversed(arguments.begin(), dashes);
        std::reverse(reversed.begin(), reversed.end());
        if (dashes != arguments.end()) {
            command.assign(dashes + 1, arguments.end());
        }
        try {
            app.parse(reversed);
        } catch (const CLI::ParseError& error) {
            failure = error.what();
            return false;
        }
        return true;
    }

    // The values of one option as the parser holds them.
    Words values(const std::string& option) {
        return app.get_subcommand("run")->get_option(option)->results();
    }
    std::string value(const std::string& option) {
        const Words all = values(option);
        return all.size() == 1 ? all.front() : "(" + std::to_string(all.size()) + " values)";
    }
    bool flag(const std::string& option) {
        return app.get_subcommand("run")->get_option(option)->as<bool>();
    }

    Words command;
    std::string failure;

  private:
    CLI::App app{"test"};
    supervisor::Installation installation;
    std::function<int()> action;
    Words given;
    CommandLine line{app, installation, command, given, action};
    const bool added = [this] {
        app.require_subcommand(1);
        add_run(line);
        add_doctor(line);
        return true;
    }();
};

RunOptions every_option() {
    RunOptions options;
    options.sandbox.image = "/srv/an image=1.erofs";
    options.sandbox.kernel = "/srv/vm linux";
    options.sandbox.cpus = 3;
    options.sandbox.memory_bytes = (uint64_t{3} << 30) + 4096;
    options.sandbox.disk_bytes = uint64_t{17} << 20;
    options.sandbox.console = true;
    options.environment = {"A=1",        "EMPTY=",      "SPACES= two words ", "LINES=a\nb",
                           "EQUALS=a=b", "DASH=--json", "QUOTES=\"'",         "LIST=[1,2]",
                           "COMMA=a,b",  "UTF8=é"};
    options.working_directory = "/tmp/a b";
    options.user = "1000:1000";
    options.interactive = true;
    options.terminal = true;
    options.timeout = 90s + 500ms;
    options.quiet = true;
    options.json = true;
    options.command = {"sh", "-c", "echo \"$A\"; exit 7", "--", "--json", "", "[1,2]", "-e"};
    return options;
}

TEST(ToArguments, default_options_name_the_machine_and_nothing_else) {
    RunOptions options;
    options.command = {"true"};
    EXPECT_EQ(to_arguments(options), (Words{"run", "--image=tiny", "--cpus=1", "--memory=536870912",
                                            "--disk=4294967296", "--", "true"}));
}

TEST(ToArguments, every_option_is_read_back_by_the_parser) {
    const RunOptions options = every_option();
    RunParser parser;
    ASSERT_TRUE(parser.parse(to_arguments(options))) << parser.failure;
    EXPECT_EQ(parser.value("--image"), options.sandbox.image);
    EXPECT_EQ(parser.value("--kernel"), options.sandbox.kernel);
    EXPECT_EQ(parser.value("--cpus"), "3");
    EXPECT_EQ(parse_size(parser.value("--memory")).value(), options.sandbox.memory_bytes);
    EXPECT_EQ(parse_size(parser.value("--disk")).value(), options.sandbox.disk_bytes);
    EXPECT_TRUE(parser.flag("--console"));
    EXPECT_EQ(parser.values("--env"), options.environment);
    EXPECT_EQ(parser.value("--workdir"), options.working_directory);
    EXPECT_EQ(parser.value("--user"), options.user);
    EXPECT_TRUE(parser.flag("--interactive"));
    EXPECT_TRUE(parser.flag("--tty"));
    EXPECT_EQ(parse_duration(parser.value("--timeout")).value(), *options.timeout);
    EXPECT_TRUE(parser.flag("--quiet"));
    EXPECT_TRUE(parser.flag("--json"));
    EXPECT_EQ(parser.command, options.command);
}

TEST(ToArguments, default_options_are_read_back_without_flags) {
    RunOptions options;
    options.sandbox.disk_bytes = 0;
    options.command = {"true"};
    RunParser parser;
    ASSERT_TRUE(parser.parse(to_arguments(options))) << parser.failure;
    EXPECT_EQ(parse_size(parser.value("--disk")).value(), 0U);
    for (const char* flag : {"--console", "--interactive", "--tty", "--quiet", "--json"}) {
        EXPECT_FALSE(parser.flag(flag)) << flag;
    }
    for (const char* option : {"--kernel", "--env", "--workdir", "--user", "--timeout"}) {
        EXPECT_TRUE(parser.values(option).empty()) << option;
    }
}

TEST(ToArguments, every_timeout_the_parser_takes_survives) {
    for (const char* text :
         {"0.000001ms", "0.0001ms", "1ms", "1.000000001s", "0.1", "24h", "100000h"}) {
        RunOptions options;
        options.timeout = parse_duration(text).value();
        const Words arguments = to_arguments(options);
        const auto found =
            std::find_if(arguments.begin(), arguments.end(),
                         [](const std::string& word) { return word.starts_with("--timeout="); });
        ASSERT_NE(found, arguments.end());
        const auto back = parse_duration(found->substr(sizeof "--timeout=" - 1));
        ASSERT_TRUE(back) << text << ": " << back.error().message;
        EXPECT_EQ(*back, *options.timeout) << text;
    }
}

TEST(RunParser, short_forms_and_familiar_flags_are_taken) {
    RunParser parser;
    ASSERT_TRUE(parser.parse({"run", "-it", "--rm", "-e", "A=1", "-e", "HOME", "-w", "/tmp", "-u",
                              "0", "-m", "1G", "--", "sh", "-c", "x"}))
        << parser.failure;
    EXPECT_TRUE(parser.flag("-i"));
    EXPECT_TRUE(parser.flag("-t"));
    EXPECT_EQ(parser.values("-e"), (Words{"A=1", "HOME"}));
    EXPECT_EQ(parser.command, (Words{"sh", "-c", "x"}));
}

TEST(RunParser, command_without_dashes_is_refused) {
    RunParser parser;
    EXPECT_FALSE(parser.parse({"run", "-i", "doctor", "run"}));
}

TEST(RunParser, unknown_options_and_bad_numbers_are_refused) {
    for (const Words& arguments : {Words{"run", "--memoryy", "1G"}, Words{"run", "--cpus", "many"},
                                   Words{"run", "--cpus", "-1"}, Words{"run", "--image"},
                                   Words{"run", "--json=maybe"}, Words{"walk"}, Words{}}) {
        RunParser parser;
        EXPECT_FALSE(parser.parse(arguments));
    }
}

}  // namespace
}  // namespace anchorhold::cli
