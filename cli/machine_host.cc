// ensure_running and one exec stream.
#include "cli/machine_host.h"

#include <fmt/format.h>

#include <cstdlib>
#include <iterator>
#include <memory>

#include "base/event_loop.h"
#include "base/log.h"
#include "cli/exec_start.h"
#include "cli/exit_status.h"
#include "cli/foreground.h"
#include "cli/host.h"
#include "cli/run_report.h"
#include "exec/client.h"

namespace anchorhold::cli {
namespace {

// Where the installation is in the machine: the same layout below /usr as a package has
// (tools/machine-tree).
constexpr const char* kProgramThere = "/usr/bin/anchorhold";

class ForegroundCommand {
  public:
    ForegroundCommand(EventLoop& loop, const MachineCommand& command)
        : loop_(loop), command_(command) {}

    Result<int> run(const machine::Machine& machine) {
        Foreground::Options options;
        options.terminal = command_.terminal;
        // The program there counts interrupts itself; a third one gives up on it.
        options.on_insist = [this] { insist(); };
        foreground_ = ANCHORHOLD_TRY(Foreground::create(loop_, std::move(options)));
        OwnFd stream = ANCHORHOLD_TRY(machine::connect(machine));
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(stream), start(),
            exec::Stdio{.in = command_.interactive ? 0 : -1, .out = command_.output, .err = 2},
            [this](const exec::Outcome& outcome) {
                outcome_ = outcome;
                loop_.stop();
            });
        foreground_->attach(client_.get());
        const Status turned = loop_.run();
        foreground_->detach();
        client_.reset();
        foreground_.reset();
        ANCHORHOLD_TRY(turned);
        if (const auto* lost = std::get_if<exec::Lost>(&outcome_)) {
            const std::string reason = machine::reason_of_end(machine);
            return fail("the emulated host was lost: " +
                        log::escaped(reason.empty() ? lost->message : reason));
        }
        if (const auto* refused = std::get_if<exec::Refused>(&outcome_)) {
            print_error(log::escaped(refused->message));
        }
        return exit_status(outcome_);
    }

  private:
    proto::ExecStart start() {
        proto::ExecStart start;
        for (const std::string& argument : command_.argv) {
            start.add_argv(argument);
        }
        start.add_env(std::string(kInMachineVariable) + "=1");
        for (const char* name : {"ANCHORHOLD_LOG", "TERM"}) {
            if (const char* value = std::getenv(name)) {  // NOLINT(concurrency-mt-unsafe)
                start.add_env(std::string(name) + "=" + value);
            }
        }
        start.set_working_directory("/");
        start.set_no_stdin(!command_.interactive);
        if (command_.terminal) {
            ask_for_our_terminal(start);
        }
        return start;
    }

    void insist() {
        ++insisted_;
        client_->signal(foreground_->stop_signal());
        if (insisted_ > 1) {
            outcome_ = exec::Exited{.code = 0, .signal = foreground_->stop_signal()};
            loop_.stop();
        }
    }

    EventLoop& loop_;
    const MachineCommand& command_;
    std::unique_ptr<Foreground> foreground_;
    std::unique_ptr<exec::ExecClient> client_;
    exec::Outcome outcome_ = exec::Lost{"it never answered"};
    int insisted_ = 0;
};

}  // namespace

Result<machine::Machine> ensure_machine(const supervisor::Installation& installation,
                                        machine::Flavour flavour) {
    machine::MachineOptions options;
    options.folder = installation.machine;
    options.relay = installation.library + "/anchorhold-machine-relay";
    options.flavour = flavour;
    auto machine = ANCHORHOLD_TRY(
        machine::ensure_running(options, [](std::string_view line) { print_error(line); }));
    if (machine.started_now) {
        print_error(
            "no usable KVM here: sandboxes run in an emulated host, which is not a security "
            "boundary");
    }
    return machine;
}

int run_in(const machine::Machine& machine, const MachineCommand& command) {
    auto loop = EventLoop::create();
    if (!loop) {
        print_error(loop.error().message);
        return kExitFailed;
    }
    const auto status = ForegroundCommand(**loop, command).run(machine);
    if (!status) {
        print_error(status.error().message);
        return kExitFailed;
    }
    return *status;
}

MachineCommand ourselves(std::vector<std::string> arguments) {
    MachineCommand command;
    command.argv = {kProgramThere};
    command.argv.insert(command.argv.end(), std::make_move_iterator(arguments.begin()),
                        std::make_move_iterator(arguments.end()));
    return command;
}

}  // namespace anchorhold::cli
